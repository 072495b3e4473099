package watch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

func TestRun_TellsAnEventEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, nil)
		b.feed(record(200), record(500))
		time.Sleep(5 * time.Second)
		b.feed(record(200))
		time.Sleep(5 * time.Second)
		want := "alert:error_rate-1 firing, delivery:error_rate-1 queued, delivery:error_rate-1 sent, " +
			"alert:error_rate-2 resolved, delivery:error_rate-2 queued, delivery:error_rate-2 sent"
		if got := b.kinds(t); got != want {
			t.Errorf("standard output:\n got %s\nwant %s", got, want)
		}
		if got := b.recv.ids(); got != "error_rate-1 error_rate-2" {
			t.Errorf("sent %s", got)
		}
		if err := b.stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		entries, err := ReadHistory(dir)
		if err != nil || len(entries) != 6 || entries[0].Event == nil || entries[2].Delivery == nil {
			t.Errorf("history %v, %v", entries, err)
		}
		if len(b.det.ticks) < 9 {
			t.Errorf("%d ticks in ten seconds", len(b.det.ticks))
		}
	})
}

func TestRun_WithoutWebhookSaysSoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), func(c *Config) { c.Receivers = nil })
		for i := range 20 {
			b.feed(record(200 + 300*(i%2)))
			time.Sleep(time.Minute)
		}
		if n := strings.Count(b.out.String(), "no webhook configured"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if n := strings.Count(b.out.String(), `"kind":"alert"`); n != 19 {
			t.Errorf("%d alerts", n)
		}
	})
}

func TestRun_GoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, nil)
		b.recv.set(slack.Outcome{Action: slack.Retry, Reason: "HTTP 503"})
		b.feed(record(200), record(500))
		time.Sleep(10 * time.Second)
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
		st, err := LoadState(dir)
		if err != nil || string(st.Cursor) != `{"pos":2}` || len(st.Alerts) != 1 {
			t.Fatalf("state %s, alerts %v, %v", st.Cursor, st.Alerts, err)
		}
		again := start(t, dir, nil)
		time.Sleep(10 * time.Minute) // the queue of the first run is delivered
		if got := again.recv.ids(); got != "error_rate-1" {
			t.Errorf("sent %q", got)
		}
		again.feed(record(500)) // still firing: nothing new
		again.feed(record(200))
		time.Sleep(5 * time.Second)
		if got := again.recv.ids(); got != "error_rate-1 error_rate-2" {
			t.Errorf("sent %q", got)
		}
	})
}

func TestRun_SavesAtOnceOnATransition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, nil)
		time.Sleep(1100 * time.Millisecond)
		pos := func() string {
			st, err := LoadState(dir)
			if err != nil {
				t.Fatal(err)
			}
			return string(st.Cursor)
		}
		b.feed(record(200))
		if got := pos(); got != "" {
			t.Errorf("saved %s before the second was over", got)
		}
		b.feed(record(500))
		if got := pos(); got != `{"pos":2}` {
			t.Errorf("a transition was not saved at once: %s", got)
		}
		b.feed(record(500))
		time.Sleep(time.Second)
		if got := pos(); got != `{"pos":3}` {
			t.Errorf("a second later %s is saved", got)
		}
	})
}

func TestRun_SecondWatcherIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first := start(t, dir, nil)
		synctest.Wait()
		second := start(t, dir, nil)
		synctest.Wait()
		if err := second.stop(); !errors.Is(err, ErrLocked) {
			t.Errorf("got %v", err)
		}
		if err := first.stop(); err != nil {
			t.Error(err)
		}
		third := start(t, dir, nil)
		synctest.Wait()
		if err := third.stop(); err != nil {
			t.Errorf("after the first ended: %v", err)
		}
	})
}

func TestRun_ReportsASourceThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), nil)
		b.src.fail = errors.New("access.log is a link to standard output")
		close(b.src.batches)
		synctest.Wait()
		if err := b.stop(); err == nil || !strings.Contains(err.Error(), "follow the log: access.log is a link") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRun_DamagedStateIsSetAside(t *testing.T) {
	for name, text := range map[string]string{
		"garbage": "{", "version": `{"version":9}`, "detector": `{"version":1,"detector":"text"}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, StateFile), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				b := start(t, dir, nil)
				b.feed(record(500))
				time.Sleep(2 * time.Second)
				if b.recv.ids() != "error_rate-1" || !strings.Contains(b.out.String(), "starting without it") {
					t.Errorf("sent %q, said %s", b.recv.ids(), b.out.String())
				}
				if _, err := os.Stat(filepath.Join(dir, StateFile+".corrupt")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRun_DiskThatFailsDoesNotStopAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		b := start(t, dir, nil)
		synctest.Wait()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			b.feed(record(500 - 300*(i%2)))
			time.Sleep(2 * time.Second)
		}
		if n := len(strings.Fields(b.recv.ids())); n != 60 {
			t.Errorf("%d messages, want 60", n)
		}
		if n := strings.Count(b.out.String(), "state is not saved"); n < 1 || n > 3 {
			t.Errorf("said %d times in two minutes", n)
		}
	})
}

func TestRun_SaysThatTheLogIsNotUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), nil)
		bad := logstream.Counts{Lines: 312, Bad: 312, FirstBad: "GET /?token=s3cr3t"}
		for range 3 {
			b.src.batches <- logstream.Batch{Counts: bad}
			synctest.Wait()
		}
		if n := strings.Count(b.out.String(), "not understood: 0 of 312 lines"); n != 1 || strings.Contains(b.out.String(), "s3cr3t") {
			t.Errorf("said %d times in %s", n, b.out.String())
		}
	})
}

func TestRun_SaysHowManyLinesWerePassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), nil)
		for _, n := range []uint64{0, 9_950_000, 9_950_000, 9_950_300} {
			b.src.batches <- logstream.Batch{Counts: logstream.Counts{Lines: 50_000, Parsed: 50_000, Skipped: n}}
			synctest.Wait()
		}
		for want, times := range map[string]int{"lines are passed over": 2, `"9950000 lines`: 1, `"300 lines`: 1} {
			if n := strings.Count(b.out.String(), want); n != times {
				t.Errorf("%q said %d times in %s", want, n, b.out.String())
			}
		}
	})
}
