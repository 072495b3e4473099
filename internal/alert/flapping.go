package alert

import (
	"fmt"
	"slices"
	"time"
)

const (
	flapChanges = 3
	flapSpan    = 10 * time.Minute
	flapQuiet   = 5 * time.Minute
)

// flapState counts confirmed changes of the serving pool.
type flapState struct {
	Firing  bool        `json:"firing,omitempty"`
	Since   time.Time   `json:"since,omitzero"`
	Changes []time.Time `json:"changes,omitempty"` // within the last 10 minutes
	Count   int         `json:"count,omitempty"`   // since it fires
}

// changed records a confirmed direction change, before its own message is judged.
func (d *Detector) changed() {
	f := &d.st.Flap
	if d.isOff(Flapping) {
		return
	}
	oldest := d.st.Now.Add(-flapSpan)
	f.Changes = slices.DeleteFunc(f.Changes, func(t time.Time) bool { return t.Before(oldest) })
	f.Changes = append(f.Changes, d.st.Now)
	if f.Firing {
		f.Count++
		return
	}
	if len(f.Changes) < flapChanges {
		return
	}
	f.Firing, f.Since, f.Count = true, d.at, len(f.Changes)
	e := d.event(Flapping, Firing, Warning)
	e.Since, e.Pool, e.Release = f.Since, d.st.Active, d.releases[d.st.Active]
	d.failNotes.show(&e)
	e.Cause = d.st.Fail.Why.words(d.st.Fail.From)
	e.Summary = fmt.Sprintf("the serving pool changed %d times within %s; failover messages pause until it is stable",
		f.Count, short(d.st.Now.Sub(f.Changes[0])))
	e.Command = moveAway(d.st.Active)
	d.announce(e)
}

func (d *Detector) settleFlapping() {
	f := &d.st.Flap
	last := f.Changes[len(f.Changes)-1]
	if d.st.Now.Sub(last) < flapQuiet {
		return
	}
	e := d.event(Flapping, Resolved, Good)
	e.Since, e.Pool, e.Flips = f.Since, d.st.Serving, f.Count
	e.Release = d.releases[e.Pool]
	e.Summary = fmt.Sprintf("stable on %s for %s; it flapped %d× in %s", e.Pool, short(flapQuiet), f.Count, short(last.Sub(f.Since)))
	e.Cause = "no change of the serving pool for " + short(flapQuiet)
	e.Command = "bgctl status"
	*f = flapState{}
	d.announce(e)
}
