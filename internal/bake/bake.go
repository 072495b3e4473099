// Package bake judges a new release by the requests that reach it: it follows the
// proxy's access log and keeps a sliding window of the requests that tried one pool.
//
// What counts is the attempt, not what the user saw. The old release is the backup
// of every request, so that a new one which answers nothing but errors would cost
// the users nothing and look healthy in every figure made from final answers.
//
// [Judge] is pure. [Gauge] reads, and tells its troubles beside the verdict; it
// never waits for its caller.
package bake

import (
	"context"
	"fmt"
	"sync"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Judge keeps the window of one pool. It is not safe for concurrent use.
type Judge struct {
	pool    bluegreen.Pool
	cfg     alert.Config
	window  []bool // failed or not, a ring
	next    int
	bad     int // failed ones in the window
	verdict bluegreen.Verdict
}

// NewJudge returns a judge of pool. Window, threshold, classes and the least
// numbers are those the project's watcher fires by.
func NewJudge(pool bluegreen.Pool, cfg alert.Config) *Judge {
	size := max(cfg.Window, 1)
	return &Judge{pool: pool, cfg: cfg, window: make([]bool, 0, size)}
}

// Add takes a record. Health checks, and requests that did not try the pool, tell
// nothing about it.
func (j *Judge) Add(rec *logstream.Record) {
	if !j.cfg.Counts(rec) || !tried(rec, j.pool) {
		return
	}
	failed := rec.FailedOn(j.pool) || rec.Served == j.pool && j.counts(rec.Status)
	v := &j.verdict
	v.Requests++
	if failed {
		v.Failed++
		if rec.Served == j.pool.Other() && rec.Status < 500 {
			v.Saved++
		}
	}
	if len(j.window) < cap(j.window) {
		j.window = append(j.window, failed)
	} else {
		if j.window[j.next] {
			j.bad--
		}
		j.window[j.next] = failed
		j.next = (j.next + 1) % len(j.window)
	}
	if failed {
		j.bad++
	}
	v.Rate = 100 * float64(j.bad) / float64(len(j.window))
	v.Enough = v.Requests >= min(j.cfg.MinSamples, cap(j.window))
	if v.Breach == "" && v.Enough && j.bad >= min(max(j.cfg.MinErrors, 1), cap(j.window)) && v.Rate > j.cfg.ThresholdPercent {
		v.Breach = fmt.Sprintf("%.1f %% of the last %d requests failed on %s, more than %g %%",
			v.Rate, len(j.window), j.pool, j.cfg.ThresholdPercent)
	}
}

// counts reports whether the final status is an error by the project's settings.
func (j *Judge) counts(status int) bool {
	const clientGone = 499
	return status >= 500 || j.cfg.Classes == alert.Class4xx5xx && status >= 400 && status != clientGone
}

// Verdict is what the requests say so far. A breach stays one.
func (j *Judge) Verdict() bluegreen.Verdict { return j.verdict }

// tried reports whether an attempt of the request went to pool.
func tried(rec *logstream.Record, pool bluegreen.Pool) bool {
	for _, a := range rec.Attempts {
		if a.Pool == pool {
			return true
		}
	}
	return rec.Served == pool
}

// Source follows a log until ctx ends.
type Source interface {
	Run(ctx context.Context, deliver func(logstream.Batch) error) error
}

// Gauge watches a pool through the access log. It implements [bluegreen.Gauge].
type Gauge struct {
	// Follow returns a source of the log, which is run once. It loses no line over a
	// reconnect: what was missed would have counted.
	Follow func(cfg logstream.RemoteConfig) Source
	// Alert are the settings of the project's watcher.
	Alert alert.Config
}

var _ bluegreen.Gauge = (*Gauge)(nil)

// Watch implements [bluegreen.Gauge].
func (g *Gauge) Watch(ctx context.Context, d *bluegreen.Deployment, pool bluegreen.Pool) func() (bluegreen.Verdict, error) {
	w := &watch{judge: NewJudge(pool, g.Alert)}
	addrs := logstream.NewAddrMap()
	for _, p := range bluegreen.Pools() {
		var of []string
		for _, c := range d.Pool(p).Containers {
			of = append(of, c.Addrs...)
		}
		addrs.Set(p, of...)
	}
	// From its end: older lines would count the release before.
	source := g.Follow(logstream.RemoteConfig{Start: logstream.AtEnd(), Addrs: addrs, OnState: w.state})
	// It ends with ctx only, and tells its troubles through OnState.
	go func() { _ = source.Run(ctx, w.add) }()
	return w.verdict
}

// watch is one watching.
type watch struct {
	mu    sync.Mutex
	judge *Judge
	err   error
}

// add takes a batch.
func (w *watch) add(b logstream.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range b.Records {
		w.judge.Add(&b.Records[i])
	}
	return nil
}

// state notes how the reading stands.
func (w *watch) state(s logstream.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = s.Err
}

// verdict is what the requests say so far, and the error of the reading.
func (w *watch) verdict() (bluegreen.Verdict, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.judge.Verdict(), w.err
}
