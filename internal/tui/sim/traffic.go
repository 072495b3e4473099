package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// avoid is how long nginx leaves a pool alone after a failed attempt.
const avoid = 5 * time.Second

// wave is the daily rhythm, squeezed into minutes.
func wave(t time.Duration) float64 { return math.Sin(t.Seconds() / 23) }

// request simulates one request that ends at t.
func (s *Stack) request(t time.Time) {
	r := s.compose(t)
	s.serve(&r)
	last := &r.Attempts[len(r.Attempts)-1]
	r.Status = last.Status
	if r.Status == 0 {
		r.Status = 502
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		r.Duration += a.Duration
		s.pools[place(a.Pool)].try(t, a)
	}
	r.Served = last.Pool
	r.Release = s.dep.Pool(r.Served).Release()
	s.pools[place(r.Served)].answer(t, &r)
	s.judge(s.detector.Observe(&r))
	s.log(&r)
	s.prints(&r)
}

// compose chooses what is asked for.
func (s *Stack) compose(t time.Time) logstream.Record {
	asks := []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/cart"}, {"GET", "/static/app.js"}, {"GET", "/products/42"}, {"POST", "/checkout"}, {"GET", "/img/1.webp"},
	}
	ask := asks[s.rng.IntN(len(asks))]
	return logstream.Record{
		Time: t, RemoteAddr: "198.51.100.7", Method: ask.method, Path: ask.path, BytesSent: 512,
		Active: s.dep.Active(), RequestID: fmt.Sprintf("%04x", s.rng.IntN(1<<16)),
	}
}

// serve fills in the attempts, as nginx would make them.
func (s *Stack) serve(r *logstream.Record) {
	pool := r.Active
	if r.Time.Before(s.avoided[pool]) {
		pool = pool.Other()
	}
	first := s.attempt(pool, r.Time)
	r.Attempts = append(r.Attempts, first)
	if !first.Failed() || pool != r.Active {
		return
	}
	if s.broken(pool) {
		s.avoided[pool] = r.Time.Add(avoid)
	}
	if r.Method == "GET" && (s.broken(pool) || s.rng.IntN(2) == 0) || first.Status == 0 {
		r.Attempts = append(r.Attempts, s.attempt(pool.Other(), r.Time))
	}
}

// broken reports whether a pool is under a fault.
func (s *Stack) broken(pool bluegreen.Pool) bool { return s.dep.Pool(pool).Fault != nil }

// attempt simulates one try on a pool.
func (s *Stack) attempt(pool bluegreen.Pool, t time.Time) logstream.Attempt {
	c := &s.dep.Pool(pool).Containers[0]
	a := logstream.Attempt{Pool: pool, Addr: c.Addrs[0] + ":3000", Status: 200}
	slow := math.Exp(s.rng.NormFloat64() * 0.7)
	a.Duration = time.Duration(9 * slow * float64(time.Millisecond))
	if f := s.dep.Pool(pool).Fault; f != nil {
		a.Duration = time.Millisecond
		a.Status = 0
		if f.Mode == bluegreen.FaultError {
			a.Status = 500
		}
		return a
	}
	if s.rng.Float64() < s.failing(pool, t) {
		a.Status, a.Duration = 502, time.Duration(900+s.rng.IntN(400))*time.Millisecond
	}
	return a
}

// failing is the share of attempts that fail on a pool at t.
func (s *Stack) failing(pool bluegreen.Pool, t time.Time) float64 {
	age := t.Sub(s.born)
	switch {
	case pool != s.dep.Active():
	case s.opts.Spells == BadNow && age > s.opts.Warm-45*time.Second:
		return 0.08
	case s.opts.Spells == Sometime && age > s.opts.Warm+30*time.Second && int(age.Seconds())%90 < 12:
		return 0.09
	}
	return 0.003
}

// history is what one pool served, second by second.
type history struct {
	points []tui.Point // complete seconds, oldest first, at most an hour
	told   int         // how many of the newest points no Take has given yet
	second time.Time   // the running one
	now    bucket
	recent []bucket // the last ten complete seconds
}

// bucket is one second.
type bucket struct {
	point tui.Point
	took  []float64
}

// newHistory starts at a moment.
func newHistory(at time.Time) *history { return &history{second: at.Truncate(time.Second)} }

// try counts an attempt.
func (h *history) try(t time.Time, a *logstream.Attempt) {
	h.until(t)
	h.now.point.Tries++
	if a.Failed() {
		h.now.point.Failures++
	}
}

// answer counts an answer.
func (h *history) answer(t time.Time, r *logstream.Record) {
	h.until(t)
	h.now.point.Requests++
	if r.Status >= 500 {
		h.now.point.Errors++
	}
	if r.Retried() && r.Status < 499 {
		h.now.point.Saved++
	}
	h.now.took = append(h.now.took, float64(r.Duration.Microseconds())/1000)
	if class := r.Status/100 - 2; class >= 0 && class < 4 {
		h.now.point.Classes[class]++
	}
}

// until closes the seconds before t.
func (h *history) until(t time.Time) {
	for !t.Before(h.second.Add(time.Second)) {
		b := h.now
		slices.Sort(b.took)
		b.point.P50, b.point.P95, b.point.P99 = quantile(b.took, 0.5), quantile(b.took, 0.95), quantile(b.took, 0.99)
		h.points = append(h.points, b.point)
		h.told++
		if n := len(h.points) - 3600; n > 0 {
			h.points = h.points[n:]
		}
		h.recent = append(h.recent, b)
		if n := len(h.recent) - 10; n > 0 {
			h.recent = h.recent[n:]
		}
		h.now, h.second = bucket{}, h.second.Add(time.Second)
	}
}

// quantile reads a quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// rate is the rate of the last seconds.
func (h *history) rate() float64 {
	n := 0.0
	for i := range h.recent {
		n += h.recent[i].point.Requests
	}
	return n / float64(max(1, len(h.recent)))
}

// stats sums the last ten seconds up. The series holds the seconds no Take has
// given yet, up to the last complete one.
func (h *history) stats() tui.PoolStats {
	fresh := h.points[max(0, len(h.points)-h.told):]
	h.told = 0
	st := tui.PoolStats{Rate: h.rate(), Series: slices.Clone(fresh)}
	var took []float64
	tries, failures := 0.0, 0.0
	seconds := float64(max(1, len(h.recent)))
	for i := range h.recent {
		b := &h.recent[i]
		took = append(took, b.took...)
		tries, failures = tries+b.point.Tries, failures+b.point.Failures
		for k := range st.Classes {
			st.Classes[k] += b.point.Classes[k] / seconds
		}
	}
	slices.Sort(took)
	st.N = len(took)
	if tries > 0 {
		st.ErrRate = 100 * failures / tries
	}
	st.P50, st.P95, st.P99, st.Max = quantile(took, 0.5), quantile(took, 0.95), quantile(took, 0.99), quantile(took, 1)
	return st
}
