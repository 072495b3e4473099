//go:build e2e

package compose

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

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
