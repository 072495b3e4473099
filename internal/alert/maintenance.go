package alert

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// The bounds of a maintenance: a forgotten one must not mute a stack for ever.
const (
	DefaultMaintenance = time.Hour
	MaxMaintenance     = 7 * 24 * time.Hour
)

// Scope says which messages maintenance mutes.
type Scope string

// The maintenance scopes.
const (
	ScopeNone  Scope = ""      // no maintenance
	ScopePools Scope = "pools" // failover, switch, flapping and degraded
	ScopeAll   Scope = "all"   // everything but notices
)

// Maintenance mutes messages for a bounded time; evaluation goes on.
type Maintenance struct {
	Scope Scope     `json:"scope,omitempty"`
	Until time.Time `json:"until,omitzero"` // zero: an hour from the first record or tick
	Since time.Time `json:"since,omitzero"` // set by the detector
	Told  bool      `json:"told,omitempty"` // its start was said; set by the detector
}

// mutes reports whether messages of a type are muted.
func (m *Maintenance) mutes(t Type) bool {
	switch m.Scope {
	case ScopeAll:
		return t != Notice && t != Upkeep
	case ScopePools:
		return t == Failover || t == Switch || t == Flapping || t == Degraded
	case ScopeNone:
	}
	return false
}

// SetMaintenance mutes the messages in scope until the given time; a zero time
// means an hour, and a week is the most. [ScopeNone] ends maintenance. The next
// tick or record says that it began or ended, and posts what changed meanwhile and
// is still so.
func (d *Detector) SetMaintenance(scope Scope, until time.Time) {
	s := &d.st
	m := &s.Maintenance
	if scope == ScopeNone {
		if m.Told {
			over := *m
			s.MaintenanceOver = &over
		}
		*m = Maintenance{}
		return
	}
	if scope == m.Scope && (until.Equal(m.Until) || until.IsZero()) {
		return
	}
	*m = Maintenance{Scope: scope, Until: until, Since: m.Since}
	s.MaintenanceOver = nil
	s.bound()
}

// bound gives maintenance a beginning and an end, as soon as it is known what time
// it is.
func (s *Snapshot) bound() {
	m := &s.Maintenance
	if m.Scope == ScopeNone || s.Now.IsZero() {
		return
	}
	if m.Since.IsZero() {
		m.Since = s.Now
	}
	if m.Until.IsZero() {
		m.Until = s.Now.Add(DefaultMaintenance)
	}
	if limit := s.Now.Add(MaxMaintenance); m.Until.After(limit) {
		m.Until = limit
	}
}

// Maintenance returns the maintenance in force, the zero value for none.
func (d *Detector) Maintenance() Maintenance { return d.st.Maintenance }

// boundMaintenance ends maintenance in time, and says when it begins and ends.
func (d *Detector) boundMaintenance() {
	s := &d.st
	m, now := &s.Maintenance, s.Now
	if now.IsZero() {
		return
	}
	s.bound()
	switch {
	case m.Scope != ScopeNone && !now.Before(m.Until):
		if m.Told {
			over := *m
			s.MaintenanceOver = &over
		}
		*m = Maintenance{}
	case m.Scope != ScopeNone && !m.Told:
		m.Told = true
		what := "messages about pools are"
		if m.Scope == ScopeAll {
			what = "all messages are"
		}
		e := d.event(Upkeep, Info, Note)
		e.Since = m.Since
		e.Summary = fmt.Sprintf("maintenance until %s UTC: %s muted, evaluation goes on", m.Until.UTC().Format("2006-01-02 15:04:05"), what)
		e.Cause = "maintenance was begun on purpose"
		e.Command = "bgctl maintenance off"
		d.say(e)
	}
	if s.MaintenanceOver != nil {
		d.endMaintenance(s.MaintenanceOver)
		s.MaintenanceOver = nil
	}
}

// endMaintenance sums up where things stand. What is news of it is posted besides.
func (d *Detector) endMaintenance(m *Maintenance) {
	e := d.event(Upkeep, Info, Note)
	e.Since, e.Pool = m.Since, d.st.Active
	active := "unknown"
	if d.st.Active != bluegreen.NoPool {
		active = d.st.Active.String()
	}
	var firing []string
	for _, t := range types() {
		if p := d.Phase(t); (p == Fires || p == Recovering) && !d.isOff(t) {
			firing = append(firing, string(t))
		}
	}
	e.Summary = fmt.Sprintf("maintenance ended: active=%s, error rate %.1f %%", active, e.Window.Rate)
	e.Cause = "no alert is firing"
	if len(firing) > 0 {
		e.Cause = "still firing: " + strings.Join(firing, ", ")
	}
	e.Command = "bgctl status"
	d.say(e)
}
