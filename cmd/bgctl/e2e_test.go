//go:build e2e

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stack is one deployment on the real engine, in a directory and with a project
// name of its own.
type stack struct {
	dir     string
	project string
	ports   map[string]int
	env     []string
}

// shared is the deployment that most tests work on. Each test leaves it as it
// found it: both pools healthy, blue active.
var shared *stack

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	shared, err = newStack("main")
	if err == nil {
		_, err = shared.try("up", "--demo")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bring the stack up:", err)
		_ = shared.destroy() // the first error is the one to mend
		return 1
	}
	code := m.Run()
	if err := errors.Join(endSafe(), shared.destroy()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// newStack prepares a directory with free ports in its .env.
func newStack(name string) (*stack, error) {
	dir, err := os.MkdirTemp("", "bgctl-e2e-")
	if err != nil {
		return nil, err
	}
	s := &stack{dir: dir, project: fmt.Sprintf("bgctl-e2e-%s-%d", name, os.Getpid()), ports: map[string]int{}}
	var env strings.Builder
	fmt.Fprintln(&env, "ACTIVE_POOL=blue")
	for _, name := range []string{"HTTP_PORT", "BLUE_PORT", "GREEN_PORT", "STANDIN_PORT"} {
		port, err := freePort()
		if err != nil {
			return s, err
		}
		s.ports[name] = port
		fmt.Fprintf(&env, "%s=%d\n", name, port)
	}
	fmt.Fprintln(&env, "HTTP_BIND=127.0.0.1\nALERT_COOLDOWN_SEC=5")
	s.env = append(os.Environ(), "NO_COLOR=1")
	return s, os.WriteFile(filepath.Join(dir, ".env"), []byte(env.String()), 0o600)
}

// setEnv adds lines to the .env of a stack that is not up yet.
func (s *stack) setEnv(t *testing.T, lines ...string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(s.dir, ".env"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, strings.Join(lines, "\n"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// destroy takes the deployment down and checks that nothing is left.
func (s *stack) destroy() error {
	if s == nil {
		return nil
	}
	_, err := s.try("down", "--volumes", "--remove-orphans", "--yes")
	for _, kind := range []string{"container", "network", "volume"} {
		args := []string{kind, "ls", "-q", "--filter", "label=com.docker.compose.project=" + s.project}
		if kind == "container" {
			args = append(args, "-a")
		}
		out, lerr := exec.Command("docker", args...).CombinedOutput()
		if len(bytes.TrimSpace(out)) > 0 {
			lerr = errors.Join(lerr, fmt.Errorf("left behind of %s: %s", kind, out))
		}
		err = errors.Join(err, lerr)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// result is one run of bgctl.
type result struct {
	out, err string
	code     int
	took     time.Duration
}

// run runs bgctl in the stack's directory.
func (s *stack) run(args ...string) result { return s.runEnv(nil, args...) }

// runEnv is run with further variables.
func (s *stack) runEnv(env []string, args ...string) result {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin(), append([]string{"-p", s.project}, args...)...)
	cmd.Dir, cmd.Env = s.dir, append(s.env, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	r := result{out: out.String(), err: errs.String(), took: time.Since(begin)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.code = exit.ExitCode()
	case err != nil:
		r.code, r.err = -2, err.Error()
	}
	return r
}

// bin is the binary under test.
func bin() string {
	if path := os.Getenv("BGCTL_BIN"); path != "" {
		return path
	}
	return "bgctl"
}

// try is run with an error for a code other than 0.
func (s *stack) try(args ...string) (result, error) {
	r := s.run(args...)
	if r.code != 0 {
		return r, fmt.Errorf("bgctl %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r, nil
}

// must is try that ends the test.
func (s *stack) must(t *testing.T, args ...string) result {
	t.Helper()
	r, err := s.try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// url is the proxy's address.
func (s *stack) url() string { return fmt.Sprintf("http://127.0.0.1:%d", s.ports["HTTP_PORT"]) }

// status is `bgctl status --json`; its exit code is not judged.
func (s *stack) status(t *testing.T) map[string]any {
	t.Helper()
	r := s.run("status", "--json")
	var v map[string]any
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("status --json: %v\n%s%s", err, r.out, r.err)
	}
	return v
}

// active is the active pool as status tells it.
func (s *stack) active(t *testing.T) string {
	t.Helper()
	active, _ := s.status(t)["active"].(string)
	return active
}

// container returns the ID of a service's container.
func (s *stack) container(t *testing.T, service string) string {
	t.Helper()
	id := strings.TrimSpace(docker(t, "ps", "-aq", "--no-trunc",
		"--filter", "label=com.docker.compose.project="+s.project, "--filter", "label=com.docker.compose.service="+service))
	if id == "" || strings.Contains(id, "\n") {
		t.Fatalf("containers of %s: %q, want one", service, id)
	}
	return id
}

// reset puts the shared stack back: everything running, healthy, blue active.
func (s *stack) reset(t *testing.T) {
	t.Helper()
	for _, pool := range []string{"blue", "green"} {
		s.must(t, "heal", pool)
	}
	if s.active(t) != "blue" {
		s.must(t, "switch", "blue")
	}
	// nginx leaves a pool that failed alone for fail_timeout.
	eventually(t, 10*time.Second, "blue answers", func() bool {
		_, pool, _ := get(t, s.url())
		return pool == "blue"
	})
}

// docker runs the docker client.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// get asks url once on a fresh connection.
func get(t *testing.T, url string) (status int, pool, body string) {
	t.Helper()
	c := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("X-App-Pool"), string(text)
}

// eventually waits until check holds.
func eventually(t *testing.T, limit time.Duration, what string, check func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !check() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(begin)
}
