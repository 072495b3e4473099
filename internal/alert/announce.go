package alert

import (
	"fmt"
	"time"
)

// post is what was said about one type and what is still to be said.
type post struct {
	Announced string    `json:"announced,omitempty"` // state key last posted, "" for resolved
	Severity  Severity  `json:"severity,omitempty"`  // of the last post
	Last      time.Time `json:"last,omitzero"`       // time of the last post
	HoldUntil time.Time `json:"hold_until,omitzero"` // no deferred post before
	Bypassed  bool      `json:"bypassed,omitempty"`  // an escalation used up its free post
	Pending   *Event    `json:"pending,omitempty"`   // newest transition not posted
}

// key names the state an event announces: equal keys need no second message.
func key(e *Event) string {
	switch e.Status {
	case Firing:
		return "firing:" + e.From.String() + ">" + e.To.String()
	case Info:
		return "to:" + e.To.String()
	case Resolved:
	}
	return ""
}

// says reports whether the last post already told what e tells. An alert that
// has become critical is news even though it fires already.
func (p *post) says(e *Event) bool {
	worse := e.Severity == Critical && p.Severity != Critical
	return key(e) == p.Announced && !worse
}

// order is the order in which deferred posts leave.
func order() [6]Type {
	return [6]Type{AllDown, Switch, Failover, Flapping, ErrorRate, NoTraffic}
}

// announce numbers a transition, decides whether it is posted, and yields it.
func (d *Detector) announce(e Event) {
	d.decide(e, d.cfg.Cooldown)
}

// escalate is announce for a transition that may break the cooldown once.
func (d *Detector) escalate(e Event) {
	cooldown := d.cfg.Cooldown
	if !d.st.Posts[e.Type].Bypassed {
		cooldown = 0
	}
	d.decide(e, cooldown)
}

func (d *Detector) decide(e Event, cooldown time.Duration) {
	d.number(&e)
	p := d.st.Posts[e.Type]
	inCooldown := d.inCooldown(p)
	e.Muted = d.muted(e.Type, p, cooldown)
	switch {
	case e.Muted != "":
		p.Pending = &e
	case e.Status == Resolved && p.Announced == "":
		e.Muted = "its start was never posted"
		p.Pending = nil
	case p.says(&e):
		e.Muted = "already posted"
		p.Pending = nil
	default:
		p.Bypassed = inCooldown
		p.Severity = e.Severity
		p.Announced, p.Last, p.Pending, p.HoldUntil = key(&e), d.st.Now, nil, time.Time{}
	}
	d.setPost(e.Type, p)
	d.out = append(d.out, e)
}

func (d *Detector) setPost(t Type, p post) {
	if (d.st.Posts[t].Pending == nil) != (p.Pending == nil) {
		if p.Pending == nil {
			d.pending--
		} else {
			d.pending++
		}
	}
	d.st.Posts[t] = p
}

func (d *Detector) number(e *Event) {
	d.st.Seq++
	e.ID = fmt.Sprintf("%s-%d", e.Type, d.st.Seq)
}

func (d *Detector) inCooldown(p post) bool {
	return !p.Last.IsZero() && d.st.Now.Before(p.Last.Add(d.cfg.Cooldown))
}

// muted tells why a type must not post now, "" when it may.
func (d *Detector) muted(t Type, p post, cooldown time.Duration) string {
	s := &d.st
	pools := t == Failover || t == Switch || t == Flapping
	switch m := s.Maintenance; {
	case m.Scope == ScopeAll, m.Scope == ScopePools && pools:
		return "maintenance"
	case s.Down.Firing && (t == ErrorRate || t == Failover):
		return "inhibited by all_down"
	case s.Flap.Firing && t == Failover:
		return "inhibited by flapping"
	case cooldown > 0 && d.inCooldown(p):
		return "cooldown until " + p.Last.Add(d.cfg.Cooldown).UTC().Format("15:04:05") + " UTC"
	}
	return ""
}

// reconcile posts the transitions whose mute has ended, if they are still news.
func (d *Detector) reconcile() {
	if d.pending == 0 {
		return
	}
	for _, t := range order() {
		p := d.st.Posts[t]
		if p.Pending == nil || d.st.Now.Before(p.HoldUntil) || d.muted(t, p, d.cfg.Cooldown) != "" {
			continue
		}
		e := *p.Pending
		p.Pending = nil
		if key(&e) != p.Announced {
			d.number(&e)
			e.Muted, e.Deferred, e.Window = "", true, d.Window()
			p.Announced, p.Last, p.Bypassed, p.Severity = key(&e), d.st.Now, false, e.Severity
			d.out = append(d.out, e)
		}
		d.setPost(t, p)
	}
}

// holdBack keeps what is pending for a type silent for one more cooldown.
func (d *Detector) holdBack(t Type) {
	if p := d.st.Posts[t]; p.Pending != nil {
		p.HoldUntil = d.st.Now.Add(d.cfg.Cooldown)
		d.st.Posts[t] = p
	}
}

// SetMaintenance mutes the messages in scope until the given time; a zero time
// means an hour. [ScopeNone] ends maintenance. What changed meanwhile and is
// still so is posted by the next tick or record after the end.
func (d *Detector) SetMaintenance(scope Scope, until time.Time) {
	d.st.Maintenance = Maintenance{Scope: scope, Until: until}
	d.boundMaintenance()
}

// boundMaintenance gives maintenance an end and ends it.
func (d *Detector) boundMaintenance() {
	m := &d.st.Maintenance
	switch now := d.st.Now; {
	case m.Scope == ScopeNone || now.IsZero():
	case m.Until.IsZero():
		m.Until = now.Add(time.Hour)
	case !now.Before(m.Until):
		*m = Maintenance{}
	}
}
