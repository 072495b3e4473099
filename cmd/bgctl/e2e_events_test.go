//go:build e2e

package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// An operator must be able to read what happened, also after the watcher stopped,
// and to follow it across a restart of the watcher.
func TestEvents_ReadsAndFollowsTheWatchersHistory(t *testing.T) {
	defer shared.reset(t)
	shared.must(t, "switch", "green")
	hit := func() {
		for range 10 {
			get(t, shared.url())
		}
	}
	last := func() string {
		return shared.must(t, "events", "--type", "switch", "--limit", "1", "--json").out
	}
	eventually(t, 15*time.Second, "the switch is in the history and told", func() bool {
		hit()
		out := last()
		return strings.Contains(out, `"to":"green"`) && strings.Contains(out, `"state":"sent"`)
	})
	id := shared.container(t, "alert_watcher")
	follow := exec.Command(bin(), "-p", shared.project, "events", "-f", "--json", "--limit", "0")
	follow.Dir, follow.Env = shared.dir, shared.env
	var out safeBuffer
	follow.Stdout = &out
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = follow.Process.Kill() }()
	docker(t, "stop", "-t", "6", id)
	before := last()
	if !strings.Contains(before, `"to":"green"`) {
		t.Errorf("a stopped watcher shows %q", before)
	}
	if r := shared.run("maintenance", "on"); r.code != 1 || !strings.Contains(r.err, "bgctl up") {
		t.Errorf("maintenance on a stopped watcher: exit %d, %s", r.code, r.err)
	}
	docker(t, "start", id)
	shared.must(t, "switch", "blue")
	eventually(t, 20*time.Second, "the follower tells the switch after the restart", func() bool {
		hit()
		return strings.Contains(out.String(), `"to":"blue"`) && strings.HasSuffix(strings.TrimSpace(out.String()), "}")
	})
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if seen[line] || !json.Valid([]byte(line)) {
			t.Errorf("printed twice, or not JSON: %s", line)
		}
		seen[line] = true
	}
	if err := follow.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("ended by the reader: %v", err)
	}
	eventually(t, 10*time.Second, "nothing of the follower is left in the container", func() bool {
		return strings.Count(docker(t, "top", id), "/bgctl") == 1
	})
}

// A maintenance must reach the running watcher, mute, show in the status, and end.
func TestMaintenance_MutesWithoutARestart(t *testing.T) {
	defer shared.reset(t)
	id := shared.container(t, "alert_watcher")
	r := shared.must(t, "maintenance", "on", "--for", "10m", "--reason", "e2e", "--json")
	if !strings.Contains(r.out, `"in_force":true`) {
		t.Fatalf("on: %s", r.out)
	}
	status := shared.status(t)
	if m, _ := status["maintenance"].(map[string]any); m["reason"] != "e2e" || status["alerts"] == nil {
		t.Errorf("status shows %v, %v", status["maintenance"], status["alerts"])
	}
	shared.must(t, "switch", "green")
	eventually(t, 15*time.Second, "the switch is muted", func() bool {
		get(t, shared.url())
		return strings.Contains(shared.must(t, "events", "--type", "switch", "--limit", "1").out, "muted: maintenance")
	})
	if r := shared.must(t, "maintenance", "off"); !strings.Contains(r.out, "all messages go out") {
		t.Errorf("off: %s", r.out)
	}
	if shared.container(t, "alert_watcher") != id {
		t.Error("the watcher was replaced")
	}
}

// safeBuffer is written by a process and read by the test.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
