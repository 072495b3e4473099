package alert

import (
	"fmt"
	"time"
)

// The bounds of an acknowledgement: an alert that somebody has forgotten must speak
// again.
const (
	DefaultAck = time.Hour
	MaxAck     = 7 * 24 * time.Hour
)

// Ack says that somebody looks after an alert. Until then, or until the alert ends,
// it is neither repeated nor escalated; its end is told all the same.
type Ack struct {
	Type  Type      `json:"type"`  // the alert that fires
	Alert string    `json:"alert"` // the event that was acknowledged
	By    string    `json:"by,omitempty"`
	At    time.Time `json:"at"`
	Until time.Time `json:"until,omitzero"` // zero: taken back
}

// InForce reports whether the acknowledgement holds at a time.
func (a *Ack) InForce(now time.Time) bool { return a != nil && now.Before(a.Until) }

// Acknowledge notes who looks after an alert, or with a zero Until that nobody does
// any more, and returns the event that tells so. An alert that does not fire cannot
// be acknowledged: nothing happens then.
func (d *Detector) Acknowledge(a Ack) []Event {
	d.out = nil
	if !d.fires(a.Type) || d.isOff(a.Type) {
		return nil
	}
	p := d.post(a.Type)
	e := d.event(Acked, Info, Note)
	e.Time, e.Command = a.At, "bgctl ack "+string(a.Type)
	switch {
	case !a.Until.IsZero():
		if limit := a.At.Add(MaxAck); a.Until.After(limit) {
			a.Until = limit
		}
		p.Ack = &a
		e.Command += " --off"
		e.Summary = fmt.Sprintf("%s looks after %s until %s UTC: it is not repeated meanwhile", a.who(), a.Type, a.Until.UTC().Format("15:04"))
	case p.Ack == nil:
		return nil
	default:
		p.Ack = nil
		e.Summary = fmt.Sprintf("%s takes back that somebody looks after %s", a.who(), a.Type)
	}
	e.Cause, e.Ack = "the alert was acknowledged on purpose", &a
	if d.st.Maintenance.mutes(a.Type) {
		e.Muted = muteMaintenance.words(p, 0)
	}
	d.say(e)
	return d.out
}

// who names who acknowledged.
func (a *Ack) who() string {
	if a.By == "" {
		return "somebody"
	}
	return a.By
}

// attended reports whether a firing event of p rests because somebody looks after it.
func (d *Detector) attended(p *post) bool { return p.Ack.InForce(d.st.Now) }
