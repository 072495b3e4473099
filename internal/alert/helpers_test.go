package alert

import (
	"slices"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	blue  = bluegreen.Blue
	green = bluegreen.Green
)

func start() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// sim feeds a detector with virtual time.
type sim struct {
	t      *testing.T
	d      *Detector
	now    time.Time
	step   time.Duration
	active bluegreen.Pool
	all    []Event
}

func newSim(t *testing.T, change func(*Config)) *sim {
	t.Helper()
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return &sim{t: t, d: NewDetector(cfg), now: start(), step: 50 * time.Millisecond, active: blue}
}

// rec builds a record of one attempt per status: first the given pool, then the other.
func rec(pool bluegreen.Pool, statuses ...int) logstream.Record {
	r := logstream.Record{Method: "GET", Path: "/version", Release: "r1", RequestID: "id"}
	for _, status := range statuses {
		r.Attempts = append(r.Attempts, logstream.Attempt{Pool: pool, Status: status})
		r.Served, r.Status = pool, status
		pool = pool.Other()
	}
	return r
}

func noUpstream() logstream.Record { return logstream.Record{Status: 502, NoUpstream: true} }

func (s *sim) send(n int, r logstream.Record) *sim {
	for range n {
		s.now = s.now.Add(s.step)
		r.Time, r.Active = s.now, s.active
		s.all = append(s.all, s.d.Observe(&r)...)
	}
	return s
}

func (s *sim) ok(n int) *sim { return s.send(n, rec(s.active, 200)) }

// every sends n records of which each k-th is bad.
func (s *sim) every(k, n int, bad logstream.Record) *sim {
	for i := 1; i <= n; i++ {
		if i%k == 0 {
			s.send(1, bad)
		} else {
			s.ok(1)
		}
	}
	return s
}

// idle ticks once a second.
func (s *sim) idle(span time.Duration) *sim {
	for end := s.now.Add(span); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		s.all = append(s.all, s.d.Tick(s.now)...)
	}
	return s
}

// flow sends healthy traffic with ticks, one request per second.
func (s *sim) flow(span time.Duration) *sim {
	for end := s.now.Add(span); s.now.Before(end); {
		s.now = s.now.Add(time.Second - s.step)
		s.ok(1)
		s.all = append(s.all, s.d.Tick(s.now)...)
	}
	return s
}

// said lists the posted events as "type status", with "deferred" when late.
func (s *sim) said() []string {
	list := []string{}
	for _, e := range s.all {
		if e.Muted != "" {
			continue
		}
		text := string(e.Type) + " " + string(e.Status)
		if e.Deferred {
			text += " deferred"
		}
		list = append(list, text)
	}
	return list
}

func (s *sim) last(typ Type, status Status) Event {
	s.t.Helper()
	for _, ev := range slices.Backward(s.all) {
		if ev.Type == typ && ev.Status == status {
			return ev
		}
	}
	s.t.Fatalf("no event %s %s in %v", typ, status, s.said())
	return Event{}
}

// first returns the first event of its kind that was posted.
func (s *sim) first(typ Type, status Status) Event {
	s.t.Helper()
	for _, ev := range s.all {
		if ev.Type == typ && ev.Status == status && ev.Muted == "" {
			return ev
		}
	}
	s.t.Fatalf("no event %s %s in %v", typ, status, s.said())
	return Event{}
}
