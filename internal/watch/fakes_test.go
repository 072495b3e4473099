package watch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

// fakeSource delivers what a test sends.
type fakeSource struct {
	batches chan logstream.Batch
	fail    error
	pos     int
}

func newSource() *fakeSource { return &fakeSource{batches: make(chan logstream.Batch)} }

func (s *fakeSource) Run(ctx context.Context, deliver func(logstream.Batch) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-s.batches:
			if !ok {
				return s.fail
			}
			s.pos += len(b.Records)
			if err := deliver(b); err != nil {
				return err
			}
		}
	}
}

// fakeDetector fires on the first record over 499 and resolves on the first below.
type fakeDetector struct {
	Seq    int
	Firing bool
	Seen   int
	muted  bool
	ticks  []time.Time
}

func (d *fakeDetector) Observe(rec *logstream.Record) []alert.Event {
	d.Seen++
	if (rec.Status >= 500) == d.Firing {
		return nil
	}
	d.Firing = !d.Firing
	d.Seq++
	ev := alert.Event{
		ID: fmt.Sprintf("error_rate-%d", d.Seq), Time: rec.Time, Type: alert.ErrorRate,
		Status: alert.Resolved, Summary: "rate", Threshold: 2,
	}
	if d.Firing {
		ev.Status = alert.Firing
	}
	if d.muted {
		ev.Muted = "maintenance"
	}
	return []alert.Event{ev}
}

func (d *fakeDetector) Tick(now time.Time) []alert.Event { d.ticks = append(d.ticks, now); return nil }

func (d *fakeDetector) Window() alert.Window { return alert.Window{Size: 200, N: d.Seen, Rate: 12.5} }

func (d *fakeDetector) State() fakeDetector {
	return fakeDetector{Seq: d.Seq, Firing: d.Firing, Seen: d.Seen}
}
func (d *fakeDetector) Restore(s fakeDetector) { d.Seq, d.Firing, d.Seen = s.Seq, s.Firing, s.Seen }

// fakeReceiver records what is sent to it.
type fakeReceiver struct {
	name string // slack, when empty
	mu   sync.Mutex
	out  slack.Outcome
	sent []slack.Item
}

func (r *fakeReceiver) Name() string { return cmp.Or(r.name, "slack") }

func (r *fakeReceiver) Send(_ context.Context, item slack.Item) slack.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, item)
	return r.out
}

func (r *fakeReceiver) set(out slack.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out = out
}

func (r *fakeReceiver) ids() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, i := range r.sent {
		out = append(out, i.Event.ID)
	}
	return strings.Join(out, " ")
}

// sink is a writer tests may read while it is written.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// bench is one running watcher.
type bench struct {
	src  *fakeSource
	det  *fakeDetector
	recv *fakeReceiver
	out  *sink
	stop func() error
}

func start(t *testing.T, dir string, change func(*Config)) *bench {
	t.Helper()
	b := &bench{src: newSource(), det: &fakeDetector{}, recv: &fakeReceiver{out: slack.Outcome{Action: slack.Delivered}}, out: &sink{}}
	cfg := Config{
		Source: b.src, Detector: Keep(b.det, b.det.State, b.det.Restore), StateDir: dir, Host: "h", Project: "p",
		Threshold: 2, Out: b.out, Receivers: []slack.Receiver{b.recv},
		Cursor: func() any { return map[string]int{"pos": b.src.pos} },
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	var once sync.Once
	var err error
	b.stop = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { _ = b.stop() })
	return b
}

func record(status int) logstream.Record {
	return logstream.Record{
		Time: time.Now(), Method: "GET", Path: "/", Status: status, Duration: 20 * time.Millisecond,
		Served: bluegreen.Blue, Active: bluegreen.Blue,
		Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Status: status}},
	}
}

func (b *bench) feed(records ...logstream.Record) {
	n := uint64(b.src.pos + len(records))
	b.src.batches <- logstream.Batch{Records: records, Counts: logstream.Counts{Lines: n + 1, Parsed: n, Bad: 1, FirstBad: "evil"}}
	synctest.Wait()
}

func (b *bench) kinds(t *testing.T) string {
	t.Helper()
	var out []string
	for line := range strings.Lines(b.out.String()) {
		var l struct {
			Kind   string
			ID     string
			Event  string
			State  string
			Status string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("line is not JSON: %s", line)
		}
		out = append(out, strings.TrimSuffix(l.Kind+":"+l.ID+l.Event+" "+l.Status+l.State, ": "))
	}
	return strings.Join(out, ", ")
}
