package logstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// fakeEngine keeps the output of one container at a time, as engines do: lines with
// their times, an unfinished one when the process ends in mid-line, and a follower
// that loses its place when the log is rotated.
type fakeEngine struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	recs    []record
	partial string // what the process wrote of a line
	clock   int64
	c       logstream.Container
	gone    map[string][]record // containers that were removed, nil ones for good
	life    int                 // counts the breaks of all connections
	moved   int                 // counts the rotations
	findErr error
	outErr  error
	opened  []logstream.OutputRequest
	damaged int  // the record that ends every stream, 0: none
	frozen  bool // followers get nothing any more, as when the engine hangs
}

type record struct {
	time  int64
	text  string
	whole bool
}

func newFakeEngine() *fakeEngine {
	e := &fakeEngine{changed: make(chan struct{}), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano()}
	e.c = logstream.Container{ID: "one", Name: "web-nginx-1", State: "running", Started: time.Unix(1, 0), Driver: "json-file"}
	return e
}

// change does something under the lock and tells everybody who waits.
func (e *fakeEngine) change(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	do()
	close(e.changed)
	e.changed = make(chan struct{})
}

func (e *fakeEngine) write(text string) {
	e.partial += text
	for {
		line, rest, whole := strings.Cut(e.partial, "\n")
		if !whole {
			return
		}
		e.partial = rest
		e.keep(line, true)
	}
}

// keep gives three lines in a row the same time, unless they are the same.
func (e *fakeEngine) keep(text string, whole bool) {
	if n := len(e.recs); n == 0 || n%3 == 0 || e.recs[n-1].text == text || !e.recs[n-1].whole {
		e.clock++
	}
	e.recs = append(e.recs, record{e.clock, text, whole})
}

func (e *fakeEngine) Write(t *testing.T, text string) {
	t.Helper()
	e.change(func() { e.write(text) })
}

// Rotate makes every follower go back some lines.
func (e *fakeEngine) Rotate(t *testing.T) { t.Helper(); e.change(func() { e.moved++ }) }

// Sever breaks every connection.
func (e *fakeEngine) Sever(t *testing.T) { t.Helper(); e.change(func() { e.life++ }) }

// stop ends the process: what it wrote of a line is kept.
func (e *fakeEngine) stop() {
	if e.partial != "" {
		e.keep(e.partial, false)
		e.partial = ""
	}
	e.c.State = "exited"
}

func (e *fakeEngine) start() {
	e.c.State, e.c.Started = "running", e.c.Started.Add(time.Second)
	e.clock += 1000
}

func (e *fakeEngine) RestartWriter(t *testing.T) {
	t.Helper()
	e.change(e.stop)
	time.Sleep(10 * time.Millisecond)
	e.change(e.start)
}

func (e *fakeEngine) Source(start logstream.Start) logstreamtest.Source {
	return logstream.NewContainerSource(logstream.ContainerConfig{
		Engine: e, Start: start, MinWait: 5 * time.Millisecond, MaxWait: 50 * time.Millisecond, StopWait: 5 * time.Millisecond,
	})
}

// Find implements logstream.Engine.
func (e *fakeEngine) Find(context.Context) (logstream.Container, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.c, e.findErr
}

// Output implements logstream.Engine.
func (e *fakeEngine) Output(ctx context.Context, req logstream.OutputRequest) (logstream.Output, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = append(e.opened, req)
	if e.outErr != nil {
		return nil, e.outErr
	}
	o := &fakeOutput{e: e, ctx: ctx, req: req, life: e.life, moved: e.moved, run: e.c.Started, closed: make(chan struct{})}
	if req.ID != e.c.ID {
		old, ok := e.gone[req.ID]
		if !ok {
			return nil, fmt.Errorf("container %s: %w", req.ID, logstream.ErrNoContainer)
		}
		o.recs = old
	}
	recs := o.list()
	if req.Last >= 0 {
		o.at = max(0, len(recs)-req.Last)
	}
	for o.at < len(recs) && recs[o.at].time < req.Since {
		o.at++
	}
	if o.first = o.at; req.Last < 0 {
		o.first = 0 // since is found by reading from the first record on
	}
	return o, nil
}

// fakeOutput reads what the engine keeps.
type fakeOutput struct {
	e      *fakeEngine
	ctx    context.Context
	req    logstream.OutputRequest
	recs   []record // of a container that was replaced
	at     int
	first  int // where the engine begins to read
	life   int
	moved  int
	run    time.Time
	once   sync.Once
	closed chan struct{}
}

func (o *fakeOutput) list() []record {
	if o.recs != nil {
		return o.recs
	}
	return o.e.recs
}

var errBroken = errors.New("connection reset by peer")

// step returns a line or an error, or what to wait for.
func (o *fakeOutput) step() (line logstream.OutputLine, wait chan struct{}, err error) {
	e := o.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.life != e.life {
		return line, nil, errBroken
	}
	if o.moved != e.moved {
		o.at, o.moved = max(0, o.at-1-o.at%37), e.moved
	}
	recs := o.list()
	if e.damaged > 0 && o.first < e.damaged && o.at >= e.damaged {
		return line, nil, io.EOF
	}
	if o.at < len(recs) && (!e.frozen || !o.req.Follow) {
		r := recs[o.at]
		line = logstream.OutputLine{Time: r.time, Text: []byte(r.text)}
		if !r.whole {
			line.End = logstream.EndOfStream
			if o.at+1 < len(recs) {
				line.End = logstream.EndRestart
			} else if o.req.Follow && e.c.State == "running" && e.c.Started.Equal(o.run) {
				return line, e.changed, nil
			}
		}
		o.at++
		return line, nil, nil
	}
	if !o.req.Follow || o.recs != nil || e.c.State != "running" || !e.c.Started.Equal(o.run) {
		return line, nil, io.EOF
	}
	return line, e.changed, nil
}

// Next implements logstream.Output.
func (o *fakeOutput) Next() (logstream.OutputLine, error) {
	for {
		line, wait, err := o.step()
		if wait == nil {
			return line, err
		}
		select {
		case <-wait:
		case <-o.closed:
			return logstream.OutputLine{}, net.ErrClosed
		case <-o.ctx.Done():
			return logstream.OutputLine{}, o.ctx.Err()
		}
	}
}

// Ready implements logstream.Output.
func (o *fakeOutput) Ready() bool {
	o.e.mu.Lock()
	defer o.e.mu.Unlock()
	return o.at+1 < len(o.list()) && !o.e.frozen && o.life == o.e.life
}

// Close implements logstream.Output.
func (o *fakeOutput) Close() error {
	o.once.Do(func() { close(o.closed) })
	return nil
}
