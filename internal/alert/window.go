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

// mark packs what the window keeps of a request: kind, pool, and whether an attempt
// failed, the client got an error, and the request counts as an error.
type mark uint8

const (
	markKind    mark = 0x07
	markPool    mark = 0x18
	markFailed  mark = 0x20
	markClient  mark = 0x40
	markCounted mark = 0x80
	poolShift        = 3
)

func (m mark) kind() CellKind       { return CellKind(m & markKind) }
func (m mark) pool() bluegreen.Pool { return bluegreen.Pool(m & markPool >> poolShift) }
func (m mark) failed() bool         { return m&markFailed != 0 }
func (m mark) client() bool         { return m&markClient != 0 }
func (m mark) counted() bool        { return m&markCounted != 0 }
func (m mark) gone() bool           { return m.kind() == CellGone }

// saved: an attempt failed and the client did not notice.
func (m mark) saved() bool { return m&(markFailed|markClient) == markFailed && !m.gone() }

// markOf judges a record that counts.
func (c *Config) markOf(rec *logstream.Record, active, served bluegreen.Pool) mark {
	m := mark(served) << poolShift & markPool
	plain := rec.Status > 0 && rec.Status < 400 && len(rec.Attempts) == 1 &&
		rec.Attempts[0].Status > 0 && rec.Attempts[0].Status < 400
	if plain {
		if active != served && active != bluegreen.NoPool && served != bluegreen.NoPool {
			m |= mark(CellOther)
		}
		return m
	}
	if c.attemptFailed(rec) {
		m |= markFailed
	}
	if c.clientFailed(rec) {
		m |= markClient
	}
	if c.Basis != ByAttempt && m.client() || c.Basis != ByClient && m.failed() {
		m |= markCounted
	}
	switch {
	case rec.Status == statusClientGone:
		return m | mark(CellGone)
	case m.client():
		return m | mark(CellError)
	case rec.Retried():
		return m | mark(CellRetried)
	case active != served && active != bluegreen.NoPool && served != bluegreen.NoPool:
		return m | mark(CellOther)
	}
	return m
}

// tally counts marks.
type tally struct{ counted, client, failed, saved, gone int }

func (t *tally) add(m mark, by int) {
	if m&(markFailed|markClient|markCounted) == 0 && !m.gone() {
		return
	}
	if m.counted() {
		t.counted += by
	}
	if m.client() {
		t.client += by
	}
	if m.failed() {
		t.failed += by
	}
	if m.saved() {
		t.saved += by
	}
	if m.gone() {
		t.gone += by
	}
}

// ring is the sliding window with its running sums, and those of the newest
// requests in it.
type ring struct {
	times []int64 // Unix nanoseconds
	marks []mark
	head  int // oldest
	n     int
	short int // size of the short window
	all   tally
	last  tally // of the short window
}

func newRing(size, short int) ring {
	return ring{times: make([]int64, size), marks: make([]mark, size), short: short}
}

// at returns the i-th oldest mark.
func (r *ring) at(i int) mark {
	i += r.head
	if i >= len(r.marks) {
		i -= len(r.marks)
	}
	return r.marks[i]
}

func (r *ring) drop() {
	m := r.marks[r.head]
	r.all.add(m, -1)
	if r.n <= r.short {
		r.last.add(m, -1)
	}
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
	r.all.add(m, 1)
	r.last.add(m, 1)
	if r.n > r.short {
		r.last.add(r.at(r.n-1-r.short), -1)
	}
}

// expire lets requests older than maxAge go. Age is measured against the newest
// request and not against a clock, so that a replay sees the same window.
func (r *ring) expire(newest int64, maxAge time.Duration) {
	for maxAge > 0 && r.n > 0 && newest-r.times[r.head] > int64(maxAge) {
		r.drop()
	}
}

// countedInLast counts the errors among the newest k requests.
func (r *ring) countedInLast(k int) int {
	k = min(k, r.n)
	count := 0
	for i := r.n - k; i < r.n; i++ {
		if r.at(i).counted() {
			count++
		}
	}
	return count
}

// errorsToFire tells how many further errors in a row make the window fire.
func (r *ring) errorsToFire(l *limits) int {
	size, n, errs := len(r.marks), r.n, r.all.counted
	for k := 0; k <= size; k++ {
		if k > 0 {
			if n < size {
				n++
			} else if gone := k - 1 - (size - r.n); gone < r.n && r.at(gone).counted() {
				errs--
			}
			errs++
		}
		// The short window is only looked at when the long one is over.
		if n < l.samples || errs < l.bad || percent(errs, n) <= l.threshold {
			continue
		}
		if l.over(reading{n: n, bad: errs, shortBad: min(k, l.short) + r.countedInLast(max(l.short-k, 0))}) {
			return k + l.pending
		}
	}
	return size
}

// Window returns the sliding window as it is now.
func (d *Detector) Window() Window {
	r := &d.ring
	return Window{
		Size:          d.cfg.Window,
		N:             r.n,
		Errors:        r.all.counted,
		Rate:          percent(r.all.counted, r.n),
		AttemptErrors: r.all.failed,
		AttemptRate:   percent(r.all.failed, r.n),
		ClientErrors:  r.all.client,
		ClientRate:    percent(r.all.client, r.n),
		Saved:         r.all.saved,
		Basis:         d.cfg.Basis,
		ClientGone:    r.all.gone,
		MinSamples:    d.cfg.MinSamples,
		ErrorsToFire:  r.errorsToFire(&d.rateLimits),
	}
}

// Cells returns the requests of the window, oldest first.
func (d *Detector) Cells() []Cell {
	cells := make([]Cell, d.ring.n)
	for i := range cells {
		m := d.ring.at(i)
		cells[i] = Cell{Kind: m.kind(), Pool: m.pool()}
		if m.gone() && m.counted() {
			cells[i].Kind = CellError // a 499 that counts: see Config.Count499Slower
		}
	}
	return cells
}
