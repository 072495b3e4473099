package alert

import (
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// statSeconds is how far back the statistics reach.
const statSeconds = 3600

// Stats keeps rolling statistics per pool, one bucket per second of record time,
// for the last hour. It is not safe for concurrent use.
type Stats struct {
	buckets [statSeconds]second
	minutes [statSeconds / 60]minute
	first   int64 // second of the oldest record kept count of
	saved   uint64
}

// second is what happened within one second.
type second struct {
	at    int64 // Unix second
	used  bool
	saved int
	pools [3]cellStats
}

// cellStats is one second of one pool.
type cellStats struct {
	n, errors       int
	tries, failures int // attempts on this pool, whoever answered in the end
	classes         [6]int
	max             time.Duration
	p50, p95, p99   time.Duration
	stale           bool       // the percentiles are to be counted anew
	times           *histogram // kept when the bucket is used again
}

// minute holds the latencies of a whole minute, so that an hour is quickly merged.
type minute struct {
	at    int64 // Unix minute
	pools [3]*merger
}

// Overview is the statistics of a span of time.
type Overview struct {
	Pools      [3]PoolStats // by pool; at NoPool what no pool answered
	Saved      int          // requests of the span that failed on one pool and were answered by another
	SavedTotal uint64       // the same since the start
}

// PoolStats is the traffic of one pool over a span.
type PoolStats struct {
	N                  int
	Rate               float64 // requests per second
	ErrorRate          float64 // percent answered with 500 or more
	AttemptRate        float64 // percent of the attempts on this pool that failed, hidden ones included
	P50, P95, P99, Max time.Duration
	Classes            [6]float64 // per second, by first digit of the status; 0: unknown
	Series             []Point    // one point per second, oldest first

	tries int
}

// Point is one second of one pool.
type Point struct {
	At       time.Time
	Requests int
	Errors   int
	Tries    int // attempts on this pool, whoever answered in the end
	Failures int // those of them that failed
	P50      time.Duration
	P95      time.Duration
	P99      time.Duration
	Gap      bool // no request: there is no latency to show
}

// NewStats returns statistics without a request.
func NewStats() *Stats { return &Stats{} }

// Add counts a proxied record; others tell nothing about a pool. rec is not kept.
func (s *Stats) Add(rec *logstream.Record) {
	if !rec.Proxied() {
		return
	}
	at := max(rec.Time.Unix(), 0)
	b := s.bucket(at)
	if s.first == 0 || at < s.first {
		s.first = at
	}
	if rec.Retried() && rec.Status > 0 && rec.Status < statusClientGone {
		b.saved++
		s.saved++
	}
	pool := rec.Served
	if int(pool) >= len(b.pools) {
		pool = bluegreen.NoPool
	}
	b.pools[pool].add(rec)
	b.attempts(rec)
	if rec.Duration >= 0 {
		s.minute(at/60).add(pool, rec.Duration)
	}
}

// minute returns the latencies of a minute, which may take an older one's place.
func (s *Stats) minute(at int64) *minute {
	m := &s.minutes[at%int64(len(s.minutes))]
	if m.at != at {
		m.at = at
		for _, pool := range m.pools {
			if pool != nil {
				*pool = merger{}
			}
		}
	}
	return m
}

func (m *minute) add(pool bluegreen.Pool, d time.Duration) {
	if m.pools[pool] == nil {
		m.pools[pool] = &merger{}
	}
	m.pools[pool].bins[binOf(d)]++
	m.pools[pool].n++
}

// bucket returns the bucket of a second. A bucket of another second gives way
// even to an older one: after a clock step back the lines' own order counts.
func (s *Stats) bucket(at int64) *second {
	b := &s.buckets[slot(at)]
	if b.used && b.at == at {
		return b
	}
	b.at, b.used, b.saved = at, true, 0
	for i := range b.pools {
		times := b.pools[i].times
		if times != nil {
			times.reset()
		}
		b.pools[i] = cellStats{times: times}
	}
	return b
}

// attempts counts every attempt at the pool it went to.
func (b *second) attempts(rec *logstream.Record) {
	for i, a := range rec.Attempts {
		if int(a.Pool) >= len(b.pools) {
			continue
		}
		c := &b.pools[a.Pool]
		c.tries++
		gone := i == len(rec.Attempts)-1 && rec.Status == statusClientGone
		if a.Failed() && !gone {
			c.failures++
		}
	}
}

func slot(at int64) int64 { return (at%statSeconds + statSeconds) % statSeconds }

func (c *cellStats) add(rec *logstream.Record) {
	c.n++
	if rec.Status >= 500 {
		c.errors++
	}
	class := rec.Status / 100
	if class < 0 || class >= len(c.classes) {
		class = 0
	}
	c.classes[class]++
	if rec.Duration < 0 {
		return
	}
	c.max = max(c.max, rec.Duration)
	if c.times == nil {
		c.times = &histogram{}
	}
	c.times.add(rec.Duration)
	c.stale = true
}

// Snapshot sums up the span that ends at now, at most an hour. The second of now
// counts with what it holds so far.
func (s *Stats) Snapshot(now time.Time, span time.Duration) Overview {
	seconds := min(max(int64((span+time.Second-1)/time.Second), 1), statSeconds)
	end := now.Unix()
	from := end - seconds + 1
	o := Overview{SavedTotal: s.saved}
	merged := s.latencies(from, end)
	for p := range o.Pools {
		o.Pools[p].Series = make([]Point, seconds)
	}
	for i := range seconds {
		at := from + i
		b := &s.buckets[slot(at)]
		known := b.used && b.at == at
		if known {
			o.Saved += b.saved
		}
		for p := range o.Pools {
			point := &o.Pools[p].Series[i]
			point.At, point.Gap = time.Unix(at, 0), true
			if known && b.pools[p].n+b.pools[p].tries > 0 {
				o.Pools[p].sum(point, &b.pools[p])
			}
		}
	}
	per := s.covered(from, end, now)
	for p := range o.Pools {
		o.Pools[p].finish(per, &merged[p])
	}
	return o
}

// latencies merges the latencies of a span: by the minute where the minute is
// whole, by the second at the edges.
func (s *Stats) latencies(from, end int64) [3]merger {
	var merged [3]merger
	for at := from; at <= end; {
		if m := &s.minutes[slot(at)/60]; at%60 == 0 && at+59 <= end && m.at == at/60 {
			for p, pool := range m.pools {
				merged[p].mergeAll(pool)
			}
			at += 60
			continue
		}
		if b := &s.buckets[slot(at)]; b.used && b.at == at {
			for p := range b.pools {
				merged[p].merge(b.pools[p].times)
			}
		}
		at++
	}
	return merged
}

// covered tells how many seconds of the span were observed: right after the
// start a rate over the whole span would be far too low.
func (s *Stats) covered(from, end int64, now time.Time) float64 {
	if s.first > from {
		from = min(s.first, end)
	}
	part := float64(now.Nanosecond()) / float64(time.Second)
	return max(float64(end-from)+part, 1)
}

func (p *PoolStats) sum(point *Point, c *cellStats) {
	point.Requests, point.Errors, point.Gap = c.n, c.errors, false
	if c.times != nil {
		if c.stale {
			c.p50, c.p95, c.p99 = min(c.times.quantile(0.50), c.max), min(c.times.quantile(0.95), c.max), min(c.times.quantile(0.99), c.max)
			c.stale = false
		}
		point.P50, point.P95, point.P99 = c.p50, c.p95, c.p99
	}
	point.Tries, point.Failures = c.tries, c.failures
	p.N += c.n
	p.tries += c.tries
	p.AttemptRate += float64(c.failures)
	p.ErrorRate += float64(c.errors)
	for i, n := range c.classes {
		p.Classes[i] += float64(n)
	}
	p.Max = max(p.Max, c.max)
}

// finish turns the sums into rates.
func (p *PoolStats) finish(seconds float64, m *merger) {
	if p.tries > 0 {
		p.AttemptRate = 100 * p.AttemptRate / float64(p.tries)
	}
	if p.N == 0 {
		return
	}
	p.Rate = float64(p.N) / seconds
	p.ErrorRate = 100 * p.ErrorRate / float64(p.N)
	for i := range p.Classes {
		p.Classes[i] /= seconds
	}
	p.P50 = min(m.quantile(0.50), p.Max)
	p.P95 = min(m.quantile(0.95), p.Max)
	p.P99 = min(m.quantile(0.99), p.Max)
}
