//go:build !e2e

package main

import (
	"context"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/watch"
)

// TestEvents_FollowsAcrossRestartAndRotation follows the real watcher while it is
// killed, started again, and its history is rotated under the reader.
func TestEvents_FollowsAcrossRestartAndRotation(t *testing.T) {
	t.Parallel()
	b := newWatchBench(t)
	watcher := b.start()
	b.write(answered, 20)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	printed := &lockedBuffer{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := &app{out: printed, err: b.out, env: func(string) string { return "" }}
	done := make(chan error, 1)
	go func() { done <- a.events(ctx, &eventFlags{follow: true, json: true, limit: 100, state: b.state}) }()

	outage := func(n int) {
		b.write(noPool, 4)
		b.write(answered, 15)
		b.until(20*time.Second, "the outage is printed", func() bool {
			return strings.Count(printed.String(), `"type":"all_down","status":"resolved"`) == n
		})
	}
	outage(1)
	if err := watcher.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = watcher.Wait()
	path := filepath.Join(b.state, watch.HistoryFile)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	watcher = b.start()
	outage(2)
	outage(3)
	b.until(20*time.Second, "the deliveries are printed", func() bool { return strings.Count(printed.String(), `"state":"sent"`) >= 4 })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("ended by the reader: %v", err)
	}
	_ = watcher.Process.Signal(syscall.SIGTERM)
	_ = watcher.Wait()
	seen := map[string]int{}
	for line := range strings.Lines(printed.String()) {
		seen[line]++
		if seen[line] > 1 {
			t.Errorf("printed twice: %s", line)
		}
	}
	if n := strings.Count(printed.String(), `"type":"all_down"`); n != 6 {
		t.Errorf("%d transitions printed, want 6", n)
	}
}

// TestMaintenance_ReachesTheRunningWatcher mutes the real process and ends that.
func TestMaintenance_ReachesTheRunningWatcher(t *testing.T) {
	t.Parallel()
	b := newWatchBench(t)
	watcher := b.start()
	b.write(answered, 20)
	b.until(20*time.Second, "the log is read", func() bool { return strings.Contains(b.file("watch.json"), `"offset"`) })
	run := func(args ...string) string {
		cmd := b.command(append([]string{"maintenance"}, append(args, "--state", b.state)...)...)
		cmd.Stdout = nil
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run("on", "--for", "10m", "--scope", "all", "--reason", "disk swap", "--json"); !strings.Contains(out, `"in_force":true`) {
		t.Errorf("on: %s", out)
	}
	if out := run("status"); !strings.Contains(out, "all messages are muted") || !strings.Contains(out, "disk swap") {
		t.Errorf("status: %s", out)
	}
	b.write(noPool, 4)
	b.until(20*time.Second, "the alert is muted", func() bool {
		for _, e := range b.entries() {
			if e.Event != nil && e.Event.Type == alert.AllDown && e.Event.Muted != "" {
				return true
			}
		}
		return false
	})
	if out := run("off", "--json"); !strings.Contains(out, `"active":false,"in_force":true`) {
		t.Errorf("off: %s", out)
	}
	b.until(20*time.Second, "what is still wrong is told at the end", func() bool {
		for _, m := range b.slack.Messages() {
			if strings.Contains(string(m.Body), "all_down") {
				return true
			}
		}
		return false
	})
	_ = watcher.Process.Signal(syscall.SIGTERM)
	_ = watcher.Wait()
}

// A line that a command in the watcher's container printed is the line of the file.
func TestLineSet_KnowsALineByItsEscapes(t *testing.T) {
	s := &lineSet{seed: maphash.MakeSeed()}
	if !s.add([]byte("{\"summary\":\"a\u202eb\"}")) || s.add([]byte(`{"summary":"a\u202eb"}`)) {
		t.Error("the same event counts twice")
	}
	if !s.add([]byte(`{"summary":"ab"}`)) {
		t.Error("another event does not count")
	}
}
