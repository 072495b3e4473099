package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// watchLog is how long requests and log are compared.
const watchLog = 1500 * time.Millisecond

// examination is what the agent in the proxy's container sees.
func (p *patient) examination(ctx context.Context) (*proxy.Examination, error) {
	c, err := p.running(ctx, bluegreen.RoleProxy)
	if err != nil {
		return nil, err
	}
	return p.exam.of(ctx, func(ctx context.Context) (*proxy.Examination, error) {
		return p.examine(ctx, c.ID, &proxy.ExamineRequest{
			Conf: p.candidate(ctx), Watch: watchLog, Pools: p.addresses(ctx, c),
		})
	})
}

// idleExamination is an examination of its own: it takes as long as a connection idles.
func (p *patient) idleExamination(ctx context.Context, span time.Duration) (*proxy.Examination, error) {
	c, err := p.running(ctx, bluegreen.RoleProxy)
	if err != nil {
		return nil, err
	}
	return p.idle.of(ctx, func(ctx context.Context) (*proxy.Examination, error) {
		return p.examine(ctx, c.ID, &proxy.ExamineRequest{Idle: span, Pools: p.addresses(ctx, c)})
	})
}

// examine runs the agent once.
func (p *patient) examine(ctx context.Context, id string, req *proxy.ExamineRequest) (*proxy.Examination, error) {
	engine, err := p.engine(ctx)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	out, err := engine.Exec(ctx, id, []string{"bgctl", "agent", "examine"}, text)
	if err != nil {
		return nil, err
	}
	if out.ExitCode != 0 {
		return nil, outdated(&out)
	}
	var x proxy.Examination
	if err := json.Unmarshal(out.Stdout, &x); err != nil {
		return nil, outdated(&out) // an older one prints its help and ends well
	}
	return &x, nil
}

// errOutdated says that the agent does not know what it is asked.
var errOutdated = errors.New("the proxy runs an older bgctl, which cannot examine itself")

// errForeign says that the proxy is none of ours.
var errForeign = none("there is no bgctl in the proxy's container")

// outdated tells an old agent from another failure.
func outdated(out *compose.ExecResult) error {
	text := strings.TrimSpace(string(out.Stderr) + " " + string(out.Stdout))
	switch {
	case strings.Contains(text, "not found") || strings.Contains(text, "no such file"):
		return errForeign
	case strings.Contains(text, "unknown command") || strings.Contains(text, "Usage:"):
		return errOutdated
	}
	return fmt.Errorf("the proxy's agent failed: %s", text)
}

// addresses are where the application listens in each pool, as the proxy's network has it.
func (p *patient) addresses(ctx context.Context, c *compose.Container) map[bluegreen.Pool][]string {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil
	}
	port := p.setting(ctx, c)("PORT")
	if _, err := strconv.Atoi(port); err != nil {
		port = "3000"
	}
	out := map[bluegreen.Pool][]string{}
	for _, pool := range bluegreen.Pools() {
		for _, member := range d.Pool(pool).Containers {
			if member.State != "running" || len(member.Addrs) == 0 {
				continue
			}
			out[pool] = append(out[pool], net.JoinHostPort(member.Addrs[0], port))
		}
	}
	return out
}

// checkProxy asks whether the proxy can be steered.
func checkProxy(ctx context.Context, p *patient) ([]finding, error) {
	d, err := p.deployment(ctx)
	if err != nil {
		return nil, err
	}
	if d.Router == nil {
		remedy := "bgctl up"
		if d.Proxy != nil && d.Proxy.State == "running" {
			remedy = "bgctl logs " + d.Proxy.Service + " --tail 20"
		}
		return []finding{{Failed, "proxy", d.RouterErr, remedy}}, nil
	}
	return nil, nil
}

// checkTrouble asks what the proxy's container lacks beside nginx.
func checkTrouble(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	var out []finding
	for _, text := range r.Trouble {
		out = append(out, finding{Failed, "proxy", text, p.restartProxy(ctx)})
	}
	return out, nil
}

// checkState looks at the files that say which pool is active.
func checkState(ctx context.Context, p *patient) ([]finding, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, err
	}
	return judgeState(x, p.restartProxy(ctx)), nil
}

func judgeState(x *proxy.Examination, restart string) []finding {
	where := proxy.StateDir + "/active"
	var out []finding
	switch {
	case len(x.Flags) == 0:
		out = append(out, finding{Failed, where, "no flag file says which pool is active: nginx uses blue", "bgctl switch blue"})
	case len(x.Flags) > 1:
		out = append(out, finding{Failed, where, "several flag files: " + strings.Join(x.Flags, ", ") + "; nginx uses green whenever it is among them", "Remove all of these files but one in the proxy's container."})
	}
	if !x.Seed {
		out = append(out, finding{Failed, proxy.StateDir + "/seed", "the file is missing, as when the volume is gone: nginx keeps the pool of its start and a switch has no effect", restart})
	}
	return out
}

// checkVolumes looks at where state and log are kept.
func checkVolumes(ctx context.Context, p *patient) ([]finding, error) {
	seen, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	list, err := p.ours(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := p.examination(ctx); errors.Is(err, errForeign) {
		return nil, err
	}
	return judgeVolumes(list, seen), nil
}

// judgeVolumes: what is not on a volume goes with its container, and a watcher with
// another log volume than the proxy's reads nothing.
func judgeVolumes(list []*compose.Container, seen *compose.Observed) []finding {
	var out []finding
	logs := map[string]string{} // by volume
	for _, c := range list {
		wanted := map[bluegreen.Role][]string{
			bluegreen.RoleProxy:   {proxy.StateDir, proxy.LogDir},
			bluegreen.RoleWatcher: {proxy.LogDir},
		}[roleOf(c)]
		for _, target := range wanted {
			m := mountAt(seen, c.ID, target)
			switch {
			case m == nil:
				out = append(out, finding{Failed, c.Name, "nothing is mounted at " + target + ": what is written there is lost with the container, and nobody else reads it", "Mount a volume at " + target + " in the compose file; then: bgctl up"})
				continue
			case m.ReadOnly && roleOf(c) == bluegreen.RoleProxy:
				out = append(out, finding{Failed, c.Name, target + " is mounted read-only", "Mount the volume without :ro in the compose file; then: bgctl up"})
			}
			if target == proxy.LogDir {
				logs[m.Name+m.Source] = m.Name
			}
		}
	}
	if len(logs) > 1 {
		out = append(out, finding{Failed, "watcher", "proxy and watcher have different volumes at " + proxy.LogDir, "Mount the same volume in both services of the compose file; then: bgctl up"})
	}
	return out
}

// mountAt is what a container has at a path.
func mountAt(seen *compose.Observed, id, target string) *compose.ObservedMount {
	for i := range seen.Containers {
		if seen.Containers[i].ID != id {
			continue
		}
		for j := range seen.Containers[i].Mounts {
			if m := &seen.Containers[i].Mounts[j]; m.Target == target {
				return m
			}
		}
	}
	return nil
}

// checkVersions compares this bgctl with those in the containers.
func checkVersions(ctx context.Context, p *patient) ([]finding, error) {
	if _, err := p.containers(ctx); err != nil {
		return nil, err
	}
	var out []finding
	for _, of := range []struct {
		role    bluegreen.Role
		program string
	}{{bluegreen.RoleProxy, "bgctl"}, {bluegreen.RoleWatcher, "/bgctl"}} {
		c, err := p.running(ctx, of.role)
		if err != nil {
			continue // that it does not run is said elsewhere
		}
		version, err := p.versionOf(ctx, c, of.program)
		if err != nil {
			return out, err
		}
		if version != p.Version {
			out = append(out, finding{Warning, c.Name, "runs bgctl " + version + "; this is " + p.Version, p.renewal(ctx, of.role)})
		}
	}
	return out, nil
}

// renewal is how the images with bgctl in them are renewed. An up leaves a proxy that
// runs in its place unless it is told otherwise.
func (p *patient) renewal(ctx context.Context, role bluegreen.Role) string {
	command := "bgctl up"
	if project, err := p.project(ctx); err == nil && !project.Embedded {
		command += " --build"
	}
	if role == bluegreen.RoleProxy {
		command += " --upgrade"
	}
	return command
}

// versionOf is the version of the bgctl in a container: the proxy tells its own.
func (p *patient) versionOf(ctx context.Context, c *compose.Container, program string) (string, error) {
	if _, r, err := p.router(ctx); err == nil && roleOf(c) == bluegreen.RoleProxy && r.Agent != "" {
		return r.Agent, nil
	}
	return p.versionIn(ctx, c.ID, program)
}

// versionIn asks the bgctl in a container for its version.
func (p *patient) versionIn(ctx context.Context, id, program string) (string, error) {
	engine, err := p.engine(ctx)
	if err != nil {
		return "", err
	}
	out, err := engine.Exec(ctx, id, []string{program, "version", "--json"}, nil)
	if err != nil {
		return "", err
	}
	var v struct {
		Version string `json:"version"`
	}
	if out.ExitCode != 0 || json.Unmarshal(out.Stdout, &v) != nil || v.Version == "" {
		return "", none("there is no bgctl in the container")
	}
	return v.Version, nil
}

// checkForeignConf names what does not apply to this proxy: its configuration resolves
// names at run time and needs no variable of the environment after its start.
func checkForeignConf(ctx context.Context, p *patient) ([]finding, error) {
	if _, err := p.examination(ctx); err != nil {
		return nil, err
	}
	return nil, none("nginx.conf is bgctl's own, which resolves names at run time, reads no template at its start and needs no restart for a switch")
}

// examined returns the examination from inside the proxy, and the deployment beside it.
func (p *patient) examined(ctx context.Context) (*proxy.Examination, *bluegreen.Deployment, error) {
	x, err := p.examination(ctx)
	if err != nil {
		return nil, nil, err
	}
	d, err := p.deployment(ctx)
	return x, d, err
}
