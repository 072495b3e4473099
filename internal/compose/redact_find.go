package compose

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// secretWordRE is a word of a name that speaks of a secret, or ends as one does: the
// "PGPASS" of PGPASS, the "basicauth" of a label.
var secretWordRE = regexp.MustCompile(`^(?:secrets?|tokens?|webhooks?|hook|private|pepper|hmac|jwt|bearer|seed|otp|cookie|cert|sig|sas|signature|` +
	`passwd\w*|password\w*|passphrase|htpasswd|\w*(?:keys?|pass|pwd|passwd|password|passphrase|secret|token|webhook|salt|dsn|auth|creds?|credentials?))$`)

// wordRE splits a name into words: by punctuation, and before a capital letter.
var wordRE = regexp.MustCompile(`[A-Z]+(?:[^\pL\pN]|$)|[A-Z]*[a-z0-9]+|[A-Z0-9]+`)

// secretName reports whether a field, a variable or an option of that name holds a secret.
func secretName(name string) bool {
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if secretWordRE.MatchString(strings.ToLower(word)) {
			return true
		}
		for _, part := range wordRE.FindAllString(word, -1) {
			if secretWordRE.MatchString(strings.ToLower(part)) {
				return true
			}
		}
	}
	return false
}

var (
	// fileNameRE is a name whose value says where a secret is.
	fileNameRE = regexp.MustCompile(`(?i)(?:file|path|dir|sock|socket|^(?:old)?pwd)$`)
	// keyFileRE is a value that does, whatever its name is. No secret ends like that.
	keyFileRE = regexp.MustCompile(`^[~.]{0,2}(?:/[\w.-]+)+\.(?:pem|key|crt|cert|cer|pub|p12|pfx|jks|json|txt|conf|ya?ml)$`)
)

// namesSecret reports whether the value of a field is a secret by the field's name.
func namesSecret(name, value string) bool {
	if value == "" || harmless(value) || !secretName(name) {
		return false
	}
	return !keyFileRE.MatchString(value) && (!fileNameRE.MatchString(name) || !isPath(value))
}

func isPath(value string) bool {
	return strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./") || strings.HasPrefix(value, "../") || strings.HasPrefix(value, "~/")
}

// harmless are values that no secret has, whatever the field is called.
func harmless(value string) bool {
	return slices.Contains([]string{"true", "false", "on", "off", "yes", "no", "none", "null", "0", "1", hidden}, strings.ToLower(value))
}

// The shapes of secrets inside a text. The part that is hidden is group 1, or all of
// the match where there is no group.
var (
	pemRE    = regexp.MustCompile(`-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)`)
	tokenRE  = regexp.MustCompile(strings.Join(tokenShapes(), "|"))
	hookRE   = regexp.MustCompile(`https?://(?:hooks\.slack\.com|hooks\.zapier\.com|[\w.-]*discord(?:app)?\.com/api/webhooks|[\w.-]*webhook\.office\.com|api\.telegram\.org/bot)[^\s"']*`)
	headerRE = regexp.MustCompile(`(?i)\b(?:bearer|basic|token)\s+([A-Za-z0-9+/=._~-]{8,})`)
	sqlRE    = regexp.MustCompile(`(?i)\bidentified\s+(?:with\s+\S+\s+)?by\s+(?:'([^']+)'|"([^"]+)")`)
	// NAME=value and "name": "value"; the name is looked at by the caller.
	assignRE = regexp.MustCompile(`([A-Za-z_][\w.-]*)["']?[ \t]*[=:][ \t]*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'&;,}\])]+))`)
	// --name value and "requirepass value"; the name is looked at by the caller.
	optionRE = regexp.MustCompile(`(?:^|[\s"'])(--?[A-Za-z][\w-]*|requirepass|masterauth)[ \t]+(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'&;-][^\s"'&;]*))`)
	// user:password@tcp(host)/db, as Go's database drivers write a source.
	driverRE = regexp.MustCompile(`[^\s:/@"'=]+:([^\s"']+)@(?:tcp|unix|udp)?\(`)
)

func tokenShapes() []string {
	return []string{
		`xox[a-z]-[A-Za-z0-9-]{8,}`, `xapp-[A-Za-z0-9-]{8,}`,
		`gh[a-z]_[A-Za-z0-9]{20,}`, `github_pat_\w{20,}`, `gl[a-z]{2,5}-[\w-]{16,}`,
		`(?:AKIA|ASIA|AROA)[A-Z0-9]{16}`, `AIza[\w-]{30,}`, `eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)*`,
		`\b[srp]k[-_](?:live|test|proj|ant|or)?[\w-]{16,}`, `whsec_[\w+/=]{16,}`, `SG\.[\w-]{16,}\.[\w-]{16,}`,
		`npm_[A-Za-z0-9]{30,}`, `pypi-[\w-]{16,}`, `dop_v1_[a-f0-9]{32,}`, `hf_[A-Za-z0-9]{20,}`, `hvs\.[\w-]{16,}`, `dckr_pat_[\w-]{16,}`,
		`AGE-SECRET-KEY-1[A-Z0-9]{16,}`, `\$2[abxy]\$\d\d\$[./A-Za-z0-9]{50,}`, `\$(?:apr1|1|5|6|y|argon2\w*)\$[^\s:,"']{8,}`, `\{SHA\}[A-Za-z0-9+/=]{20,}`,
	}
}

// maskText hides the secrets that can be recognised inside a text and passes each of
// them to learn.
func maskText(text string, learn func(string)) string {
	found := spans{text: text}
	for _, re := range []*regexp.Regexp{pemRE, tokenRE, hookRE, headerRE, sqlRE, driverRE} {
		for _, m := range re.FindAllStringSubmatchIndex(text, -1) {
			found.add(group(m, 1))
		}
	}
	addNamed(&found, assignRE)
	addNamed(&found, optionRE)
	addUserInfo(&found)
	addShortOptions(&found)
	return found.mask(learn)
}

// addNamed finds values whose names speak of secrets. Behind a name that does not, the
// value is searched too: "https:" looks like one.
func addNamed(found *spans, re *regexp.Regexp) {
	for at := 0; at < len(found.text); {
		m := re.FindStringSubmatchIndex(found.text[at:])
		if m == nil {
			return
		}
		from, to := group(m, 2)
		if from >= 0 && namesSecret(strings.TrimLeft(found.text[at+m[2]:at+m[3]], "-"), found.text[at+from:at+to]) {
			found.add(at+from, at+to)
			at += to
			continue
		}
		at += m[3]
	}
}

// group returns the first group from n on that took part in a match; without any
// group the whole match.
func group(m []int, n int) (from, to int) {
	if len(m) <= 2*n {
		return m[0], m[1]
	}
	for i := n; 2*i < len(m); i++ {
		if m[2*i] >= 0 {
			return m[2*i], m[2*i+1]
		}
	}
	return -1, -1
}

// addUserInfo finds the passwords of URLs. A password may hold any sign but a blank
// and a quote, although a slash or an at sign is to be escaped in one.
func addUserInfo(found *spans) {
	for at := 0; ; {
		i := strings.Index(found.text[at:], "://")
		if i < 0 {
			return
		}
		from := at + i + len("://")
		at = from
		end := len(found.text)
		if n := strings.IndexAny(found.text[from:], " \t\r\n\"'"); n >= 0 {
			end = from + n
		}
		if n := strings.Index(found.text[from:end], "://"); n >= 0 {
			end = from + n
		}
		user := userInfo(found.text[from:end])
		name, password, both := strings.Cut(user, ":")
		switch {
		case both && password != "":
			found.add(from+len(name)+1, from+len(user))
		case !both && len(user) >= 16: // a token in the place of the name
			found.add(from, from+len(user))
		}
	}
}

// userInfo cuts off what stands before the host.
func userInfo(rest string) string {
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return authority[:i]
	}
	// Host and port, or a password with a slash in it.
	_, port, both := strings.Cut(authority, ":")
	if !both || strings.Trim(port, "0123456789") == "" {
		return ""
	}
	return rest[:max(strings.LastIndexByte(rest, '@'), 0)]
}

// secretArguments returns for each word of a command line the part of it that is a
// secret by the option before or in it.
func secretArguments(words []string) []string {
	out := make([]string, len(words))
	programs := shortOptions(words)
	for i, word := range words {
		if word == "" {
			continue
		}
		name, value, joined := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(word, "-") && joined && namesSecret(strings.TrimLeft(name, "-"), value):
			out[i] = value
		case i > 0 && isOption(words[i-1], programs) && !strings.HasPrefix(word, "-") && !harmless(word):
			out[i] = word
		case programs.attached != "" && strings.HasPrefix(word, programs.attached) && len(word) > len(programs.attached):
			out[i] = word[len(programs.attached):]
		case attachedRE.MatchString(word) && strings.Trim(word[2:], letters) != "" && strings.Trim(word[2:], digits) != "":
			out[i] = word[2:]
		}
	}
	return out
}

// attachedRE is -pSECRET of a program that is not known. A number would be a port, and
// letters alone an option such as -path.
var attachedRE = regexp.MustCompile(`^-p[^\s=]+$`)

const (
	letters = "abcdefghijklmnopqrstuvwxyz-"
	digits  = "0123456789:/.-"
)

// isOption reports whether the word behind this one is a secret.
func isOption(word string, programs shorts) bool {
	if word == "requirepass" || word == "masterauth" || programs.separate != "" && word == programs.separate {
		return true
	}
	return strings.HasPrefix(word, "-") && !strings.Contains(word, "=") && secretName(strings.TrimLeft(word, "-")) && !fileNameRE.MatchString(word)
}

// shorts are a program's short options that take a password.
type shorts struct{ attached, separate string }

// shortOptions knows them by the program's name.
func shortOptions(words []string) shorts {
	for _, word := range words {
		base := path.Base(word)
		switch {
		case strings.HasPrefix(base, "mysql"), strings.HasPrefix(base, "mariadb"):
			return shorts{attached: "-p"}
		case base == "redis-cli", base == "valkey-cli":
			return shorts{separate: "-a"}
		case strings.HasPrefix(base, "mongo"), base == "sshpass", base == "rabbitmqadmin":
			return shorts{attached: "-p", separate: "-p"}
		case base == "curl":
			return shorts{separate: "-u"}
		case strings.HasPrefix(base, "ldap"):
			return shorts{separate: "-w"}
		}
	}
	return shorts{}
}

// fieldRE is a word of a shell command, quotes around it included.
var fieldRE = regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'|[^\s"';|&]+(?:"[^"\n]*"|'[^'\n]*')?`)

// addShortOptions finds -pSECRET and its like in a command that is one text.
func addShortOptions(found *spans) {
	at := fieldRE.FindAllStringIndex(found.text, -1)
	words := make([]string, len(at))
	for i, m := range at {
		words[i] = found.text[m[0]:m[1]]
	}
	programs := shortOptions(words)
	if programs == (shorts{}) {
		return
	}
	for i, part := range secretArguments(words) {
		if part != "" {
			from := at[i][0] + strings.Index(words[i], part)
			found.add(from, from+len(part))
		}
	}
}

// spans are the parts of a text that are hidden.
type spans struct {
	text string
	list [][2]int
}

func (s *spans) add(from, to int) {
	if from >= 0 && to > from {
		s.list = append(s.list, [2]int{from, to})
	}
}

// mask replaces the parts, those that overlap by one mark.
func (s *spans) mask(learn func(string)) string {
	if len(s.list) == 0 {
		return s.text
	}
	slices.SortFunc(s.list, func(a, b [2]int) int { return a[0] - b[0] })
	var out strings.Builder
	end := 0
	for i, span := range s.list {
		learn(s.text[span[0]:span[1]])
		if span[1] <= end && i > 0 {
			continue
		}
		if span[0] >= end {
			out.WriteString(s.text[end:span[0]])
			out.WriteString(hidden)
		}
		end = max(end, span[1])
	}
	out.WriteString(s.text[end:])
	return out.String()
}

// HoldsSecret reports whether a text, such as an environment file, holds what
// [Project.RedactedYAML] would hide.
func HoldsSecret(text string) bool { return maskText(text, func(string) {}) != text }
