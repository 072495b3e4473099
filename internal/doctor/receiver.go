package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/slack"
)

// receiverNames are the variables that name a receiver of alerts.
func receiverNames() [2]string { return [2]string{"SLACK_WEBHOOK_URL", "ALERT_WEBHOOK_URL"} }

// checkReceiver looks whether alerts have somewhere to go.
func checkReceiver(ctx context.Context, p *patient) ([]finding, error) {
	s, err := p.watcher(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	return judgeReceiver(project, &s), nil
}

// watcher is the watcher's service.
func (p *patient) watcher(ctx context.Context) (types.ServiceConfig, error) {
	project, err := p.effective(ctx)
	if err != nil {
		return types.ServiceConfig{}, err
	}
	return service(project, bluegreen.RoleWatcher)
}

// judgeReceiver checks the form of the URLs and that a secret file is there for the watcher.
func judgeReceiver(p *compose.Project, s *types.ServiceConfig) []finding {
	env := environment(s)
	schemes := schemesOf(env)
	var out []finding
	found := false
	for _, name := range receiverNames() {
		if file := env(name + "_FILE"); file != "" {
			found = true
			out = append(out, judgeSecretFile(p, s, name, file)...)
			continue
		}
		hook, err := slack.ParseWebhook(env(name), schemes)
		switch {
		case err != nil:
			found = true
			out = append(out, finding{Failed, name, err.Error(), "Write the URL as its maker shows it into .env; then: bgctl up"})
		case !hook.IsZero():
			found = true
		}
	}
	if !found {
		out = append(out, finding{Warning, "", "neither SLACK_WEBHOOK_URL nor ALERT_WEBHOOK_URL is set: alerts are only in the watcher's log", "Write one of them into .env; then: bgctl up"})
	}
	return out
}

// schemesOf says whether plain HTTP is allowed.
func schemesOf(env func(string) string) slack.Schemes {
	if plain, err := strconv.ParseBool(env("SLACK_ALLOW_HTTP")); err == nil && plain {
		return slack.AllowHTTP
	}
	return slack.HTTPSOnly
}

// judgeSecretFile looks at the file on this machine that up brings into the watcher's
// container, or at what is mounted there.
func judgeSecretFile(p *compose.Project, s *types.ServiceConfig, name, file string) []finding {
	for _, secret := range p.SecretFiles(s.Name) {
		if secret.Target != file {
			continue
		}
		loaded, err := slack.LoadSecret("", secret.File, schemesOf(environment(s)))
		if err != nil {
			return []finding{{Failed, name + "_FILE", err.Error() + ": bgctl up refuses it", "Write the URL into a file that only you can read, and its path into .env; then: bgctl up"}}
		}
		var out []finding
		for _, text := range loaded.Warnings {
			out = append(out, finding{Warning, name + "_FILE", text, "chmod 600 " + secret.File})
		}
		return out
	}
	if mounted(s, file) {
		return nil
	}
	return []finding{{Failed, name + "_FILE", "nothing is mounted at " + file + " in the watcher's container: the watcher cannot start", "Add the file as a secret or a read-only volume to the service " + s.Name + "; then: bgctl up"}}
}

// mounted reports whether the service has something at a path or above it. A volume into
// which secrets are brought holds nothing else.
func mounted(s *types.ServiceConfig, file string) bool {
	var secrets, targets []string
	for _, secret := range s.Secrets {
		secrets = append(secrets, underSecrets(secret.Source, secret.Target))
	}
	for _, config := range s.Configs {
		target := config.Target
		if target == "" {
			target = "/" + config.Source
		}
		targets = append(targets, target)
	}
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind || !slices.ContainsFunc(secrets, func(secret string) bool { return under(secret, v.Target) }) {
			targets = append(targets, v.Target)
		}
	}
	return slices.ContainsFunc(append(targets, secrets...), func(target string) bool { return under(file, target) })
}

// under reports whether a path is a directory or file, or below it.
func under(file, target string) bool {
	return target != "" && (file == target || strings.HasPrefix(file, strings.TrimSuffix(target, "/")+"/"))
}

// underSecrets is where compose puts a secret.
func underSecrets(source, target string) string {
	switch {
	case target == "":
		return "/run/secrets/" + source
	case path.IsAbs(target):
		return target
	}
	return "/run/secrets/" + target
}

// checkReach connects to the receivers without asking them anything.
func checkReach(ctx context.Context, p *patient) ([]finding, error) {
	s, err := p.watcher(ctx)
	if err != nil {
		return nil, err
	}
	project, err := p.effective(ctx)
	if err != nil {
		return nil, err
	}
	env := environment(&s)
	var out []finding
	tried := 0
	for _, name := range receiverNames() {
		hook, err := slack.ParseWebhook(env(name), schemesOf(env))
		if err != nil || hook.IsZero() {
			continue // a file, none, or malformed: said elsewhere
		}
		u, err := url.Parse(strings.TrimSpace(env(name)))
		if err != nil {
			continue // it has just been parsed
		}
		if _, internal := project.Services[u.Hostname()]; internal {
			out = append(out, finding{Skipped, name, "the host " + u.Hostname() + " is a service of the project, which only its network reaches", ""})
			continue
		}
		tried++
		if f := p.reach(ctx, name, u); f.verdict != "" {
			out = append(out, f)
		}
	}
	if tried == 0 && len(out) == 0 {
		return nil, none("no receiver is given by its URL")
	}
	return out, nil
}

// reach connects to one receiver from this machine. The watcher's way may differ.
func (p *patient) reach(ctx context.Context, name string, u *url.URL) finding {
	port, scheme := u.Port(), Scheme(u.Scheme)
	if port == "" {
		port = map[Scheme]string{HTTP: "80", HTTPS: "443"}[scheme]
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if err := p.Dial(ctx, addr, scheme); err != nil {
		return finding{Warning, name, fmt.Sprintf("%s cannot be reached from this machine: %s", addr, err), "check the host, its certificate and the firewall, then: bgctl watch --test-alert"}
	}
	return finding{}
}
