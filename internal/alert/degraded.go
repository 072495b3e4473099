package alert

import (
	"fmt"

	"bgctl/internal/bluegreen"
)

// degradedState is where the alert about saved requests stands.
type degradedState struct {
	level
	Why   failure        `json:"why,omitempty"`
	On    bluegreen.Pool `json:"on,omitempty"`    // pool that the last saved request failed on
	First *Sample        `json:"first,omitempty"` // in snapshots only
	Last  *Sample        `json:"last,omitempty"`
}

// observeDegraded watches the requests that failed on a pool and were saved by the
// other one. One of them is nothing, and a failover says more than it could: it is
// about a pool that goes on taking traffic while a part of it fails.
func (d *Detector) observeDegraded(v *view, m mark) {
	s := &d.st.Degraded
	bad := m.saved()
	if d.cfg.DegradedPercent <= 0 || !bad && !s.Firing {
		s.Over = 0
		return
	}
	if bad {
		d.degrNotes.add(v.rec, v.served, !s.Firing && d.ring.all.saved == 1)
		s.On, s.Why = failedOn(v)
	}
	if d.st.Fail.Firing || d.st.Down.Firing {
		return
	}
	in := reading{n: d.ring.n, bad: d.ring.all.saved, shortBad: d.ring.last.saved, lastBad: bad}
	switch s.step(&d.degrLimits, in, d.at, d.st.Now) {
	case fired:
		d.announce(d.degradedEvent(Firing, Warning))
	case cleared:
		e := d.degradedEvent(Resolved, Good)
		s.level = level{}
		d.degrNotes.clear()
		d.announce(e)
	case stays:
	}
}

func (d *Detector) degradedEvent(status Status, severity Severity) Event {
	s := &d.st.Degraded
	e := d.event(Degraded, status, severity)
	e.Since, e.Threshold = s.Since, d.cfg.DegradedPercent
	d.degrNotes.show(&e)
	e.Pool = s.On
	if e.Pool == bluegreen.NoPool {
		e.Pool = d.st.Active
	}
	e.Release = d.releases[e.Pool]
	e.Cause = s.Why.words(e.Pool)
	w := e.Window
	numbers := fmt.Sprintf("%.1f %% of the last %d requests (%d) had to be saved by another pool; %d failed for the client",
		percent(w.Saved, w.N), w.N, w.Saved, w.ClientErrors)
	if status == Resolved {
		e.Summary = "no longer degraded after " + short(d.st.Now.Sub(s.Since)) + ": " + numbers
		e.Command = "bgctl status"
		return e
	}
	e.Summary = "degraded: " + numbers
	e.Command = moveAway(e.Pool)
	if e.Pool != d.st.Active {
		e.Command = "bgctl status"
	}
	return e
}
