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
