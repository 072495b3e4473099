package tui

import (
	"time"

	"bgctl/internal/bluegreen"
)

// historySeconds is how far back the plots can look.
const historySeconds = 3600

// history keeps the last hour of both pools, one point a second. The feed tells
// it what is new; the screen reads any span of it without copying.
type history struct {
	points [2][]Point // second s is at s % historySeconds
	seen   [2][]int64 // the second that a place holds
	newest int64
	known  map[columnKey][]float64 // columns of this second
}

// columnKey names the columns that a plot was made of. The errors of one pool are its
// failed attempts, those of both together are what clients saw.
type columnKey struct {
	what      metric
	pool      int // 2: the pool that leads, 3: both
	per, cols int
	end       int64
}

// columns returns the columns of a plot, made once a second: a screen draws ten frames
// in that time.
func (h *history) columns(what metric, pool int, t timeline, read func() []float64) []float64 {
	key := columnKey{what, pool, t.per, t.cols, t.end.Unix()}
	if out, ok := h.known[key]; ok {
		return out
	}
	out := read()
	h.known[key] = out
	return out
}

// Whose columns they are, beside 0 and 1 for the pools.
const (
	leading    = 2
	together   = 3
	leadingInk = 4
)

// newHistory returns an hour in which nobody looked.
func newHistory() *history {
	h := &history{known: map[columnKey][]float64{}}
	for i := range h.points {
		h.points[i], h.seen[i] = make([]Point, historySeconds), make([]int64, historySeconds)
	}
	return h
}

// merge takes the seconds of a snapshot, newer ones in the place of older.
func (h *history) merge(s *FeedSnapshot) {
	end := s.End.Unix()
	// The newest second is told again until the next begins; what it changes shows then.
	if end != h.newest || len(s.Pools[0].Series) > 2 {
		clear(h.known)
	}
	h.newest = max(h.newest, end)
	for i := range h.points {
		series := s.Pools[i].Series
		series = series[max(0, len(series)-historySeconds):]
		first := end - int64(len(series)) + 1
		for k := range series {
			at := first + int64(k)
			if at < 0 {
				continue
			}
			h.points[i][at%historySeconds], h.seen[i][at%historySeconds] = series[k], at
		}
	}
}

// at returns one second of one pool. A second nobody told of is a gap.
func (h *history) at(pool int, second int64) Point {
	if second < 0 || h.seen[pool][second%historySeconds] != second {
		return Point{Gap: true}
	}
	return h.points[pool][second%historySeconds]
}

// span returns the last n seconds of one pool that end at end, oldest first.
func (h *history) span(pool int, end time.Time, n int) []Point {
	out := make([]Point, n)
	first := end.Unix() - int64(n) + 1
	for i := range out {
		out[i] = h.at(pool, first+int64(i))
	}
	return out
}

// both returns the last n seconds of both pools together. Latencies are those of
// the slower pool.
func (h *history) both(end time.Time, n int) []Point {
	out := h.span(0, end, n)
	first := end.Unix() - int64(n) + 1
	for i := range out {
		o, p := &out[i], h.at(1, first+int64(i))
		o.Gap = o.Gap && p.Gap
		o.Requests, o.Errors = o.Requests+p.Requests, o.Errors+p.Errors
		o.Tries, o.Failures = o.Tries+p.Tries, o.Failures+p.Failures
		o.P50, o.P95, o.P99 = max(o.P50, p.P50), max(o.P95, p.P95), max(o.P99, p.P99)
		for c := range o.Classes {
			o.Classes[c] += p.Classes[c]
		}
	}
	return out
}

// lead returns the last n seconds of the pool that answered more in each of them, and
// which that was: during a failover the line goes over to the other pool.
func (h *history) lead(end time.Time, n int) ([]Point, []bluegreen.Pool) {
	out, pools := make([]Point, n), make([]bluegreen.Pool, n)
	first := end.Unix() - int64(n) + 1
	for i := range out {
		blue, green := h.at(0, first+int64(i)), h.at(1, first+int64(i))
		out[i], pools[i] = blue, bluegreen.Blue
		if green.Requests > blue.Requests || blue.Gap {
			out[i], pools[i] = green, bluegreen.Green
		}
		if blue.Requests+green.Requests == 0 {
			pools[i] = bluegreen.NoPool
		}
	}
	return out, pools
}

// lastRequest is the newest second up to end in which either pool answered, zero
// when none of the hour did.
func (h *history) lastRequest(end time.Time) time.Time {
	for at := end.Unix(); at > end.Unix()-historySeconds && at >= 0; at-- {
		if h.at(0, at).Requests > 0 || h.at(1, at).Requests > 0 {
			return time.Unix(at, 0).In(end.Location())
		}
	}
	return time.Time{}
}
