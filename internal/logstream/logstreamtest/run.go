package logstreamtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/logstream"
)

// patience is how long a line may take on a machine that does much else.
const patience = 20 * time.Second

// run is one scenario at work.
type run struct {
	rig Rig
	scenario
	written []string // whole lines, by their paths
	rest    string   // of a line that was begun

	mu     sync.Mutex
	got    []string
	cursor logstream.Cursor
	counts logstream.Counts
	delay  time.Duration // of each delivery

	stop context.CancelFunc
	done chan error
}

func (r *run) running() bool { return r.done != nil }

func (r *run) begin(t *testing.T, start logstream.Start) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r.stop, r.done = cancel, done
	source := r.rig.Source(start)
	go func() { done <- source.Run(ctx, r.deliver) }()
	t.Cleanup(cancel)
}

func (r *run) deliver(b logstream.Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b.Records {
		r.got = append(r.got, b.Records[i].Path)
	}
	r.cursor, r.counts = b.Cursor, b.Counts
	if r.delay > 0 {
		time.Sleep(r.delay)
	}
	return nil
}

// end stops the source; what it delivered before it returned counts.
func (r *run) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.done; !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v", err)
	}
	r.done = nil
}

// place is where a new source goes on.
func (r *run) place() logstream.Start {
	if r.cursor.IsZero() {
		return r.start
	}
	return logstream.AtCursor(r.cursor)
}

func (r *run) came() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *run) await(n int) {
	for end := time.Now().Add(patience); r.came() < n && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// check compares what came with what was written.
func (r *run) check(t *testing.T) {
	t.Helper()
	want := r.written[r.skip:]
	r.await(len(want))
	time.Sleep(100 * time.Millisecond) // a repeated line would come now
	r.end(t)
	got := r.got
	if r.anyway {
		want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	}
	if !slices.Equal(want, got) {
		lost, more := difference(want, got)
		t.Errorf("%d lines came, want %d; %d lost (%.20q …), %d too many (%.20q …); counts %+v", len(got), len(want),
			len(lost), lost[:min(len(lost), 3)], len(more), more[:min(len(more), 3)], r.counts)
	}
	if r.counts.TooLong != r.tooLong || r.counts.Gaps != 0 {
		t.Errorf("%d lines too long, want %d; %d gaps", r.counts.TooLong, r.tooLong, r.counts.Gaps)
	}
}

// difference returns what of want is not in got, and the other way round.
func difference(want, got []string) (lost, more []string) {
	left := map[string]int{}
	for _, p := range want {
		left[p]++
	}
	for _, p := range got {
		if left[p]--; left[p] < 0 {
			more = append(more, p)
		}
	}
	for _, p := range want {
		if left[p] > 0 {
			left[p]--
			lost = append(lost, p)
		}
	}
	return lost, more
}

// Line is a line of an access log with its newline.
func Line(path string) string {
	return `{"msec":"1761837814.123","request":"GET ` + path + ` HTTP/1.1","status":"200"}` + "\n"
}

func (r *run) next() string {
	path := fmt.Sprintf("/%d", len(r.written))
	r.written = append(r.written, path)
	return Line(path)
}

func steps(in ...any) []step {
	var out []step
	for _, s := range in {
		switch s := s.(type) {
		case []step:
			out = append(out, s...)
		case func(*testing.T, *run):
			out = append(out, s)
		case step:
			out = append(out, s)
		}
	}
	return out
}

func times(n int, in ...any) []step {
	var out []step
	for range n {
		out = append(out, steps(in...)...)
	}
	return out
}

func write(n int) step {
	return func(t *testing.T, r *run) {
		t.Helper()
		var b strings.Builder
		for range n {
			b.WriteString(r.next())
		}
		r.rig.Write(t, b.String())
	}
}

func long(n int) step {
	return func(t *testing.T, r *run) {
		t.Helper()
		path := fmt.Sprintf("/%d/%s", len(r.written), strings.Repeat("x", n))
		r.written = append(r.written, path)
		r.rig.Write(t, Line(path))
	}
}

// begin starts a source and waits until it has found its place.
func begin(t *testing.T, r *run) {
	t.Helper()
	r.begin(t, r.start)
	if r.skip > 0 {
		settle(t, r)
		return
	}
	write(1)(t, r)
	caughtUp(t, r)
}

func pause(*testing.T, *run) { time.Sleep(5 * time.Millisecond) }

// settle lets a source find the end of its log, when no line can tell that it did.
func settle(*testing.T, *run) { time.Sleep(time.Second) }

func caughtUp(_ *testing.T, r *run) { r.await(len(r.written) - r.skip) }

func half(t *testing.T, r *run) {
	t.Helper()
	line := r.next()
	cut := len(line) * (1 + len(r.written)%7) / 9
	r.rest = line[cut:]
	r.rig.Write(t, line[:cut])
}

func rest(t *testing.T, r *run) { t.Helper(); r.rig.Write(t, r.rest) }

func torn(t *testing.T, r *run) { t.Helper(); r.rig.Write(t, Line("/torn")[:40]) }

func overlong(t *testing.T, r *run) {
	t.Helper()
	r.rig.Write(t, Line("/"+strings.Repeat("y", logstream.MaxLine+100)))
}

func garbage(t *testing.T, r *run) { t.Helper(); r.rig.Write(t, "/docker-entrypoint.sh: ready\n\n") }

func same(t *testing.T, r *run) {
	t.Helper()
	path := r.written[len(r.written)-1]
	r.written = append(r.written, path)
	r.rig.Write(t, Line(path))
}

func rotate(t *testing.T, r *run)  { t.Helper(); r.rig.Rotate(t) }
func sever(t *testing.T, r *run)   { t.Helper(); r.rig.Sever(t) }
func restart(t *testing.T, r *run) { t.Helper(); r.rig.RestartWriter(t) }

func slow(_ *testing.T, r *run) { r.delay = 3 * time.Millisecond }

func away(t *testing.T, r *run) { t.Helper(); r.end(t) }
func back(t *testing.T, r *run) { t.Helper(); r.begin(t, r.place()) }

func resume(t *testing.T, r *run) { t.Helper(); r.end(t); r.begin(t, r.place()) }
