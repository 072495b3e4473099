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
		}, nil},
		{"still so at the end", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			fail(s)
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, []string{"failover firing deferred"}},
		{"expires by itself", func(s *sim) {
			s.d.SetMaintenance(ScopePools, s.now.Add(time.Minute))
			fail(s)
			s.idle(time.Minute)
		}, []string{"failover firing deferred"}},
		{"pools leave the error rate", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.send(20, rec(blue, 500))
		}, []string{"error_rate firing"}},
		{"all mutes the error rate", func(s *sim) {
			s.d.SetMaintenance(ScopeAll, time.Time{})
			s.send(20, rec(blue, 500)).send(5, noUpstream())
		}, nil},
		{"switched and back", func(s *sim) {
			s.d.SetMaintenance(ScopePools, time.Time{})
			s.active = green
			s.ok(10)
			s.active = blue
			s.ok(10)
			s.d.SetMaintenance(ScopeNone, time.Time{})
		}, nil},
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

// The promise of the cooldown, over random transitions: once nothing changes for
// cooldown and a second, what was posted last is what is so, and no two posts of
// one type were closer than the cooldown unless one escalated.
func TestCooldownProperty(t *testing.T) {
	types := []Type{ErrorRate, Failover, AllDown}
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := NewDetector(DefaultConfig())
		now := start()
		d.Tick(now)
		actual, posted, last := map[Type]bool{}, map[Type]bool{}, map[Type]time.Time{}
		take := func(events []Event) {
			for _, e := range events {
				if e.Muted != "" {
					continue
				}
				if at, ok := last[e.Type]; ok && e.Type != AllDown && now.Sub(at) < d.cfg.Cooldown {
					t.Fatalf("seed %d: %s posted %v after its last post", seed, e.ID, now.Sub(at))
				}
				if firing := e.Status == Firing; firing == posted[e.Type] {
					t.Fatalf("seed %d: %s says nothing new", seed, e.ID)
				}
				posted[e.Type], last[e.Type] = e.Status == Firing, now
			}
		}
		for range 60 {
			now = now.Add(time.Duration(rng.IntN(90)) * time.Second)
			take(d.Tick(now))
			typ := types[rng.IntN(len(types))]
			actual[typ] = !actual[typ]
			e := d.event(typ, Resolved, Good)
			if actual[typ] {
				e.Status, e.From, e.To = Firing, blue, green
			}
			d.out = nil
			if typ == AllDown {
				d.st.Down.Firing = actual[typ]
			}
			d.announce(e)
			if typ == AllDown && !actual[typ] {
				d.holdBack(ErrorRate)
				d.holdBack(Failover)
			}
			take(d.out)
		}
		for range 301 {
			now = now.Add(time.Second)
			take(d.Tick(now))
		}
		for _, typ := range types {
			inhibited := typ != AllDown && actual[AllDown]
			if !inhibited && posted[typ] != actual[typ] {
				t.Fatalf("seed %d: %s is %v, posted %v", seed, typ, actual[typ], posted[typ])
			}
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
			phase = rng.IntN(6)
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
		}
		now = now.Add(time.Duration(rng.IntN(2000)) * time.Millisecond)
		r.Time, r.Active = now, active
		list = append(list, r)
	}
	return list
}

// The same promise with real records: the last message of each type tells the
// state once nothing changes any more.
func TestQuiescence(t *testing.T) {
	for seed := range uint64(40) {
		d := NewDetector(DefaultConfig())
		posted := map[Type]string{Switch: "to:blue"}
		var now time.Time
		take := func(events []Event) {
			for _, e := range events {
				if e.Muted == "" {
					posted[e.Type] = key(&e)
				}
			}
		}
		for _, r := range randomTraffic(seed, 2000+int(seed)*13) {
			take(d.Observe(&r))
			now = r.Time
		}
		// Flapping settles first, then what it held back waits for its cooldown.
		for range 602 {
			now = now.Add(time.Second)
			take(d.Tick(now))
		}
		if d.pending != 0 && !d.st.Down.Firing {
			t.Errorf("seed %d: %d types still wait", seed, d.pending)
		}
		check := func(typ Type, firing, inhibited bool) {
			if got := strings.HasPrefix(posted[typ], "firing"); got != firing && !inhibited {
				t.Errorf("seed %d: %s is %v, posted %q", seed, typ, firing, posted[typ])
			}
		}
		check(ErrorRate, d.st.Rate.Firing, d.st.Down.Firing)
		check(Failover, d.st.Fail.Firing, d.st.Down.Firing)
		check(AllDown, d.st.Down.Firing, false)
		check(Flapping, d.st.Flap.Firing, false)
		if want := "to:" + d.st.Active.String(); posted[Switch] != want {
			t.Errorf("seed %d: switch %q, want %q", seed, posted[Switch], want)
		}
	}
}

// A17: a detector restored at any record goes on as if it had never stopped.
func TestRestart(t *testing.T) {
	records := randomTraffic(7, 1200)
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
	d.Restore(Snapshot{Seq: 7})
	if d.st.Seq != 0 {
		t.Error("restored a snapshot of version 0")
	}
}

func TestConfig(t *testing.T) {
	if err := (Config{Window: -1, Cooldown: -1, Classes: "3xx"}).Validate(); err == nil {
		t.Error("nonsense is valid")
	}
	if err := ReferenceConfig().Validate(); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]Classes{"5xx": Class5xx, "4xx,5xx": Class4xx5xx, "5xx, 4xx": Class4xx5xx, "4xx": ""} {
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

func BenchmarkObserve(b *testing.B) {
	d, r, at := NewDetector(DefaultConfig()), rec(blue, 200), start()
	r.Active = blue
	for b.Loop() {
		at = at.Add(time.Millisecond)
		r.Time = at
		d.Observe(&r)
	}
}

func BenchmarkObserveFailing(b *testing.B) {
	d, r, at := NewDetector(DefaultConfig()), rec(blue, 502, 200), start()
	r.Active = blue
	for b.Loop() {
		at = at.Add(time.Millisecond)
		r.Time = at
		d.Observe(&r)
	}
}
