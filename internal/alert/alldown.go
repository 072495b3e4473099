package alert

import (
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
	First      *Sample   `json:"first,omitempty"`
	Last       *Sample   `json:"last,omitempty"`
}

func (d *Detector) observeDown(rec *logstream.Record) {
	s := &d.st.Down
	both := rec.FailedOn(bluegreen.Blue) && rec.FailedOn(bluegreen.Green) && rec.Status >= 500
	switch {
	case rec.NoUpstream || both:
		d.noteDown(rec)
	case rec.Status > 0 && rec.Status < statusClientGone:
		d.noteAlive()
	case s.Firing && rec.Status >= 500:
		// One failed attempt alone neither proves nor disproves the outage.
		s.Alive = 0
	}
}

func (d *Detector) noteDown(rec *logstream.Record) {
	s := &d.st.Down
	s.Last = sampleOf(rec)
	if s.Bad == 0 && !s.Firing {
		s.First = s.Last
	}
	s.Alive = 0
	s.Bad++
	if rec.NoUpstream {
		s.NoUpstream++
	} else {
		s.NoUpstream = 0
	}
	if s.Firing || s.NoUpstream < noUpstreamRun && s.Bad < bothFailedRun {
		return
	}
	s.Firing, s.Since = true, d.at
	e := d.event(AllDown, Firing, Critical)
	e.Since, e.First, e.Last = s.Since, s.First, s.Last
	e.Summary = "all down: neither blue nor green answers"
	e.Cause = "every attempt failed on both pools"
	if rec.NoUpstream {
		e.Cause = "the proxy found no live upstream"
	}
	e.Pool, e.Release = d.st.Active, d.releases[d.st.Active]
	e.Command = "bgctl status"
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
	e.Since, e.First, e.Last = s.Since, s.First, s.Last
	e.Pool, e.Release = d.st.Serving, d.releases[d.st.Serving]
	e.Summary = "requests are answered again after " + short(d.st.Now.Sub(s.Since))
	*s = downState{}
	d.announce(e)
	// The window still holds the outage and one pool may still be starting: what
	// is left of it after a cooldown is news, the echo of it is not.
	d.holdBack(ErrorRate)
	d.holdBack(Failover)
}
