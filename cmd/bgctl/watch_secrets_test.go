//go:build !e2e

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/watch"
)

// TestWatch_QueriesStayInTheLog lets requests with secrets in their queries fail, and
// searches all that a watcher writes, answers and sends.
func TestWatch_QueriesStayInTheLog(t *testing.T) {
	t.Parallel()
	secrets := []string{"tTokenSecret", "sSignSecret", "pPassSecret"}
	b := newWatchBench(t)
	b.query = "?token=tTokenSecret&sig=sSignSecret&password=pPassSecret"
	port := freeAddress(t)
	cmd := b.start("--listen", port)
	b.write(answered, 20)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	b.write(noPool, 4)
	b.until(20*time.Second, "both receivers have the message", func() bool {
		return len(b.generic.all()) > 0 && len(b.slack.Messages()) > 0
	})
	for _, path := range []string{"/metrics", "/healthz"} {
		b.search(t, path, fetchText(t, "http://"+port+path), secrets)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	b.search(t, "output", b.out.String(), secrets)
	b.searchFiles(t, secrets)
	b.search(t, "webhook", strings.Join(b.generic.all(), "\n"), secrets)
	for _, m := range b.slack.Messages() {
		b.search(t, "Slack", string(m.Body), secrets)
	}
	if !strings.Contains(b.generic.all()[0], "?token=…") {
		t.Errorf("the request is not shown at all: %s", b.generic.all()[0])
	}
}

// badWebhooks are ways to set a webhook that cannot work, and what is said of each.
// Every one of them holds the secret, where there is something to hold it.
func badWebhooks(t *testing.T, dir string) map[string]struct{ value, file, said string } {
	t.Helper()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return map[string]struct{ value, file, said string }{
		"missing file":   {"", filepath.Join(dir, "none"), "no such file"},
		"empty file":     {"", file("empty", "\n"), "is empty"},
		"directory":      {"", dir, "not a regular file"},
		"no URL in file": {"", file("text", "xYzSuperSecretToken42"), "must start with https"},
		"long file":      {"", file("long", strings.Repeat("xYzSuperSecretToken42", 300)), "longer than"},
		"bad URL":        {"", file("bad", "https://h\x7f/xYzSuperSecretToken42"), "not a valid URL"},
		"bad value":      {"ftp://h/xYzSuperSecretToken42", "", "must start with https"},
	}
}

// TestWatch_GoesOnWithoutAReceiver runs the process with webhooks that cannot work.
func TestWatch_GoesOnWithoutAReceiver(t *testing.T) {
	t.Parallel()
	secrets := []string{"xYzSuperSecretToken42"}
	for name, bad := range badWebhooks(t, t.TempDir()) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newWatchBench(t)
			b.env = slices.DeleteFunc(b.env, func(v string) bool { return strings.HasPrefix(v, "SLACK_WEBHOOK_URL=") })
			b.env = append(b.env, "SLACK_WEBHOOK_URL="+bad.value, "SLACK_WEBHOOK_URL_FILE="+bad.file)
			port := freeAddress(t)
			cmd := b.start("--debug", "--listen", port)
			b.write(answered, 20)
			b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
			b.write(noPool, 4)
			b.until(20*time.Second, "the other receiver has the message", func() bool { return len(b.generic.all()) > 0 })
			b.until(20*time.Second, "the state names the receiver", func() bool { return strings.Contains(b.file("watch.json"), "broken_receivers") })
			health := fetchText(t, "http://"+port+"/healthz")
			st, err := watch.LoadState(b.state)
			if err != nil || !strings.Contains(st.Broken["slack"], bad.said) || !strings.Contains(health, bad.said) || !strings.Contains(health, "unhealthy") {
				t.Errorf("error %v, state %q, health %s; want %q", err, st.Broken, health, bad.said)
			}
			if n := strings.Count(b.out.String(), "slack gets no messages"); n != 1 {
				t.Errorf("said %d times:\n%s", n, b.out.String())
			}
			b.search(t, "/healthz", health, secrets)
			if bad.file != "" {
				b.searchProcess(t, cmd.Process.Pid, true, secrets)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("stopping: %v", err)
			}
			b.search(t, "output", b.out.String(), secrets)
			b.searchFiles(t, secrets)
		})
	}
}

// TestWatch_TakesUpAFileThatComesLater has the alert wait for its webhook.
func TestWatch_TakesUpAFileThatComesLater(t *testing.T) {
	t.Parallel()
	b := newWatchBench(t)
	url := ""
	b.env = slices.DeleteFunc(b.env, func(v string) bool {
		value, ok := strings.CutPrefix(v, "SLACK_WEBHOOK_URL=")
		if ok {
			url = value
		}
		return ok
	})
	file := filepath.Join(t.TempDir(), "webhook")
	b.env = append(b.env, "SLACK_WEBHOOK_URL_FILE="+file)
	b.start()
	b.write(answered, 20)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	b.write(noPool, 4)
	b.until(20*time.Second, "the other receiver has the message", func() bool { return len(b.generic.all()) > 0 })
	if err := os.WriteFile(file, fmt.Append(nil, url, "\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.until(20*time.Second, "Slack has the message", func() bool { return len(b.slack.Messages()) > 0 })
	b.until(20*time.Second, "the state is clean again", func() bool { return !strings.Contains(b.file("watch.json"), "broken_receivers") })
}
