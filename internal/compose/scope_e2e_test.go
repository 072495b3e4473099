//go:build e2e

package compose

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"
)

// volumes lists the names of the project's volumes, without the project's name.
func (s *upStage) volumes() []string {
	s.t.Helper()
	list, err := s.c.api.VolumeList(s.t.Context(), volume.ListOptions{Filters: projectFilter(s.name)})
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, one := range list.Volumes {
		names = append(names, strings.TrimPrefix(one.Name, s.name+"_"))
	}
	slices.Sort(names)
	return names
}

func TestE2E_DownLeavesWhatTheFileDoesNotDeclare(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = `
services:
  web: {image: IMAGE, stop_grace_period: 1s, volumes: [data:/data]}
  db: {image: IMAGE, stop_grace_period: 1s, volumes: [pgdata:/data, safe:/safe]}
volumes: {data: , pgdata: , safe: }
`
	s.load(file)
	s.compose("up", "-d")
	all := DownOptions{Volumes: true, RemoveOrphans: true}
	mustKeepAll := func(what string, p *Project) {
		t.Helper()
		report, err := s.c.Down(t.Context(), p, all, nil)
		if err != nil || len(report.Containers)+len(report.Networks)+len(report.Volumes) != 0 || len(report.Kept) != 6 {
			t.Errorf("%s: %v, %+v", what, err, report)
		}
		if len(s.ids()) != 2 || len(s.volumes()) != 3 {
			t.Fatalf("%s: left are %v %v", what, s.ids(), s.volumes())
		}
	}
	mustKeepAll("the embedded project of the same name", s.embedded(strings.ReplaceAll(file, "IMAGE", s.image), "x"))
	mustKeepAll("the name alone", NamedProject(s.name))

	// The file has lost its db, and protects a volume now.
	project := s.load(`
services: {web: {image: IMAGE, volumes: [data:/data, safe:/safe]}}
volumes: {data: , safe: {external: true, name: ` + s.name + `_safe}}`)
	report, err := s.c.Down(t.Context(), project, DownOptions{Volumes: true}, nil)
	if err != nil || !slices.Equal(report.Containers, []string{s.name + "-web-1"}) || !slices.Equal(report.Volumes, []string{s.name + "_data"}) {
		t.Errorf("%v, %+v", err, report)
	}
	if left := s.volumes(); len(s.ids()) != 1 || !slices.Equal(left, []string{"pgdata", "safe"}) {
		t.Errorf("left are %v %v", s.ids(), left)
	}
}

func TestE2E_EmbeddedProjectGoesDown(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.embedded("services: {web: {build: {context: ./app}, stop_grace_period: 1s, volumes: [data:/data]}}\nvolumes: {data: }", "x")
	s.mustUp(project, UpOptions{})
	report, err := s.c.Down(t.Context(), project, DownOptions{}, nil)
	if err != nil || len(report.Containers) != 1 || len(report.Networks) != 1 {
		t.Errorf("%v, %+v", err, report)
	}
	// The volume tells by its own label whose it is.
	report, err = s.c.Down(t.Context(), project, DownOptions{Volumes: true}, nil)
	if err != nil || len(report.Volumes) != 1 || len(s.volumes()) != 0 {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestE2E_APullThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = `
services:
  web: {image: IMAGE, stop_grace_period: 1s, environment: {MARK: one}}
  worker: {image: IMAGE, stop_grace_period: 1s}
  old: {image: IMAGE, stop_grace_period: 1s}
`
	s.mustUp(s.load(file), UpOptions{})
	before := s.ids()
	changed := strings.NewReplacer("one", "two", "worker: {image: IMAGE", "worker: {image: 'bgctl.invalid/none:1'", "  old:", "  new:").Replace(file)
	if err := s.up(s.load(changed), UpOptions{RemoveOrphans: true}); !errors.Is(err, ErrImageMissing) {
		t.Errorf("error %v", err)
	}
	for name, id := range s.ids() {
		if before[name] != id {
			t.Errorf("%s was changed", name)
		}
	}
	if len(s.ids()) != 3 || !s.inspect("web").State.Running || !s.inspect("old").State.Running {
		t.Errorf("before %v, now %v", before, s.ids())
	}
}

func TestE2E_ARenamedServiceGetsThePortOfTheOldOne(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = "services: {web: {image: IMAGE, stop_grace_period: 1s, ports: ['127.0.0.1:39518:3000']}}"
	s.mustUp(s.load(file), UpOptions{})
	s.mustUp(s.load(strings.Replace(file, "web:", "shop:", 1)), UpOptions{RemoveOrphans: true})
	if !s.inspect("shop").State.Running || len(s.ids()) != 1 {
		t.Errorf("containers %v", s.ids())
	}
}

func TestE2E_Jobs(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = `
services:
  bucket: {image: IMAGE, command: [cat, /app]}
  migrate: {image: IMAGE, command: [MIGRATE]}
  db: {image: IMAGE, stop_grace_period: 1s, healthcheck: {test: [CMD, /app, health], interval: 2s}}
  web:
    image: IMAGE
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
`
	// A job that ends well keeps nothing from being started, though it is over by then.
	good := s.load(strings.ReplaceAll(file, "MIGRATE", "cat, /app"))
	s.mustUp(good, UpOptions{WaitHealthy: true})
	if !s.inspect("web").State.Running {
		t.Error("web does not run")
	}
	web := s.inspect("web").ID
	// A job that fails fails the command, though all that depends on it runs.
	err := s.up(s.load(strings.ReplaceAll(file, "MIGRATE", "fail")), UpOptions{WaitHealthy: true})
	if !errors.Is(err, ErrUnhealthy) || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("a failed migration: %v", err)
	}
	if s.inspect("web").ID != web {
		t.Error("web was touched")
	}
}
