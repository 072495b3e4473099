//go:build e2e

package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// engine is the real one. Without it these tests fail: skipping would hide that nothing was tested.
func engine(t *testing.T) *Client {
	t.Helper()
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Close() })
	if _, err := api.Ping(t.Context()); err != nil {
		t.Fatalf("the e2e tests need a Docker engine: %v", err)
	}
	return &Client{api: api}
}

// cleanup runs after the test, when t.Context is already over.
func cleanup(t *testing.T, what func(ctx context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := what(ctx); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
}

type upStage struct {
	t       *testing.T
	c       *Client
	name    string
	dir     string
	image   string
	environ []string
}

// base is the test image that the stages share: a build takes seconds on a slow disk.
var base = struct {
	once sync.Once
	ref  string
}{ref: fmt.Sprintf("bgctltest-base-%d:1", os.Getpid())}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = exec.Command("docker", "rmi", "-f", base.ref).Run()
	os.Exit(code)
}

// newUpStage gives the test image a name of the stage's own and names a project of its own.
func newUpStage(t *testing.T) *upStage {
	t.Helper()
	c := engine(t)
	s := &upStage{t: t, c: c, name: fmt.Sprintf("bgctltest%d", time.Now().UnixNano()), dir: t.TempDir()}
	s.image = s.name + ":1"
	cleanup(t, func(ctx context.Context) error {
		if err := s.removeAll(ctx); err != nil {
			return err
		}
		_, _ = c.api.ImageRemove(ctx, s.image, image.RemoveOptions{})
		list, err := c.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "bgctl.test="+s.name))})
		for _, img := range list {
			_, _ = c.api.ImageRemove(ctx, img.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		}
		return err
	})
	base.once.Do(func() {
		shared := *s
		shared.name = "base"
		shared.buildImage(base.ref, "first")
	})
	if err := c.api.ImageTag(t.Context(), base.ref, s.image); err != nil {
		t.Fatal(err)
	}
	return s
}

// removeAll removes everything that carries the project's name, whoever made it.
func (s *upStage) removeAll(ctx context.Context) error {
	filter := projectFilter(s.name)
	containers, err := s.c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filter})
	for _, one := range containers {
		err = errors.Join(err, s.c.removeAndWait(ctx, one.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	networks, listErr := s.c.api.NetworkList(ctx, network.ListOptions{Filters: filter})
	err = errors.Join(err, listErr)
	for _, one := range networks {
		err = errors.Join(err, s.c.api.NetworkRemove(ctx, one.ID))
	}
	volumes, listErr := s.c.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
	err = errors.Join(err, listErr)
	for _, one := range volumes.Volumes {
		err = errors.Join(err, s.c.api.VolumeRemove(ctx, one.Name, false))
	}
	images, listErr := s.c.api.ImageList(ctx, image.ListOptions{Filters: filter})
	err = errors.Join(err, listErr)
	for _, one := range images {
		_, removeErr := s.c.api.ImageRemove(ctx, one.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		err = errors.Join(err, removeErr)
	}
	return err
}

// program is the test program, compiled once per test run.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "bgctl-e2eapp-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	out := filepath.Join(dir, "app")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, "./testdata/e2eapp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the test program: %w\n%s", err, text)
	}
	return os.ReadFile(out)
})

// buildImage goes through the product's own `build:`, with an embedded context.
func (s *upStage) buildImage(ref, mark string) {
	s.t.Helper()
	project := s.embedded(fmt.Sprintf("name: %s\nservices: {x: {image: %q, build: {context: ./app}}}", s.name, ref), mark)
	if err := s.c.buildService(s.t.Context(), project, project.Services["x"], func(string) {}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *upStage) embedded(content, mark string) *Project {
	s.t.Helper()
	app, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	dockerfile := fmt.Sprintf("FROM scratch\nLABEL bgctl.test=%s mark=%s\nCOPY app /app\nENTRYPOINT [\"/app\"]\n", s.name, mark)
	project, err := Load(s.t.Context(), LoadOptions{
		WorkingDir: s.t.TempDir(), ProjectName: s.name, Environ: s.environ,
		Embedded: &Embedded{Name: "built-in", Content: []byte(content), Contexts: map[string]fs.FS{
			"app": fstest.MapFS{
				"Dockerfile": {Data: []byte(dockerfile), Mode: 0o644},
				"app":        {Data: slices.Clone(app), Mode: 0o755},
			},
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return project
}

func (s *upStage) load(content string) *Project {
	s.t.Helper()
	content = strings.ReplaceAll(content, "IMAGE", s.image)
	if err := os.WriteFile(filepath.Join(s.dir, "compose.yaml"), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	project, err := Load(s.t.Context(), LoadOptions{WorkingDir: s.dir, ProjectName: s.name, Environ: s.environ})
	if err != nil {
		s.t.Fatal(err)
	}
	return project
}

func (s *upStage) plan(p *Project, opts UpOptions) *Plan {
	s.t.Helper()
	seen, err := s.c.Observe(s.t.Context(), p)
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := PlanUp(p, seen, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return plan
}

func (s *upStage) up(p *Project, opts UpOptions) error {
	s.t.Helper()
	return s.c.Execute(s.t.Context(), s.plan(p, opts), nil)
}

func (s *upStage) mustUp(p *Project, opts UpOptions) {
	s.t.Helper()
	if err := s.up(p, opts); err != nil {
		s.t.Fatal(err)
	}
}

func (s *upStage) mustBeSettled(p *Project) {
	s.t.Helper()
	if plan := s.plan(p, UpOptions{WaitHealthy: true}); !plan.Empty() {
		s.t.Errorf("a second up is not empty:\n%s", plan)
	}
}

func (s *upStage) inspect(service string) container.InspectResponse {
	s.t.Helper()
	info, err := s.c.api.ContainerInspect(s.t.Context(), s.name+"-"+service+"-1")
	if err != nil {
		s.t.Fatal(err)
	}
	return info
}

const fourServices = `
services:
  init:
    image: IMAGE
    command: [cat, /etc/greeting, hello]
    configs: [{source: greeting, target: /etc/greeting}]
  web:
    image: IMAGE
    environment: {ACTIVE_POOL: "${POOL:-blue}"}
    healthcheck: {test: [CMD, /app, health], interval: 200ms, retries: 20}
    volumes: [data:/data]
    networks: {default: , back: {aliases: [backend]}}
    labels: {bgctl.role: proxy}
    restart: unless-stopped
    x-bgctl: {live_env: [ACTIVE_POOL]}
  front:
    image: IMAGE
    command: [resolve, web]
    depends_on: {web: {condition: service_healthy}}
  back:
    image: IMAGE
    read_only: true
    cap_drop: [ALL]
    networks: [back]
    depends_on:
      init: {condition: service_completed_successfully}
      front: {condition: service_completed_successfully}
volumes: {data: }
networks: {back: {internal: true}}
configs: {greeting: {content: hello}}
`

func TestE2E_UpTwiceThenChangeThenDown(t *testing.T) {
	s := newUpStage(t)
	project := s.load(fourServices)
	s.mustUp(project, UpOptions{WaitHealthy: true})
	before := s.inspect("web")
	if before.State.Health.Status != container.Healthy {
		t.Errorf("web is %s", before.State.Health.Status)
	}

	begin := time.Now()
	s.mustUp(project, UpOptions{})
	t.Logf("idempotent up of 4 services: %s", time.Since(begin))
	if time.Since(begin) > time.Second {
		t.Errorf("the second up took %s", time.Since(begin))
	}
	s.mustBeSettled(project)

	// A live variable alone keeps the container and is reported.
	s.environ = []string{"POOL=green"}
	green := s.load(fourServices)
	plan := s.plan(green, UpOptions{})
	if !plan.Empty() || plan.LiveDrift["web"]["ACTIVE_POOL"] != (Drift{From: "blue", To: "green"}) {
		t.Errorf("live drift: %v\n%s", plan.LiveDrift, plan)
	}

	// Anything else recreates that service only.
	changed := s.load(strings.Replace(fourServices, "bgctl.role: proxy", "bgctl.role: other", 1))
	s.mustUp(changed, UpOptions{WaitHealthy: true})
	after := s.inspect("web")
	if after.ID == before.ID || after.Name != before.Name || after.Config.Labels["bgctl.role"] != "other" {
		t.Errorf("web was not recreated in place: %s %s", after.ID, after.Name)
	}
	s.mustBeSettled(changed)

	// Down needs no file.
	report, err := s.c.Down(t.Context(), NamedProject(s.name), DownOptions{Volumes: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Containers) != 4 || len(report.Networks) != 2 || len(report.Volumes) != 1 || len(report.Kept) != 0 {
		t.Errorf("down: %+v", report)
	}
	left, err := s.c.api.ContainerList(t.Context(), container.ListOptions{All: true, Filters: projectFilter(s.name)})
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v %v", left, err)
	}
}

// TestE2E_DependencyIsCheckedAtOnce: the engine makes its first check after 30 s.
func TestE2E_DependencyIsCheckedAtOnce(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.load(`services:
  db:
    image: IMAGE
    healthcheck: {test: [CMD, /app, health], interval: 30s}
  web:
    image: IMAGE
    depends_on: {db: {condition: service_healthy}}
`)
	begin := time.Now()
	s.mustUp(project, UpOptions{})
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("up took %s: it waited for the engine's check", took)
	}
	if got := s.inspect("web"); !got.State.Running {
		t.Errorf("web does not run: %+v", got.State)
	}
}

func TestE2E_InterruptedRecreate(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.load("services: {web: {image: IMAGE, stop_grace_period: 1s}}")
	s.mustUp(project, UpOptions{})
	old := s.inspect("web")
	// The old one is gone, the new one not renamed yet.
	if err := s.c.api.ContainerRename(t.Context(), old.ID, temporaryName(old.ID, s.name+"-web-1")); err != nil {
		t.Fatal(err)
	}
	s.mustUp(project, UpOptions{})
	if now := s.inspect("web"); now.ID != old.ID || !now.State.Running {
		t.Errorf("the new container did not take the place: %s", now.State.Status)
	}
	s.mustBeSettled(project)
}

func TestE2E_NetworkRemovedWhileStopped(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.load("services: {web: {image: IMAGE, stop_grace_period: 1s}}")
	s.mustUp(project, UpOptions{})
	if err := s.c.Stop(t.Context(), s.inspect("web").ID, time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.c.api.NetworkRemove(t.Context(), s.name+"_default"); err != nil {
		t.Fatal(err)
	}
	s.mustUp(project, UpOptions{})
	if !s.inspect("web").State.Running {
		t.Error("web does not run")
	}
	s.mustBeSettled(project)
}

func TestE2E_ErrorsSayWhatAndWhy(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	port := "127.0.0.1:39517:3000"
	tests := []struct {
		name, file string
		is         error
		says       []string
	}{
		{
			"image", "services: {web: {image: 'bgctl.invalid/none:1'}}", ErrImageMissing,
			[]string{"image bgctl.invalid/none:1 is neither on the engine"},
		},
		{
			"port", "services: {one: {image: IMAGE, ports: ['" + port + "']}, two: {image: IMAGE, ports: ['" + port + "'], depends_on: [one]}}",
			ErrPortTaken,
			[]string{"port 39517", "container " + s.name + "-one-1"},
		},
		{
			"sick", "services: {web: {image: IMAGE, environment: {SICK: 1}, healthcheck: {test: [CMD, /app, health], interval: 100ms, retries: 2}}," +
				" two: {image: IMAGE, depends_on: {web: {condition: service_healthy}}}}",
			ErrUnhealthy,
			[]string{"web-1 is unhealthy", "no good answer"},
		},
		{
			"exited", "services: {web: {image: IMAGE, command: [fail], healthcheck: {test: [CMD, /app, health]}}," +
				" two: {image: IMAGE, depends_on: {web: {condition: service_healthy}}}}",
			ErrUnhealthy,
			[]string{"web-1 exited with code 3"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := s.up(s.load(tt.file), UpOptions{RemoveOrphans: true})
			if !errors.Is(err, tt.is) {
				t.Fatalf("error %v, want %v", err, tt.is)
			}
			for _, text := range tt.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			var sick *UnhealthyError
			if errors.As(err, &sick) && sick.Log == "" {
				t.Error("no log tail")
			}
			down := DownOptions{Volumes: true, RemoveOrphans: true, Timeout: new(time.Duration)}
			if _, err := s.c.Down(t.Context(), NamedProject(s.name), down, nil); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestE2E_EmbeddedBuild(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = "services: {web: {build: {context: ./app}, stop_grace_period: 1s}}"
	first := s.embedded(file, "one")
	s.mustUp(first, UpOptions{})
	was := s.inspect("web")
	s.mustBeSettled(first)
	second := s.embedded(file, "two")
	s.mustUp(second, UpOptions{})
	now := s.inspect("web")
	if now.ID == was.ID || now.Image == was.Image {
		t.Error("a changed context did not rebuild and recreate")
	}
	s.mustBeSettled(second)
}

func TestE2E_PlanServiceWithAnotherImage(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.load("services: {green: {image: '${GREEN:-IMAGE}', stop_grace_period: 1s}, blue: {image: IMAGE, stop_grace_period: 1s}}")
	s.mustUp(project, UpOptions{})
	blue := s.inspect("blue")
	s.buildImage(s.name+":2", "second")
	plan, err := s.c.PlanService(t.Context(), project, "green", ServiceOptions{Image: s.name + ":2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.c.Execute(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if got := s.inspect("green").Config.Image; got != s.name+":2" {
		t.Errorf("green runs %s", got)
	}
	if s.inspect("blue").ID != blue.ID {
		t.Error("blue was touched")
	}
	// A file that says the same changes nothing.
	s.environ = []string{"GREEN=" + s.name + ":2"}
	s.mustBeSettled(s.load("services: {green: {image: '${GREEN:-IMAGE}', stop_grace_period: 1s}, blue: {image: IMAGE, stop_grace_period: 1s}}"))
}
