package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/slack"
)

func TestReceivers_ChangeWhileTheWatcherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *watcher
		late := &fakeReceiver{name: "late", out: slack.Outcome{Action: slack.Delivered}}
		b := start(t, t.TempDir(), func(c *Config) { c.started = func(running *watcher) { w = running } })
		b.feed(record(500))
		time.Sleep(2 * time.Second)
		w.attach(t.Context(), late, "")
		b.feed(record(200))
		time.Sleep(2 * time.Second)
		w.detach("late")
		b.feed(record(500))
		time.Sleep(2 * time.Second)
		if got := late.ids(); got != "error_rate-2" {
			t.Errorf("the receiver of a moment got %q", got)
		}
		if got := b.recv.ids(); got != "error_rate-1 error_rate-2 error_rate-3" {
			t.Errorf("the one before got %q", got)
		}
		if n := len(w.queues()); n != 1 {
			t.Errorf("%d queues are left", n)
		}
	})
}
