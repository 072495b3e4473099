package alert

import (
	"math/bits"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	failoverRun   = 3  // lines by the other pool when the active one was seen to fail
	silentRun     = 10 // lines by the other pool when no failure was seen
	silentTime    = 2 * time.Second
	lastMask      = 1<<20 - 1 // the last 20 lines
	recoverShare  = 16        // of the last 20 lines
	recoverLines  = 10
	flapChanges   = 3
	flapSpan      = 10 * time.Minute
	flapQuiet     = 5 * time.Minute
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
	Proof    bool           `json:"proof,omitempty"`   // a failed attempt in the run or just before
	Before   bool           `json:"before,omitempty"`  // the previous line had a failed attempt
	Recent   uint32         `json:"recent,omitempty"`  // newest line in bit 0, set: by the active pool
	Healthy  int            `json:"healthy,omitempty"` // lines by the active pool since it last failed
	FailedAt time.Time      `json:"failed_at,omitzero"`
	First    *Sample        `json:"first,omitempty"`
	Last     *Sample        `json:"last,omitempty"`
	Why      failure        `json:"why,omitempty"`
}

// quiet is how long the active pool must not fail: every worker of the proxy
// tries it again once per fail timeout, so one good moment proves nothing.
func (d *Detector) quiet() time.Duration { return 2 * (d.cfg.FailTimeout + time.Second) }

func (d *Detector) observeFailover(rec *logstream.Record, active bluegreen.Pool) {
	f := &d.st.Fail
	if active == bluegreen.NoPool {
		return
	}
	if active != f.Active {
		f.Active, f.Run, f.Before, f.Proof, f.Recent, f.Healthy = active, 0, false, false, 0, 0
	}
	failed := rec.FailedOn(active)
	if failed {
		d.noteFailure(rec, active)
	}
	// An error from the other pool does not show that traffic works there.
	if rec.Served == bluegreen.NoPool || rec.Served != active && rec.Status >= 500 {
		f.Before = f.Before || failed
		f.Proof = f.Proof || failed && f.Run > 0
		return
	}
	f.Recent <<= 1
	if rec.Served == active {
		f.Recent |= 1
		f.Run, f.Proof, f.Before = 0, false, failed
		if !failed {
			f.Healthy++
		}
		d.observeReturn(active)
		return
	}
	if f.Run++; f.Run == 1 {
		f.RunStart, f.Proof = d.st.Now, f.Before
	}
	f.Proof = f.Proof || failed
	f.Before = failed
	if !f.Firing && f.confirmed(d.st.Now) {
		d.fireFailover(active)
	}
}

// confirmed reports whether the run of lines by the other pool is long enough.
func (f *failState) confirmed(now time.Time) bool {
	if f.Proof {
		return f.Run >= failoverRun
	}
	return f.Run >= silentRun && now.Sub(f.RunStart) >= silentTime
}

func (d *Detector) noteFailure(rec *logstream.Record, active bluegreen.Pool) {
	f := &d.st.Fail
	f.Last = sampleOf(rec)
	f.Why = failureOf(rec, active)
	if f.First == nil || !f.Firing && d.st.Now.Sub(f.FailedAt) > d.quiet() {
		f.First = f.Last
	}
	f.FailedAt, f.Healthy = d.st.Now, 0
}

func (d *Detector) fireFailover(active bluegreen.Pool) {
	f := &d.st.Fail
	if !f.Proof {
		f.First, f.Last = nil, nil
		f.Why = noFailure
	}
	f.Firing, f.Since, f.From, f.Healthy = true, d.at, active, 0
	e := d.failEvent(Firing, Critical)
	e.Summary = "failover: " + e.To.String() + " answers instead of " + e.From.String() + "; " + e.Cause
	e.Command = "bgctl heal " + e.From.String()
	d.changed()
	d.announce(e)
}

// observeReturn handles a line by the active pool.
func (d *Detector) observeReturn(active bluegreen.Pool) {
	f := &d.st.Fail
	if !f.Firing || active != f.From || f.Healthy < recoverLines ||
		bits.OnesCount32(f.Recent&lastMask) < recoverShare ||
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
	f.Firing, f.Since, f.From = false, time.Time{}, bluegreen.NoPool
	f.First, f.Last, f.Why = nil, nil, noFailure
}

func (d *Detector) failEvent(status Status, severity Severity) Event {
	f := &d.st.Fail
	e := d.event(Failover, status, severity)
	e.From, e.To, e.Pool = f.From, f.From.Other(), f.From
	e.Since, e.First, e.Last, e.Cause = f.Since, f.First, f.Last, f.Why.words(f.From)
	e.Release = d.releases[f.From]
	return e
}

// flapState counts confirmed changes of the serving pool.
type flapState struct {
	Firing  bool        `json:"firing,omitempty"`
	Since   time.Time   `json:"since,omitzero"`
	Changes []time.Time `json:"changes,omitempty"`
}

// changed records a confirmed direction change, before its own message is judged.
func (d *Detector) changed() {
	f := &d.st.Flap
	oldest := d.st.Now.Add(-flapSpan)
	f.Changes = slices.DeleteFunc(f.Changes, func(t time.Time) bool { return t.Before(oldest) })
	f.Changes = append(f.Changes, d.st.Now)
	if f.Firing || len(f.Changes) < flapChanges {
		return
	}
	f.Firing, f.Since = true, d.at
	e := d.event(Flapping, Firing, Warning)
	e.Since, e.Pool, e.Release = f.Since, d.st.Active, d.releases[d.st.Active]
	e.First, e.Last = d.st.Fail.First, d.st.Fail.Last
	e.Cause = d.st.Fail.Why.words(d.st.Fail.From)
	e.Summary = "the serving pool changed 3 times within 10 minutes; failover messages pause until it is stable"
	e.Command = "bgctl switch " + d.st.Active.Other().String()
	d.announce(e)
}

func (d *Detector) settleFlapping() {
	f := &d.st.Flap
	if !f.Firing || d.st.Now.Sub(f.Changes[len(f.Changes)-1]) < flapQuiet {
		return
	}
	e := d.event(Flapping, Resolved, Good)
	e.Since, e.Pool = f.Since, d.st.Serving
	e.Release = d.releases[e.Pool]
	e.Summary = "stable on " + e.Pool.String() + " for 5 minutes"
	*f = flapState{}
	d.announce(e)
}
