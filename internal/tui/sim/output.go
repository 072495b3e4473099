package sim

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// outputLines is how many lines of a container's output are kept at least.
const outputLines = 500

// output is what one container has printed.
type output struct {
	lines []string
	first int // number of the oldest line
}

// print prints a line.
func (o *output) print(line string) {
	o.lines = append(o.lines, line)
	if len(o.lines) >= 2*outputLines { // seldom: it moves them all
		o.first += len(o.lines) - outputLines
		o.lines = slices.Clone(o.lines[len(o.lines)-outputLines:])
	}
}

// serviceOf is the output of a pool.
func serviceOf(p bluegreen.Pool) string { return "app_" + p.String() }

// prints lets the application print a request.
func (s *Stack) prints(r *logstream.Record) {
	if s.warming && s.opts.Now().Sub(r.Time) > time.Minute {
		return // nobody will look so far back
	}
	s.printed(serviceOf(r.Served)).print(fmt.Sprintf("%s %s %s %d %s id=%s", r.Time.Format(time.RFC3339), r.Method, r.Path, r.Status, r.Duration.Round(time.Millisecond), r.RequestID))
}

// printed is the output of a service.
func (s *Stack) printed(service string) *output {
	o := s.outputs[service]
	if o == nil {
		o = &output{}
		s.outputs[service] = o
		o.print("simulated output of " + service)
	}
	return o
}

// follow is one reader of an output.
type follow struct {
	stack   *Stack
	service string
	id      string

	mu     sync.Mutex
	next   int
	closed bool
}

// tail follows the output of a container.
func (s *Stack) tail(_ context.Context, id string) (tui.Tail, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all() {
		if c.ID == id {
			return &follow{stack: s, service: c.Service, id: id, next: s.printed(c.Service).first}, nil
		}
	}
	return nil, fmt.Errorf("no such container: %.12s", id)
}

// all lists every container.
func (s *Stack) all() []*bluegreen.Container {
	out := []*bluegreen.Container{s.dep.Proxy, s.dep.Watcher}
	for _, pool := range bluegreen.Pools() {
		for i := range s.dep.Pool(pool).Containers {
			out = append(out, &s.dep.Pool(pool).Containers[i])
		}
	}
	return out
}

// Take implements [tui.Tail].
func (f *follow) Take() tui.TailSnapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return tui.TailSnapshot{Err: io.EOF}
	}
	f.stack.mu.Lock()
	defer f.stack.mu.Unlock()
	o := f.stack.printed(f.service)
	var snap tui.TailSnapshot
	if f.next < o.first {
		snap.Dropped = uint64(o.first - f.next) //nolint:gosec // positive
		f.next = o.first
	}
	snap.Lines = append(snap.Lines, o.lines[f.next-o.first:]...)
	f.next = o.first + len(o.lines)
	for _, c := range f.stack.all() {
		if c.ID == f.id && c.State != "running" {
			snap.Err = io.EOF
		}
	}
	return snap
}

// Close implements [tui.Tail].
func (f *follow) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}
