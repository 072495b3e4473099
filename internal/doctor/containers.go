package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
)

// remedyFor is what brings a container back.
func remedyFor(c *compose.Container) string {
	switch role := roleOf(c); role {
	case bluegreen.RoleBlue, bluegreen.RoleGreen:
		return "bgctl heal " + string(role)
	case bluegreen.RoleProxy, bluegreen.RoleWatcher:
	}
	return "bgctl up"
}

// checkRoles looks for the containers that a deployment has to have.
func checkRoles(ctx context.Context, p *patient) ([]finding, error) {
	project, engine, err := p.both(ctx)
	if err != nil {
		return nil, err
	}
	list, err := p.list.of(ctx, func(ctx context.Context) ([]compose.Container, error) { return engine.Containers(ctx, project.Name) })
	if err != nil {
		return nil, err
	}
	return judgeRoles(project.Name, list), nil
}

// judgeRoles: without a proxy or a pool there is no service, without a watcher nobody
// is told.
func judgeRoles(project string, list []compose.Container) []finding {
	if len(list) == 0 {
		return []finding{{Failed, project, "the project has no container on this engine", "bgctl up"}}
	}
	count := map[bluegreen.Role]int{}
	for i := range list {
		count[roleOf(&list[i])]++
	}
	var out []finding
	for _, role := range []bluegreen.Role{bluegreen.RoleProxy, bluegreen.RoleBlue, bluegreen.RoleGreen, bluegreen.RoleWatcher} {
		switch {
		case count[role] == 0 && role == bluegreen.RoleWatcher:
			out = append(out, finding{Warning, string(role), "there is no container: nobody looks at the requests", "bgctl up"})
		case count[role] == 0:
			out = append(out, finding{Failed, string(role), "there is no container", "bgctl up"})
		case count[role] > 1 && role == bluegreen.RoleProxy:
			out = append(out, finding{Failed, string(role), strconv.Itoa(count[role]) + " containers of the proxy: one of them would be steered", "bgctl up --remove-orphans"})
		}
	}
	return out
}

// checkService asks whether anybody answers requests.
func checkService(ctx context.Context, p *patient) ([]finding, error) {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, err
	}
	return judgeService(d), nil
}

// judgeService: a deployment that is down was stopped or never started, an outage has
// something that runs and answers nobody.
func judgeService(d *bluegreen.Deployment) []finding {
	switch condition := d.Condition(); {
	case condition == bluegreen.Down:
		return []finding{{Failed, "deployment", "nothing of it runs", "bgctl up"}}
	case condition != bluegreen.Outage:
		return nil
	case d.Proxy == nil:
		return []finding{{Failed, "deployment", "no request is answered: there is no container of the proxy", "bgctl up"}}
	case d.Proxy.State != "running":
		return []finding{{Failed, "deployment", "no request is answered: the proxy's container is " + d.Proxy.State, "bgctl up"}}
	}
	return []finding{{Failed, "deployment", "no request is answered: neither pool is ready", "bgctl heal " + d.Active().String()}}
}

// ours are the containers of the deployment, without one-shot services of the project.
func (p *patient) ours(ctx context.Context) ([]*compose.Container, error) {
	list, err := p.containers(ctx)
	if err != nil {
		return nil, err
	}
	var out []*compose.Container
	for i := range list {
		out = append(out, &list[i])
	}
	return out, nil
}

// checkStopped finds the containers that should run.
func checkStopped(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	return each(list, judgeStopped), err
}

// each judges every container.
func each(list []*compose.Container, judge func(*compose.Container) []finding) []finding {
	var out []finding
	for _, c := range list {
		out = append(out, judge(c)...)
	}
	return out
}

// judgeStopped: the engine restarts what ends by itself. A container that was stopped or
// killed through its API stays down, whatever the restart policy says, until somebody
// starts it.
func judgeStopped(c *compose.Container) []finding {
	policy := c.RestartPolicy
	restarts := policy == "always" || policy == "unless-stopped"
	switch {
	case c.State == "created":
		text := "created and never started"
		if c.Error != "" {
			text += ": " + c.Error
		}
		return []finding{{Failed, c.Name, text, "bgctl up"}}
	case c.State == "dead" || c.State == "removing":
		return []finding{{Failed, c.Name, "the engine could not remove it: it is " + c.State, "bgctl up"}}
	case c.State != "exited":
		return nil
	case restarts:
		return []finding{{
			Failed, c.Name, fmt.Sprintf("exited with %d%s although its restart policy is %s: it was stopped or killed through the engine, which switches the policy off until the next start", c.ExitCode, since(c.FinishedAt), policy), remedyFor(c),
		}}
	case roleOf(c) != "" || c.ExitCode != 0:
		return []finding{{Failed, c.Name, fmt.Sprintf("exited with %d%s; no restart policy brings it back", c.ExitCode, since(c.FinishedAt)), remedyFor(c)}}
	}
	return nil // a service that ends when its work is done
}

// since tells a moment, if it is known.
func since(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " at " + at.UTC().Format(time.RFC3339)
}

// checkPaused finds frozen containers.
func checkPaused(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	return each(list, judgePaused), err
}

// judgePaused: a paused pool takes connections and never answers.
func judgePaused(c *compose.Container) []finding {
	if c.State != "paused" {
		return nil
	}
	return []finding{{Failed, c.Name, "paused: it takes connections and never answers (its health reads " + orNone(c.Health) + ")", remedyFor(c)}}
}

func orNone(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// checkRestarts finds crash loops.
func checkRestarts(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	now := p.Now()
	return each(list, func(c *compose.Container) []finding { return judgeRestarts(c, now) }), err
}

// recent is how long ago a restart is news.
const recent = time.Hour

func judgeRestarts(c *compose.Container, now time.Time) []finding {
	remedy := "bgctl logs " + c.Service + " --tail 50"
	switch {
	case c.State == "restarting":
		return []finding{{Failed, c.Name, fmt.Sprintf("ends with %d after every start (%d restarts)", c.ExitCode, c.RestartCount), remedy}}
	case c.RestartCount > 0 && c.State == "running" && now.Sub(c.StartedAt) < recent:
		return []finding{{Warning, c.Name, fmt.Sprintf("ended by itself and was restarted %d times, last%s", c.RestartCount, since(c.StartedAt)), remedy}}
	}
	return nil
}

// checkHealth asks the engine about the containers that are no pool.
func checkHealth(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	return each(list, judgeHealth), err
}

// judgeHealth: the watcher is unhealthy when a receiver is broken, too.
func judgeHealth(c *compose.Container) []finding {
	if role := roleOf(c); c.State != "running" || c.Health != "unhealthy" || role == bluegreen.RoleBlue || role == bluegreen.RoleGreen {
		return nil
	}
	return []finding{{Failed, c.Name, "its health check says: " + orNone(strings.TrimSpace(c.HealthOutput)), "bgctl logs " + c.Service + " --tail 50"}}
}

// checkMemory finds what the kernel killed. The mark on the container goes with the next
// start, so the engine's past events are read too.
func checkMemory(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	if err != nil {
		return nil, err
	}
	project, engine, err := p.both(ctx)
	if err != nil {
		return nil, err
	}
	events, err := engine.OOMKills(ctx, project.Name, p.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	return judgeMemory(list, events), nil
}

func judgeMemory(list []*compose.Container, events []compose.Event) []finding {
	last := map[string]time.Time{}
	times := map[string]int{}
	service := map[string]string{}
	for _, ev := range events {
		times[ev.Name]++
		last[ev.Name], service[ev.Name] = ev.At, ev.Service
	}
	for _, c := range list {
		if c.OOMKilled && times[c.Name] == 0 {
			times[c.Name], last[c.Name], service[c.Name] = 1, c.FinishedAt, c.Service
		}
	}
	var out []finding
	for _, name := range sorted(times) {
		out = append(out, finding{
			Failed, name, fmt.Sprintf("the kernel killed a process in it for lack of memory, %d times, last%s", times[name], since(last[name])),
			"Raise mem_limit of " + service[name] + " in the compose file, or find what takes the memory; then: bgctl up",
		})
	}
	return out
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// checkPorts looks at the addresses that are open to the network.
func checkPorts(ctx context.Context, p *patient) ([]finding, error) {
	list, err := p.ours(ctx)
	return each(list, judgePorts), err
}

// judgePorts: Docker opens a published port in the firewall by itself, before ufw's rules.
func judgePorts(c *compose.Container) []finding {
	var open []string
	for _, port := range c.Ports {
		if port.HostIP == "" || port.HostIP == "0.0.0.0" || port.HostIP == "::" {
			open = append(open, strconv.Itoa(port.HostPort))
		}
	}
	slices.Sort(open)
	open = slices.Compact(open)
	if len(open) == 0 {
		return nil
	}
	seen := "port " + strings.Join(open, ", ") + " is published on every address of the host, past ufw and firewalld"
	switch role := roleOf(c); role {
	case bluegreen.RoleProxy:
		return []finding{{OK, c.Name, seen, "Where something else stands in front of it, write HTTP_BIND=127.0.0.1 into .env; then: bgctl up"}}
	case bluegreen.RoleBlue, bluegreen.RoleGreen, bluegreen.RoleWatcher:
		return []finding{{Warning, c.Name, seen + ": clients reach it without the proxy", "Publish it on 127.0.0.1 in the compose file; then: bgctl up"}}
	}
	return []finding{{OK, c.Name, seen, ""}}
}
