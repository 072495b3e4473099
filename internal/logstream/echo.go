package logstream

import (
	"hash/maphash"
	"slices"
)

// echo drops lines of a container's output that the engine sends again: after a
// reconnect, because "since" is inclusive, and in mid-stream, when a follower loses
// its place while the log is rotated. It compares what comes with what came, times
// included: the engine stamps each line with nanoseconds, so two lines that look
// alike differ in that.
type echo struct {
	seed   maphash.Seed
	came   []heard // a ring
	next   int     // where the next one goes once the ring is full
	newest int64

	// Before anything came there is only the cursor of an earlier process.
	skipTime  int64
	skipLines int
	guard     int // new lines until what is older than skipTime may be news

	echoing bool // what comes is compared with the ring from at on
	at      int  // how many entries after the oldest one
	fresh   bool // the first line of a connection
	gap     bool // a connection did not begin with what was asked for
}

type heard struct {
	time int64
	hash uint64
}

// echoMemory is how far back a line is recognised. An engine that lost its place
// was seen to repeat some hundred lines.
const echoMemory = 1 << 16

// guardLines is how many new lines of a process that went on at a cursor keep lines from
// before it out: the engine may repeat those, and nothing remembers them. It repeats some
// hundred at most. After that older lines mean that a clock was set back.
const guardLines = 1 << 12

func newEcho(c Cursor) *echo {
	return &echo{guard: guardLines, seed: maphash.MakeSeed(), skipTime: c.Time, skipLines: c.Lines, newest: c.Time}
}

// reconnect says that the next line is the first of a new connection.
func (e *echo) reconnect() { e.fresh, e.echoing = true, false }

// isNew reports whether a line was not there before, and remembers it.
func (e *echo) isNew(time int64, text []byte) bool {
	h := heard{time, maphash.Bytes(e.seed, text)}
	if len(e.came) == 0 || e.skipLines > 0 {
		if e.skip(h) {
			e.fresh = false
			e.add(h)
			return false
		}
		e.gap = e.gap || e.skipLines > 0
		e.skipLines = 0
	}
	if e.guard > 0 && time < e.skipTime || e.repeats(h) {
		return false
	}
	e.guard = max(0, e.guard-1)
	e.add(h)
	return true
}

// skip drops what the cursor of an earlier process stands behind. A line that comes once
// more, because the connection broke or the engine lost its place, is not counted again.
func (e *echo) skip(h heard) bool {
	switch {
	case h.time < e.skipTime:
		return true
	case h.time > e.skipTime || e.skipLines == 0:
		return false
	}
	if !slices.Contains(e.came, h) {
		e.skipLines--
	}
	return true
}

func (e *echo) repeats(h heard) bool {
	if e.echoing {
		if e.at < len(e.came) && e.get(e.at) == h {
			e.at++
			return true
		}
		e.echoing = false
	}
	// In a stream that goes on, a line of the newest time is one more of them.
	first := e.fresh
	e.fresh = false
	if !first && h.time > e.newest {
		return false // as nearly all of them
	}
	for i := range e.came {
		if e.get(i) == h {
			e.echoing, e.at = true, i+1
			return true
		}
	}
	e.gap = e.gap || first && len(e.came) > 0
	return false
}

// missed reports once that lines may be missing.
func (e *echo) missed() bool {
	gap := e.gap
	e.gap = false
	return gap
}

// get returns the i-th line that is remembered, the oldest first.
func (e *echo) get(i int) heard {
	if len(e.came) < echoMemory {
		return e.came[i]
	}
	return e.came[(e.next+i)%echoMemory]
}

func (e *echo) add(h heard) {
	e.newest = h.time
	if len(e.came) < echoMemory {
		e.came = append(e.came, h)
		return
	}
	e.came[e.next] = h
	e.next = (e.next + 1) % echoMemory
}
