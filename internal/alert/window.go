package alert

import (
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// CellKind is how one request went.
type CellKind uint8

// The kinds, from best to worst for the one who looks at them.
const (
	CellOK      CellKind = iota // the active pool answered
	CellOther                   // the other pool answered
	CellGone                    // the client went away (499)
	CellRetried                 // a failed attempt was hidden by a later one
	CellError                   // the client saw an error
)

// Cell is one request of the window as the screen shows it.
type Cell struct {
	Kind CellKind
	Pool bluegreen.Pool
}

// mark packs what the window keeps of a request: kind, pool, failed attempt.
type mark uint8

const (
	markKind   mark = 0x07
	markPool   mark = 0x18
	markFailed mark = 0x20
	poolShift       = 3
)

func (m mark) kind() CellKind       { return CellKind(m & markKind) }
func (m mark) pool() bluegreen.Pool { return bluegreen.Pool(m & markPool >> poolShift) }
func (m mark) failed() bool         { return m&markFailed != 0 }

// markOf judges a proxied record.
func markOf(rec *logstream.Record, classes Classes) mark {
	kind := CellOK
	switch {
	case rec.Status == statusClientGone:
		kind = CellGone
	case classes.counts(rec.Status):
		kind = CellError
	case rec.Retried():
		kind = CellRetried
	case rec.Active != bluegreen.NoPool && rec.Served != bluegreen.NoPool && rec.Served != rec.Active:
		kind = CellOther
	}
	m := mark(kind) | mark(rec.Served)<<poolShift&markPool
	if rec.FailedOn(bluegreen.Blue) || rec.FailedOn(bluegreen.Green) || rec.NoUpstream {
		m |= markFailed
	}
	return m
}

// ring is the sliding window with its running sums.
type ring struct {
	times  []int64 // Unix nanoseconds
	marks  []mark
	head   int // oldest
	n      int
	errors int
	failed int
	gone   int
}

func newRing(size int) ring {
	return ring{times: make([]int64, size), marks: make([]mark, size)}
}

// at returns the i-th oldest mark.
func (r *ring) at(i int) mark {
	i += r.head
	if i >= len(r.marks) {
		i -= len(r.marks)
	}
	return r.marks[i]
}

func (r *ring) sum(m mark, by int) {
	switch m.kind() {
	case CellError:
		r.errors += by
	case CellGone:
		r.gone += by
	case CellOK, CellOther, CellRetried:
	}
	if m.failed() {
		r.failed += by
	}
}

func (r *ring) drop() {
	r.sum(r.marks[r.head], -1)
	r.n--
	if r.head++; r.head == len(r.marks) {
		r.head = 0
	}
}

// add appends a request and lets the oldest one go when the ring is full.
func (r *ring) add(nanos int64, m mark) {
	if r.n == len(r.marks) {
		r.drop()
	}
	i := r.head + r.n
	if i >= len(r.marks) {
		i -= len(r.marks)
	}
	r.times[i], r.marks[i] = nanos, m
	r.n++
	r.sum(m, 1)
}

// expire lets requests older than maxAge go. Age is measured against the newest
// request and not against a clock, so that a replay sees the same window.
func (r *ring) expire(newest int64, maxAge time.Duration) {
	for maxAge > 0 && r.n > 0 && newest-r.times[r.head] > int64(maxAge) {
		r.drop()
	}
}

// errorsInLast counts the errors among the newest k requests.
func (r *ring) errorsInLast(k int) int {
	k = min(k, r.n)
	count := 0
	for i := r.n - k; i < r.n; i++ {
		if r.at(i).kind() == CellError {
			count++
		}
	}
	return count
}

func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// over is the condition for firing, given counts of the long and short window.
func (c *Config) over(n, errors, shortErrors int) bool {
	if n < c.MinSamples || errors < c.MinErrors || percent(errors, n) <= c.ThresholdPercent {
		return false
	}
	short := min(c.ShortWindow, n)
	return short == 0 || percent(shortErrors, short) > c.ThresholdPercent
}

// errorsToFire tells how many further errors in a row make the window fire.
func (r *ring) errorsToFire(c *Config) int {
	n, errs := r.n, r.errors
	for k := 0; k <= c.Window; k++ {
		if k > 0 {
			if n < c.Window {
				n++
			} else if gone := k - 1 - (c.Window - r.n); gone < r.n && r.at(gone).kind() == CellError {
				errs--
			}
			errs++
		}
		// The short window is only looked at when the long one is over.
		if n < c.MinSamples || errs < c.MinErrors || percent(errs, n) <= c.ThresholdPercent {
			continue
		}
		if c.over(n, errs, min(k, c.ShortWindow)+r.errorsInLast(max(c.ShortWindow-k, 0))) {
			return k
		}
	}
	return c.Window
}

// Window returns the sliding window as it is now.
func (d *Detector) Window() Window {
	r := &d.ring
	return Window{
		Size:          d.cfg.Window,
		N:             r.n,
		Errors:        r.errors,
		Rate:          percent(r.errors, r.n),
		AttemptErrors: r.failed,
		AttemptRate:   percent(r.failed, r.n),
		ClientGone:    r.gone,
		MinSamples:    d.cfg.MinSamples,
		ErrorsToFire:  r.errorsToFire(&d.cfg),
	}
}

// Cells returns the requests of the window, oldest first.
func (d *Detector) Cells() []Cell {
	cells := make([]Cell, d.ring.n)
	for i := range cells {
		m := d.ring.at(i)
		cells[i] = Cell{Kind: m.kind(), Pool: m.pool()}
	}
	return cells
}

// Counts reports whether a record is a user's request that a pool had to answer:
// health checks would dilute the rate.
func (c *Config) Counts(rec *logstream.Record) bool {
	return rec.Proxied() && (c.HealthPath == "" || rec.Path != c.HealthPath)
}
