package alert

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// acked acknowledges an alert for a time.
func (s *sim) acked(typ Type, lasts time.Duration) []Event {
	out := s.d.Acknowledge(Ack{Type: typ, Alert: string(typ) + "-1", By: "ana@ops1", At: s.now, Until: s.now.Add(lasts)})
	s.all = append(s.all, out...)
	return out
}

func TestAcknowledge_RemindersRestUntilItsEnd(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Repeat = 10 * time.Minute; c.EscalatePercent = 0 })
	s.ok(100).send(20, rec(blue, 500))
	s.acked(ErrorRate, time.Hour)
	s.idle(59 * time.Minute)
	if got := s.said(); !slices.Equal(got, []string{"error_rate firing", "acknowledged info"}) {
		t.Fatalf("while somebody looks after it: %v", got)
	}
	s.idle(2 * time.Minute)
	if e := s.last(ErrorRate, Firing); e.Repeat != 1 || !strings.HasPrefix(e.Summary, "still firing after") || e.Ack != nil {
		t.Errorf("after its end it is not repeated: %+v", e)
	}
}

func TestAcknowledge_EscalationRestsAndIsToldWhenStillSo(t *testing.T) {
	s := newSim(t, func(c *Config) { c.EscalatePercent = 50 })
	s.ok(190).every(10, 100, rec(blue, 500))
	s.acked(ErrorRate, 10*time.Minute)
	s.send(200, rec(blue, 500))
	e := s.last(ErrorRate, Firing)
	if e.Severity != Critical || e.Ack == nil || e.Ack.By != "ana@ops1" || !strings.HasPrefix(e.Muted, "acknowledged by ana@ops1 until ") {
		t.Fatalf("the escalation is %+v", e)
	}
	s.idle(11 * time.Minute)
	if e := s.last(ErrorRate, Firing); e.Severity != Critical || !e.Deferred || e.Muted != "" {
		t.Errorf("after its end the escalation is not told: %+v", e)
	}
}

func TestAcknowledge_EndsWithTheAlert(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Cooldown = 0; c.Repeat = time.Minute })
	s.ok(100).send(20, rec(blue, 500))
	s.acked(ErrorRate, 24*time.Hour)
	s.flow(10 * time.Minute)
	s.send(40, rec(blue, 500))
	want := []string{"error_rate firing", "acknowledged info", "error_rate resolved", "error_rate firing"}
	if got := s.said(); !slices.Equal(got, want) {
		t.Errorf("said %v, want %v", got, want)
	}
	if e := s.last(ErrorRate, Firing); e.Ack != nil {
		t.Errorf("the next alert is acknowledged already: %+v", e.Ack)
	}
}

func TestAcknowledge_WhatDoesNotFireIsLeftAlone(t *testing.T) {
	s := newSim(t, nil)
	s.ok(100)
	for _, typ := range Types() {
		if got := s.acked(typ, time.Hour); len(got) > 0 {
			t.Errorf("%s does not fire and yields %+v", typ, got)
		}
	}
	if got := s.acked("nonsense", time.Hour); len(got) > 0 {
		t.Errorf("an unknown type yields %+v", got)
	}
}

func TestAcknowledge_CanBeTakenBackOnce(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Cooldown, c.Repeat = time.Minute, time.Minute })
	s.ok(100).send(20, rec(blue, 500))
	s.acked(ErrorRate, time.Hour)
	back := Ack{Type: ErrorRate, By: "ben", At: s.now}
	if got := s.d.Acknowledge(back); len(got) != 1 || !strings.HasPrefix(got[0].Summary, "ben takes back") {
		t.Fatalf("taken back: %+v", got)
	}
	if got := s.d.Acknowledge(back); len(got) != 0 {
		t.Errorf("taken back twice: %+v", got)
	}
	s.idle(2 * time.Minute)
	if e := s.last(ErrorRate, Firing); e.Repeat == 0 {
		t.Errorf("it is not repeated again: %v", s.said())
	}
}

func TestAcknowledge_SurvivesARestartAndASilence(t *testing.T) {
	change := func(c *Config) { c.Cooldown, c.Repeat = time.Minute, time.Minute; c.NoTraffic = 30 * time.Second }
	s := newSim(t, change)
	s.ok(100).send(20, rec(blue, 500)).idle(40 * time.Second)
	if got := s.acked(ErrorRate, 30*time.Minute); len(got) != 1 {
		t.Fatalf("without traffic an alert still fires: %+v", got)
	}
	raw, err := json.Marshal(s.d.State())
	if err != nil {
		t.Fatal(err)
	}
	var st Snapshot
	if err := json.Unmarshal(raw, &st); err != nil {
		t.Fatal(err)
	}
	n := newSim(t, change)
	n.now = s.now
	n.d.Restore(st)
	n.idle(29 * time.Minute)
	if got := slices.DeleteFunc(n.said(), func(s string) bool { return strings.HasPrefix(s, "no_traffic") }); len(got) > 0 {
		t.Errorf("after the restart it speaks: %v", got)
	}
	n.idle(2 * time.Minute)
	if e := n.last(ErrorRate, Firing); e.Repeat == 0 {
		t.Errorf("after its end: %+v", e)
	}
}

func TestAcknowledge_IsBoundedAndMutedByMaintenance(t *testing.T) {
	s := newSim(t, nil)
	s.ok(100).send(20, rec(blue, 500))
	s.d.SetMaintenance(ScopeAll, time.Time{})
	s.idle(time.Second)
	got := s.acked(ErrorRate, 900*24*time.Hour)
	if len(got) != 1 || got[0].Muted != "maintenance" || !got[0].Ack.Until.Equal(s.now.Add(MaxAck)) {
		t.Errorf("got %+v", got)
	}
	// A clock that is set back must not prolong it.
	s.d.Acknowledge(Ack{Type: ErrorRate, By: "ana", At: s.now, Until: s.now.Add(time.Hour)})
	s.d.Tick(s.now.Add(-24 * time.Hour))
	if a := s.d.post(ErrorRate).Ack; a.InForce(s.now.Add(-23*time.Hour+time.Minute)) || !a.InForce(s.now.Add(-23*time.Hour-time.Minute)) {
		t.Errorf("after the clock step it lasts until %s", a.Until)
	}
}
