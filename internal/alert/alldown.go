package alert

import (
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	noUpstreamRun = 3  // lines in a row for which the proxy found no server
	bothFailedRun = 5  // lines in a row that failed on both pools
	aliveLines    = 10 // answered lines in a row that end the outage
)

// downState is where the all-down alert stands.
type downState struct {
	Firing     bool      `json:"firing,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	NoUpstream int       `json:"no_upstream,omitempty"`
	Bad        int       `json:"bad,omitempty"`
	Alive      int       `json:"alive,omitempty"`
	First      *Sample   `json:"first,omitempty"` // in snapshots only
	Last       *Sample   `json:"last,omitempty"`
}

func (d *Detector) observeDown(v *view) {
	s := &d.st.Down
	if v.rec.Status > 0 && v.rec.Status < statusClientGone {
		if s.Bad != 0 || s.NoUpstream != 0 || s.Firing {
			d.noteAlive()
		}
		return
	}
	both := v.rec.Status >= 500 && failedEverywhere(v.rec)
	switch {
	case d.isOff(AllDown):
	case v.rec.NoUpstream || both:
		d.noteDown(v)
	case s.Firing && v.rec.Status >= 500:
		// One failed attempt alone neither proves nor disproves the outage.
		s.Alive = 0
	}
}

// failedEverywhere reports whether a request failed on both pools. Two servers that
// the log does not name are both pools as well.
func failedEverywhere(rec *logstream.Record) bool {
	if rec.FailedOn(bluegreen.Blue) && rec.FailedOn(bluegreen.Green) {
		return true
	}
	n := len(rec.Attempts)
	if n < 2 || rec.Attempts[0].Addr != "" && rec.Attempts[0].Addr == rec.Attempts[n-1].Addr {
		return false
	}
	for _, a := range rec.Attempts {
		if a.Pool != bluegreen.NoPool || !a.Failed() {
			return false
		}
	}
	return true
}

func (d *Detector) noteDown(v *view) {
	s := &d.st.Down
	if s.Bad == 0 && !s.Firing {
		d.downNotes.clear()
	}
	d.downNotes.add(v.rec, v.served)
	s.Alive = 0
	s.Bad++
	if v.rec.NoUpstream {
		s.NoUpstream++
	} else {
		s.NoUpstream = 0
	}
	if s.Firing || s.NoUpstream < noUpstreamRun && s.Bad < bothFailedRun {
		return
	}
	s.Firing, s.Since = true, d.at
	e := d.event(AllDown, Firing, Critical)
	e.Since = s.Since
	d.downNotes.show(&e)
	e.Summary = "all down: neither blue nor green answers"
	e.Cause = "every attempt failed on both pools"
	if v.rec.NoUpstream {
		e.Cause = "the proxy found no live upstream"
	}
	e.Pool, e.Release = d.st.Active, d.releases[d.st.Active]
	e.Command = "bgctl status"
	if e.Pool != bluegreen.NoPool {
		e.Command = "bgctl heal " + e.Pool.String()
	}
	d.escalate(e)
}

func (d *Detector) noteAlive() {
	s := &d.st.Down
	s.Bad, s.NoUpstream = 0, 0
	if !s.Firing {
		return
	}
	if s.Alive++; s.Alive < aliveLines {
		return
	}
	e := d.event(AllDown, Resolved, Good)
	e.Since = s.Since
	d.downNotes.show(&e)
	e.Pool, e.Release = d.st.Serving, d.releases[d.st.Serving]
	e.Summary = "requests are answered again after " + short(d.st.Now.Sub(s.Since))
	e.Cause = fmt.Sprintf("%s answered the last %d requests", e.Pool, aliveLines)
	e.Command = "bgctl status"
	*s = downState{}
	d.downNotes.clear()
	d.announce(e)
	// The window still holds the outage and one pool may still be starting: what
	// is left of it after a cooldown is news, the echo of it is not.
	for _, t := range []Type{ErrorRate, Failover, Degraded, Latency} {
		d.holdBack(t)
	}
}
