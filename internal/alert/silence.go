package alert

import (
	"time"

	"bgctl/internal/bluegreen"
)

// lostState is what is known of the log itself.
type lostState struct {
	Since  time.Time `json:"since,omitzero"` // zero: the log is read
	Why    string    `json:"why,omitempty"`
	Firing bool      `json:"firing,omitempty"`
	Back   bool      `json:"back,omitempty"` // it is read again, which is still to be said
}

// SourceLost tells the detector that the log cannot be read, and why. From now on
// nothing is known: alerts keep their state and none of them resolves. What is to
// be said about it comes from a later tick. Telling it again changes nothing.
func (d *Detector) SourceLost(why string) {
	l := &d.st.Lost
	if !l.Since.IsZero() && !l.Back {
		return
	}
	if !l.Firing {
		l.Since = d.st.Now
	}
	l.Why, l.Back = why, false
	if l.Since.IsZero() {
		l.Since = time.Unix(0, 0) // before the first record: the first tick sets the time
	}
	d.unknown()
}

// SourceBack tells the detector that the log is read again. What went on before
// has to be proven anew by the lines that follow.
func (d *Detector) SourceBack() {
	l := &d.st.Lost
	switch {
	case l.Since.IsZero():
	case l.Firing:
		l.Back = true
	default:
		*l = lostState{}
	}
}

// tickSource fires when the log stays lost, and resolves when it is back.
func (d *Detector) tickSource() {
	l := &d.st.Lost
	if l.Since.IsZero() {
		return
	}
	if l.Since.Equal(time.Unix(0, 0)) {
		l.Since = d.st.Now
	}
	switch {
	case l.Back:
		e := d.event(SourceLost, Resolved, Good)
		e.Since = l.Since
		e.Summary = "the access log is read again after " + short(d.st.Now.Sub(l.Since))
		e.Cause = "it was lost because: " + l.Why
		e.Command = "bgctl status"
		*l = lostState{}
		d.announce(e)
	case !l.Firing && d.cfg.SourceLost > 0 && d.st.Now.Sub(l.Since) >= d.cfg.SourceLost:
		l.Firing = true
		e := d.event(SourceLost, Firing, Critical)
		e.Since = l.Since
		e.Summary = "the access log cannot be read since " + l.Since.UTC().Format("15:04:05") + " UTC: nothing is known of the pools"
		e.Cause = l.Why
		e.Command = "bgctl status"
		d.announce(e)
	}
}

// tickSilence notices that no request comes any more. Without the log it cannot
// know.
func (d *Detector) tickSilence() {
	s := &d.st
	if s.LastRecord.IsZero() || !s.Lost.Since.IsZero() {
		return
	}
	silent := s.Now.Sub(s.LastRecord)
	if limit := d.cfg.unknownAfter(); limit > 0 && silent >= limit && !s.Unknown {
		d.unknown()
	}
	if limit := d.cfg.NoTraffic; limit <= 0 || silent < limit || !s.Silent.IsZero() {
		return
	}
	s.Silent = s.Now
	e := d.event(NoTraffic, Firing, Warning)
	e.Since = s.Silent
	e.Summary = "no request for " + short(silent)
	e.Cause = "no traffic, or the log is not written"
	e.Command = "bgctl status"
	d.announce(e)
}

// endSilence handles that a record has come.
func (d *Detector) endSilence() {
	s := &d.st
	// A replay has no ticks: the gap between two records tells as much.
	if limit := d.cfg.unknownAfter(); limit > 0 && !s.Unknown && !s.LastRecord.IsZero() &&
		s.Now.Sub(s.LastRecord) >= limit {
		d.unknown()
	}
	s.Unknown = false
	if s.Silent.IsZero() {
		return
	}
	e := d.event(NoTraffic, Resolved, Good)
	e.Since = s.Silent
	e.Summary = "requests arrive again after " + short(s.Now.Sub(s.Silent))
	e.Cause = "traffic is back"
	e.Command = "bgctl status"
	s.Silent = time.Time{}
	d.announce(e)
}

// unknown drops the evidence for a change that is under way: lines from both sides
// of a gap must not add up. What fires goes on firing.
func (d *Detector) unknown() {
	s := &d.st
	s.Unknown = true
	s.Rate.doubt()
	s.Degraded.doubt()
	s.Latency.doubt()
	s.Move = moveState{}
	f := &s.Fail
	f.Run, f.Proof, f.Before, f.Recent, f.Lines, f.Healthy = 0, false, false, 0, 0, 0
	s.Down.NoUpstream, s.Down.Bad, s.Down.Alive = 0, 0, 0
}

// Traffic is where requests are answered at present.
type Traffic string

// The places. Mixed: neither pool answers 80 % of the last 20 requests, as it is
// for some seconds when the workers of the proxy change their mind one by one.
const (
	ByActive       Traffic = "active"
	ByOther        Traffic = "backup"
	ByBoth         Traffic = "mixed"
	ByNone         Traffic = "none"
	TrafficUnknown Traffic = "unknown"
)

// Traffic returns where the requests of late were answered.
func (d *Detector) Traffic() Traffic {
	f := &d.st.Fail
	mine, lines := f.mine(), f.Lines
	switch {
	case d.st.Down.Firing:
		return ByNone
	case d.st.Unknown || lines == 0 || f.Active == bluegreen.NoPool:
		return TrafficUnknown
	case mine*recentLines >= recoverShare*lines:
		return ByActive
	case (lines-mine)*recentLines >= recoverShare*lines:
		return ByOther
	}
	return ByBoth
}
