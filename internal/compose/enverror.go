package compose

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// EnvFileError says where an environment file cannot be understood. The library's own
// errors quote the value, which may be a password: none of them gets any further.
type EnvFileError struct {
	File string
	Line int    // of the statement's beginning; 0 when not known
	Name string // of the variable, "" when there is none
	Why  string
}

// Error implements error.
func (e *EnvFileError) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s, line %d", where, e.Line)
	}
	if e.Name != "" {
		where += ", " + e.Name
	}
	return where + ": " + e.Why
}

// errEnvFile is for what the files themselves do not explain: they changed meanwhile.
var errEnvFile = errors.New("not understood; want NAME=value")

// envFilesError finds out which of the files cannot be read or parsed, and why.
func envFilesError(files []string, env types.Mapping) error {
	known := maps.Clone(env)
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // naming this file is what the user asked for
		if err != nil {
			return err // names the path and nothing of the content
		}
		values, err := parseEnv(string(content), known)
		if err != nil {
			return locateEnvError(file, string(content), known)
		}
		known.Merge(values)
	}
	return errEnvFile
}

func parseEnv(text string, env types.Mapping) (map[string]string, error) {
	return dotenv.ParseWithLookup(strings.NewReader(text), func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

// envNameRE is a name that may be repeated. A longer one may be a line of a key: those
// are 64 letters and digits that can end in "=".
var envNameRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,47}$`)

// locateEnvError finds the statement that cannot be parsed: the one behind the longest
// beginning of the file that can. The line in the library's error is where the parser
// gave up, for a missing quote the end of the file.
func locateEnvError(file, text string, env types.Mapping) error {
	lines := strings.SplitAfter(text, "\n")
	good := 0
	out := &EnvFileError{File: file}
	for i := range lines {
		_, err := parseEnv(strings.Join(lines[:i+1], ""), env)
		if err == nil {
			good = i + 1
			continue
		}
		out.Why = envReason(err)
	}
	out.Line = good + 1
	if good < len(lines) {
		head := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines[good]), "export "))
		if i := strings.IndexAny(head, "=:"); i > 0 {
			head = strings.TrimSpace(head[:i])
			if envNameRE.MatchString(head) {
				out.Name = head
			}
		}
	}
	return out
}

// envReason words an error of the parser without what it quotes.
func envReason(err error) string {
	var invalid *template.InvalidTemplateError
	var missing *template.MissingRequiredError
	text := err.Error()
	switch {
	case errors.As(err, &invalid):
		return "the value has a $ that begins no variable: write $$, or put the value in single quotes"
	case errors.As(err, &missing):
		return "the value needs a variable that is not set"
	case strings.Contains(text, "unterminated quoted value"):
		return "the value has an opening quote and no closing one"
	case strings.Contains(text, "unexpected character"), strings.Contains(text, "cannot contain a space"):
		return "the name has a character that is not allowed; want NAME=value"
	}
	return "not understood; want NAME=value"
}

// envFileRE finds the file in the library's error about an env_file of a service.
var envFileRE = regexp.MustCompile(`failed to read (.+?): (?:line \d+:|Invalid template|required variable|zero length)`)

// hideValues replaces an error of the compose library that quotes a value.
func hideValues(err error, env types.Mapping) error {
	if m := envFileRE.FindStringSubmatch(err.Error()); m != nil {
		content, readErr := os.ReadFile(m[1])
		if readErr != nil {
			return &EnvFileError{File: m[1], Why: envReason(err)}
		}
		return locateEnvError(m[1], string(content), env)
	}
	if invalid, ok := errors.AsType[*template.InvalidTemplateError](err); ok {
		// "invalid interpolation format for PATH.\nYou may need …\nVALUE"
		head, _, _ := strings.Cut(err.Error(), "\n")
		head = strings.TrimSuffix(strings.ReplaceAll(head, invalid.Template, hidden), ".")
		return errors.New(head + ": write $$ for a dollar sign that begins no variable")
	}
	return err
}
