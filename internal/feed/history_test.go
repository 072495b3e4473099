package feed

import (
	"errors"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/feed/past"
	"bgctl/internal/logstream"
	"bgctl/internal/watch"
)

func TestTake_WaitsForTheFirstRequests(t *testing.T) {
	f := newFeed()
	f.event([]byte(`{"kind":"alert","id":"failover-1","type":"failover","status":"firing"}`))
	if s := f.Take(); !s.Waiting || len(s.Events) > 0 {
		t.Errorf("before anything was read: %+v", s)
	}
	f.add(logstream.Batch{})
	if s := f.Take(); s.Waiting || len(s.Events) != 1 {
		t.Errorf("an empty log is something to show, and no event is lost: %+v", s)
	}
	f = newFeed()
	f.state("log", false, errors.New("gone"))
	if s := f.Take(); s.Waiting || len(s.Sources) != 1 {
		t.Errorf("a log that cannot be read is something to show: %+v", s)
	}
}

func TestTakePast_FillsThePlotsBackwards(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	// The feed begins in the middle of a second of which the log has ten requests.
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(-5*time.Second), 200), at(noon().Add(-4*time.Second), 200)}})
	s := f.Take()
	if !point(t, &s, noon().Add(-6*time.Second)).Gap || !s.Begins.Equal(noon().Add(-5*time.Second)) {
		t.Errorf("before: begins %s", s.Begins)
	}
	sec := func(ago, n int, pool bluegreen.Pool) past.Second {
		return past.Second{At: noon().Unix() - int64(ago), Pool: pool, Requests: n, Saved: 2, Micros: [3]int64{1000, 2000, 3500}, Classes: [4]int{n}}
	}
	f.takePast(&past.Summary{Begins: noon().Unix() - 3000, Seconds: []past.Second{
		sec(3000, 7, bluegreen.Blue), sec(2999, 8, bluegreen.Green), sec(5, 10, bluegreen.Blue), sec(4, 99, bluegreen.Blue),
	}}, noon().Unix()-5)
	s = f.Take()
	if p := point(t, &s, noon().Add(-3000*time.Second)); p.Requests != 7 || p.P99 != 3.5 || p.Saved != 2 || p.Classes[0] != 7 || p.Gap {
		t.Errorf("the oldest second is %+v", p)
	}
	for ago, want := range map[int]float64{5: 10, 4: 1, 2999: 0, 100: 0} {
		if p := point(t, &s, noon().Add(-time.Duration(ago)*time.Second)); p.Requests != want || p.Gap {
			t.Errorf("%d s ago: %+v, want %g requests", ago, p, want)
		}
	}
	if series := s.Pools[1].Series; series[len(series)-1-2998].Requests != 8 {
		t.Error("green's past is missing")
	}
	if !s.Begins.Equal(noon().Add(-3000 * time.Second)) {
		t.Errorf("the log begins %s", s.Begins)
	}
}

func TestTakePast_OfAnEmptyAnswerChangesNothing(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(-5*time.Second), 200)}})
	f.takePast(&past.Summary{}, noon().Unix()-5)
	if s := f.Take(); point(t, &s, noon().Add(-5*time.Second)).Requests != 1 || !s.Begins.Equal(noon().Add(-5*time.Second)) {
		t.Errorf("begins %s", s.Begins)
	}
}

func TestTakeState_TellsOfMaintenanceUntilItsEnd(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.add(logstream.Batch{})
	m := &watch.Maintenance{Until: noon().Add(time.Minute), Scope: alert.ScopeAll, By: "jo@web-1"}
	f.takeState(&watch.State{Maintenance: m})
	if s := f.Take(); s.Maintenance.Scope != alert.ScopeAll || !s.Maintenance.Until.Equal(m.Until) || s.MutedBy != "jo@web-1" {
		t.Errorf("on: %+v by %q", s.Maintenance, s.MutedBy)
	}
	clock = noon().Add(2 * time.Minute)
	f.takeState(&watch.State{Maintenance: m})
	if s := f.Take(); s.Maintenance.Scope != alert.ScopeNone || s.MutedBy != "" {
		t.Errorf("over: %+v", s.Maintenance)
	}
}

func TestTakeState_TellsAlertsThatTheOutputDoesNot(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.add(logstream.Batch{})
	fired := alert.Event{ID: "error_rate-3", Type: alert.ErrorRate, Status: alert.Firing, Time: noon().Add(-time.Hour)}
	st := &watch.State{Alerts: []alert.Event{fired}}
	f.takeState(st)
	if s := f.Take(); len(s.Events) != 0 {
		t.Errorf("before the output is followed: %+v", s.Events)
	}
	f.state("alerts", true, nil)
	f.event([]byte(`{"kind":"notice","text":"x"}`))
	f.takeState(st)
	if s := f.Take(); len(s.Events) != 0 {
		t.Errorf("while the output is being read: %+v", s.Events)
	}
	clock = clock.Add(time.Second)
	for range 2 {
		f.takeState(st)
	}
	if s := f.Take(); len(s.Events) != 1 || s.Events[0].ID != "error_rate-3" {
		t.Errorf("told %+v, want it once", s.Events)
	}
	// The end that the output tells is newer than a state that was read before it.
	f.event([]byte(`{"kind":"alert","id":"error_rate-4","type":"error_rate","status":"resolved","time":"` + clock.Format(time.RFC3339) + `"}`))
	clock = clock.Add(time.Second)
	f.takeState(st)
	if s := f.Take(); len(s.Events) != 1 || s.Events[0].Status != alert.Resolved {
		t.Errorf("an alert that is over fires again: %+v", s.Events)
	}
}
