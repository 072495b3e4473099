package feed

import (
	"errors"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// moving is a feed whose clock the test moves.
func moving(clock *time.Time) *Feed {
	f := newFeed()
	f.cfg.Now = func() time.Time { return *clock }
	return f
}

// at is a request of blue that ended at t.
func at(t time.Time, status int) logstream.Record {
	r := served(bluegreen.Blue, status)
	r.Time = t
	return r
}

// point returns the point of a second.
func point(t *testing.T, s *tui.FeedSnapshot, when time.Time) tui.Point {
	t.Helper()
	series := s.Pools[0].Series
	i := len(series) - 1 - int(s.End.Sub(when)/time.Second)
	if i < 0 || i >= len(series) {
		t.Fatalf("%d points that end at %s do not reach %s", len(series), s.End, when)
	}
	return series[i]
}

func TestTake_TellsTheHourOfTheLogOnceAndThenWhatIsNew(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(-50*time.Minute), 200), at(noon().Add(-10*time.Second), 404)}})
	s := f.Take()
	if n := len(s.Pools[0].Series); n != hour {
		t.Errorf("the first Take tells of %d seconds", n)
	}
	if p := point(t, &s, noon().Add(-50*time.Minute)); p.Requests != 1 || p.Classes[0] != 1 {
		t.Errorf("the old request is %+v", p)
	}
	if p := point(t, &s, noon().Add(-10*time.Second)); p.Classes[2] != 1 || p.Gap {
		t.Errorf("the 404 is %+v", p)
	}
	for range 5 {
		clock = clock.Add(100 * time.Millisecond)
		if s = f.Take(); len(s.Pools[0].Series) > 2 {
			t.Errorf("a Take without news tells of %d seconds", len(s.Pools[0].Series))
		}
	}
	// A screen that was away for a while misses no second.
	f.add(logstream.Batch{Records: []logstream.Record{at(clock, 200)}})
	clock = clock.Add(20 * time.Second)
	if s = f.Take(); point(t, &s, noon()).Requests != 1 {
		t.Errorf("the request of noon is missing: %+v", s.Pools[0].Series)
	}
}

func TestTake_AGapIsNoZero(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.state("log", true, nil)
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(-60*time.Second), 200)}})
	s := f.Take()
	if !point(t, &s, noon().Add(-61*time.Second)).Gap {
		t.Error("before the log begins nobody looked")
	}
	if point(t, &s, noon().Add(-30*time.Second)).Gap {
		t.Error("half a minute without a request was looked at")
	}
	f.state("log", false, errors.New("gone"))
	clock = clock.Add(10 * time.Second)
	f.state("log", true, nil)
	clock = clock.Add(2 * time.Second)
	s = f.Take()
	if !point(t, &s, noon().Add(5*time.Second)).Gap || point(t, &s, clock.Add(-time.Second)).Gap {
		t.Errorf("the time without the log is no gap: %+v", s.Pools[0].Series)
	}
	// The log tells what happened meanwhile: known lines came again.
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(7*time.Second), 200)}, Counts: logstream.Counts{Repeated: 40}})
	s = f.Take()
	if point(t, &s, noon().Add(5*time.Second)).Gap || point(t, &s, noon().Add(7*time.Second)).Requests != 1 {
		t.Errorf("the log told of the gap, and it still is one: %+v", s.Pools[0].Series)
	}
}

func TestTake_LinesMissingInTheLogStayAGap(t *testing.T) {
	clock := noon()
	f := moving(&clock)
	f.state("log", true, nil)
	f.add(logstream.Batch{Records: []logstream.Record{at(noon().Add(-3*time.Second), 200)}})
	f.state("log", false, nil)
	clock = clock.Add(10 * time.Second)
	f.state("log", true, nil)
	f.add(logstream.Batch{Records: []logstream.Record{at(clock, 200)}, Counts: logstream.Counts{Gaps: 1}})
	clock = clock.Add(2 * time.Second)
	s := f.Take()
	if !point(t, &s, noon().Add(5*time.Second)).Gap {
		t.Errorf("lines were lost, and it is no gap: %+v", s.Pools[0].Series)
	}
}
