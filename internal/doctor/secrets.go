package doctor

import (
	"net/url"
	"slices"
	"strings"

	"bgctl/internal/compose"
)

// secrets are texts that must not be seen, longest first.
type secrets []string

// shortSecret bounds what is hidden: to hide every "on" would hide nothing.
const shortSecret = 6

// secrets gathers the values of variables whose names speak of secrets, out of .env and
// out of the services.
func (p *patient) secrets() secrets {
	var out secrets
	for _, a := range readEnv(p.EnvFile) {
		out = out.with(a)
	}
	for _, load := range []*fact[*compose.Project]{&p.files, &p.refined} {
		project := load.now()
		if project == nil {
			continue
		}
		for _, s := range project.Services {
			for name, value := range s.Environment {
				if value != nil {
					out = out.with(assignment{name, *value})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// with adds the secret pieces of a variable: of a URL its path and query, of another
// value all of it.
func (s secrets) with(a assignment) secrets {
	u, err := url.Parse(a.value)
	isURL := err == nil && u.Host != ""
	if isURL && u.User != nil {
		if word, ok := u.User.Password(); ok && len(word) > 1 {
			s = append(s, word)
		}
	}
	if !a.isSecret() {
		return s
	}
	for _, piece := range []string{a.value, strings.TrimPrefix(a.value, "https:")} {
		if len(piece) >= shortSecret {
			s = append(s, piece)
		}
	}
	if isURL {
		for _, piece := range []string{u.RequestURI(), u.RawQuery} {
			if len(piece) >= shortSecret {
				s = append(s, piece)
			}
		}
	}
	return s
}

// text returns text without the secrets.
func (s secrets) text(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "…")
	}
	return text
}
