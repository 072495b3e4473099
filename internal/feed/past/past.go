// Package past sums up the last hour of an access log by the second. The proxy's
// agent does it beside the log, so that a screen which opens far away gets an hour
// of plots for some hundred kilobytes, whatever the traffic was.
//
// It promises a bounded cost: at most [MaxBytes] of the log are read, and what
// that leaves out is said.
package past

import (
	"context"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// MaxBytes is how much of the log is read: about 300,000 requests, which takes one
// core less than a second.
const MaxBytes = 128 << 20

// Hour is how far back it reaches, in seconds.
const Hour = 3600

// Second is what one pool did in one second.
type Second struct {
	At       int64          `json:"t"`
	Pool     bluegreen.Pool `json:"p"`
	Requests int            `json:"n,omitempty"`
	Errors   int            `json:"e,omitempty"`
	Tries    int            `json:"a,omitempty"`
	Failures int            `json:"f,omitempty"`
	Saved    int            `json:"s,omitempty"`
	Micros   [3]int64       `json:"l"` // p50, p95, p99
	Classes  [4]int         `json:"c"` // 2xx, 3xx, 4xx, 5xx
}

// Summary is an hour of a log.
type Summary struct {
	Begins  int64    `json:"begins,omitempty"` // the first second that it tells all of; 0: it has no line
	Seconds []Second `json:"seconds"`
}

// Source is a log and how to read it.
type Source struct {
	Path   string
	Addrs  *logstream.AddrMap           // nil: pools are known by what the log says
	Counts func(*logstream.Record) bool // which requests count
}

// Sum reads the hour of a log that ends with the second to.
func Sum(ctx context.Context, src *Source, to int64) (Summary, error) {
	from := to - Hour + 1
	log, err := logstream.OpenPast(src.Path, time.Unix(from, 0), MaxBytes)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = log.Close() }() // only read
	s := &sum{from: from, to: to, stats: alert.NewStats()}
	err = logstream.Read(ctx, log, src.Addrs, func(b logstream.Batch) error {
		for i := range b.Records {
			s.add(&b.Records[i], src.Counts)
		}
		return nil
	})
	if err != nil {
		return Summary{}, err
	}
	out := Summary{Seconds: s.seconds()}
	switch {
	case log.Whole:
		out.Begins = from
	case s.first > 0:
		out.Begins = max(from, s.first+1) // its first second may have lost its beginning
	}
	return out, nil
}

// sum is an hour that is being read.
type sum struct {
	from, to int64
	first    int64
	stats    *alert.Stats
	more     [2][Hour]struct {
		classes [4]int
		saved   int
	}
}

func (s *sum) add(rec *logstream.Record, counts func(*logstream.Record) bool) {
	at := rec.Time.Unix()
	if s.first == 0 || at < s.first {
		s.first = at
	}
	if at < s.from || at > s.to || !counts(rec) {
		return
	}
	s.stats.Add(rec)
	if rec.Served == bluegreen.NoPool {
		return
	}
	one := &s.more[rec.Served-bluegreen.Blue][at-s.from]
	if class := rec.Status/100 - 2; class >= 0 && class < len(one.classes) {
		one.classes[class]++
	}
	if Saved(rec) {
		one.saved++
	}
}

// Saved reports whether an attempt at a request failed and another pool answered it.
func Saved(rec *logstream.Record) bool {
	return rec.Retried() && rec.Status > 0 && rec.Status < 499
}

// seconds are those in which something happened.
func (s *sum) seconds() []Second {
	out := []Second{}
	all := s.stats.Snapshot(time.Unix(s.to, 0), Hour*time.Second)
	for i, pool := range bluegreen.Pools() {
		for _, p := range all.Pools[pool].Series {
			if p.Gap {
				continue
			}
			more := &s.more[i][p.At.Unix()-s.from]
			out = append(out, Second{
				At: p.At.Unix(), Pool: pool, Requests: p.Requests, Errors: p.Errors, Tries: p.Tries, Failures: p.Failures,
				Saved: more.saved, Micros: [3]int64{p.P50.Microseconds(), p.P95.Microseconds(), p.P99.Microseconds()}, Classes: more.classes,
			})
		}
	}
	return out
}
