package alert

import (
	"fmt"

	"bgctl/internal/bluegreen"
)

// rateState is where the error-rate alert stands.
type rateState struct {
	level
	Escalated bool           `json:"escalated,omitempty"`
	Why       failure        `json:"why,omitempty"`
	On        bluegreen.Pool `json:"on,omitempty"`    // pool that the last bad request failed on
	First     *Sample        `json:"first,omitempty"` // in snapshots only
	Last      *Sample        `json:"last,omitempty"`
}

func (d *Detector) observeRate(v *view, m mark) {
	r := &d.st.Rate
	bad := m.counted()
	if bad {
		if !r.Firing && d.ring.all.counted == 1 {
			d.rateNotes.clear()
		}
		d.rateNotes.add(v.rec, v.served)
		r.On, r.Why = failedOn(v)
	} else if !r.Firing && d.ring.all.counted < d.rateLimits.bad {
		r.Over = 0
		return
	}
	in := reading{n: d.ring.n, bad: d.ring.all.counted, shortBad: d.ring.last.counted, lastBad: bad}
	switch r.step(&d.rateLimits, in, d.at, d.st.Now) {
	case fired:
		r.Escalated = d.escalates(in)
		if r.Escalated {
			d.escalate(d.rateEvent(Firing, Critical))
			return
		}
		d.announce(d.rateEvent(Firing, Warning))
	case cleared:
		e := d.rateEvent(Resolved, Good)
		r.level, r.Escalated = level{}, false
		d.rateNotes.first.clear()
		d.announce(e)
	case stays:
		if r.Firing && !r.Escalated && d.escalates(in) {
			r.Escalated = true
			d.escalate(d.rateEvent(Firing, Critical))
		}
	}
}

// escalates reports whether the rate is worth breaking the cooldown.
func (d *Detector) escalates(in reading) bool {
	limit := d.cfg.EscalatePercent
	return limit > 0 && in.n >= d.cfg.MinSamples && percent(in.bad, in.n) >= limit
}

// failedOn tells on which pool a request failed and why. By attempts, that is the
// one that failed, not the answer of the pool that saved it.
func failedOn(v *view) (bluegreen.Pool, failure) {
	pool := v.served
	last := len(v.rec.Attempts) - 1
	for i, a := range v.rec.Attempts {
		if !a.Failed() {
			continue
		}
		if pool = a.Pool; pool == bluegreen.NoPool && i < last {
			pool = v.active // the proxy tries it first
		}
	}
	return pool, failureOf(v.rec, pool)
}

func (d *Detector) rateEvent(status Status, severity Severity) Event {
	r := &d.st.Rate
	e := d.event(ErrorRate, status, severity)
	e.Since = r.Since
	d.rateNotes.show(&e)
	e.Pool = d.st.Serving
	if d.rateNotes.last.set {
		if r.On != bluegreen.NoPool {
			e.Pool = r.On
		}
		e.Cause = r.Why.words(r.On)
	}
	e.Release = d.releases[e.Pool]
	e.Command = "bgctl status"
	if status == Resolved {
		e.Summary = "error rate back to " + e.Window.words() + " after " + short(d.st.Now.Sub(r.Since))
		return e
	}
	e.Summary = fmt.Sprintf("error rate %s, threshold %g %%", e.Window.words(), d.cfg.ThresholdPercent)
	// Moving away helps only when the pool that fails is the one in use.
	if e.Pool != bluegreen.NoPool && e.Pool == d.st.Active && !d.st.Fail.Firing && !d.st.Down.Firing {
		e.Command = moveAway(e.Pool)
	}
	return e
}

// words gives the rate that is judged and the other one beside it.
func (w Window) words() string {
	other := fmt.Sprintf("%d with a failed attempt", w.AttemptErrors)
	if w.Basis == ByAttempt || w.Basis == ByEither {
		other = fmt.Sprintf("%d failed for the client", w.ClientErrors)
	}
	text := fmt.Sprintf("%.1f %% of the last %d requests (%d; %s", w.Rate, w.N, w.Errors, other)
	if w.ClientGone > 0 {
		text += fmt.Sprintf("; %d clients gave up", w.ClientGone)
	}
	return text + ")"
}
