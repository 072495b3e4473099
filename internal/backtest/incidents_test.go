package backtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"bgctl/internal/alert"
)

func noon() time.Time { return time.Date(2025, 10, 30, 12, 0, 0, 0, time.UTC) }

// traffic adds n requests a second apart, of which every k-th fails; k of 0: none.
func traffic(n *incidents, from time.Time, count, k int) time.Time {
	for i := range count {
		how := fine
		if k > 0 && i%k == 0 {
			how = failed
		}
		n.add(from, how)
		from = from.Add(time.Second)
	}
	return from
}

func TestIncidents_BeginWithTheFirstFailureAndEndWithTheLast(t *testing.T) {
	t.Parallel()
	n := newIncidents(nil)
	at := traffic(&n, noon(), 1000, 200) // noise: half a percent
	begun := at
	at = traffic(&n, at, 60, 2)
	last := at.Add(-2 * time.Second)
	at = traffic(&n, at, 2000, 0)
	n.end()
	want := []Incident{{Start: begun, End: last, Failed: 30, Requests: n.list[0].Requests}}
	if diff := cmp.Diff(want, n.list); diff != "" {
		t.Fatal(diff)
	}
	// Few failures are none, and neither are many that are far apart.
	traffic(&n, at, 7, 1)
	n.end()
	for range 50 {
		at = at.Add(incidentGap + time.Second)
		n.add(at, failed)
	}
	n.end()
	if len(n.list) != 1 {
		t.Errorf("found %v", n.list[1:])
	}
}

func TestIncidents_RateDecides(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]int{1: 1, 8: 0} {
		n := newIncidents(&Grid{IncidentRate: rate})
		traffic(&n, noon(), 4000, 25) // 4 percent
		n.end()
		if len(n.list) != want {
			t.Errorf("%g %%: %d incidents, want %d", rate, len(n.list), want)
		}
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return noon().Add(time.Duration(s) * time.Second) }
	incidents := []Incident{{Start: at(100), End: at(200)}, {Start: at(1000), End: at(1100)}}
	seconds := func(f float64) *float64 { return &f }
	tests := []struct {
		name  string
		spans []span
		want  Setting
	}{
		{"nothing fires", nil, Setting{Missed: 2}},
		{
			"both seen",
			[]span{{alert.ErrorRate, at(103), at(300)}, {alert.ErrorRate, at(1010), at(1200)}},
			Setting{Alerts: 2, Delay: seconds(3), DelayMax: seconds(10), Firing: (197 + 190) / 60.0},
		},
		{
			"a failover tells as well, a false alarm does not",
			[]span{
				{alert.Failover, at(101), at(300)},
				{alert.ErrorRate, at(500), at(560)},
			},
			Setting{Alerts: 1, False: 1, Missed: 1, Firing: 1, Delay: seconds(1), DelayMax: seconds(1)},
		},
		{
			"what fires for ever tells nothing new",
			[]span{{alert.ErrorRate, at(110), time.Time{}}},
			Setting{Alerts: 1, Missed: 1, Firing: (2000 - 110) / 60.0, Delay: seconds(10), DelayMax: seconds(10)},
		},
		{
			"what has just begun does",
			[]span{{alert.ErrorRate, at(990), at(1005)}},
			Setting{Alerts: 1, False: 1, Missed: 1, Firing: 0.25, Delay: seconds(0), DelayMax: seconds(0)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := score(&player{spans: tt.spans}, incidents, at(2000))
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompare_PrefersWhatSeesMoreThenWhatIsQuieter(t *testing.T) {
	t.Parallel()
	f := func(v float64) *float64 { return &v }
	base := alert.DefaultConfig()
	like := func(change func(*Setting)) Setting {
		s := Setting{Window: 200, Threshold: 2, MinSamples: 50, Cooldown: 300, Delay: f(1.2), DelayMax: f(3), Messages: 4}
		change(&s)
		return s
	}
	ranked := []Setting{
		like(func(s *Setting) { s.Delay = f(0.4) }),
		like(func(*Setting) {}),
		like(func(s *Setting) { s.Window = 100 }),
		like(func(s *Setting) { s.Messages = 5 }),
		like(func(s *Setting) { s.DelayMax = f(9) }),
		like(func(s *Setting) { s.Delay = f(2.2) }),
		like(func(s *Setting) { s.False = 1 }),
		like(func(s *Setting) { s.Missed = 1 }),
	}
	for i := range len(ranked) - 1 {
		if compare(ranked[i], ranked[i+1], base) >= 0 || compare(ranked[i+1], ranked[i], base) <= 0 {
			t.Errorf("setting %d is not better than the next", i)
		}
	}
}

func TestParseGrid(t *testing.T) {
	t.Parallel()
	g, err := ParseGrid([]string{"window=200,50,50", "threshold=1,2.5", "cooldown=60", "min-samples=20"})
	if err != nil {
		t.Fatal(err)
	}
	var got []alert.Config
	for _, c := range g.settings(alert.DefaultConfig()) {
		got = append(got, alert.Config{Window: c.Window, ThresholdPercent: c.ThresholdPercent, Cooldown: c.Cooldown, MinSamples: c.MinSamples})
	}
	want := []alert.Config{
		{Window: 50, ThresholdPercent: 1, Cooldown: time.Minute, MinSamples: 20},
		{Window: 50, ThresholdPercent: 2.5, Cooldown: time.Minute, MinSamples: 20},
		{Window: 200, ThresholdPercent: 1, Cooldown: time.Minute, MinSamples: 20},
		{Window: 200, ThresholdPercent: 2.5, Cooldown: time.Minute, MinSamples: 20},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"window", "window=", "window=x", "speed=1", "threshold=-1"} {
		if _, err := ParseGrid([]string{bad}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
