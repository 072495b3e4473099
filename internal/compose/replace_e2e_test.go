//go:build e2e

package compose

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
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

// askAt asks the test program at an address.
func askAt(address string) func(context.Context) Answer {
	return func(ctx context.Context) Answer {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return AnswerNone
		}
		answer, err := client.Do(req)
		if err != nil {
			return AnswerNone
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return AnswerBad
		}
		return AnswerGood
	}
}

// mustAnswer fails the test when nothing answers soon: a start returns before the program
// listens.
func mustAnswer(t *testing.T, address string) {
	t.Helper()
	ask := askAt(address)
	for range 40 {
		if ask(t.Context()) == AnswerGood {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s does not answer", address)
}

// noStaging fails the test for a staging network that is left.
func (s *upStage) noStaging() {
	s.t.Helper()
	if _, err := s.c.api.NetworkInspect(s.t.Context(), stagingNetwork(s.name), network.InspectOptions{}); !errdefs.IsNotFound(err) {
		s.t.Errorf("the staging network is there: %v", err)
	}
}

func TestE2E_Replacement(t *testing.T) {
	for name, more := range map[string]string{
		"one network":   "",
		"fixed address": "networks: {front: {ipv4_address: 10.213.71.9, aliases: [other]}}, ",
		"two networks":  "networks: {zone: {aliases: [other]}, front: {}}, ",
		"all addresses": "",
		"no port":       "",
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Replace(swapFile, "PORT", "39519", 1)
			address := "127.0.0.1:39519"
			if name == "all addresses" {
				file = strings.Replace(file, "127.0.0.1:39519", "39519", 1)
			}
			if name == "no port" {
				file = strings.Replace(file, ", ports: ['127.0.0.1:39519:3000']", "", 1)
			}
			file = strings.Replace(file, "image:", more+"image:", 1)
			if strings.Contains(more, "front") {
				file += "\nnetworks: {zone: {}, front: {ipam: {config: [{subnet: 10.213.71.0/24}]}}}"
			}
			next := strings.Replace(file, "image:", "environment: {A: b}, healthcheck: {test: [CMD, /app, health], interval: 30s}, image:", 1)
			s, old, ready := swapStage(t, file, next)
			staged := ready.staging != ""
			gap, err := ready.Swap(t.Context(), SwapOptions{Ask: askAt(address)})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("nothing answered for %s (asked: %v, staged: %v)", gap.For, gap.Asked, staged)
			now := s.inspect("web")
			if now.ID == old.ID || !now.State.Running || len(s.ids()) != 1 || gap.For <= 0 || gap.For > 5*time.Second {
				t.Errorf("gap %v, containers %v", gap, s.ids())
			}
			if err := ready.Discard(t.Context()); err != nil || !s.inspect("web").State.Running {
				t.Errorf("discard after the swap: %v", err)
			}
			s.noStaging()
			if plan := s.plan(s.load(next), UpOptions{}); !plan.Empty() {
				t.Errorf("an up of the same file is not empty:\n%s", plan)
			}
			s.sameNetworks(old, now)
			if name == "no port" {
				return
			}
			if !gap.Asked || !staged {
				t.Errorf("asked: %v, staged: %v; want both", gap.Asked, staged)
			}
			if err := s.c.Restart(t.Context(), now.ID, time.Second); err != nil {
				t.Fatal(err)
			}
			mustAnswer(t, address)
			s.sameNetworks(old, s.inspect("web"))
		})
	}
}

// sameNetworks compares the places of two containers in their networks, but for what the
// engine gives to each container on its own.
func (s *upStage) sameNetworks(old, now container.InspectResponse) {
	s.t.Helper()
	places := func(of container.InspectResponse) map[string]any {
		out := map[string]any{"mode": string(of.HostConfig.NetworkMode)}
		for port, bindings := range of.NetworkSettings.Ports {
			out["port "+string(port)] = bindings
		}
		for name, place := range of.NetworkSettings.Networks {
			aliases := slices.DeleteFunc(slices.Clone(place.Aliases), func(a string) bool { return a == of.ID[:12] })
			out[name] = aliases
			if place.IPAMConfig != nil && place.IPAMConfig.IPv4Address != "" {
				out["address "+name] = place.IPAMConfig.IPv4Address
				out["address in "+name] = place.IPAddress
			}
		}
		return out
	}
	if diff := cmp.Diff(places(old), places(now)); diff != "" {
		s.t.Errorf("networks:\n%s", diff)
	}
}

// Requests that last longer than the patience are cut: the old container ends all the same.
func TestE2E_ReplacementOfOneThatIsSlowToEnd(t *testing.T) {
	t.Parallel()
	file := strings.Replace(swapFile, "PORT", "39523", 1)
	file = strings.Replace(file, "stop_grace_period: 3s", "stop_grace_period: 20s, environment: {SLOW_STOP: 15s}", 1)
	s, old, ready := swapStage(t, file, file)
	gap, err := ready.Swap(t.Context(), SwapOptions{Ask: askAt("127.0.0.1:39523"), Patience: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("nothing answered for %s", gap.For)
	if now := s.inspect("web"); now.ID == old.ID || gap.For > 5*time.Second {
		t.Errorf("gap %v, containers %v", gap, s.ids())
	}
	s.mustBeSettled(s.load(file))
}

// A new container that does not become ready by itself changes nothing.
func TestE2E_ReplacementThatIsNotReady(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"refused": "entrypoint: [/no/such], image:", "exits": "command: [fail], image:",
		"unhealthy": "environment: {SICK: x}, healthcheck: {test: [CMD, /app, health], interval: 100ms, retries: 2}, image:",
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Replace(swapFile, "PORT", "39520", 1)
			s := newUpStage(t)
			s.mustUp(s.load(file), UpOptions{})
			old := s.inspect("web")
			_, err := s.c.PrepareReplace(t.Context(), s.load(strings.Replace(file, "image:", broken, 1)), "web", ServiceOptions{})
			if err == nil || !strings.Contains(err.Error(), "the old container serves") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v", err)
			}
			t.Log(err)
			if now := s.inspect("web"); now.ID != old.ID || now.State.StartedAt != old.State.StartedAt || len(s.ids()) != 1 {
				t.Errorf("the old one is %s under %v", now.State.Status, s.ids())
			}
			s.noStaging()
			s.mustBeSettled(s.load(file))
		})
	}
}

// A new container that cannot take over is stopped, and the old one serves again: one that
// nobody can tell is broken before, and one that is ready but answers no user.
func TestE2E_ReplacementThatDoesNotServe(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]string{
		"exits": "command: [fail], image:", "answers nobody": "environment: {LISTEN: '127.0.0.1:3000'}, image:",
	} {
		t.Run(name, func(t *testing.T) {
			file, ask := strings.Replace(swapFile, "PORT", "39521", 1), askAt("127.0.0.1:39521")
			if name == "exits" {
				file, ask = strings.Replace(file, ", ports: ['127.0.0.1:39521:3000']", "", 1), nil
			}
			s, old, ready := swapStage(t, file, strings.Replace(file, "image:", broken, 1))
			gap, err := ready.Swap(t.Context(), SwapOptions{Ask: ask})
			if err == nil || strings.Contains(err.Error(), "\n") ||
				!strings.Contains(err.Error(), "the old container is started again; nothing answered for "+gap.For.Round(time.Millisecond).String()) {
				t.Errorf("error %v", err)
			}
			t.Logf("%v (gap %v)", err, gap)
			if now := s.inspect("web"); now.ID != old.ID || !now.State.Running {
				t.Errorf("the old one is %s under %v", now.State.Status, s.ids())
			}
			if err := ready.Discard(t.Context()); err != nil || len(s.ids()) != 1 {
				t.Errorf("discard: %v, containers %v", err, s.ids())
			}
			s.noStaging()
			s.mustBeSettled(s.load(file))
		})
	}
}

// A command that is killed in a replacement leaves one container serving after the next up.
func TestE2E_UpAfterAKillInAReplacement(t *testing.T) {
	t.Parallel()
	file := strings.Replace(swapFile, "PORT", "39522", 1)
	next := strings.Replace(file, "image:", "environment: {A: b}, image:", 1)
	steps := []struct {
		name string
		do   func(t *testing.T, r *Replacement) error
	}{
		{"when the new one is ready", func(*testing.T, *Replacement) error { return nil }},
		{"when the old one has ended", func(t *testing.T, r *Replacement) error { return r.end(t.Context(), time.Second) }},
		{"when the new one has the port", func(t *testing.T, r *Replacement) error {
			_, err := r.attach(t.Context())
			return err
		}},
		{"when the old one is removed", func(t *testing.T, r *Replacement) error {
			return r.run.client.removeAndWait(t.Context(), r.old.ID, container.RemoveOptions{Force: true})
		}},
	}
	for i, killed := range steps {
		t.Run(killed.name, func(t *testing.T) {
			s, _, ready := swapStage(t, file, next)
			for _, step := range steps[:i+1] {
				if err := step.do(t, ready); err != nil {
					t.Fatal(err)
				}
			}
			project := s.load(file) // the old file: the winner may be either container
			if i > 1 {
				project = s.load(next)
			}
			options := UpOptions{WaitHealthy: true, Leave: func(string) bool { return true }}
			if err := s.up(project, options); err != nil {
				t.Errorf("up: %v", err)
			}
			if now := s.inspect("web"); !now.State.Running || len(s.ids()) != 1 {
				t.Errorf("web is %s, containers %v", now.State.Status, s.ids())
			}
			mustAnswer(t, "127.0.0.1:39522")
			s.noStaging()
			s.mustBeSettled(project)
		})
	}
}
