package watch

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// catchUp starts a watcher with the real detector, which is told that what is older
// than five minutes is no news.
func catchUp(t *testing.T) *bench {
	t.Helper()
	cfg := alert.DefaultConfig()
	cfg.Cooldown = 0 // nothing but the age keeps a message back
	det := alert.NewDetector(cfg)
	det.MuteBefore(time.Now().Add(-5 * time.Minute))
	return start(t, t.TempDir(), func(c *Config) {
		c.Detector = Keep(det, det.State, det.Restore)
		c.OldIsNews = func() { det.MuteBefore(time.Time{}) }
	})
}

// feedAt feeds n records of a kind, the first as old as age, a second apart.
func (b *bench) feedAt(age time.Duration, n int, status int) {
	var records []logstream.Record
	for i := range n {
		rec := record(status)
		rec.Time = time.Now().Add(time.Duration(i)*time.Second - age)
		if status >= 500 {
			rec.Attempts, rec.NoUpstream = nil, true
		}
		records = append(records, rec)
	}
	b.feed(records...)
}

// outages feeds hours of outages that did not last, in no time.
func (b *bench) outages() {
	for age := 3 * time.Hour; age > 10*time.Minute; age -= 4 * time.Minute {
		b.feedAt(age, 10, 502)
		b.feedAt(age-time.Minute, 100, 200)
	}
}

func TestRun_OldLinesFireNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := catchUp(t)
		b.outages()
		b.feedAt(30*time.Second, 30, 200)
		time.Sleep(10 * time.Minute)
		if n := strings.Count(b.out.String(), `"muted":"catching up`); n < 50 {
			t.Errorf("%d muted transitions: the lines tell of no outage", n)
		}
		if got := b.recv.ids(); got != "" {
			t.Errorf("sent %q", got)
		}
	})
}

func TestRun_WhatIsStillSoIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := catchUp(t)
		b.outages()
		b.feedAt(30*time.Second, 30, 502)
		time.Sleep(100 * time.Millisecond)
		if b.recv.ids() == "" {
			t.Error("nothing is sent at once")
		}
		time.Sleep(time.Minute)
		got := b.recv.ids() // the errors, and that no pool answers: once each
		if strings.Count(got, "all_down-") != 1 || strings.Count(got, "error_rate-") > 1 || len(strings.Fields(got)) > 2 {
			t.Errorf("sent %q, want the outage of the present", got)
		}
	})
}

// TestRun_TicksKeepOutOfOldLines: the wall clock would tell the detector of hours without
// a request where the log has hours of them to tell.
func TestRun_TicksKeepOutOfOldLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, t.TempDir(), nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		ticks := len(b.det.ticks)
		for range 5 {
			b.feedAt(10*time.Minute, 1, 200)
			time.Sleep(900 * time.Millisecond)
		}
		synctest.Wait()
		if n := len(b.det.ticks) - ticks; n > 1 {
			t.Errorf("%d ticks among old lines", n)
		}
		b.feedAt(0, 1, 200)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(b.det.ticks) - ticks; n < 4 {
			t.Errorf("%d ticks: they did not come back", n)
		}
	})
}

// TestRun_ThatNeverCatchesUpStillSpeaks: a log whose clock is an hour behind stays old
// for ever.
func TestRun_ThatNeverCatchesUpStillSpeaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := catchUp(t)
		for range 60 {
			b.feedAt(time.Hour, 1, 502)
			time.Sleep(time.Second)
		}
		if got := b.recv.ids(); !strings.HasPrefix(got, "all_down-") || strings.Contains(got, " ") {
			t.Errorf("sent %q in a minute", got)
		}
	})
}
