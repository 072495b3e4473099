package alert

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"
)

// reborn returns a detector that goes on where d stopped, through JSON.
func reborn(t *testing.T, d *Detector) *Detector {
	t.Helper()
	text, err := json.Marshal(d.State())
	if err != nil {
		t.Fatal(err)
	}
	var s Snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	next := NewDetector(d.cfg)
	next.Restore(s)
	return next
}

// reader is somebody who sees the posts and nothing else.
type reader struct {
	t      *testing.T
	seed   uint64
	d      *Detector
	now    time.Time
	posted map[Type]string
	last   map[Type]time.Time
	settle map[Type]string // states that the detector changed by itself
}

func newReader(t *testing.T, seed uint64, cfg Config) *reader {
	t.Helper()
	r := &reader{
		t: t, seed: seed, d: NewDetector(cfg), now: start(),
		posted: map[Type]string{Switch: "to:blue"}, last: map[Type]time.Time{},
	}
	r.d.restored = true // a first start takes the old lines for given: see MuteBefore
	return r
}

// take checks that no post is too early and none says what was said already.
func (r *reader) take(events []Event) {
	r.t.Helper()
	for _, e := range events {
		if e.Type == Flapping && r.settle != nil {
			r.settle[Flapping] = key(&e)
		}
		if e.Muted != "" || e.Type == Notice || e.Type == Upkeep {
			continue
		}
		at, told := r.last[e.Type]
		if told && r.now.Sub(at) < r.d.cfg.Cooldown && e.Severity != Critical {
			r.t.Fatalf("seed %d: %s posted %v after the last post of its type", r.seed, e.ID, r.now.Sub(at))
		}
		k := key(&e)
		if k == r.posted[e.Type] && e.Severity != Critical && e.Flips < 2 {
			r.t.Fatalf("seed %d: %s says nothing new: %s", r.seed, e.ID, e.Summary)
		}
		r.posted[e.Type], r.last[e.Type] = k, r.now
	}
}

func (r *reader) wait(span time.Duration) {
	r.t.Helper()
	for end := r.now.Add(span); r.now.Before(end); {
		r.now = r.now.Add(time.Second)
		r.take(r.d.Tick(r.now))
	}
}

// step moves the clock as an operator or NTP would.
func (r *reader) step(by time.Duration) {
	r.t.Helper()
	r.now = r.now.Add(by)
	if by < 0 {
		clear(r.last) // what was measured on the old clock means nothing
	}
	r.take(r.d.Tick(r.now))
}

// drive sets the state of one alert as its detector would and announces it.
func (r *reader) drive(rng *rand.Rand, typ Type, actual map[Type]string) {
	r.t.Helper()
	d := r.d
	d.out = nil
	e := d.event(typ, Resolved, Good)
	firing := actual[typ] == ""
	switch {
	case typ == Switch:
		e.Status, e.Severity, e.From, e.To = Info, Note, blue, green
		if actual[Switch] == "to:green" {
			e.From, e.To = green, blue
		}
	case firing:
		e.Status, e.Severity = Firing, Warning
	}
	if typ == Failover {
		e.From, e.To = blue, green
	}
	actual[typ] = key(&e)
	switch typ {
	case SourceLost, Switch, Degraded, Latency, NoTraffic, Upkeep, Acked, Notice:
	case AllDown:
		d.st.Down.Firing = firing
		e.Severity = map[Status]Severity{Firing: Critical, Resolved: Good}[e.Status]
	case Flapping:
		d.st.Flap.Firing, d.st.Flap.Changes = firing, []time.Time{r.now.Add(time.Hour)}
	case Failover:
		d.st.Fail.Firing = firing
	case ErrorRate:
		d.st.Rate.Firing = firing
		if firing && rng.IntN(4) == 0 {
			e.Severity = Critical
		}
	}
	if e.Severity == Critical {
		d.escalate(e)
	} else {
		d.announce(e)
	}
	if typ == AllDown && !firing {
		for _, t := range []Type{ErrorRate, Failover, Degraded, Latency} {
			d.holdBack(t)
		}
	}
	r.take(d.end())
}

// disturb does what an operator or the machine may do at any moment.
func (r *reader) disturb(rng *rand.Rand) {
	r.t.Helper()
	switch rng.IntN(16) {
	case 0:
		r.d.SetMaintenance([]Scope{ScopePools, ScopeAll}[rng.IntN(2)], r.now.Add(time.Duration(rng.IntN(900))*time.Second))
	case 1:
		r.d.SetMaintenance(ScopeNone, time.Time{})
	case 2:
		r.step(time.Hour)
	case 3:
		r.step(-time.Hour)
	case 4, 5, 6:
		r.d = reborn(r.t, r.d)
	case 7:
		r.d.MuteBefore(r.now.Add(time.Duration(rng.IntN(60)) * time.Second))
	}
}

// The promise of the cooldown, over random transitions of every type with
// maintenance, escalations, clock steps and restarts in between: once nothing
// changes for a cooldown and a second, what was posted last is what is so.
func TestCooldown_LastPostIsTheStateAfterQuiescence(t *testing.T) {
	stateful := []Type{AllDown, SourceLost, Switch, Failover, Flapping, ErrorRate, Degraded, Latency, NoTraffic}
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		cfg := DefaultConfig()
		cfg.NoTraffic, cfg.MaxAge = 0, 0
		r := newReader(t, seed, cfg)
		r.take(r.d.Tick(r.now))
		r.d.post(Switch).Announced = "to:blue"
		r.d.ring.add(0, markCounted) // the error rate is as high as it is said to be
		actual := map[Type]string{Switch: "to:blue"}
		r.settle = actual
		for range 40 {
			r.wait(time.Duration(rng.IntN(60)) * time.Second)
			r.disturb(rng)
			r.drive(rng, stateful[rng.IntN(len(stateful))], actual)
		}
		// What is muted for another reason than the cooldown has its own end.
		r.d.SetMaintenance(ScopeNone, time.Time{})
		r.d.MuteBefore(time.Time{})
		for i := range r.d.st.Flap.Changes {
			r.d.st.Flap.Changes[i] = r.now.Add(time.Hour)
		}
		r.wait(cfg.Cooldown + time.Second)
		for _, typ := range stateful {
			if r.d.inhibited(typ) == notMuted && r.posted[typ] != actual[typ] {
				t.Fatalf("seed %d: %s is %q, posted %q", seed, typ, actual[typ], r.posted[typ])
			}
		}
	}
}

// actual is the key of the state that d is in.
func (d *Detector) actual(typ Type) string {
	firing := map[Type]bool{
		ErrorRate: d.st.Rate.Firing, Failover: d.st.Fail.Firing, AllDown: d.st.Down.Firing, Flapping: d.st.Flap.Firing,
		Degraded: d.st.Degraded.Firing, Latency: d.st.Latency.Firing, NoTraffic: !d.st.Silent.IsZero(), SourceLost: d.st.Lost.Firing,
	}[typ]
	e := Event{Status: Resolved}
	switch {
	case typ == Switch:
		e.Status, e.To = Info, d.st.Active
	case firing && typ == Failover:
		e.Status, e.From, e.To = Firing, d.st.Fail.From, d.st.Fail.From.Other()
	case firing:
		e.Status = Firing
	}
	return key(&e)
}

// The same promise with real records, which bring every detector to act.
func TestCooldown_LastPostIsTheStateAfterTraffic(t *testing.T) {
	for seed := range uint64(80) {
		rng := rand.New(rand.NewPCG(seed, 3))
		cfg := DefaultConfig()
		cfg.LatencyP95, cfg.NoTraffic = 400*time.Millisecond, 10*time.Minute
		r := newReader(t, seed, cfg)
		var moved time.Duration
		records := randomTraffic(seed, 2000)
		r.posted[Switch] = "to:" + records[0].Active.String()
		for _, rec := range records {
			if rng.IntN(50) == 0 {
				before := r.now
				r.disturb(rng)
				moved += r.now.Sub(before)
			}
			if rng.IntN(300) == 0 {
				r.d.SourceLost("gone")
				r.wait(time.Duration(rng.IntN(60)) * time.Second)
				r.d.SourceBack()
			}
			rec.Time = rec.Time.Add(moved)
			if rec.Time.Before(r.now) {
				moved += r.now.Sub(rec.Time)
				rec.Time = r.now
			}
			r.now = rec.Time
			r.take(r.d.Observe(&rec))
		}
		r.d.SetMaintenance(ScopeNone, time.Time{})
		r.d.MuteBefore(time.Time{})
		r.d.SourceBack()
		// Flapping settles first and silence sets in, then what they held back waits
		// for its cooldown.
		r.wait(cfg.NoTraffic + cfg.Cooldown + 2*time.Second)
		for _, typ := range Types() {
			if typ == Notice || typ == Upkeep || r.d.inhibited(typ) != notMuted {
				continue
			}
			unsaid := r.posted[typ] == "" && r.d.subsiding(typ) // it is about to end and was never told
			if got, want := r.posted[typ], r.d.actual(typ); got != want && !unsaid {
				t.Fatalf("seed %d: %s is %q, posted %q", seed, typ, want, got)
			}
		}
		if r.d.pending != 0 && !r.d.st.Down.Firing && !r.d.st.Fail.Firing && !r.d.st.Rate.Firing && !r.d.subsiding(Degraded) && !r.d.subsiding(Latency) {
			t.Errorf("seed %d: %d types still wait", seed, r.d.pending)
		}
	}
}
