//go:build e2e

package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests named TestSafe_ hold every command to what a switch holds: no request is
// lost, nothing is deleted that is not ours, and the truth is told. They work with an
// application that knows nothing of bgctl: internal/e2eapp, called the shop.

// shopRepo is the repository of the shop's images.
const shopRepo = "shop-e2e"

// shop is the reference of one of the shop's images.
func shop(variant string) string { return shopRepo + ":" + variant }

// shopImages builds the shop's images, once for all tests.
var shopImages = sync.OnceValue(buildShop)

// buildShop makes the images from nothing, so that no registry is needed.
func buildShop() error {
	dir, err := os.MkdirTemp("", "bgctl-e2e-shop-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "shop"), "bgctl/internal/e2eapp")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the shop: %w\n%s", err, out)
	}
	base := "FROM scratch\nCOPY shop /shop\nUSER 65534:65534\nENTRYPOINT [\"/shop\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(base), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("docker", "build", "-q", "-t", shop("base"), dir).CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", shop("base"), err, out)
	}
	for variant, env := range map[string]string{
		"v1": "VERSION=v1", "v2": "VERSION=v2", "v3": "VERSION=v3",
		"late":  "VERSION=late START_DELAY=8s",
		"hang":  "VERSION=hang HANG=1",
		"exits": "VERSION=exits FAIL=1",
		"crash": "VERSION=crash CRASH_AFTER=300ms",
		"deaf":  "VERSION=deaf START_DELAY=10m",
	} {
		cmd := exec.Command("docker", "build", "-q", "-t", shop(variant), "-")
		cmd.Stdin = strings.NewReader("FROM " + shop("base") + "\nENV " + env + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", shop(variant), err, out)
		}
	}
	return nil
}

// safe is the deployment of the shop that the tests with the machine to themselves
// share. The first of them makes it.
var safe *stack

// endSafe removes what the tests of this file's kind share.
func endSafe() error {
	var err error
	if safe != nil {
		err = safe.wipe()
		err = errors.Join(err, os.RemoveAll(safe.dir))
	}
	out, lerr := exec.Command("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+shopRepo+":*").Output()
	if refs := strings.Fields(string(out)); len(refs) > 0 {
		lerr = errors.Join(lerr, exec.Command("docker", append([]string{"rmi", "-f"}, refs...)...).Run())
	}
	return errors.Join(err, lerr)
}

// newShop prepares a deployment of the shop: image variant in both pools, as release
// variant. It is not brought up.
func newShop(t *testing.T, name, variant string) *stack {
	t.Helper()
	if err := shopImages(); err != nil {
		t.Fatal(err)
	}
	s, err := newStack(name)
	if err != nil {
		t.Fatal(err)
	}
	s.writeEnv(t, s.envFor("blue", shop(variant), shop(variant)))
	return s
}

// ownShop is newShop for one test alone, brought up.
func ownShop(t *testing.T, name, variant string) *stack {
	t.Helper()
	s := newShop(t, name, variant)
	t.Cleanup(func() {
		if err := errors.Join(s.wipe(), os.RemoveAll(s.dir)); err != nil {
			t.Error(err)
		}
	})
	s.bringUp(t)
	return s
}

// bringUp brings a prepared deployment up and waits until users get answers.
func (s *stack) bringUp(t *testing.T) {
	t.Helper()
	s.must(t, "up")
	eventually(t, 30*time.Second, "the shop answers", func() bool {
		text, err := ask(t.Context(), s.url())
		return err == nil && strings.HasPrefix(text, "shop ")
	})
}

// atBase returns the shared deployment in the state that its tests start from: v1 in
// both pools, blue active, nothing left to do. The test may change it: what cannot be
// put back with bgctl is made anew for the next one.
func atBase(t *testing.T) *stack {
	t.Helper()
	if safe == nil {
		safe = newShop(t, "safe", "v1")
		safe.bringUp(t)
	}
	safe.rebase(t, safe.baseEnv())
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		safe.writeEnv(t, safe.baseEnv())
		if safe.active(t) != "blue" {
			safe.run("switch", "blue")
		}
		safe.run("up", "--yes", "--release-from-env") // rebase judges what came of it
	})
	return safe
}

// rebase makes a deployment anew unless it is as env says, with nothing left to do.
func (s *stack) rebase(t *testing.T, env string) {
	t.Helper()
	why := s.strays(t, env)
	if why == "" {
		return
	}
	t.Logf("the deployment is made anew: %s", why)
	if err := s.wipe(); err != nil {
		t.Fatal(err)
	}
	s.writeEnv(t, env)
	s.bringUp(t)
}

// strays says in what a deployment differs from env, "" when in nothing.
func (s *stack) strays(t *testing.T, env string) string {
	t.Helper()
	if got := s.envText(t); got != env {
		return "its .env was changed"
	}
	now, why := s.look(t)
	if why != "" {
		return why
	}
	if got := s.envFor(now.Active, now.Pools["blue"].Image, now.Pools["green"].Image); got != env {
		return fmt.Sprintf("%s is active, the pools hold %v", now.Active, now.Pools)
	}
	if dry := s.run("up", "--dry-run"); dry.code != 0 || !strings.Contains(dry.out, "nothing to do") {
		return fmt.Sprintf("up --dry-run: exit %d: %s%s", dry.code, dry.out, dry.err)
	}
	return ""
}

// snapshot is what `bgctl status --json` tells, as far as these tests ask.
type snapshot struct {
	Active, State, Unfinished string
	Solo, Lock                any
	Faults                    []any
	Pools                     map[string]struct{ Release, Image string }
}

// look returns the deployment's state, and what is illegal about one that should be at
// rest: its state, unfinished operations, and whether users get what status says.
func (s *stack) look(t *testing.T) (now snapshot, illegal string) {
	t.Helper()
	r := s.run("status", "--json")
	if err := json.Unmarshal([]byte(r.out), &now); err != nil {
		return now, fmt.Sprintf("status --json: %v: %s%s", err, r.out, r.err)
	}
	if now.State != "ok" || now.Unfinished != "" || now.Solo != nil || now.Lock != nil || len(now.Faults) != 0 {
		return now, fmt.Sprintf("state %q, unfinished %q, solo %v, lock %v, faults %v", now.State, now.Unfinished, now.Solo, now.Lock, now.Faults)
	}
	text, err := ask(t.Context(), s.url())
	if err != nil {
		return now, "users get no answer: " + err.Error()
	}
	image := now.Pools[now.Active].Image
	if want := fmt.Sprintf("shop %s in %s\n", strings.TrimPrefix(image, shopRepo+":"), now.Active); text != want {
		return now, fmt.Sprintf("status says %s holding %s, users get %q", now.Active, image, text)
	}
	return now, ""
}

// atRest fails the test unless the deployment comes to a legal rest within limit, and
// returns its state.
func (s *stack) atRest(t *testing.T, limit time.Duration) snapshot {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		now, why := s.look(t)
		if why == "" {
			return now
		}
		if time.Since(begin) > limit {
			t.Errorf("not legal within %s: %s", limit, why)
			return now
		}
	}
}

// baseEnv is the .env of a deployment with v1 in both pools and blue active.
func (s *stack) baseEnv() string { return s.envFor("blue", shop("v1"), shop("v1")) }

// envFor is the .env that says what stands where.
func (s *stack) envFor(active, blue, green string) string {
	tag := func(image string) string { return image[strings.LastIndex(image, ":")+1:] }
	var b strings.Builder
	fmt.Fprintf(&b, "ACTIVE_POOL=%s\n", active)
	for _, name := range []string{"HTTP_PORT", "BLUE_PORT", "GREEN_PORT", "STANDIN_PORT"} {
		fmt.Fprintf(&b, "%s=%d\n", name, s.ports[name])
	}
	fmt.Fprintf(&b, "HTTP_BIND=127.0.0.1\nALERT_COOLDOWN_SEC=5\nBLUE_IMAGE=%s\nGREEN_IMAGE=%s\nRELEASE_ID_BLUE=%s\nRELEASE_ID_GREEN=%s\n%s\n",
		blue, green, tag(blue), tag(green), impatient)
	return b.String()
}

// writeEnv replaces the .env.
func (s *stack) writeEnv(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, ".env"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkout is a second folder of the same deployment, with a copy of its .env.
func (s *stack) checkout(t *testing.T) *stack {
	t.Helper()
	other := *s
	other.dir = t.TempDir()
	other.writeEnv(t, s.envText(t))
	return &other
}

// wipe removes every trace of a deployment from the engine, without bgctl.
func (s *stack) wipe() error { return wipeProject(s.project) }

// wipeProject removes a compose project with the docker client alone.
func wipeProject(project string) error {
	var err error
	for _, kind := range []string{"container", "network", "volume"} {
		list := []string{kind, "ls", "-q", "--filter", "label=com.docker.compose.project=" + project}
		remove := []string{kind, "rm"}
		if kind != "network" {
			remove = append(remove, "-f")
		}
		if kind == "container" {
			list = append(list, "-a")
			remove = append(remove, "-v")
		}
		out, lerr := exec.Command("docker", list...).Output()
		err = errors.Join(err, lerr)
		if ids := strings.Fields(string(out)); len(ids) > 0 {
			if text, rerr := exec.Command("docker", append(remove, ids...)...).CombinedOutput(); rerr != nil {
				err = errors.Join(err, fmt.Errorf("remove %s of %s: %w: %s", kind, project, rerr, text))
			}
		}
	}
	return err
}

// containers are the IDs of the deployment's containers by service; a service with two
// has both IDs in one text.
func (s *stack) containers(t *testing.T) map[string]string {
	t.Helper()
	out := docker(t, "ps", "-a", "--filter", "label=com.docker.compose.project="+s.project,
		"--format", `{{.Label "com.docker.compose.service"}} {{.ID}}`)
	got := map[string]string{}
	for line := range strings.Lines(out) {
		service, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[service] += id
	}
	return got
}

// sameContainers fails the test when a container was replaced, removed or added.
func (s *stack) sameContainers(t *testing.T, before map[string]string) {
	t.Helper()
	if now := s.containers(t); !maps.Equal(now, before) {
		t.Errorf("containers: got %v, want those of before, %v", now, before)
	}
}

// inspected is what stands in a pool, as the engine knows it.
type inspected struct {
	Image   string
	Created time.Time
	Config  struct {
		Env    []string
		Labels map[string]string
	}
	HostConfig struct{ ReadonlyRootfs bool }
	State      struct {
		Running bool
		Pid     int
	}
	RestartCount int
}

// inspect asks the engine for the container of a service.
func (s *stack) inspect(t *testing.T, service string) inspected {
	t.Helper()
	var got []inspected
	if err := json.Unmarshal([]byte(docker(t, "inspect", s.container(t, service))), &got); err != nil || len(got) != 1 {
		t.Fatalf("inspect %s: %v, %d containers", service, err, len(got))
	}
	slices.Sort(got[0].Config.Env)
	delete(got[0].Config.Labels, "com.docker.compose.replace") // says how it came, not what it is
	return got[0]
}

// sameRelease fails the test unless a service runs with the image, environment, labels
// and root file system that it had.
func (s *stack) sameRelease(t *testing.T, service string, before *inspected) {
	t.Helper()
	now := s.inspect(t, service)
	if now.Image != before.Image {
		t.Errorf("image of %s: got %s, want %s", service, now.Image, before.Image)
	}
	if !slices.Equal(now.Config.Env, before.Config.Env) {
		t.Errorf("environment of %s: got %v, want %v", service, now.Config.Env, before.Config.Env)
	}
	for _, label := range slices.Sorted(maps.Keys(before.Config.Labels)) {
		if got, want := now.Config.Labels[label], before.Config.Labels[label]; got != want {
			t.Errorf("label %s of %s: got %q, want %q", label, service, got, want)
		}
	}
	if got, want := len(now.Config.Labels), len(before.Config.Labels); got != want {
		t.Errorf("labels of %s: got %d, want %d", service, got, want)
	}
	if now.HostConfig != before.HostConfig {
		t.Errorf("host configuration of %s: got %+v, want %+v", service, now.HostConfig, before.HostConfig)
	}
	if !now.State.Running {
		t.Errorf("%s: got a container that does not run, want it running", service)
	}
}

// entry is one operation of the journal.
type entry struct {
	ID, Kind, From, To, Result string
	Started, Finished          time.Time
	By                         struct{ User, Host string }
}

// history are the finished operations, newest first.
func (s *stack) history(t *testing.T) []entry {
	t.Helper()
	var v struct{ Operations []entry }
	r := s.must(t, "history", "--json", "-n", "200")
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("history --json: %v in %s", err, r.out)
	}
	return v.Operations
}

// since are the operations that are not among those of before, oldest first.
func since(now, before []entry) []entry {
	known := map[string]bool{}
	for i := range before {
		known[before[i].ID] = true
	}
	var fresh []entry
	for _, e := range slices.Backward(now) {
		if !known[e.ID] {
			fresh = append(fresh, e)
		}
	}
	return fresh
}

// kinds are what operations did.
func kinds(ops []entry) []string {
	got := []string{}
	for i := range ops {
		got = append(got, strings.TrimSpace(ops[i].Kind+" "+ops[i].To))
	}
	return got
}
