//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secretStack is a deployment of its own from files in its directory, with a webhook's
// URL in a file that only its owner can read.
func secretStack(t *testing.T) *stack {
	t.Helper()
	s, err := newStack("secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.destroy(); err != nil {
			t.Error(err)
		}
	})
	s.setEnv(t, "SLACK_ALLOW_HTTP=true", "ALERT_WEBHOOK_URL_FILE=./hook")
	s.must(t, "init")
	return s
}

// setHook writes the webhook's file.
func (s *stack) setHook(t *testing.T, url string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "hook"), []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// verdict posts a test message from the watcher's container.
func (s *stack) verdict(t *testing.T) string {
	t.Helper()
	out, _ := exec.Command("docker", "exec", s.container(t, "alert_watcher"), "/bgctl", "watch", "--test-alert").CombinedOutput()
	return string(out)
}

// compose runs docker compose on the stack's files.
func (s *stack) compose(t *testing.T, args ...string) {
	t.Helper()
	words := strings.Fields(os.Getenv("DOCKER_COMPOSE"))
	if len(words) == 0 {
		t.Fatal("DOCKER_COMPOSE is not set: run make e2e, it finds docker compose")
	}
	cmd := exec.Command(words[0], append(append(words[1:], "-p", s.project), args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Intent: a webhook in a file of mode 0600 works end to end, a new content too, and
// shows nowhere; the same files work with docker compose.
func TestSecretFile_ReachesTheWatcher(t *testing.T) {
	s := secretStack(t)
	if r := s.run("up"); r.code != 2 || !strings.Contains(r.err, "ALERT_WEBHOOK_URL_FILE") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("without the file: exit %d\n%s", r.code, r.err)
	}
	if out := docker(t, "ps", "-aq", "--filter", "label=com.docker.compose.project="+s.project); out != "" {
		t.Errorf("without the file containers were made: %s", out)
	}

	s.setHook(t, "http://no-such-host.invalid/sS3cr3tOne")
	s.must(t, "up")
	if got := s.verdict(t); !strings.Contains(got, "cannot resolve the host") {
		t.Errorf("the first webhook: %s", got)
	}
	s.setHook(t, "http://app_green:3000/sS3cr3tTwo")
	if r := s.must(t, "up", "--dry-run"); !strings.Contains(r.out, "alert_watcher-1: contents of configs or secrets changed") || strings.Count(r.out, "recreate container") != 1 {
		t.Errorf("the plan for a new content:\n%s", r.out)
	}
	s.must(t, "up")
	if got := s.verdict(t); !strings.Contains(got, "accepted") {
		t.Errorf("the second webhook: %s", got)
	}
	s.showsNo(t, "sS3cr3t")
	if r := s.run("status"); r.code != 0 {
		t.Errorf("status: exit %d\n%s", r.code, r.out)
	}

	// docker compose takes the stack over as it is, and the secret with it.
	before := s.container(t, "alert_watcher")
	s.compose(t, "up", "-d")
	if s.container(t, "alert_watcher") != before {
		t.Error("docker compose made another container")
	}
	// Made by docker compose, the watcher cannot read a file of mode 0600: it says so and
	// works on, and bgctl up mends that.
	s.compose(t, "up", "-d", "--force-recreate", "--no-deps", "alert_watcher")
	eventually(t, 30*time.Second, "status says what is wrong", func() bool {
		r := s.run("status")
		return r.code == 3 && strings.Contains(r.out, "webhook gets no messages") && strings.Contains(r.out, "setfacl -m u:65532:r")
	})
	s.must(t, "up")
	if got := s.verdict(t); !strings.Contains(got, "accepted") {
		t.Errorf("after docker compose: %s", got)
	}
	s.showsNo(t, "sS3cr3t")

	// No longer set, it is gone from the volume as well.
	s.setEnv(t, "ALERT_WEBHOOK_URL_FILE=")
	s.must(t, "up")
	if got := docker(t, "cp", s.container(t, "alert_watcher")+":/run/secrets/alert_webhook_url", "-"); strings.Contains(got, "sS3cr3t") {
		t.Error("the secret is still in the volume")
	}
	s.compose(t, "up", "-d", "--force-recreate", "--no-deps", "alert_watcher")
	eventually(t, 30*time.Second, "the stack is fine without a webhook", func() bool { return s.run("status").code == 0 })
}

// showsNo searches what the engine and the watcher tell about the deployment.
func (s *stack) showsNo(t *testing.T, secret string) {
	t.Helper()
	id := s.container(t, "alert_watcher")
	ids := strings.Fields(docker(t, "ps", "-aq", "--filter", "label=com.docker.compose.project="+s.project))
	image := strings.TrimSpace(docker(t, "inspect", "--format", "{{.Image}}", id))
	texts := map[string]string{
		"inspect": docker(t, append([]string{"inspect"}, ids...)...), "image": docker(t, "image", "inspect", image) + docker(t, "history", "--no-trunc", image),
		"top": docker(t, "top", id), "logs": docker(t, "logs", id), "volumes": docker(t, "volume", "inspect", s.project+"_secrets"),
	}
	for _, args := range [][]string{{"config"}, {"config", "--json"}, {"status", "--json"}, {"events", "--json"}, {"up", "--dry-run", "--debug"}, {"logs", "alert_watcher"}} {
		r := s.run(args...)
		texts[fmt.Sprint("bgctl ", args)] = r.out + r.err
	}
	for where, text := range texts {
		if text == "" && where != "bgctl [events --json]" {
			t.Errorf("%s shows nothing at all", where)
		}
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the secret:\n%s", where, text)
		}
	}
	var stat strings.Builder
	cmd := exec.Command("sh", "-c", "docker cp "+id+":/run/secrets/alert_webhook_url - | tar --numeric-owner -tvf -")
	cmd.Stdout = &stat
	if err := cmd.Run(); err != nil || !strings.HasPrefix(stat.String(), "-r--------") || !strings.Contains(stat.String(), "65532/65532") {
		t.Errorf("the file in the container: %v %s", err, stat.String())
	}
}
