package tui_test

import (
	"strings"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/tui"
)

func TestFailover_ShowsWhatIsObserved(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {40, 10}} {
		s := open(t, usual(size[0], size[1]))
		failover(s)
		text := s.text()
		want := map[int]string{120: "▲ 2 attempts failed since 14:32:07", 80: "▲ 2 attempts failed ", 40: "● GREEN"}[size[0]]
		if !strings.Contains(text, want) {
			t.Errorf("it is not said what fails:\n%s", text)
		}
		if size[0] == 120 && !strings.Contains(text, "● answers for BLUE: ") {
			t.Errorf("it is not said who answers:\n%s", text)
		}
		if size[0] == 40 {
			continue
		}
		s.press("a", "enter")
		s.contains("observed", "saved after a failure", "there are no steps")
	}
}

func TestFailover_ItsEndGivesTheRowsBack(t *testing.T) {
	s := live(t, usual(120, 36))
	fired := alert.Event{ID: "failover-1", Type: alert.Failover, Status: alert.Firing, From: 1, To: 2, Time: s.clock, Summary: "failover"}
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{fired} })
	s.contains("▲ 0 attempts failed since 14:32:07", "● answers for BLUE: 0, 0 saved")
	s.pass(2 * time.Second)
	s.contains(" attempts failed since 14:32:07")
	fired.Status, fired.Time = alert.Resolved, s.clock
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{fired} })
	s.lacks("attempts failed", "answers for")
	s.contains("2xx")
}

// TestEvents_WhatIsPostedLateIsOneEvent: a cooldown mutes the end of an alert, and posts it
// under another ID when it is over.
func TestEvents_WhatIsPostedLateIsOneEvent(t *testing.T) {
	s := live(t, usual(120, 36))
	muted := alert.Event{ID: "failover-2", Type: alert.Failover, Status: alert.Resolved, Time: s.clock, Summary: "recovered: blue", Muted: "cooldown"}
	late := muted
	late.ID, late.Muted, late.Deferred = "failover-3", "", true
	sent := alert.Delivery{Event: "failover-3", Receiver: "slack", State: alert.Sent, Time: s.clock}
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{muted} })
	s.feed(func(f *tui.FeedSnapshot) { f.Events, f.Deliveries = []alert.Event{late}, []alert.Delivery{sent} })
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{muted, late} }) // the watcher's output is read again
	s.contains("RESOLVED recovered", "slack ✓")
	if n := strings.Count(s.text(), "RESOLVED recovered"); n != 1 {
		t.Errorf("one event is shown %d times:\n%s", n, s.text())
	}
}

func TestPlot_SaysWhereTheLogBegins(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("]", "]")
	s.feed(func(f *tui.FeedSnapshot) { f.Begins, f.Filling = s.clock.Add(-10*time.Minute), true })
	s.contains("reading what was before …")
	s.feed(func(f *tui.FeedSnapshot) { f.Begins = s.clock.Add(-10 * time.Minute) })
	s.contains("known from 14:22:07 ▸")
	s.feed(nil)
	s.lacks("known from", "reading what was")
}

func TestModel_WaitsForTheFirstRequests(t *testing.T) {
	s := open(t, usual(120, 36))
	s.observe(nil)
	s.feed(func(f *tui.FeedSnapshot) { *f = tui.FeedSnapshot{Waiting: true, End: f.End} })
	s.contains("waiting for the first sample")
	s.lacks("no request")
}

func TestModel_SaysWhoBeganAMaintenance(t *testing.T) {
	s := live(t, usual(120, 36))
	s.feed(func(f *tui.FeedSnapshot) {
		f.Maintenance = alert.Maintenance{Scope: alert.ScopeAll, Until: s.clock.Add(20 * time.Minute)}
		f.MutedBy = "jo@web-1\x1b[2J"
	})
	s.contains("‖ MAINTENANCE by jo@web-1: every message muted until 14:52:07")
}

func TestAcks_EverybodySeesWhatTheWatcherTells(t *testing.T) {
	s := live(t, usual(120, 36))
	fired := alert.Event{ID: "error_rate-1", Type: alert.ErrorRate, Status: alert.Firing, Severity: alert.Critical, Time: s.clock, Summary: "error rate 9 %"}
	k := &alert.Ack{Type: alert.ErrorRate, Alert: "error_rate-1", By: "ben@ops1", At: s.clock, Until: s.clock.Add(time.Minute)}
	told := alert.Event{ID: "acknowledged-2", Type: alert.Acked, Status: alert.Info, Severity: alert.Note, Time: s.clock, Summary: "ben looks after it", Ack: k}
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{fired, told} })
	s.contains("△ ack by ben 14:32", "△ 1 firing, ack", "ben looks after it")
	s.lacks("[x] ack")
	s.press("a", "enter")
	s.contains("by ben@ops1 at 14:32:07, until 14:33:07")
	s.press("esc")
	s.pass(61 * time.Second)
	s.contains("▲ 1 ALERT", "[x] ack")
	// Taken back before its end, and a new one that was there before this screen.
	back := told
	back.ID, back.Ack = "acknowledged-3", &alert.Ack{Type: alert.ErrorRate}
	again := fired
	again.ID, again.Ack, again.Time = "error_rate-4", &alert.Ack{Type: alert.ErrorRate, By: "cleo", At: s.clock, Until: s.clock.Add(time.Hour)}, s.clock
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{again} })
	s.contains("△ ack by cleo 14:33")
	back.Time = s.clock
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{back} })
	s.contains("▲ 1 ALERT", "[x] ack")
}
