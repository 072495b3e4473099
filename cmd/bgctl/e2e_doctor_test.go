//go:build e2e

package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// finding is one line of `bgctl doctor --json`.
type finding struct{ ID, Subject, Verdict, Evidence, Remedy string }

// doctor runs the command and returns its entries and exit code.
func (s *stack) doctor(t *testing.T, args ...string) ([]finding, int) {
	t.Helper()
	r := s.run(append([]string{"doctor", "--json"}, args...)...)
	var report struct{ Checks []finding }
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("%v in:\n%s%s", err, r.out, r.err)
	}
	t.Logf("doctor: exit %d in %s, %d entries", r.code, r.took.Round(time.Millisecond), len(report.Checks))
	if r.took > 11*time.Second {
		t.Errorf("it took %s", r.took)
	}
	return report.Checks, r.code
}

// Intent: nothing is found in a healthy stack. What is then broken is found, each fault
// with what was seen and what to do, in one run that changes nothing. Once that was
// done, nothing is found again but that the watcher had to be restarted.
func TestDoctor_FindsWhatIsBroken(t *testing.T) {
	s := own(t, "doctor")
	s.must(t, "up", "--demo")
	list, code := s.doctor(t)
	for _, e := range list {
		if e.Verdict != "ok" && e.Verdict != "skipped" {
			t.Errorf("a healthy stack: %+v", e)
		}
	}
	if code != 0 {
		t.Errorf("a healthy stack: exit %d", code)
	}

	env := filepath.Join(s.dir, ".env")
	healthy, err := os.ReadFile(env)
	if err != nil {
		t.Fatal(err)
	}
	if r := s.runEnv([]string{"BGCTL_FAILPOINT=before-route"}, "switch", "green"); r.code != -1 {
		t.Fatalf("the switch: exit %d, want it killed", r.code)
	}
	docker(t, "kill", s.container(t, "app_green"))
	docker(t, "exec", s.container(t, "nginx"), "sh", "-c", "rm /var/log/bgctl/access.log && ln -s /dev/stdout /var/log/bgctl/access.log")
	s.setEnv(t, "WINDOW_SIZE=5", "ERROR_RATE_THRESHOLD=0.05", "RETRY_NON_IDEMPOTENT=/a,/a", "ALERT_COOLDWN_SEC=7", "GREEN_IMAGE=bgctl:none")
	if err := os.Chmod(env, 0o666); err != nil {
		t.Fatal(err)
	}
	before := s.picture(t)
	list, code = s.doctor(t)
	if code != 3 {
		t.Errorf("a broken stack: exit %d", code)
	}
	for _, want := range []finding{
		{"stopped", s.project + "-app_green-1", "failed", "exited with 137", "bgctl heal green"},
		{"interrupted", "switch", "failed", "", "bgctl heal green"},
		{"log-file", "/var/log/bgctl/access.log", "failed", "a symbolic link to /dev/stdout", "docker restart"},
		{"env-mode", env, "failed", "mode 0666", "chmod 600 " + env},
		{"env-names", "ALERT_COOLDWN_SEC", "warning", "ALERT_COOLDOWN_SEC", "bgctl up"},
		{"threshold", "ERROR_RATE_THRESHOLD", "failed", "5 errors in a row", "ALERT_PRESET=reference"},
		{"environment", s.project + "-alert_watcher-1", "warning", "ERROR_RATE_THRESHOLD, WINDOW_SIZE", "bgctl up --dry-run"},
		{"environment", s.project + "-nginx-1", "warning", "RETRY_NON_IDEMPOTENT", "bgctl up --dry-run"},
		{"images", s.project + "-app_green-1", "warning", "bgctl:none, which is not on this engine", "bgctl up --dry-run"},
		{"proxy-settings", "nginx", "failed", "/a is there twice", "bgctl up --dry-run"},
		{"pool-health", "green (standby)", "warning", "exited", "bgctl heal green"},
	} {
		if !contains(list, want) {
			t.Errorf("not found: %+v", want)
		}
	}
	if after := s.picture(t); after != before {
		t.Errorf("it changed something:\n%s\n%s", before, after)
	}

	// The remedies do what they promise.
	if err := os.WriteFile(env, healthy, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(env, 0o600); err != nil {
		t.Fatal(err)
	}
	docker(t, "restart", s.container(t, "nginx"))
	eventually(t, 20*time.Second, "the proxy is back", func() bool { return s.active(t) == "blue" })
	s.must(t, "heal", "green")
	s.must(t, "up", "--demo")
	list, code = s.doctor(t, "--skip", "restarts")
	if code != 0 {
		t.Errorf("after the remedies: exit %d", code)
		for _, e := range list {
			if e.Verdict != "ok" && e.Verdict != "skipped" {
				t.Errorf("%+v", e)
			}
		}
	}
}

// picture is what a reading command must leave as it is.
func (s *stack) picture(t *testing.T) string {
	t.Helper()
	env, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	files := docker(t, "exec", s.container(t, "nginx"), "sh", "-c", "ls -lA --time-style=full-iso /var/lib/bgctl /var/lib/bgctl/* /tmp/*.conf")
	return string(env) + files + docker(t, "inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.State.Status}}", s.container(t, "nginx"), s.container(t, "app_blue"), s.container(t, "app_green"))
}

// contains reports whether a list has an finding like want.
func contains(list []finding, want finding) bool {
	for _, e := range list {
		if e.ID == want.ID && e.Subject == want.Subject && e.Verdict == want.Verdict &&
			strings.Contains(e.Evidence, want.Evidence) && strings.Contains(e.Remedy, want.Remedy) {
			return true
		}
	}
	return false
}

// Intent: without an engine the files are examined, and the code says why no more was.
func TestDoctor_WithoutAnEngine(t *testing.T) {
	list, code := shared.doctor(t, "-H", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
	if code != 5 {
		t.Errorf("exit %d, want 5", code)
	}
	if !contains(list, finding{ID: "engine", Subject: list[indexOf(list, "engine")].Subject, Verdict: "failed", Evidence: "no Docker socket"}) ||
		!contains(list, finding{ID: "proxy-settings", Verdict: "ok"}) || !contains(list, finding{ID: "stopped", Verdict: "skipped"}) {
		t.Errorf("%+v", list)
	}
}

func indexOf(list []finding, id string) int {
	for i, e := range list {
		if e.ID == id {
			return i
		}
	}
	return 0
}
