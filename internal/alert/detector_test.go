package alert

import (
	"slices"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

func TestDetector(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		run    func(*sim)
		want   []string
	}{
		{"A1 errors wait for the samples", nil, func(s *sim) { s.send(5, rec(blue, 500)).ok(44) }, nil},
		{
			"A1 then fire", func(c *Config) { c.ShortWindow = -1 }, func(s *sim) { s.send(5, rec(blue, 500)).ok(45) },
			[]string{"error_rate firing"},
		},
		{"A2 exactly the threshold", func(c *Config) { c.MinErrors = 1 }, func(s *sim) { s.ok(196).send(4, rec(blue, 500)) }, nil},
		{"A2 one above", nil, func(s *sim) { s.ok(195).send(5, rec(blue, 500)) }, []string{"error_rate firing"}},
		{
			"A4 traffic stops", nil, func(s *sim) { s.ok(100).send(10, rec(blue, 500)).idle(time.Hour) },
			[]string{"error_rate firing"},
		},
		{"A5 old errors age out", nil, func(s *sim) {
			s.ok(30).send(10, rec(blue, 500)).idle(10 * time.Minute).ok(60)
		}, nil},
		{"A6 blue dies", nil, func(s *sim) {
			s.ok(100).send(1, rec(blue, 502, 200)).send(2, rec(green, 200))
		}, []string{"failover firing"}},
		{"A6 and stays dead", nil, func(s *sim) {
			s.ok(100)
			for range 20 {
				s.send(1, rec(blue, 502, 200)).send(20, rec(green, 200))
			}
		}, []string{"failover firing"}},
		{"one retried request is nothing", nil, func(s *sim) { s.ok(100).send(1, rec(blue, 502, 200)).ok(200) }, nil},
		{
			"many retried requests are no failover", nil, func(s *sim) { s.every(5, 200, rec(blue, 502, 200)) },
			[]string{"degraded firing"},
		},
		{"A7 30 % bad blue", func(c *Config) { c.FailTimeout = 10 * time.Second }, func(s *sim) {
			s.ok(50)
			for range 17 {
				s.send(1, rec(blue, 500, 200)).send(100, rec(green, 200)).ok(12)
			}
		}, []string{"failover firing"}},
		{"A9 both down", nil, func(s *sim) {
			s.ok(100).send(5, rec(blue, 502, 502)).send(40, noUpstream()).send(5, rec(blue, 502, 200))
			s.send(20, rec(green, 200)).idle(10 * time.Second).ok(300).flow(20 * time.Minute)
		}, []string{"all_down firing", "all_down resolved deferred"}},
		{"A9 three without upstream", nil, func(s *sim) { s.ok(10).send(3, noUpstream()) }, []string{"all_down firing"}},
		{"A10 failing posts", nil, func(s *sim) { s.ok(100).every(4, 100, rec(blue, 500)) }, []string{"error_rate firing"}},
		{"A11 hang hidden by retries", nil, func(s *sim) {
			s.ok(50).send(1, rec(blue, 504, 200)).send(5, rec(green, 200))
		}, []string{"failover firing"}},
		{"A13 scanner", nil, func(s *sim) { s.send(10_000, rec(blue, 404)) }, nil},
		{"A19 switch", nil, func(s *sim) { s.ok(50); s.active = green; s.ok(50) }, []string{"switch info"}},
		{"A20 reload storm", nil, func(s *sim) {
			for range 10 {
				s.ok(40)
				s.active = green
				s.ok(1)
				s.active = blue
				s.ok(40).send(2, rec(blue, 502, 200))
			}
		}, nil},
		{"left out without a failure", nil, func(s *sim) { s.ok(50).send(45, rec(green, 200)) }, []string{"failover firing"}},
		{"left out too briefly", nil, func(s *sim) { s.ok(50).send(40, rec(green, 200)).ok(20) }, nil},
		{"client went away", nil, func(s *sim) {
			for range 20 {
				s.ok(1).send(19, logstream.Record{Status: 499, Attempts: []logstream.Attempt{{Pool: blue}}})
			}
		}, nil},
		{"A11 nobody waits for an answer", nil, func(s *sim) {
			s.ok(50).send(100, logstream.Record{Status: 499, Attempts: []logstream.Attempt{{Pool: blue}}})
			s.ok(10).send(1, logstream.Record{Status: 499, Attempts: []logstream.Attempt{{Pool: blue}}})
			s.flow(6 * time.Minute)
		}, []string{"degraded firing", "degraded resolved deferred"}},
		{"not proxied", nil, func(s *sim) { s.ok(50).send(100, logstream.Record{Status: 500}) }, nil},
		{
			"no traffic", func(c *Config) { c.NoTraffic = time.Minute }, func(s *sim) { s.ok(10).idle(time.Hour).ok(1) },
			[]string{"no_traffic firing", "no_traffic resolved"},
		},
		{"no pool names", nil, func(s *sim) {
			s.active = bluegreen.NoPool
			s.send(200, logstream.Record{Status: 200, Attempts: []logstream.Attempt{{Status: 200}}})
		}, []string{"notice info"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, tt.change)
			tt.run(s)
			if got := s.said(); !slices.Equal(got, tt.want) {
				t.Errorf("posted %q, want %q", got, tt.want)
			}
		})
	}
}

// A3: a rate that wanders around the threshold must not make noise.
func TestRateAroundThreshold(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Cooldown = 0 })
	s.step = 200 * time.Millisecond
	for i := range 50 {
		s.every(36+14*(i%2), 200, rec(blue, 500)) // 2.5 and 2 %
	}
	span := s.now.Sub(start())
	if got, limit := len(s.said()), 2*int(span/(60*time.Second)); got > limit {
		t.Errorf("%d messages in %v", got, span)
	}
}

// A8: after mixed lines one recovery, late enough after the last failed attempt.
func TestRecovery(t *testing.T) {
	s := newSim(t, func(c *Config) { c.FailTimeout, c.Cooldown = 10*time.Second, 0 })
	s.ok(50).send(1, rec(blue, 502, 200)).send(50, rec(green, 200))
	for range 15 {
		s.send(1, rec(blue, 502, 200)).ok(1)
	}
	failed := s.now
	s.ok(600)
	if want := []string{"failover firing", "failover resolved"}; !slices.Equal(s.said(), want) {
		t.Fatalf("posted %q", s.said())
	}
	if e := s.last(Failover, Resolved); e.Time.Sub(failed) < 22*time.Second-time.Second {
		t.Errorf("recovered %v after the last failure", e.Time.Sub(failed))
	}
}

func TestFailoverEvent(t *testing.T) {
	for want, status := range map[string]int{
		"blue answered 500": 500, "blue refused connections": 502, "blue timed out": 504, "blue did not answer": 0,
	} {
		s := newSim(t, nil)
		s.ok(50).send(1, rec(blue, status, 200)).send(3, rec(green, 200))
		e := s.last(Failover, Firing)
		if e.Cause != want || e.From != blue || e.To != green || e.Command != "bgctl heal blue" ||
			e.First == nil || e.Release != "r1" || e.Window.AttemptErrors != 1 || e.Window.Errors != 0 {
			t.Errorf("event %+v, want cause %q", e, want)
		}
		if n := e.Window.N; n != 53 {
			t.Errorf("decided with line %d, want line 3 of the failover", n-50)
		}
	}
}

func TestSwitchEndsFailover(t *testing.T) {
	s := newSim(t, nil)
	s.ok(50).send(3, rec(blue, 502, 200))
	s.active = green
	s.ok(5).flow(6 * time.Minute)
	want := []string{"failover firing", "switch info", "failover resolved deferred"}
	if !slices.Equal(s.said(), want) {
		t.Fatalf("posted %q", s.said())
	}
	if e := s.last(Failover, Resolved); e.Cause != causeSwitched {
		t.Errorf("cause %q", e.Cause)
	}
}

func TestFlapping(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Cooldown = 0 })
	for range 4 {
		s.ok(50).send(3, rec(blue, 502, 200)).send(50, rec(green, 200)).idle(5 * time.Second).ok(50)
	}
	s.flow(10 * time.Minute)
	want := []string{"failover firing", "failover resolved", "flapping firing", "flapping resolved"}
	if !slices.Equal(s.said(), want) {
		t.Errorf("posted %q", s.said())
	}
	if e := s.last(Flapping, Resolved); e.Pool != blue {
		t.Errorf("stable on %v", e.Pool)
	}
}

func TestEscalation(t *testing.T) {
	s := newSim(t, nil)
	s.ok(200).every(10, 60, rec(blue, 500)).send(200, rec(blue, 500))
	if want := []string{"error_rate firing", "error_rate firing"}; !slices.Equal(s.said(), want) {
		t.Fatalf("posted %q", s.said())
	}
	if e := s.last(ErrorRate, Firing); e.Severity != Critical || e.Command != "bgctl switch green" {
		t.Errorf("event %+v", e)
	}
	s.ok(400).flow(3*time.Minute).send(200, rec(blue, 500)).idle(time.Minute)
	if n := len(s.said()); n > 3 {
		t.Errorf("the free message was used twice: %q", s.said())
	}
}

func TestReferenceMode(t *testing.T) {
	s := &sim{t: t, d: NewDetector(ReferenceConfig()), now: start(), step: time.Second, active: blue}
	s.send(5, rec(blue, 404)).ok(194)
	if len(s.all) != 0 {
		t.Fatalf("fired before the window was full: %q", s.said())
	}
	if s.ok(1); len(s.said()) != 1 {
		t.Errorf("posted %q", s.said())
	}
}

func TestHealthChecksStayOutOfTheWindow(t *testing.T) {
	s := newSim(t, nil)
	probe := rec(blue, 200)
	probe.Path = "/healthz"
	s.send(500, probe)
	if n := s.d.Window().N; n != 0 {
		t.Errorf("%d health checks in the window", n)
	}
	s.ok(10)
	if n := s.d.Window().N; n != 10 {
		t.Errorf("%d requests in the window, want 10", n)
	}
}
