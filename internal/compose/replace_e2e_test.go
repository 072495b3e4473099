//go:build e2e

package compose

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// A command that is killed leaves its new container, and the engine goes on stopping the old one.
func TestE2E_UpAfterAKillInARecreate(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	const file = "services: {web: {image: IMAGE, stop_grace_period: 6s, environment: {SLOW_STOP: 2s, MARK: one}}}"
	for what, next := range map[string]string{"the same file": file, "a changed file": strings.Replace(file, "one", "two", 1)} {
		project := s.load(file)
		s.mustUp(project, UpOptions{})
		old := s.inspect("web").ID
		if _, err := s.c.PrepareReplace(t.Context(), project, "web", ServiceOptions{}); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.c.api.ContainerStop(t.Context(), old, container.StopOptions{}) }()
		time.Sleep(200 * time.Millisecond)
		project = s.load(next)
		if err := s.up(project, UpOptions{WaitHealthy: true}); err != nil {
			t.Errorf("%s: the first up fails: %v", what, err)
		}
		if err := <-stopped; err != nil && !errors.Is((&Client{}).wrap("", err), ErrNotFound) {
			t.Errorf("%s: the dead command's request: %v", what, err)
		}
		if now := s.inspect("web"); !now.State.Running || len(s.ids()) != 1 {
			t.Errorf("%s: web is %s, containers %v", what, now.State.Status, s.ids())
		}
		s.mustBeSettled(project)
	}
}

// swapStage has one service that runs, and a replacement of it as the file says.
func swapStage(t *testing.T, file, next string) (*upStage, container.InspectResponse, *Replacement) {
	t.Helper()
	s := newUpStage(t)
	s.mustUp(s.load(file), UpOptions{})
	old := s.inspect("web")
	ready, err := s.c.PrepareReplace(t.Context(), s.load(next), "web", ServiceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cleanup(t, func(ctx context.Context) error { return ready.Discard(ctx) })
	if now := s.inspect("web"); now.ID != old.ID || !now.State.Running || len(s.ids()) != 2 {
		t.Errorf("the preparation touches what runs: %v", s.ids())
	}
	return s, old, ready
}

const swapFile = "services: {web: {image: IMAGE, restart: always, stop_grace_period: 3s, ports: ['127.0.0.1:PORT:3000']}}"

func TestE2E_Replacement(t *testing.T) {
	t.Parallel()
	file := strings.Replace(swapFile, "PORT", "39519", 1)
	next := strings.Replace(file, "image:", "environment: {A: b}, healthcheck: {test: [CMD, /app, health], interval: 30s}, image:", 1)
	s, old, ready := swapStage(t, file, next)
	gap, err := ready.Swap(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("nothing ran for %s", gap)
	if now := s.inspect("web"); now.ID == old.ID || !now.State.Running || len(s.ids()) != 1 || gap <= 0 || gap > 5*time.Second {
		t.Errorf("gap %s, containers %v", gap, s.ids())
	}
	if err := ready.Discard(t.Context()); err != nil || !s.inspect("web").State.Running {
		t.Errorf("discard after the swap: %v", err)
	}
	if plan := s.plan(s.load(next), UpOptions{}); !plan.Empty() {
		t.Errorf("an up of the same file is not empty:\n%s", plan)
	}
}

func TestE2E_ReplacementThatCannotStart(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"refused": "entrypoint: [/no/such], image:", "exits": "command: [fail], image:",
		"unhealthy": "environment: {SICK: x}, healthcheck: {test: [CMD, /app, health], interval: 100ms, retries: 2}, image:",
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Replace(swapFile, "PORT", "39520", 1)
			s, old, ready := swapStage(t, file, strings.Replace(file, "image:", broken, 1))
			gap, err := ready.Swap(t.Context(), nil)
			if err == nil || !strings.Contains(err.Error(), "the old container is started again") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
			t.Logf("%v (gap %s)", err, gap)
			if now := s.inspect("web"); now.ID != old.ID || !now.State.Running {
				t.Errorf("the old one is %s under %v", now.State.Status, s.ids())
			}
			if err := ready.Discard(t.Context()); err != nil || len(s.ids()) != 1 {
				t.Errorf("discard: %v, containers %v", err, s.ids())
			}
			s.mustBeSettled(s.load(file))
		})
	}
}
