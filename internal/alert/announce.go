package alert

import (
	"fmt"
	"strings"
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
	Flips     int       `json:"flips,omitempty"`     // changes since the last post that only the cooldown muted
	FlipsFrom time.Time `json:"flips_from,omitzero"` // time of the first of them
	Missed    time.Time `json:"missed,omitzero"`     // start that only the cooldown muted
	Posted    *Event    `json:"posted,omitempty"`    // the firing event last posted, for reminders
	Repeats   int       `json:"repeats,omitempty"`
	Ack       *Ack      `json:"ack,omitempty"` // who looks after what fires
}

// digestMark ends the digest in a summary.
const digestMark = " · "

// digestFlips is how many muted changes are worth a message although the state is
// the one last posted.
const digestFlips = 3

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

// known is the key of the newest state, posted or not.
func (p *post) known() string {
	if p.Pending != nil {
		return key(p.Pending)
	}
	return p.Announced
}

// waiting counts what is to be said: 0 or 1.
func (p *post) waiting() int {
	if p.Pending == nil {
		return 0
	}
	return 1
}

// forget drops what was not posted.
func (p *post) forget() {
	p.Pending, p.HoldUntil, p.Flips, p.FlipsFrom, p.Missed = nil, time.Time{}, 0, time.Time{}, time.Time{}
}

// mute is why a type must not post now.
type mute uint8

const (
	notMuted mute = iota
	muteMaintenance
	muteOld
	muteAllDown
	muteFlapping
	muteFailover
	muteErrorRate
	muteCooldown
	muteAcked
)

func (m mute) words(p *post, cooldown time.Duration) string {
	switch m {
	case muteMaintenance:
		return "maintenance"
	case muteOld:
		return "catching up with old lines"
	case muteAllDown:
		return "inhibited by all_down"
	case muteFlapping:
		return "inhibited by flapping"
	case muteFailover:
		return "inhibited by failover"
	case muteErrorRate:
		return "inhibited by error_rate"
	case muteCooldown:
		return "cooldown until " + p.Last.Add(cooldown).UTC().Format("15:04:05") + " UTC"
	case muteAcked:
		return "acknowledged by " + p.Ack.who() + " until " + p.Ack.Until.UTC().Format("15:04:05") + " UTC"
	case notMuted:
	}
	return ""
}

func (d *Detector) post(t Type) *post { return &d.posts[t.index()] }

func (d *Detector) isOff(t Type) bool { return d.off[t.index()] }

// announce numbers a transition, decides whether it is posted, and yields it.
func (d *Detector) announce(e Event) {
	d.decide(e, d.cfg.Cooldown)
}

// escalate is announce for a transition that may break the cooldown once.
func (d *Detector) escalate(e Event) {
	cooldown := d.cfg.Cooldown
	if !d.post(e.Type).Bypassed {
		cooldown = 0
	}
	d.decide(e, cooldown)
}

func (d *Detector) decide(e Event, cooldown time.Duration) {
	if d.isOff(e.Type) {
		return
	}
	d.number(&e)
	p := d.post(e.Type)
	d.pending -= p.waiting()
	why := d.muted(e.Type, p, cooldown)
	switch {
	case e.Status == Resolved:
		p.Ack = nil // the next one is another alert
	case e.Status == Firing && d.attended(p):
		e.Ack = p.Ack
		if why == notMuted || why == muteCooldown {
			why = muteAcked
		}
	}
	switch {
	case e.Status == Resolved && d.cfg.OmitResolved:
		e.Muted = "messages about the end are off"
		p.forget()
		p.Announced, p.Posted = "", nil
	case why != notMuted:
		e.Muted = why.words(p, d.cfg.Cooldown)
		d.put(p, &e, why)
	default:
		if p.Flips > 0 && key(&e) != p.known() {
			p.Flips++
		}
		bypassed := d.inCooldown(p)
		if e.Muted = d.news(p, &e); e.Muted == "" {
			d.posted(p, &e)
			p.Bypassed = bypassed
		}
		p.forget()
	}
	d.pending += p.waiting()
	d.out = append(d.out, e)
}

// put keeps a muted transition for later. Only changes that nothing but the
// cooldown muted are counted: what maintenance or a greater alert explains is not
// told afterwards.
func (d *Detector) put(p *post, e *Event, why mute) {
	if why == muteOld && !d.restored && e.Type == Switch {
		// Where traffic went before the watcher's first start is where it starts from.
		p.forget()
		p.Announced = key(e)
		return
	}
	if why == muteCooldown && key(e) != p.known() {
		if p.Flips++; p.Flips == 1 {
			p.FlipsFrom = e.Time
		}
		if e.Status == Firing && p.Missed.IsZero() && p.Announced == "" {
			p.Missed = e.Time
		}
	}
	kept := *e
	p.Pending = &kept
}

// news completes an event that may be posted, or says why there is nothing to post.
func (d *Detector) news(p *post, e *Event) string {
	digest := p.Flips >= digestFlips
	switch same := p.says(e); {
	case digest:
		e.Flips = p.Flips
		e.Summary = fmt.Sprintf("flapped %d× in %s, now %s", p.Flips, short(d.st.Now.Sub(p.FlipsFrom)), now(e)) + digestMark + e.Summary
	case same && e.Status == Resolved && !p.Missed.IsZero():
		e.Flips = max(p.Flips, 2)
		e.Summary = fmt.Sprintf("fired %s, recovered %s UTC: %s",
			p.Missed.UTC().Format(time.TimeOnly), e.Time.UTC().Format(time.TimeOnly), e.Summary)
	case same && e.Status == Resolved:
		return "its start was never posted"
	case same:
		return "already posted"
	}
	return ""
}

// now names the state that e leaves things in.
func now(e *Event) string {
	switch {
	case e.Status == Firing && e.To.String() != "":
		return e.To.String()
	case e.Status == Firing:
		return "firing"
	case e.Type == Failover:
		return e.From.String()
	case e.Status == Info:
		return e.To.String()
	}
	return "resolved"
}

// posted notes that e is said now.
func (d *Detector) posted(p *post, e *Event) {
	p.Announced, p.Last, p.Severity, p.Bypassed, p.Repeats = key(e), d.st.Now, e.Severity, false, 0
	p.Posted = nil
	if e.Status == Firing && d.cfg.Repeat > 0 {
		kept := *e
		p.Posted = &kept
	}
}

func (d *Detector) number(e *Event) {
	d.st.Seq++
	e.ID = fmt.Sprintf("%s-%d", e.Type, d.st.Seq)
}

func (d *Detector) inCooldown(p *post) bool {
	return !p.Last.IsZero() && d.st.Now.Before(p.Last.Add(d.cfg.Cooldown))
}

// muted tells why a type must not post now.
func (d *Detector) muted(t Type, p *post, cooldown time.Duration) mute {
	s := &d.st
	switch {
	case s.Maintenance.mutes(t):
		return muteMaintenance
	case d.st.Now.Before(d.muteOld):
		return muteOld
	}
	if m := d.inhibited(t); m != notMuted {
		return m
	}
	if cooldown > 0 && d.inCooldown(p) {
		return muteCooldown
	}
	return notMuted
}

// inhibited tells which greater alert explains one of type t.
func (d *Detector) inhibited(t Type) mute {
	s := &d.st
	switch {
	case s.Down.Firing && (t == ErrorRate || t == Failover || t == Degraded || t == Latency):
		return muteAllDown
	case s.Flap.Firing && (t == Failover || t == Degraded):
		return muteFlapping
	case t != Degraded:
	case s.Fail.Firing:
		return muteFailover
	case s.Rate.Firing:
		return muteErrorRate
	}
	return notMuted
}

// reconcile posts the transitions whose mute has ended, if they are still news,
// and the reminders that are due.
func (d *Detector) reconcile() {
	for i := range d.posts {
		p := &d.posts[i]
		if p.Pending == nil {
			if p.Posted != nil && d.cfg.Repeat > 0 {
				d.remind(p)
			}
			continue
		}
		t := types()[i]
		// An alert that is about to end is not told late.
		if p.Pending.Status == Firing && d.subsiding(t) && p.Announced == "" {
			continue
		}
		if p.Pending.Status == Firing && d.attended(p) {
			continue
		}
		if d.st.Now.Before(p.HoldUntil) || d.muted(t, p, d.cfg.Cooldown) != notMuted {
			continue
		}
		e := *p.Pending
		e.Muted, e.Deferred = "", true
		if d.news(p, &e) == "" {
			d.number(&e)
			d.refresh(&e)
			d.posted(p, &e)
			d.out = append(d.out, e)
		}
		p.forget()
		d.pending--
	}
}

// subsiding reports whether a firing alert is at or below its clear level already,
// so that it resolves as soon as this has lasted.
func (d *Detector) subsiding(t Type) bool {
	s, r := &d.st, &d.ring
	switch t {
	case ErrorRate:
		return s.Rate.Firing && percent(r.all.counted, r.n) <= d.rateLimits.clear
	case Degraded:
		return s.Degraded.Firing && !s.Degraded.Hang && percent(r.all.saved, r.n) <= d.degrLimits.clear
	case Latency:
		return s.Latency.Firing && percent(d.lat.slow, d.lat.n) <= d.slowLimits.clear
	case AllDown, SourceLost, Switch, Failover, Flapping, NoTraffic, Upkeep, Acked, Notice:
	}
	return false
}

// refresh gives an event that is posted late the numbers of the present. When it
// happened stays.
func (d *Detector) refresh(e *Event) {
	e.Window = d.Window()
	if e.Status != Firing {
		return
	}
	var now Event
	switch {
	case e.Type == ErrorRate && d.st.Rate.Firing:
		now = d.rateEvent(Firing, e.Severity)
	case e.Type == Degraded && d.st.Degraded.Firing:
		now = d.degradedEvent(Firing, e.Severity)
	case e.Type == Latency && d.st.Latency.Firing:
		now = d.latencyEvent(Firing, e.Severity)
	default:
		return
	}
	head, _, digest := strings.Cut(e.Summary, digestMark)
	e.Summary, e.Cause, e.Command, e.First, e.Last, e.Latency = now.Summary, now.Cause, now.Command, now.First, now.Last, now.Latency
	if digest {
		e.Summary = head + digestMark + now.Summary
	}
}

// remind repeats a firing alert, to the second: after Repeat since its last post,
// or when what mutes it ends.
func (d *Detector) remind(p *post) {
	if d.st.Now.Before(p.Last.Add(d.cfg.Repeat)) || d.attended(p) || d.muted(p.Posted.Type, p, 0) != notMuted {
		return
	}
	e := *p.Posted
	p.Repeats++
	d.number(&e)
	d.refresh(&e)
	e.Time, e.Repeat, e.Deferred, e.Flips, e.Active = d.at, p.Repeats, false, 0, d.st.Active
	e.Summary = fmt.Sprintf("still firing after %s: %s", short(d.st.Now.Sub(e.Since)), e.Summary)
	p.Last = d.st.Now
	d.out = append(d.out, e)
}

// holdBack keeps what is pending for a type silent for one more cooldown.
func (d *Detector) holdBack(t Type) {
	if p := d.post(t); p.Pending != nil {
		p.HoldUntil = d.st.Now.Add(d.cfg.Cooldown)
	}
}

// MuteBefore tells the detector that records older than t are read to catch up:
// they move the states, but none of their transitions is posted. Where things stand
// when the records are as young as t, or at the first tick after it, is posted as
// far as it differs from what was said last.
func (d *Detector) MuteBefore(t time.Time) {
	d.muteOld = t
}
