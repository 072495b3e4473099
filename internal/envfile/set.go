// Package envfile changes variables in an env file, and nothing else in it.
//
// It finds assignments as Compose does (compose-go's dotenv): a value in quotes may
// hold line ends, and what looks like an assignment within one is none.
package envfile

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Variable is a variable and its new value.
type Variable struct{ Name, Value string }

// Set returns the text of an env file in which the variable has the value. The last
// assignment counts, so that one is changed; a file without any gets one at its end.
// An error says that Compose could not read the file either.
func Set(text string, v Variable) (string, error) {
	assignments, err := scan(text)
	if err != nil {
		return "", err
	}
	for i := len(assignments) - 1; i >= 0; i-- {
		a := &assignments[i]
		if a.name != v.Name {
			continue
		}
		if a.literal(text) == v.Value && a.isLiteral(text) {
			return text, nil
		}
		return text[:a.begin] + a.write(text, v.Value) + text[a.end:], nil
	}
	end := "\n"
	if strings.HasSuffix(text, "\r\n") {
		end = "\r\n"
	}
	if text != "" && text != bom && !strings.HasSuffix(text, "\n") {
		text += end
	}
	return text + v.Name + "=" + quote(v.Value) + end, nil
}

// bom is what some editors begin a file with.
const bom = "\ufeff"

// assignment is one assignment of a text; its value is text[begin:end], quotes included.
type assignment struct {
	name       string
	begin, end int
	quote      byte // 0: none
}

// isLiteral reports whether nothing in the value is expanded or escaped.
func (a *assignment) isLiteral(text string) bool {
	special := `$`
	switch a.quote {
	case '\'':
		special = `\`
	case '"':
		special = `$\`
	}
	return !strings.ContainsAny(text[a.begin:a.end], special)
}

// literal is the value as it is written, without its quotes.
func (a *assignment) literal(text string) string {
	if a.quote != 0 {
		return text[a.begin+1 : a.end-1]
	}
	return text[a.begin:a.end]
}

// restRE is what may follow a value without quotes in its line: nothing, or a comment.
var restRE = regexp.MustCompile(`^[ \t\r]*(?:\n|$)|^[ \t]* #`)

// write returns the value as the assignment can take it: without quotes only where what
// follows does not become a part of the value. An empty one needs them before a comment.
func (a *assignment) write(text, value string) string {
	rest := restRE.FindString(text[a.end:])
	bare := restRE.MatchString(text[a.end:]) && (value != "" || !strings.HasSuffix(rest, "#"))
	if bare && plainRE.MatchString(value) {
		return value
	}
	return inQuotes(value)
}

// plainRE is what needs no quotes.
var plainRE = regexp.MustCompile(`^[A-Za-z0-9_./:@+,%=-]*$`)

// quote is a value as an env file has it: nothing in it is expanded.
func quote(value string) string {
	if plainRE.MatchString(value) {
		return value
	}
	return inQuotes(value)
}

// inQuotes is a value in the quotes that fit it.
func inQuotes(value string) string {
	if !strings.ContainsAny(value, "'\n\r\\") {
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}

// scan finds the assignments of a text.
func scan(text string) ([]assignment, error) {
	s := scanner{text: text}
	if strings.HasPrefix(text, bom) {
		s.pos = len(bom)
	}
	var out []assignment
	for s.statement() {
		name, assigned, err := s.name()
		if err != nil {
			return nil, err
		}
		if !assigned {
			continue
		}
		a, err := s.value()
		if err != nil {
			return nil, err
		}
		a.name = name
		out = append(out, a)
	}
	return out, nil
}

// scanner walks over a text.
type scanner struct {
	text string
	pos  int
}

// rest is what has not been read.
func (s *scanner) rest() string { return s.text[s.pos:] }

// skip passes over leading characters of a kind.
func (s *scanner) skip(is func(rune) bool) {
	s.pos = len(s.text) - len(strings.TrimLeftFunc(s.rest(), is))
}

// statement goes to the beginning of the next statement, and reports whether there is
// one.
func (s *scanner) statement() bool {
	for {
		s.skip(unicode.IsSpace)
		if !strings.HasPrefix(s.rest(), "#") {
			return s.rest() != ""
		}
		s.skip(func(r rune) bool { return r != '\n' })
	}
}

// exportRE is the shell's word before an assignment.
var exportRE = regexp.MustCompile(`^export\s`)

// name reads a name with what separates it from its value. A name alone in its line is
// taken from the environment, and is not assigned.
func (s *scanner) name() (name string, assigned bool, err error) {
	if exportRE.MatchString(s.rest()) {
		s.pos += len("export")
		s.skip(isBlank)
	}
	rest := s.rest()
	end := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) })
	if end < 0 {
		// The end of the file: what Compose reads here has no name, and with a line end
		// behind it would be one from the environment.
		if strings.Contains(strings.TrimSpace(rest), " ") {
			return "", false, s.failed("a name cannot contain a space")
		}
		s.pos = len(s.text)
		return "", false, nil
	}
	switch rest[end] {
	case '=', ':', '\n':
	default:
		return "", false, s.failed("a name holds letters, digits and _ . - [ ] only")
	}
	name = strings.TrimRightFunc(rest[:end], unicode.IsSpace)
	if strings.Contains(name, " ") {
		return "", false, s.failed("a name cannot contain a space")
	}
	s.pos += end + 1
	return name, rest[end] != '\n', nil
}

// isNameRune reports whether a name may hold r; blanks around it are cut off later.
func isNameRune(r rune) bool {
	return isBlank(r) || unicode.IsLetter(r) || unicode.IsNumber(r) || strings.ContainsRune("_.-[]", r)
}

// isBlank reports whether r is a space that does not end the line.
func isBlank(r rune) bool { return strings.ContainsRune("\t\v\f\r \u0085\u00a0", r) }

// value reads a value.
func (s *scanner) value() (assignment, error) {
	before := s.pos
	s.skip(isBlank)
	a := assignment{begin: s.pos}
	if rest := s.rest(); rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		a.quote = rest[0]
		n := closing(rest)
		if n < 0 {
			return a, s.failed("a quote does not end")
		}
		s.pos += n
		a.end = s.pos
		return a, nil
	}
	line, _, _ := strings.Cut(s.rest(), "\n")
	s.pos += len(line)
	line, _, _ = strings.Cut(line, " #")
	a.end = a.begin + len(strings.TrimRightFunc(line, unicode.IsSpace))
	if a.end == a.begin {
		a.begin, a.end = before, before // not behind the \r of the line's end
	}
	return a, nil
}

// closing returns the length of the quoted text that s begins with, -1 without its end.
func closing(s string) int {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch {
		case escaped:
			escaped = false
		case s[i] == '\\':
			escaped = true
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

// failed says where a text cannot be read, and nothing of the text: it holds secrets.
func (s *scanner) failed(why string) error {
	return fmt.Errorf("line %d: %s", 1+strings.Count(s.text[:s.pos], "\n"), why)
}
