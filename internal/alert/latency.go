package alert

import (
	"fmt"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	// The 95th percentile is over a limit exactly when more than 5 % of the
	// requests are slower: so the machine of the error rate serves here too, and no
	// percentile is counted until one is shown.
	slowShare = 5.0

	baselineWindows = 12 // windows that make what is usual, newest
	baselineLeast   = 5  // windows before anything is usual
	// latencyFloor is the least distance of a learned limit from what is usual:
	// nobody minds three times a millisecond.
	latencyFloor = 20 * time.Millisecond

	statusUpgraded = 101 // a WebSocket lasts as long as its user likes
)

// latencyState is the durable part of the latency alert.
type latencyState struct {
	level
	Pool  bluegreen.Pool             `json:"pool,omitempty"`  // pool that the window is about
	Block int                        `json:"block,omitempty"` // requests since the last whole window
	Usual map[string][]time.Duration `json:"usual,omitempty"` // by pool, newest last
	Took  []time.Duration            `json:"took,omitempty"`  // the window, oldest first; in snapshots only
	Times []int64                    `json:"times,omitempty"`
}

// latency is the window of the active pool's durations.
type latency struct {
	on    bool
	took  []time.Duration
	times []int64
	head  int
	n     int
	short int
	slow  int // over the limit, in the window and in its newest part
	last  int
	limit time.Duration // 0: none yet
	base  time.Duration // what is usual, when the limit comes from it
}

func (l *latency) init(cfg *Config) {
	l.on = cfg.LatencyP95 > 0 || cfg.LatencyFactor > 0
	if l.on {
		l.took, l.times = make([]time.Duration, cfg.Window), make([]int64, cfg.Window)
		l.short = cfg.ShortWindow
	}
}

// at returns the place of the i-th oldest request.
func (l *latency) at(i int) int { return (l.head + i) % len(l.took) }

func (l *latency) isSlow(i int) int {
	if l.limit > 0 && l.took[l.at(i)] > l.limit {
		return 1
	}
	return 0
}

func (l *latency) drop() {
	slow := l.isSlow(0)
	l.slow -= slow
	if l.n <= l.short {
		l.last -= slow
	}
	l.head = l.at(1)
	l.n--
}

func (l *latency) add(nanos int64, took time.Duration) {
	if l.n == len(l.took) {
		l.drop()
	}
	i := l.at(l.n)
	l.took[i], l.times[i] = took, nanos
	l.n++
	slow := l.isSlow(l.n - 1)
	l.slow += slow
	l.last += slow
	if l.n > l.short {
		l.last -= l.isSlow(l.n - 1 - l.short)
	}
}

// judge counts anew against another limit.
func (l *latency) judge(limit, base time.Duration) {
	l.base = base
	if limit == l.limit {
		return
	}
	l.limit, l.slow, l.last = limit, 0, 0
	for i := range l.n {
		slow := l.isSlow(i)
		l.slow += slow
		if i >= l.n-l.short {
			l.last += slow
		}
	}
}

// p95 returns the 95th percentile of the window.
func (l *latency) p95() time.Duration {
	if l.n == 0 {
		return 0
	}
	sorted := make([]time.Duration, l.n)
	for i := range sorted {
		sorted[i] = l.took[l.at(i)]
	}
	slices.Sort(sorted)
	return sorted[(95*l.n+99)/100-1]
}

// timed reports whether a record tells how long its pool takes.
func timed(rec *logstream.Record) bool {
	return rec.Proxied() && rec.Duration >= 0 && rec.Status != statusUpgraded
}

func (d *Detector) observeLatency(v *view, at time.Time) {
	s, l := &d.st.Latency, &d.lat
	pool := d.st.Active // confirmed: a line of an old worker does not end the window
	if !timed(v.rec) || v.served == bluegreen.NoPool || pool != bluegreen.NoPool && v.served != pool {
		return
	}
	if pool != s.Pool {
		d.latencyPool(pool)
	}
	nanos := at.UnixNano()
	for d.cfg.MaxAge > 0 && l.n > 0 && nanos-l.times[l.head] > int64(d.cfg.MaxAge) {
		l.drop()
	}
	l.add(nanos, v.rec.Duration)
	d.learn()
	if l.limit == 0 {
		return
	}
	in := reading{n: l.n, bad: l.slow, shortBad: l.last, lastBad: l.isSlow(l.n-1) == 1}
	switch s.step(&d.slowLimits, in, d.at, d.st.Now) {
	case fired:
		d.announce(d.latencyEvent(Firing, Warning))
	case cleared:
		e := d.latencyEvent(Resolved, Good)
		s.level = level{}
		d.announce(e)
	case stays:
	}
}

// latencyPool turns to another pool: what the first one took says nothing of it.
func (d *Detector) latencyPool(pool bluegreen.Pool) {
	s, l := &d.st.Latency, &d.lat
	if s.Firing {
		e := d.latencyEvent(Resolved, Good)
		e.Summary = "latency of " + s.Pool.String() + " no longer matters: " + pool.String() + " is active"
		d.announce(e)
	}
	s.level, s.Pool, s.Block = level{}, pool, 0
	l.head, l.n, l.slow, l.last = 0, 0, 0, 0
	l.judge(d.latencyLimit())
}

// learn takes every whole window into what is usual. Slow times are not learned:
// an alert must not end because one got used to it.
func (d *Detector) learn() {
	s := &d.st.Latency
	if d.cfg.LatencyFactor <= 0 {
		return
	}
	if s.Block++; s.Block < d.cfg.Window {
		return
	}
	s.Block = 0
	if s.Firing || s.Over > 0 {
		return
	}
	if s.Usual == nil {
		s.Usual = map[string][]time.Duration{}
	}
	usual := append(slices.Clone(s.Usual[s.Pool.String()]), d.lat.p95())
	s.Usual[s.Pool.String()] = usual[max(len(usual)-baselineWindows, 0):]
	d.lat.judge(d.latencyLimit())
}

// latencyLimit returns the limit of the present pool, and what is usual when the
// limit comes from it. The configured limit holds besides.
func (d *Detector) latencyLimit() (limit, base time.Duration) {
	limit = d.cfg.LatencyP95
	usual := d.st.Latency.Usual[d.st.Latency.Pool.String()]
	if d.cfg.LatencyFactor <= 0 || len(usual) < baselineLeast {
		return limit, 0
	}
	sorted := slices.Sorted(slices.Values(usual))
	median := sorted[len(sorted)/2]
	learned := max(time.Duration(float64(median)*d.cfg.LatencyFactor), median+latencyFloor)
	if limit > 0 && limit <= learned {
		return limit, 0
	}
	return learned, median
}

func (d *Detector) latencyEvent(status Status, severity Severity) Event {
	s, l := &d.st.Latency, &d.lat
	p95 := l.p95()
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	e := d.event(Latency, status, severity)
	e.Since, e.Pool, e.Release = s.Since, s.Pool, d.releases[s.Pool]
	e.Latency = &Tail{N: l.n, P95: millis(p95), Limit: millis(l.limit), Baseline: millis(l.base)}
	e.Cause = "the limit is " + short(l.limit)
	if l.base > 0 {
		e.Cause = fmt.Sprintf("%.1f times the usual %s", float64(p95)/float64(max(l.base, 1)), short(l.base))
	}
	numbers := fmt.Sprintf("95 %% of the last %d requests take up to %s", l.n, short(p95))
	if s.Pool != bluegreen.NoPool {
		numbers = fmt.Sprintf("95 %% of the last %d requests on %s take up to %s", l.n, s.Pool, short(p95))
	}
	e.Command = "bgctl status"
	if status == Resolved {
		e.Summary = "latency is back: " + numbers + ", after " + short(d.st.Now.Sub(s.Since))
		return e
	}
	e.Summary = "slow: " + numbers + ", limit " + short(l.limit)
	if e.Pool == d.st.Active && !d.st.Fail.Firing {
		e.Command = moveAway(e.Pool)
	}
	return e
}
