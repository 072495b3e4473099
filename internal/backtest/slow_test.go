package backtest

import (
	"bytes"
	"context"
	"flag"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/gzip"

	"bgctl/internal/alert"
	"bgctl/internal/backtest/synth"
	"bgctl/internal/logstream"
	"bgctl/internal/logstream/slowparser"
)

var lines = flag.Int("lines", 20_000, "lines of the log that the fast and the slow reader are compared on")

func logOf(tb testing.TB, o synth.Options) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := synth.Write(&b, o); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func input(name string, data []byte) Input {
	return Input{Name: name, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}}
}

func packedInput(tb testing.TB, name string, data []byte) Input {
	tb.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return input(name, b.Bytes())
}

func run(tb testing.TB, cfg Config) *Report {
	tb.Helper()
	if cfg.Alert.Window == 0 {
		cfg.Alert = alert.DefaultConfig()
	}
	report, err := Run(context.Background(), cfg) //nolint:forbidigo // a benchmark's context ends before its cleanup
	if err != nil {
		tb.Fatal(err)
	}
	return report
}

// slowRead reads a log in the plainest way: all of it, line by line.
func slowRead(data []byte) ([]logstream.Record, logstream.Counts) {
	p := slowparser.NewSlow(logstream.Format{})
	var records []logstream.Record
	last := time.Time{}
	for text := range strings.SplitSeq(string(data), "\n") {
		text = strings.Trim(text, "\x00\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		p.Counts.Lines++
		if len(text) > logstream.MaxLine {
			p.Counts.TooLong++
			continue
		}
		rec, ok := p.Parse(text)
		if !ok {
			continue
		}
		if rec.Time.IsZero() {
			rec.Time = last
		}
		last = rec.Time
		records = append(records, rec)
	}
	return records, p.Counts
}

// slowEvents gives records to a detector one by one, and a tick for every second.
func slowEvents(cfg alert.Config, records []logstream.Record) []alert.Event {
	d := alert.NewDetector(cfg)
	var events []alert.Event
	var ticked time.Time
	for i := range records {
		now := records[i].Time.Truncate(time.Second)
		if ticked.IsZero() || now.Before(ticked.Add(-5*time.Second)) {
			ticked = now
		}
		for ticked.Before(now) {
			ticked = ticked.Add(time.Second)
			events = append(events, d.Tick(ticked)...)
		}
		events = append(events, d.Observe(&records[i])...)
	}
	return events
}

// fastRead returns the records of the parallel path.
func fastRead(tb testing.TB, data []byte, workers int) []logstream.Record {
	tb.Helper()
	var out []logstream.Record
	names := logstream.NewNamer(nil)
	p := newPipeline(logstream.Format{}, workers, func(int) {})
	last := time.Time{}
	err := p.run(tb.Context(), []*source{{Input: input("log", data)}}, func(b *block) {
		for i := range b.Records {
			rec := b.Records[i]
			names.Name(&rec)
			if rec.Time.IsZero() {
				rec.Time = last
			}
			last = rec.Time
			out = append(out, cloned(rec))
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// cloned copies a record out of its block.
func cloned(rec logstream.Record) logstream.Record {
	for _, s := range []*string{&rec.RemoteAddr, &rec.Method, &rec.Path, &rec.Release, &rec.RequestID, &rec.Group} {
		*s = strings.Clone(*s)
	}
	if rec.Attempts != nil {
		rec.Attempts = append([]logstream.Attempt(nil), rec.Attempts...)
	}
	for i := range rec.Attempts {
		rec.Attempts[i].Addr = strings.Clone(rec.Attempts[i].Addr)
	}
	return rec
}

// The parallel path reads every line as the slow parser does and yields the events
// that a detector yields that is given one record after the other.
func TestRun_AgreesWithTheSlowReader(t *testing.T) {
	t.Parallel()
	for _, style := range synth.Styles() {
		t.Run(string(style), func(t *testing.T) {
			t.Parallel()
			data := logOf(t, synth.Options{Lines: *lines, Seed: 5, Style: style})
			want, counts := slowRead(data)
			for _, workers := range []int{1, 3} {
				got := fastRead(t, data, workers)
				if len(got) != len(want) {
					t.Fatalf("%d records, want %d", len(got), len(want))
				}
				for i := range want {
					if !slowparser.Equal(&want[i], &got[i]) {
						t.Fatalf("record %d:\n%s", i, cmp.Diff(want[i], got[i]))
					}
				}
				report := run(t, Config{Inputs: []Input{input("log", data)}, Workers: workers})
				if diff := cmp.Diff(slowEvents(alert.DefaultConfig(), want), report.Events); diff != "" {
					t.Errorf("%d workers, events:\n%s", workers, diff)
				}
				counts.FirstBad = report.Counts.FirstBad
				if diff := cmp.Diff(counts, report.Counts); diff != "" {
					t.Errorf("%d workers, counts:\n%s", workers, diff)
				}
				if len(report.Events) < 3 {
					t.Errorf("only %d events: the story is not told", len(report.Events))
				}
			}
		})
	}
}

// What the log says does not depend on where it was rotated, on what was packed,
// or on the order in which the files are named.
func TestRun_SameAcrossRotation(t *testing.T) {
	t.Parallel()
	data := logOf(t, synth.Options{Lines: 6000, Seed: 8, Style: synth.Ours})
	whole := run(t, Config{Inputs: []Input{input("log", data)}, Workers: 2})
	if len(whole.Events) == 0 {
		t.Fatal("no events")
	}
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 4))
		var inputs []Input
		rest := data
		for n := 1 + rng.IntN(6); n > 0 && len(rest) > 0; n-- {
			cut := len(rest)
			if n > 1 {
				at := rng.IntN(len(rest))
				cut = at + bytes.IndexByte(rest[at:], '\n') + 1
			}
			name := "access.log." + string(rune('0'+n))
			if rng.IntN(2) == 0 {
				inputs = append(inputs, packedInput(t, name+".gz", rest[:cut]))
			} else {
				inputs = append(inputs, input(name, rest[:cut]))
			}
			rest = rest[cut:]
		}
		rng.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
		got := run(t, Config{Inputs: inputs, Workers: 1 + rng.IntN(3)})
		if diff := cmp.Diff(whole, got, cmpopts.IgnoreFields(Report{}, "Inputs")); diff != "" {
			t.Fatalf("seed %d, %d files:\n%s", seed, len(inputs), diff)
		}
	}
}

// A sweep finds the same with any number of workers, and for the settings in use
// what a run without a sweep finds.
func TestRun_SweepIsDeterministic(t *testing.T) {
	t.Parallel()
	data := logOf(t, synth.Options{Lines: 20_000, Seed: 5, Style: synth.Short})
	grid := DefaultGrid()
	var first *Report
	for _, workers := range []int{1, 2, 5} {
		report := run(t, Config{Inputs: []Input{input("log", data)}, Workers: workers, Grid: &grid})
		if first == nil {
			first = report
		}
		if diff := cmp.Diff(first, report); diff != "" {
			t.Fatalf("%d workers:\n%s", workers, diff)
		}
	}
	for _, s := range first.Sweep.Settings {
		if s.Window == first.Settings.Window && s.Threshold == first.Settings.Threshold {
			if s.Messages != first.Messages {
				t.Errorf("%d messages in the sweep, %d without", s.Messages, first.Messages)
			}
			return
		}
	}
	t.Error("the sweep lacks the settings in use")
}
