package doctor

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
)

// lineRE finds the line that a parser complains about.
var lineRE = regexp.MustCompile(`line (\d+)`)

// checkComposeFile loads the project.
func checkComposeFile(ctx context.Context, p *patient) ([]finding, error) {
	project, err := p.files.of(ctx, p.Load)
	if err == nil {
		seen := strings.Join(project.Files, ", ")
		if project.Embedded {
			seen = "the embedded stack: there is no compose file here"
		}
		return []finding{{verdict: OK, evidence: fmt.Sprintf("project %s: %s", project.Name, seen)}}, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	text := err.Error()
	// The parser of .env quotes what it could not read, and that may be a secret.
	if strings.Contains(text, "environment file") {
		where := lineRE.FindString(text)
		text = strings.TrimSpace("the environment file cannot be read; " + where)
		return []finding{{Failed, p.EnvFile, strings.TrimSuffix(text, ";"), "Close every quote, and write one NAME=value on each line."}}, nil
	}
	return []finding{{Failed, "", text, "mend the file until it prints: bgctl config"}}, nil
}

// checkProxySettings reads the proxy's environment as its entrypoint does, and looks
// for values that nginx alone refuses.
func checkProxySettings(ctx context.Context, p *patient) ([]finding, error) {
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	s, err := service(project, bluegreen.RoleProxy)
	if err != nil {
		return nil, err
	}
	get := environment(&s)
	set, _, err := proxy.LoadSettings(get, embeddedResolver)
	if err != nil {
		return faults(s.Name, err, "mend .env, then: bgctl up --dry-run"), nil
	}
	return append(judgeRetryPaths(set.RetryPaths), judgeSizes(&set)...), nil
}

// embeddedResolver is Docker's own name server.
const embeddedResolver = "127.0.0.11"

// faults makes a finding of each line of an error.
func faults(subject string, err error, remedy string) []finding {
	var out []finding
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, finding{Failed, subject, line, remedy})
		}
	}
	return out
}

// judgeRetryPaths finds the paths that open what is closed: a prefix with ^~ beats the
// pattern that hides /chaos.
func judgeRetryPaths(paths []string) []finding {
	var out []finding
	for _, path := range paths {
		if strings.HasPrefix("/chaos", path) || strings.HasPrefix("/_bgctl", path) {
			out = append(out, finding{Failed, "RETRY_NON_IDEMPOTENT", "the prefix " + path + " comes before the rule that closes /chaos and /_bgctl to clients", "Write a longer path, such as " + path + "…/ of your application."})
		}
	}
	return out
}

// judgeSizes finds numbers that nginx takes and that do harm.
func judgeSizes(s *proxy.Settings) []finding {
	var out []finding
	if s.LogMaxSize < 1<<20 {
		out = append(out, finding{Failed, "LOG_MAX_SIZE", bytesText(unsigned(s.LogMaxSize)) + ": the log is rotated so often that lines are gone before they are read", "Write LOG_MAX_SIZE=64m, or another size of 1m or more, into .env; then: bgctl up"})
	}
	if limit, err := proxy.FailTimeout(s.RetryTimeout); err == nil && limit == 0 {
		out = append(out, finding{Warning, "RETRY_TIMEOUT", "0: nginx takes that for no limit, and a client waits for both pools one after the other", "Write a time such as 8s into .env; then: bgctl up"})
	}
	return out
}

// checkNginxTest lets the nginx that runs read the configuration that the next up
// would give it.
func checkNginxTest(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	if x.Conf == nil {
		return nil, none("there is no configuration to test: see proxy-settings")
	}
	if x.Conf.OK {
		return nil, nil
	}
	return []finding{{Failed, "nginx", x.Conf.Output, "mend the setting in .env that the message is about, then: bgctl doctor"}}, nil
}

// candidate renders the configuration of the files' settings, "" when it cannot be.
func (p *patient) candidate(ctx context.Context) string {
	project, err := p.effective(ctx)
	if err != nil {
		return ""
	}
	s, err := service(project, bluegreen.RoleProxy)
	if err != nil {
		return ""
	}
	set, seed, err := proxy.LoadSettings(environment(&s), embeddedResolver)
	if err != nil {
		return ""
	}
	set.Start = seed
	var text bytes.Buffer
	if proxy.Render(&text, p.Template, &set) != nil {
		return ""
	}
	return text.String()
}

// bytesText is a size for people.
func bytesText(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, names := float64(n), "KMGTP"
	i := -1
	for v >= unit && i < len(names)-1 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %ciB", v, names[i])
}
