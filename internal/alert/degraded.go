package alert

import (
	"fmt"

	"bgctl/internal/bluegreen"
)

// degradedState is where the alert about saved requests stands.
type degradedState struct {
	level
	Given int            `json:"given,omitempty"` // requests in a row that nobody waited for
	Hang  bool           `json:"hang,omitempty"`  // it fires because of them
	Why   failure        `json:"why,omitempty"`
	On    bluegreen.Pool `json:"on,omitempty"`    // pool that the last saved request failed on
	First *Sample        `json:"first,omitempty"` // in snapshots only
	Last  *Sample        `json:"last,omitempty"`
}

// hangRun is how many requests in a row must be given up by their clients before
// the pool counts as hanging. A single answer in between ends the run.
const hangRun = 20

// observeDegraded watches the requests that failed on a pool and were saved by the
// other one. One of them is nothing, and a failover says more than it could: it is
// about a pool that goes on taking traffic while a part of it fails. A pool that
// hangs under impatient clients never fails at all: what shows is that none of them
// gets an answer.
func (d *Detector) observeDegraded(v *view, m mark) {
	s := &d.st.Degraded
	bad := m.saved()
	gone := m.gone() && v.served == bluegreen.NoPool
	if s.Given++; !gone {
		s.Given = 0
	}
	if d.cfg.DegradedPercent <= 0 || !bad && !gone && !s.Firing {
		s.Over = 0
		return
	}
	if bad || gone {
		if !s.Firing && (s.Given == 1 || bad && d.ring.all.saved == 1) {
			d.degrNotes.clear()
		}
		d.noteDegraded(v)
	}
	if d.st.Fail.Firing || d.st.Down.Firing {
		return
	}
	if gone && s.Given >= hangRun {
		d.hang()
		return
	}
	in := reading{n: d.ring.n, bad: d.ring.all.saved, shortBad: d.ring.last.saved, lastBad: bad || gone}
	switch s.step(&d.degrLimits, in, d.at, d.st.Now) {
	case fired:
		d.announce(d.degradedEvent(Firing, Warning))
	case cleared:
		e := d.degradedEvent(Resolved, Good)
		s.level, s.Hang = level{}, false
		d.degrNotes.clear()
		d.announce(e)
	case stays:
	}
}

func (d *Detector) noteDegraded(v *view) {
	s := &d.st.Degraded
	d.degrNotes.add(v.rec, v.served)
	if s.On, s.Why = failedOn(v); s.On == bluegreen.NoPool {
		s.On = v.active
	}
}

// hang fires when nobody gets an answer, or keeps it from resolving.
func (d *Detector) hang() {
	s := &d.st.Degraded
	s.doubt()
	if s.Firing {
		return
	}
	s.level, s.Hang = level{Firing: true, Since: d.at}, true
	e := d.degradedEvent(Firing, Critical)
	d.announce(e)
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
	if s.Hang {
		numbers = fmt.Sprintf("%d of the last %d requests were given up by their clients", w.ClientGone, w.N)
	}
	if status == Resolved {
		e.Summary = "no longer degraded after " + short(d.st.Now.Sub(s.Since)) + ": " + numbers
		e.Command = "bgctl status"
		return e
	}
	e.Summary = "degraded: " + numbers
	if s.Hang {
		e.Summary = fmt.Sprintf("hanging: no answer for %d requests in a row; %s", s.Given, numbers)
	}
	e.Command = moveAway(e.Pool)
	if e.Pool != d.st.Active {
		e.Command = "bgctl status"
	}
	return e
}
