package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/proxy"
	"bgctl/stack"
)

// world is a healthy deployment. A test makes one thing wrong in it.
type world struct {
	t          *testing.T
	dir        string
	env        map[string]string // what the files are filled in with
	now        time.Time
	info       compose.Info
	system     compose.System
	containers []compose.Container
	observed   *compose.Observed
	deployment bluegreen.Deployment
	oom        []compose.Event
	exam       proxy.Examination
	idle       proxy.Examination
	agent      *compose.ExecResult // instead of what the agent says
	version    string
	tables     string // /proc/net/tcp of the pools
	hang       bool
	change     func(p *compose.Project) // what another compose file says

	loadErr, connectErr, dialErr error

	asked []proxy.ExamineRequest
	acted []string
}

// version that all of the world runs.
const thisVersion = "v1.2.3"

func newWorld(t *testing.T) *world {
	t.Helper()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	w := &world{
		t: t, dir: t.TempDir(), env: map[string]string{"SLACK_WEBHOOK_URL": "https://hooks.example/services/T0/B0/s3cr3tpiece"}, now: now,
		info:    compose.Info{Host: "unix:///run/d.sock", ServerVersion: "28.1.0", APIVersion: "1.49", OSType: "linux", Arch: "amd64"},
		system:  compose.System{Now: now, DataRoot: "/var/lib/docker", Off: 10 * time.Millisecond},
		version: thisVersion,
	}
	w.exam = proxy.Examination{
		Version: thisVersion, Now: now, Seed: true, Flags: []string{"blue"}, Rotation: true,
		Conf:    &proxy.ConfTest{OK: true},
		Log:     proxy.LogExam{Path: proxy.AccessLog, Kind: proxy.KindFile, Size: 4096, All: 8192, Rotated: 1, Last: []string{line("200")}},
		Traffic: &proxy.Traffic{Requests: 100, Grown: true, Over: time.Second},
		Disks: []proxy.Disk{
			{Path: "/", Total: 500 << 30, Free: 300 << 30, Files: 1000, Left: 900},
			{Path: proxy.LogDir, Total: 400 << 30, Free: 200 << 30, Files: 2000, Left: 900},
		},
		Pools: map[bluegreen.Pool]proxy.PoolExam{},
	}
	w.idle = proxy.Examination{Idle: map[bluegreen.Pool][]proxy.IdleExam{}}
	for _, pool := range bluegreen.Pools() {
		addr := w.addr(pool) + ":3000"
		w.exam.Pools[pool] = proxy.PoolExam{Status: 200, Pool: pool, Release: "r1", Health: "/healthz", Dials: []proxy.Dial{{Addr: addr}}}
		w.idle.Idle[pool] = []proxy.IdleExam{{Addr: addr}}
	}
	w.populate()
	return w
}

// settings are the proxy's settings as the files have them.
func (w *world) settings(p *compose.Project) map[string]string {
	s, err := service(p, bluegreen.RoleProxy)
	if err != nil {
		w.t.Fatal(err)
	}
	set, _, err := proxy.LoadSettings(environment(&s), embeddedResolver)
	if err != nil {
		w.t.Fatal(err)
	}
	return set.Values
}

func (w *world) addr(pool bluegreen.Pool) string { return "172.20.0." + strconv.Itoa(int(pool)) }

// line is a line of the access log.
func line(status string) string {
	return `{"msec":"1777636800.000","request":"GET /a HTTP/1.1","status":"` + status + `","upstream_status":"200","upstream_addr":"172.20.0.1:3000","request_time":"0.001","pool":"blue"}`
}

// populate brings the stack up as its files are now.
func (w *world) populate() {
	p, err := w.load(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.containers = nil
	w.observed = &compose.Observed{Images: map[string]compose.ObservedImage{}}
	w.deployment = bluegreen.Deployment{
		Project: p.Name, At: w.now, Router: &bluegreen.RouterStatus{
			Active: bluegreen.Blue, Seed: bluegreen.Blue, Agent: thisVersion, Settings: w.settings(p),
		},
		Blue: bluegreen.PoolState{Pool: bluegreen.Blue}, Green: bluegreen.PoolState{Pool: bluegreen.Green},
	}
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		c := compose.Container{
			ID: "id-" + name, Name: p.Name + "-" + name + "-1", Service: name, Image: s.Image, ImageID: "sha256:img-" + s.Image,
			State: "running", Health: "healthy", RestartPolicy: "unless-stopped", StartedAt: w.now.Add(-24 * time.Hour),
			Labels: map[string]string(s.Labels), Env: map[string]string{"PATH": "/bin"},
		}
		for key, value := range s.Environment {
			if value != nil {
				c.Env[key] = *value
			}
		}
		w.observed.Images[s.Image] = compose.ObservedImage{ID: c.ImageID}
		seen := compose.ObservedContainer{ID: c.ID, Name: c.Name, Service: name}
		for _, v := range s.Volumes {
			seen.Mounts = append(seen.Mounts, compose.ObservedMount{Type: "volume", Name: p.Name + "_" + v.Source, Target: v.Target})
		}
		w.observed.Containers = append(w.observed.Containers, seen)
		w.containers = append(w.containers, c)
		w.place(&c)
	}
}

// place puts a container into the observed deployment.
func (w *world) place(c *compose.Container) {
	role := deployment.ServiceRole(c.Service, "")
	b := bluegreen.Container{ID: c.ID, Name: c.Name, Service: c.Service, Role: role, Image: c.Image, ImageID: c.ImageID, Release: c.Env["RELEASE_ID"], State: c.State, Health: c.Health}
	switch role {
	case bluegreen.RoleProxy:
		w.deployment.Proxy = &b
	case bluegreen.RoleWatcher:
		w.deployment.Watcher = &b
	case bluegreen.RoleBlue, bluegreen.RoleGreen:
		pool, _ := bluegreen.ParsePool(string(role))
		b.Addrs = []string{w.addr(pool)}
		ps := w.deployment.Pool(pool)
		ps.Containers = append(ps.Containers, b)
		w.answer(pool, &bluegreen.ProbeResult{Status: 200, Pool: pool, Release: "r1", Addr: w.addr(pool)})
		r := w.deployment.Router
		r.Standing = append(r.Standing, bluegreen.Standing{
			Pool: pool, Release: bluegreen.Release{ID: b.Release, Image: c.Image, ImageID: c.ImageID},
			By: bluegreen.Holder{User: "ana", Host: "host"}, Since: w.now,
		})
	}
}

// answer is what a pool says to the proxy's own requests.
func (w *world) answer(pool bluegreen.Pool, a *bluegreen.ProbeResult) {
	w.deployment.Pool(pool).Answer = a
}

// container is a service's container.
func (w *world) container(service string) *compose.Container {
	for i := range w.containers {
		if w.containers[i].Service == service {
			return &w.containers[i]
		}
	}
	w.t.Fatalf("no container of %s", service)
	return nil
}

// dotEnv writes the .env.
func (w *world) dotEnv(mode os.FileMode, text string) {
	path := filepath.Join(w.dir, ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(ctx context.Context) (*compose.Project, error) {
	if w.loadErr != nil {
		return nil, w.loadErr
	}
	environ := []string{}
	for name, value := range w.env {
		environ = append(environ, name+"="+value)
	}
	p, err := compose.Load(ctx, compose.LoadOptions{
		WorkingDir: w.dir, ProjectName: "shop", Environ: environ,
		Embedded: &compose.Embedded{Name: "compose.yaml", Content: stack.Compose},
	})
	if err == nil && w.change != nil {
		w.change(p)
	}
	return p, err
}

// sources bind the world.
func (w *world) sources() *Sources {
	return &Sources{
		Version: thisVersion, EnvFile: filepath.Join(w.dir, ".env"), Template: stack.NginxTemplate,
		Embedded: [][]byte{stack.Compose}, Now: func() time.Time { return w.now },
		Load: w.load, Alerts: w.alerts,
		Connect: func(context.Context) (Engine, error) {
			if w.connectErr != nil {
				return nil, w.connectErr
			}
			return w, nil
		},
		Dial: func(context.Context, string, Scheme) error { return w.dialErr },
	}
}

// alerts stands for the watcher's reader.
func (w *world) alerts(env func(string) string) (alert.Config, error) {
	cfg := alert.DefaultConfig()
	var errs []error
	for _, v := range []struct {
		name string
		set  func(float64)
	}{
		{"ERROR_RATE_THRESHOLD", func(v float64) { cfg.ThresholdPercent = v }},
		{"WINDOW_SIZE", func(v float64) { cfg.Window = int(v) }},
		{"MIN_ERRORS", func(v float64) { cfg.MinErrors = int(v) }},
		{"ERROR_RATE_PENDING", func(v float64) { cfg.Pending = int(v) }},
		{"MIN_SAMPLES", func(v float64) { cfg.MinSamples = int(v) }},
	} {
		if text := env(v.name); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			errs = append(errs, err)
			v.set(n)
		}
	}
	types, err := alert.ParseTypes(env("ALERTS_OFF"))
	if env("ALERTS_OFF") != "" {
		cfg.Off = types
		errs = append(errs, err)
	}
	return cfg, errors.Join(append(errs, cfg.Validate())...)
}

// The world is its own engine.

func (w *world) Info() compose.Info                             { return w.info }
func (w *world) System(context.Context) (compose.System, error) { return w.system, nil }
func (w *world) Close()                                         {}
func (w *world) Observe(context.Context, *compose.Project) (*compose.Observed, error) {
	return w.observed, nil
}

func (w *world) Containers(ctx context.Context, _ string) ([]compose.Container, error) {
	if w.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.containers, nil
}

func (w *world) Deployment(context.Context, string) (bluegreen.Deployment, error) {
	return w.deployment, nil
}

func (w *world) OOMKills(context.Context, string, time.Time) ([]compose.Event, error) {
	return w.oom, nil
}

func (w *world) Exec(_ context.Context, id string, cmd []string, stdin []byte) (compose.ExecResult, error) {
	var answer any
	switch line := strings.Join(cmd, " "); {
	case strings.HasSuffix(line, "version --json"):
		answer = map[string]string{"version": w.version}
	case line == "bgctl agent examine":
		if w.agent != nil {
			return *w.agent, nil
		}
		var req proxy.ExamineRequest
		if err := json.Unmarshal(stdin, &req); err != nil {
			w.t.Error(err)
		}
		answer = w.exam
		if req.Idle > 0 {
			answer = w.idle
		} else {
			w.asked = append(w.asked, req)
		}
	case cmd[0] == "cat":
		return compose.ExecResult{Stdout: []byte(w.tables)}, nil
	default:
		w.acted = append(w.acted, id+": "+line)
	}
	text, err := json.Marshal(answer)
	return compose.ExecResult{Stdout: text}, err
}

// find returns the entries of a check.
func find(r *Report, id string) []Entry {
	var out []Entry
	for _, e := range r.Checks {
		if e.ID == id {
			out = append(out, e)
		}
	}
	return out
}
