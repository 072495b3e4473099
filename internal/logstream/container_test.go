package logstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// outputRun follows a fake engine in a bubble of fake time.
type outputRun struct {
	e       *fakeEngine
	got     []string
	counts  logstream.Counts
	cursor  logstream.Cursor
	states  []string
	notices []string
	err     error
	cancel  context.CancelFunc
}

// followEngine runs test with a source on e that begins at the first line.
func followEngine(t *testing.T, e *fakeEngine, test func(t *testing.T, r *outputRun)) {
	t.Helper()
	followFrom(t, e, logstream.AtBeginning(), test)
}

func followFrom(t *testing.T, e *fakeEngine, start logstream.Start, test func(t *testing.T, r *outputRun)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		e.changed = make(chan struct{})
		r := &outputRun{e: e, cancel: cancel}
		src := logstream.NewContainerSource(logstream.ContainerConfig{
			Engine: e, Start: start,
			OnState:  func(s logstream.State) { r.states = append(r.states, fmt.Sprint(s.Connected, " ", s.Err)) },
			OnNotice: func(text string) { r.notices = append(r.notices, text) },
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.err = src.Run(ctx, func(b logstream.Batch) error {
				for i := range b.Records {
					r.got = append(r.got, b.Records[i].Path)
				}
				r.counts, r.cursor = b.Counts, b.Cursor
				return nil
			})
		}()
		synctest.Wait()
		test(t, r)
		cancel()
		<-done
	})
}

// writes n lines and waits.
func (r *outputRun) write(paths ...string) {
	var b strings.Builder
	for _, p := range paths {
		b.WriteString(logstreamtest.Line(p))
	}
	r.e.change(func() { r.e.write(b.String()) })
	synctest.Wait()
}

func (r *outputRun) want(t *testing.T, paths ...string) {
	t.Helper()
	if !slices.Equal(r.got, paths) {
		t.Errorf("got %q, want %q; states %q", r.got, paths, r.states)
	}
}

// wait lets fake time pass.
func wait(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestContainerSource_D4_FollowsARecreatedContainer(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a", "/b")
		// The connection breaks; the container goes on a little and is replaced.
		e.change(func() {
			e.life++
			e.write(logstreamtest.Line("/c"))
			e.stop()
			e.gone = map[string][]record{"one": e.recs}
			e.recs, e.c.ID, e.clock = nil, "two", 5
			e.start()
			e.write(logstreamtest.Line("/d"))
		})
		wait(time.Minute)
		r.want(t, "/a", "/b", "/c", "/d")
		if r.counts.Gaps != 0 || r.cursor.Container != "two" {
			t.Errorf("counts %+v, cursor %+v", r.counts, r.cursor)
		}
		// Now the old one is gone before its end was read.
		e.change(func() {
			e.life++
			e.recs, e.c.ID = nil, "three"
			e.write(logstreamtest.Line("/e"))
		})
		wait(time.Minute)
		r.want(t, "/a", "/b", "/c", "/d", "/e")
		if r.counts.Gaps != 1 {
			t.Errorf("%d gaps, want 1", r.counts.Gaps)
		}
	})
}

// An engine that is slow to tell of the end has removed the container by then.
func TestContainerSource_D4_ReadToTheEndAndRemoved(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a", "/b")
		e.change(func() {
			e.write(logstreamtest.Line("/c"))
			e.stop()
			e.findErr = logstream.ErrNoContainer
		})
		wait(10 * time.Second)
		e.change(func() {
			e.recs, e.c.ID, e.clock, e.findErr = nil, "two", 5, nil
			e.start()
			e.write(logstreamtest.Line("/d"))
		})
		wait(time.Minute)
		r.want(t, "/a", "/b", "/c", "/d")
		if r.counts.Gaps != 0 || r.cursor.Container != "two" {
			t.Errorf("counts %+v, cursor %+v", r.counts, r.cursor)
		}
	})
}

func TestContainerSource_D4_WaitsForAStoppedContainer(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a")
		e.change(e.stop)
		wait(10 * time.Minute)
		opened := len(e.opened)
		if last := r.states[len(r.states)-1]; !strings.Contains(last, "false container web-nginx-1 is exited") {
			t.Errorf("state %q", last)
		}
		wait(10 * time.Minute)
		if len(e.opened) != opened {
			t.Errorf("a stopped container was read %d times more", len(e.opened)-opened)
		}
		e.change(func() { e.start(); e.write(logstreamtest.Line("/b")) })
		wait(2 * time.Second)
		r.want(t, "/a", "/b")
	})
}

func TestContainerSource_D5_ToldByTheEngine(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	e.outErr = fmt.Errorf("driver none: %w", logstream.ErrNoOutput)
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		if !errors.Is(r.err, logstream.ErrNoOutput) {
			t.Errorf("Run: %v", r.err)
		}
	})
	e = newFakeEngine()
	e.findErr = logstream.ErrNoContainer
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		wait(30 * time.Second)
		e.change(func() { e.findErr = nil; e.write(logstreamtest.Line("/a")) })
		wait(2 * time.Second)
		r.want(t, "/a")
		if r.err != nil || !strings.Contains(r.states[0], logstream.ErrNoContainer.Error()) {
			t.Errorf("Run: %v, states %q", r.err, r.states)
		}
	})
}

func TestContainerSource_D7_TellsLinesOfOneInstantApart(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		var want []string
		for i := range 20 {
			path := fmt.Sprintf("/%d", i)
			want = append(want, path)
			e.change(func() {
				at := e.clock
				e.write(logstreamtest.Line(path))
				e.clock, e.recs[len(e.recs)-1].time = at, at
				if i%4 == 3 {
					e.life++
				}
			})
			wait(time.Minute)
		}
		r.want(t, want...)
		if r.cursor.Lines != 20 || r.counts.Repeated == 0 {
			t.Errorf("cursor %+v, counts %+v", r.cursor, r.counts)
		}
	})
}

func TestContainerSource_D9_LeavesAStreamThatHangs(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a")
		wait(10 * time.Minute) // silence alone is no reason
		if opened := len(e.opened); opened != 1+10 {
			t.Errorf("%d connections in ten silent minutes, want a probe each", opened)
		}
		e.change(func() { e.frozen = true })
		r.write("/b")
		wait(30 * time.Second)
		r.want(t, "/a")
		wait(45 * time.Second)
		e.change(func() { e.frozen = false })
		wait(6 * time.Second)
		r.want(t, "/a", "/b")
		if !slices.Contains(r.states, "false the engine's stream hangs") {
			t.Errorf("states %q", r.states)
		}
	})
}

func TestContainerSource_D9_WaitsLongerAndLonger(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	e.outErr = errors.New("connection refused")
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		wait(time.Minute)
		if n := len(e.opened); n < 10 || n > 20 {
			t.Errorf("%d connections in a minute", n)
		}
		e.change(func() { e.outErr = nil })
		r.write("/a")
		wait(5 * time.Second)
		r.want(t, "/a")
	})
}

func TestContainerSource_D12_WarnsOfWhatLosesLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		driver, engine string
		options        map[string]string
		want           []string
	}{
		{"json-file", "28.0.1", map[string]string{"max-size": "10m", "max-file": "3"}, nil},
		{"json-file", "28.0.1", nil, nil},
		{"json-file", "20.10.24", map[string]string{"mode": "non-blocking"}, []string{"non-blocking"}},
		{"local", "20.10.24", nil, []string{"before 23.0"}},
		{"local", "28.0.1", map[string]string{"max-size": "20m"}, nil},
		{"json-file", "28.0.1", map[string]string{"max-size": "20k", "max-file": "3"}, []string{"at 20k"}},
		{"json-file", "28.0.1", map[string]string{"max-size": "20m"}, []string{"one log file only"}},
		{"local", "28.0.1", map[string]string{"max-size": "900KB", "max-file": "1"}, []string{"at 900KB", "one log file only"}},
	} {
		c := logstream.Container{Name: "web", Driver: tt.driver, Engine: tt.engine, Options: tt.options}
		got := c.Warnings()
		if len(got) != len(tt.want) {
			t.Errorf("%s %v: %q, want %q", tt.driver, tt.options, got, tt.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], tt.want[i]) || !strings.Contains(got[i], "web") {
				t.Errorf("%s %v: %q, want %q", tt.driver, tt.options, got[i], tt.want[i])
			}
		}
	}
	e := newFakeEngine()
	e.c.Options = map[string]string{"mode": "non-blocking"}
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		e.change(func() { e.life++ })
		wait(time.Minute)
		if len(r.notices) != 1 {
			t.Errorf("notices %q, want one", r.notices)
		}
	})
}

// TestContainerSource_D13_GetsPastADamagedRecord: the engine ends the stream at it,
// each time.
func TestContainerSource_D13_GetsPastADamagedRecord(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a")
		e.change(func() { e.damaged = len(e.recs); e.life++ })
		wait(20 * time.Second)
		if n := len(e.opened); n > 10 {
			t.Errorf("%d connections in 20 s", n)
		}
		r.write("/b")
		wait(20 * time.Second)
		r.want(t, "/a", "/b")
		if r.counts.Gaps != 1 {
			t.Errorf("%d gaps, want 1", r.counts.Gaps)
		}
	})
}

// TestContainerSource_D14_SeparatesWhatARestartGlued: what the old process left
// unfinished is counted, the first line of the new one is whole.
func TestContainerSource_D14_SeparatesWhatARestartGlued(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a")
		e.change(func() { e.write(logstreamtest.Line("/half")[:30]); e.stop() })
		wait(5 * time.Second)
		e.change(func() { e.start(); e.write(logstreamtest.Line("/b")) })
		wait(5 * time.Second)
		r.want(t, "/a", "/b")
		if r.counts.Cut != 1 || r.counts.Bad != 0 {
			t.Errorf("counts %+v", r.counts)
		}
	})
}

// TestContainerSource_SurvivesAClockThatIsSetBack: times go back for good, and come
// again after a reconnect.
func TestContainerSource_SurvivesAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	followEngine(t, e, func(t *testing.T, r *outputRun) {
		r.write("/a", "/b", "/c", "/d")
		e.change(func() { e.clock -= int64(time.Hour) })
		r.write("/e", "/f", "/g", "/h")
		e.change(func() { e.life++ })
		wait(time.Minute)
		r.write("/i")
		r.want(t, "/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i")
	})
}
