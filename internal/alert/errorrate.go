package alert

import (
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	goodLines      = 20 // requests without error needed to recover
	escalationRate = 50 // percent from which the alert is critical
)

// rateState is where the error-rate alert stands.
type rateState struct {
	Firing    bool      `json:"firing,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Low       time.Time `json:"low,omitzero"` // recovering since
	Good      int       `json:"good,omitempty"`
	Escalated bool      `json:"escalated,omitempty"`
	First     *Sample   `json:"first,omitempty"`
	Last      *Sample   `json:"last,omitempty"`
	Why       failure   `json:"why,omitempty"`
}

func (d *Detector) observeRate(rec *logstream.Record, m mark) {
	r := &d.st.Rate
	if m.kind() == CellError {
		r.Last = sampleOf(rec)
		r.Why = failureOf(rec, rec.Served)
		if r.First == nil || !r.Firing && d.ring.errors == 1 {
			r.First = r.Last
		}
	}
	if r.Firing {
		d.observeRecovery(m)
		return
	}
	// The short window is counted only when the long one is over: it is rare.
	n, errs := d.ring.n, d.ring.errors
	if errs == 0 || !d.cfg.over(n, errs, min(errs, d.cfg.ShortWindow)) ||
		!d.cfg.over(n, errs, d.ring.errorsInLast(d.cfg.ShortWindow)) {
		return
	}
	r.Firing, r.Since, r.Low, r.Good, r.Escalated = true, d.at, time.Time{}, 0, false
	if percent(errs, n) >= escalationRate {
		r.Escalated = true
		d.escalate(d.rateEvent(Firing, Critical))
		return
	}
	d.announce(d.rateEvent(Firing, Warning))
}

// observeRecovery handles a record while the alert fires. A rate between the
// clear level and the threshold changes nothing: that is the hysteresis.
func (d *Detector) observeRecovery(m mark) {
	r := &d.st.Rate
	n, rate := d.ring.n, percent(d.ring.errors, d.ring.n)
	if rate >= escalationRate && !r.Escalated && n >= d.cfg.MinSamples {
		r.Escalated = true
		d.escalate(d.rateEvent(Firing, Critical))
	}
	switch {
	case rate > d.cfg.ThresholdPercent:
		r.Low, r.Good = time.Time{}, 0
		return
	case r.Low.IsZero():
		if rate > d.cfg.ThresholdPercent/2 || n < d.cfg.MinSamples {
			return
		}
		r.Low = d.st.Now
	}
	if m.kind() != CellError {
		r.Good++
	}
	if r.Good < goodLines || n < d.cfg.MinSamples || d.st.Now.Sub(r.Low) < d.cfg.Hold {
		return
	}
	e := d.rateEvent(Resolved, Good)
	*r = rateState{Last: r.Last}
	d.announce(e)
}

func (d *Detector) rateEvent(status Status, severity Severity) Event {
	r := &d.st.Rate
	e := d.event(ErrorRate, status, severity)
	e.Since, e.First, e.Last = r.Since, r.First, r.Last
	e.Pool = d.st.Serving
	if r.Last != nil && r.Last.Pool != bluegreen.NoPool {
		e.Pool = r.Last.Pool
	}
	if r.Last != nil {
		e.Cause = r.Why.words(r.Last.Pool)
	}
	e.Release = d.releases[e.Pool]
	w := e.Window
	numbers := fmt.Sprintf("%.1f %% of the last %d requests (%d)", w.Rate, w.N, w.Errors)
	if status == Resolved {
		e.Summary = fmt.Sprintf("error rate back to %s after %s", numbers, short(d.st.Now.Sub(r.Since)))
		return e
	}
	e.Summary = fmt.Sprintf("error rate %s failed, threshold %g %%", numbers, d.cfg.ThresholdPercent)
	e.Command = "bgctl status"
	// Moving away helps only when the pool that fails is the one in use.
	if e.Pool != bluegreen.NoPool && e.Pool == d.st.Active && !d.st.Fail.Firing && !d.st.Down.Firing {
		e.Command = "bgctl switch " + e.Pool.Other().String()
	}
	return e
}
