package logstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// script is an opener that plays one text after the other; "" fails to open.
type script struct {
	texts []string
	tails []int
	at    []time.Duration
	begun time.Time
}

func (s *script) open(ctx context.Context, tail int) (io.ReadCloser, error) {
	s.tails = append(s.tails, tail)
	s.at = append(s.at, time.Since(s.begun))
	if len(s.texts) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	text := s.texts[0]
	s.texts = s.texts[1:]
	if text == "" {
		return nil, errors.New("no such container")
	}
	return io.NopCloser(iotestSmall{strings.NewReader(text)}), nil
}

// iotestSmall returns few bytes at a time.
type iotestSmall struct{ r io.Reader }

func (s iotestSmall) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 37)]) }

func TestStreamSource_ReconnectsWithoutRepeating(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		half := logLine("/3")[:30]
		s := &script{begun: time.Now(), texts: []string{
			"", "", logLines("/1", "/2") + half,
			logLines("/1", "/2", "/3", "/4"),
			logLines("/2", "/3", "/4", "/5", "/5"),
			logLines("/5", "/5", "/5"),
		}}
		var got, states []string
		var counts Counts
		ctx, cancel := context.WithCancel(t.Context())
		src := NewStreamSource(StreamConfig{Open: s.open, Tail: 100, OnState: func(s State) {
			states = append(states, fmt.Sprint(s.Connected, " ", s.Err))
		}})
		done := make(chan error)
		go func() {
			done <- src.Run(ctx, func(b Batch) error {
				for _, r := range b.Records {
					got = append(got, r.Path)
				}
				counts = b.Counts
				return nil
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"/1", "/2", "/3", "/4", "/5", "/5", "/5"}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int{100, 100, 100, overlap, overlap, overlap, overlap}, s.tails); diff != "" {
			t.Error(diff)
		}
		ms := time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 250 * ms, 750 * ms, 1000 * ms, 1250 * ms, 1500 * ms, 1750 * ms}, s.at); diff != "" {
			t.Error(diff)
		}
		if counts.Repeated != 7 || counts.Cut != 1 || counts.Bad != 0 {
			t.Errorf("counts %+v", counts)
		}
		if states[0] != "false no such container" || states[1] != "true <nil>" || states[2] != "false <nil>" {
			t.Errorf("states %q", states)
		}
	})
}

func TestStreamSource_ReturnsTheErrorOfDeliver(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	s := &script{texts: []string{logLine("/1")}}
	if err := NewStreamSource(StreamConfig{Open: s.open}).Run(t.Context(), func(Batch) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestRead_DeliversAllInBatches(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 1500 {
		b.WriteString(logLine(fmt.Sprint("/", i)))
	}
	text := strings.TrimSuffix(b.String(), "\n") + "\r\n\n   \nnot json\n" + strings.TrimSuffix(logLine("/last"), "\n")
	n, last := 0, Batch{}
	err := Read(t.Context(), strings.NewReader(text), nil, func(b Batch) error {
		if len(b.Records) > maxBatch {
			t.Errorf("%d records", len(b.Records))
		}
		n += len(b.Records)
		last = b
		return nil
	})
	if err != nil || n != 1501 || last.Records[len(last.Records)-1].Path != "/last" {
		t.Fatalf("%d records, %v", n, err)
	}
	if last.Counts.Lines != 1502 || last.Counts.Bad != 1 || last.Counts.FirstBad != "not json" {
		t.Errorf("%+v", last.Counts)
	}
}

func TestRing_KeepsTheNewestAndCounts(t *testing.T) {
	t.Parallel()
	r := NewRing(3)
	rows := func(names ...string) (out []Record) {
		for _, n := range names {
			out = append(out, Record{Path: n})
		}
		return out
	}
	take := func() string {
		var out []string
		for _, rec := range r.Take(nil) {
			out = append(out, rec.Path)
		}
		return strings.Join(out, "")
	}
	r.Push(rows("a", "b"))
	r.Push(rows("c", "d"))
	if got := take(); got != "bcd" || r.Dropped() != 1 {
		t.Errorf("%q, %d dropped", got, r.Dropped())
	}
	r.Push(rows("1", "2", "3", "4", "5"))
	if r.Len() != 3 || take() != "345" || r.Dropped() != 3 || take() != "" {
		t.Errorf("%d dropped", r.Dropped())
	}
}

// TestSplitter_IsIndifferentToChunks feeds the same bytes in every chunk size.
func TestSplitter_IsIndifferentToChunks(t *testing.T) {
	t.Parallel()
	text := "one\n\ntwo\r\n\x00\x00\x00three\n" + strings.Repeat("x", 70) + "\nfour\nfi"
	for size := 1; size <= len(text); size++ {
		var counts Counts
		s := splitter{counts: &counts}
		var got []string
		var at int64
		for i := 0; i < len(text); i += size {
			err := s.feed([]byte(text[i:min(i+size, len(text))]), func(line []byte, n int64) error {
				at += n
				got = append(got, string(line))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"one", "", "two", "three", strings.Repeat("x", 70), "four"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("chunks of %d: %s", size, diff)
		}
		if at != int64(len(text)-2) || string(s.part) != "fi" || s.open != 2 || counts.Lines != 5 {
			t.Fatalf("chunks of %d: at %d, open %d, part %q", size, at, s.open, s.part)
		}
	}
}
