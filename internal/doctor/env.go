package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"bgctl/internal/compose"
)

var (
	// assignRE is an assignment in an env file.
	assignRE = regexp.MustCompile(`^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*[=:](.*)$`)
	// variableRE is a variable that a compose file uses.
	variableRE = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
	// secretRE finds variables whose values are nobody's business.
	secretRE = regexp.MustCompile(`(?i)(secret|passw|pwd|token|webhook|credential|private|api_?key|_key$|auth|dsn|salt)`)
)

// assignment is one variable of an env file.
type assignment struct{ name, value string }

// readEnv reads the names and raw values of an env file. Unlike the real parser it
// never fails: what it reads must be known also when the file is broken.
func readEnv(path string) []assignment {
	text, err := os.ReadFile(path) //nolint:gosec // the project's own env file
	if err != nil {
		return nil
	}
	var out []assignment
	for line := range strings.Lines(string(text)) {
		if m := assignRE.FindStringSubmatch(strings.TrimRight(line, "\r\n")); m != nil {
			out = append(out, assignment{m[1], strings.Trim(strings.TrimSpace(m[2]), `"'`)})
		}
	}
	return out
}

// isSecret reports whether a variable's value must not be seen.
func (a assignment) isSecret() bool {
	return a.value != "" && !strings.HasSuffix(a.name, "_FILE") && secretRE.MatchString(a.name)
}

// checkEnvMode looks at who may read and write .env.
func checkEnvMode(_ context.Context, p *patient) ([]finding, error) {
	fi, err := os.Stat(p.EnvFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, none("there is no %s", p.EnvFile)
	}
	if err != nil {
		return nil, err
	}
	var secret []string
	for _, a := range readEnv(p.EnvFile) {
		if a.isSecret() {
			secret = append(secret, a.name)
		}
	}
	return judgeEnvMode(p.EnvFile, fi.Mode().Perm(), secret), nil
}

// judgeEnvMode: who can write the file can run an image of his own; who can read it
// has its secrets.
func judgeEnvMode(path string, mode fs.FileMode, secret []string) []finding {
	remedy := "chmod 600 " + path
	switch {
	case mode&0o022 != 0:
		return []finding{{Failed, path, fmt.Sprintf("mode %04o: other users can write it, and so choose the images that the next up runs", mode), remedy}}
	case mode&0o044 != 0 && len(secret) > 0:
		return []finding{{Warning, path, fmt.Sprintf("mode %04o: other users can read the secrets in it (%s)", mode, strings.Join(secret, ", ")), remedy}}
	}
	return nil
}

// checkEnvNames looks for variables that nothing uses and that look like one that is used.
func checkEnvNames(ctx context.Context, p *patient) ([]finding, error) {
	vars := readEnv(p.EnvFile)
	if len(vars) == 0 {
		return nil, none("%s sets nothing", p.EnvFile)
	}
	project, err := p.project(ctx)
	if err != nil {
		return nil, err
	}
	return judgeEnvNames(vars, known(project, p.text(project))), nil
}

// text is the text of the compose files, to see which variables they use.
func (p *patient) text(project *compose.Project) []byte {
	if project.Embedded {
		return bytes.Join(p.Embedded, nil)
	}
	var all []byte
	for _, file := range project.Files {
		text, _ := os.ReadFile(file) //nolint:gosec // a compose file that has just been loaded
		all = append(all, text...)
	}
	return all
}

// known are the variables that the files, compose and bgctl read.
func known(project *compose.Project, text []byte) []string {
	names := []string{
		"COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_PATH_SEPARATOR", "COMPOSE_ENV_FILES",
		"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
		"BGCTL_IMAGE", "NGINX_IMAGE", "NO_COLOR",
	}
	for _, m := range variableRE.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	for _, s := range project.Services {
		for name := range s.Environment {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// judgeEnvNames pairs unknown variables with the known one that is nearest.
func judgeEnvNames(vars []assignment, known []string) []finding {
	var out []finding
	for _, v := range vars {
		if slices.Contains(known, v.name) {
			continue
		}
		best, far := "", 3
		for _, name := range known {
			// Two letters of a short name are most of it: HOST is not PORT.
			if d := distance(strings.ToUpper(v.name), name); d < far && (d == 1 || len(name) > 5) {
				best, far = name, d
			}
		}
		if best != "" {
			out = append(out, finding{Warning, v.name, "nothing uses this variable of .env; " + best + " is spelt almost the same", "Write " + best + " in .env, or remove the line; then: bgctl up"})
		}
	}
	return out
}

// distance is the least number of letters to insert, drop, change, or swap with their
// neighbour that makes one word of the other.
func distance(a, b string) int {
	if abs(len(a)-len(b)) > 2 {
		return 3
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

func abs(n int) int { return max(n, -n) }
