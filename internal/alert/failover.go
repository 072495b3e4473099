package alert

import (
	"math/bits"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	failoverRun   = 3  // lines by the other pool when the active one was seen to fail
	silentRun     = 10 // lines by the other pool when no failure was seen
	silentTime    = 2 * time.Second
	startRun      = 20  // the same when the active pool was never seen to answer
	adoptRun      = 100 // lines by the other pool without a try of the active one: it was switched
	recentLines   = 20
	recentMask    = 1<<recentLines - 1
	recoverShare  = 16 // of the last 20 lines
	recoverLines  = 10
	causeSwitched = "traffic was switched"
)

// failState is where the failover alert stands.
type failState struct {
	Firing   bool           `json:"firing,omitempty"`
	Since    time.Time      `json:"since,omitzero"`
	From     bluegreen.Pool `json:"from,omitempty"`
	Active   bluegreen.Pool `json:"active,omitempty"` // active pool of the lines counted below
	Run      int            `json:"run,omitempty"`    // consecutive lines by the other pool
	RunStart time.Time      `json:"run_start,omitzero"`
	Proof    bool           `json:"proof,omitempty"`  // a failed attempt in the run or just before
	Before   bool           `json:"before,omitempty"` // the previous line had a failed attempt
	Seen     bool           `json:"seen,omitempty"`   // the active pool has answered since the start
	Recent   uint32         `json:"recent,omitempty"` // newest line in bit 0, set: by the active pool
	Lines    int            `json:"lines,omitempty"`  // lines in Recent
	Healthy  int            `json:"healthy,omitempty"`
	FailedAt time.Time      `json:"failed_at,omitzero"`
	Why      failure        `json:"why,omitempty"`
	First    *Sample        `json:"first,omitempty"` // in snapshots only
	Last     *Sample        `json:"last,omitempty"`
}

// mine counts the lines of late that the active pool answered.
func (f *failState) mine() int { return bits.OnesCount32(f.Recent & recentMask) }

// quiet is how long the active pool must not fail: every worker of the proxy
// tries it again once per fail timeout, so one good moment proves nothing.
func (d *Detector) quiet() time.Duration { return 2 * (d.cfg.FailTimeout + time.Second) }

// observeFailover looks at the evidence: lines that a known pool answered.
func (d *Detector) observeFailover(v *view) {
	f := &d.st.Fail
	if v.active == bluegreen.NoPool || d.st.Balance.On {
		return
	}
	if v.active != f.Active {
		*f = failState{
			Firing: f.Firing, Since: f.Since, From: f.From, FailedAt: f.FailedAt, Why: f.Why,
			Active: v.active, Seen: f.Seen || f.Active != bluegreen.NoPool,
		}
	}
	if v.failed {
		d.noteFailure(v)
	}
	// An error from the other pool does not show that traffic works there.
	if v.served == bluegreen.NoPool || v.served != v.active && v.rec.Status >= 500 {
		f.Before = f.Before || v.failed
		f.Proof = f.Proof || v.failed && f.Run > 0
		return
	}
	f.Recent <<= 1
	f.Lines = min(f.Lines+1, recentLines)
	if v.served == v.active {
		f.Recent |= 1
		f.Run, f.Proof, f.Before, f.Seen = 0, false, v.failed, true
		if !v.failed {
			f.Healthy++
		}
		if f.Firing {
			d.observeReturn(v.active)
		}
		return
	}
	if f.Run++; f.Run == 1 {
		f.RunStart, f.Proof = d.st.Now, f.Before
	}
	f.Proof = f.Proof || v.failed
	f.Before = v.failed
	d.observeRun(v)
}

// observeRun judges a run of lines by the other pool.
func (d *Detector) observeRun(v *view) {
	f := &d.st.Fail
	foreign := v.rec.Active == bluegreen.NoPool
	switch {
	case f.Firing:
		// Every failing pool is tried again once per fail timeout. One that is not
		// tried any more was taken out of traffic on purpose.
		if foreign && f.Run >= adoptRun && d.st.Now.Sub(f.FailedAt) >= max(4*d.quiet(), time.Minute) {
			d.guessSwitch(v.active)
		}
	case f.Proof && f.Run >= failoverRun:
		d.fireFailover(v.active, "")
	case !f.Seen:
		if f.Run >= startRun {
			d.fireFailover(v.active, "since before start")
		}
	case f.Run >= d.silentRun() && d.st.Now.Sub(f.RunStart) >= silentTime:
		// A line that names the active pool leaves no doubt; without it a planned
		// switch looks the same.
		if foreign {
			d.guessSwitch(v.active)
			return
		}
		d.fireFailover(v.active, "")
	}
}

// silentRun is how long a run must be that no failed attempt explains. As long as
// nobody knows whether the pools take turns, chance makes runs too.
func (d *Detector) silentRun() int {
	if d.st.Balance.Done {
		return silentRun
	}
	return startRun
}

func (d *Detector) noteFailure(v *view) {
	f := &d.st.Fail
	if !f.Firing && d.st.Now.Sub(f.FailedAt) > d.quiet() {
		d.failNotes.clear()
	}
	d.failNotes.add(v.rec, v.served)
	f.Why = failureOf(v.rec, v.active)
	f.FailedAt, f.Healthy = d.st.Now, 0
}

// fireFailover fires. when tells that the failover is older than the log.
func (d *Detector) fireFailover(active bluegreen.Pool, when string) {
	f := &d.st.Fail
	if !f.Proof {
		d.failNotes.clear()
		f.Why = noFailure
	}
	f.Firing, f.Since, f.From, f.Healthy = true, d.at, active, 0
	e := d.failEvent(Firing, Critical)
	e.Summary = "failover: " + e.To.String() + " answers instead of " + e.From.String() + "; " + e.Cause
	if when != "" {
		e.Summary = "running on " + e.To.String() + " (active " + e.From.String() + ") " + when
	}
	e.Command = "bgctl heal " + e.From.String()
	d.changed()
	d.announce(e)
}

// observeReturn handles a line by the active pool during a failover.
func (d *Detector) observeReturn(active bluegreen.Pool) {
	f := &d.st.Fail
	if active != f.From || f.Healthy < recoverLines || f.mine() < recoverShare ||
		d.st.Now.Sub(f.FailedAt) < d.quiet() {
		return
	}
	e := d.failEvent(Resolved, Good)
	e.Summary = "recovered: " + active.String() + " answers again after " + short(d.st.Now.Sub(f.Since))
	d.changed()
	d.closeFailover()
	d.announce(e)
}

// switched ends a failover when the operator made the pool that answers the active one.
func (d *Detector) switched(active bluegreen.Pool) {
	f := &d.st.Fail
	if !f.Firing || active != f.From.Other() {
		return
	}
	e := d.failEvent(Resolved, Good)
	e.Cause = causeSwitched
	e.Summary = "failover ended: " + causeSwitched + " to " + active.String()
	d.closeFailover()
	d.announce(e)
}

func (d *Detector) closeFailover() {
	f := &d.st.Fail
	f.Firing, f.Since, f.From, f.Why = false, time.Time{}, bluegreen.NoPool, noFailure
	d.failNotes.clear()
}

func (d *Detector) failEvent(status Status, severity Severity) Event {
	f := &d.st.Fail
	e := d.event(Failover, status, severity)
	e.From, e.To, e.Pool = f.From, f.From.Other(), f.From
	e.Since, e.Cause = f.Since, f.Why.words(f.From)
	d.failNotes.show(&e)
	e.Release = d.releases[f.From]
	e.Command = "bgctl status"
	return e
}
