package logstream

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"maps"
	"time"
)

// Opener opens a log that is reached through a stream, beginning with its last
// tail lines and going on for as long as it lasts. Closing the reader, and the end
// of ctx, must both end a pending Read.
type Opener func(ctx context.Context, tail int) (io.ReadCloser, error)

// StreamConfig describes a streamed log. Only Open is required.
type StreamConfig struct {
	Open    Opener
	Tail    int // lines of the past to begin with
	Addrs   *AddrMap
	Format  Format        // of the lines; the zero value tells by the line
	OnState func(State)   // called from Run on every change
	MinWait time.Duration // first wait before a reconnect, default 250 ms
	MaxWait time.Duration // longest wait, default 5 s
}

// StreamSource reads a log from a stream and reconnects when that ends. After a
// reconnect it asks for the last lines again and drops those it has had.
type StreamSource struct {
	cfg   StreamConfig
	b     *batcher
	state stateTeller
	seen  *recent
}

// NewStreamSource returns a source that is run once.
func NewStreamSource(cfg StreamConfig) *StreamSource {
	orDefault(&cfg.MinWait, 250*time.Millisecond)
	orDefault(&cfg.MaxWait, 5*time.Second)
	return &StreamSource{
		cfg:   cfg,
		b:     &batcher{parser: NewFormatParser(cfg.Format, cfg.Addrs)},
		state: stateTeller{tell: cfg.OnState},
		seen:  newRecent(overlap),
	}
}

// overlap is how many lines a reconnect asks for again. It covers 5 s of waiting
// at 400 requests/s; beyond that a gap is counted.
const overlap = 2000

// Run reads until ctx ends or deliver fails.
func (s *StreamSource) Run(ctx context.Context, deliver func(Batch) error) error {
	var failed error
	s.b.deliver = func(batch Batch) error {
		failed = deliver(batch)
		return failed
	}
	wait, tail := s.cfg.MinWait, s.cfg.Tail
	for {
		began := s.b.parser.counts.Lines
		err := s.session(ctx, tail)
		if failed != nil {
			return failed
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.state.set(State{Err: err})
		if s.b.parser.counts.Lines > began {
			wait, tail = s.cfg.MinWait, overlap
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, s.cfg.MaxWait)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// session reads one connection to its end.
func (s *StreamSource) session(ctx context.Context, tail int) error {
	r, err := s.cfg.Open(ctx, tail)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	s.state.set(State{Connected: true})
	split := splitter{counts: &s.b.parser.counts}
	s.b.filter = s.seen.resume(&s.b.parser.counts)
	err = pump(ctx, r, &split, s.b)
	if split.drop() {
		// The next connection sends this line again, and then whole.
		s.b.parser.counts.Cut++
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// recent remembers the last lines by their hashes. Lines repeat (the reference
// kit's have no request id), so it counts them.
type recent struct {
	seed  maphash.Seed
	order []uint64
	next  int
	count map[uint64]int
}

func newRecent(size int) *recent {
	return &recent{seed: maphash.MakeSeed(), order: make([]uint64, 0, size), count: make(map[uint64]int, size)}
}

func (r *recent) add(h uint64) {
	if len(r.order) < cap(r.order) {
		r.order = append(r.order, h)
	} else {
		old := r.order[r.next]
		if r.count[old]--; r.count[old] == 0 {
			delete(r.count, old)
		}
		r.order[r.next] = h
		r.next = (r.next + 1) % len(r.order)
	}
	r.count[h]++
}

// resume returns the filter of a new connection: it reports whether a line is new.
// Among the first lines it drops those seen before, each as often as it was seen.
// When none of them is, lines were lost while nobody listened.
func (r *recent) resume(counts *Counts) func(line []byte) bool {
	left := 0
	var had map[uint64]int
	if len(r.order) > 0 {
		left = overlap
		had = maps.Clone(r.count)
	}
	repeated := false
	return func(line []byte) bool {
		h := maphash.Bytes(r.seed, line)
		if left > 0 {
			left--
			if had[h] > 0 {
				had[h]--
				repeated = true
				counts.Repeated++
				return false
			}
			if left == 0 && !repeated {
				counts.Gaps++
			}
		}
		r.add(h)
		return true
	}
}
