package alert

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// A14: maintenance mutes messages, and what is still so at its end is said once.
func TestMaintenance(t *testing.T) {
	fail := func(s *sim) { s.send(3, rec(blue, 502, 200)).send(20, rec(green, 200)) }
	tests := []struct {
		name string
		run  func(*sim)
		want []string
	}{
		{"over before the end", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			fail(s)
			s.flow(5 * time.Minute)
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, []string{"maintenance info", "maintenance info"}},
		{"still so at the end", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			fail(s)
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, []string{"maintenance info", "maintenance info", "failover firing deferred"}},
		{"expires by itself", func(s *sim) {
			s.d.SetMaintenance(ScopePools, s.now.Add(time.Minute))
			fail(s)
			s.idle(time.Minute)
		}, []string{"maintenance info", "maintenance info", "failover firing deferred"}},
		{"pools leave the error rate", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.send(20, rec(blue, 500))
		}, []string{"maintenance info", "error_rate firing"}},
		{"all mutes the error rate", func(s *sim) {
			s.d.SetMaintenance(ScopeAll, time.Time{})
			s.send(20, rec(blue, 500)).send(5, noUpstream())
		}, []string{"maintenance info"}},
		{"switched and back", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.active = green
			s.ok(10)
			s.active = blue
			s.ok(10)
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, []string{"maintenance info", "maintenance info"}},
		{"begun and ended before anybody could be told", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, nil},
		{"for an hour when no end is named", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.idle(DefaultMaintenance)
			fail(s)
		}, []string{"maintenance info", "maintenance info", "failover firing"}},
		{"for a week at most", func(s *sim) {
			s.d.SetMaintenance(ScopePools, s.now.AddDate(900, 0, 0))
			s.idle(time.Second)
			s.now = s.now.Add(MaxMaintenance)
			fail(s)
		}, []string{"maintenance info", "maintenance info", "failover firing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, nil).ok(100)
			tt.run(s)
			s.idle(2 * time.Second)
			if got := s.said(); !slices.Equal(got, tt.want) {
				t.Errorf("posted %q, want %q", got, tt.want)
			}
		})
	}
}

// A15: fire, recover, fire within one cooldown.
func TestCooldownDefers(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Hold = 0 })
	s.ok(200).send(5, rec(blue, 500)).ok(300).send(5, rec(blue, 500)).idle(6 * time.Minute)
	if want := []string{"error_rate firing"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q", s.said())
	}
	s.ok(300)
	s.idle(time.Second)
	if want := []string{"error_rate firing", "error_rate resolved"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q", s.said())
	}
	if e := s.last(ErrorRate, Resolved); e.Since.IsZero() || !strings.HasPrefix(e.ID, "error_rate-") {
		t.Errorf("event %+v", e)
	}
}

// A16: two types do not share a cooldown.
func TestCooldownPerType(t *testing.T) {
	s := newSim(t, nil)
	s.ok(100).send(6, rec(blue, 500)).send(3, rec(blue, 502, 200))
	if want := []string{"error_rate firing", "failover firing"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q", s.said())
	}
}

// A18: a clock that steps delays a message by at most one cooldown.
func TestClockStep(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, time.Hour} {
		s := newSim(t, nil)
		s.ok(100).send(6, rec(blue, 500))
		s.now = s.now.Add(jump)
		s.ok(400).flow(61 * time.Second).idle(301 * time.Second)
		if n := len(s.said()); n != 2 {
			t.Errorf("jump %v: posted %q", jump, s.said())
		}
	}
}

// randomTraffic returns records of phases that bring every detector to act.
func randomTraffic(seed uint64, n int) []logstream.Record {
	rng := rand.New(rand.NewPCG(seed, 2))
	now, active := start(), blue
	list := make([]logstream.Record, 0, n)
	phase := 0
	for i := range n {
		if i%80 == 0 {
			phase = rng.IntN(8)
			if phase == 5 {
				active = active.Other()
			}
		}
		r := rec(active, 200)
		switch phase {
		case 1:
			r = rec(active, []int{200, 500, 502}[rng.IntN(3)])
		case 2:
			r = rec(active.Other(), 200)
			if rng.IntN(10) == 0 {
				r = rec(active, 504, 200)
			}
		case 3:
			r = noUpstream()
		case 6:
			if i%6 == 0 {
				r = rec(active, 500, 200)
			}
		case 7:
			r = logstream.Record{Status: 499, Attempts: []logstream.Attempt{{Pool: active}}}
		}
		if r.Duration = 5 * time.Millisecond; phase == 4 {
			r.Duration = 700 * time.Millisecond
		}
		now = now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
		r.Time, r.Active = now, active
		list = append(list, r)
	}
	return list
}

// A17: a detector restored at any record goes on as if it had never stopped.
func TestRestart(t *testing.T) {
	records := randomTraffic(8, 2400)
	run := func(restart int) []Event {
		d := NewDetector(DefaultConfig())
		var all []Event
		for i := range records {
			if restart > 0 && i%restart == 0 {
				text, err := json.Marshal(d.State())
				if err != nil {
					t.Fatal(err)
				}
				var s Snapshot
				if err := json.Unmarshal(text, &s); err != nil {
					t.Fatal(err)
				}
				d = NewDetector(DefaultConfig())
				d.Restore(s)
			}
			all = append(all, d.Observe(&records[i])...)
		}
		return all
	}
	want := run(0)
	if len(want) < 10 {
		t.Fatalf("only %d events", len(want))
	}
	for _, restart := range []int{1, 50} {
		if got := run(restart); !reflect.DeepEqual(got, want) {
			t.Errorf("restart every %d records: %d events, want %d", restart, len(got), len(want))
		}
	}
}

func TestRestoreIgnoresOtherVersions(t *testing.T) {
	d := NewDetector(DefaultConfig())
	for _, version := range []int{0, snapshotVersion + 1} {
		d.Restore(Snapshot{Version: version, Seq: 7})
		if d.st.Seq != 0 {
			t.Errorf("restored a snapshot of version %d", version)
		}
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{Window: -1, Cooldown: -1, Classes: "3xx"}).Validate(); err == nil {
		t.Error("nonsense is valid")
	}
	if err := ReferenceConfig().Validate(); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]Classes{"5xx": Class5xx, "4xx,5xx": Class4xx5xx, "5xx, 4xx": Class4xx5xx, "429,5XX": Class5xx429, "4xx": ""} {
		if got, err := ParseClasses(text); got != want || (err == nil) != (want != "") {
			t.Errorf("ParseClasses(%q) = %q, %v", text, got, err)
		}
	}
}

func TestWindowCountsDown(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Active = bluegreen.Blue })
	s.ok(10)
	for s.d.Window().ErrorsToFire > 0 {
		left := s.d.Window().ErrorsToFire
		s.send(1, rec(blue, 500))
		if got := s.d.Window().ErrorsToFire; got != left-1 {
			t.Fatalf("%d errors to fire after %d", got, left)
		}
		if fired := len(s.said()) > 0; fired != (left == 1) {
			t.Fatalf("fired: %v with %d to go", fired, left-1)
		}
	}
	cells := s.d.Cells()
	if n := len(cells); n != 50 || cells[0] != (Cell{CellOK, blue}) || cells[n-1] != (Cell{CellError, blue}) {
		t.Errorf("%d cells, last %v", n, cells[n-1])
	}
}
