package alert

import (
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// backStep is how far time may run back before it counts as a clock step: records
// of several workers arrive slightly out of order.
const backStep = 5 * time.Second

// Detector turns records into events. It is not safe for concurrent use. Feed it
// records in log order and a tick about every second; do not tick with the wall
// clock while old records are read. It keeps nothing of a record and changes
// nothing in it, so that many detectors may look at the same one.
type Detector struct {
	cfg        Config
	rateLimits limits
	degrLimits limits
	slowLimits limits
	off        [typeCount]bool

	ring      ring
	st        Snapshot // but for what is kept below in a faster form
	posts     [typeCount]post
	releases  [3]string // by pool
	rateNotes notes
	failNotes notes
	downNotes notes
	degrNotes notes
	lat       latency

	pending  int       // types with a pending transition
	muteOld  time.Time // records before are old: see MuteBefore
	restored bool      // the state is older than this detector
	at       time.Time // time of the record or tick being handled
	out      []Event
}

// NewDetector returns a detector that has seen nothing. Settings that make no
// sense are brought into range; [Config.Validate] names them.
func NewDetector(cfg Config) *Detector {
	cfg = cfg.normal()
	d := &Detector{cfg: cfg, ring: newRing(cfg.Window, cfg.ShortWindow)}
	d.rateLimits = cfg.limits(cfg.ThresholdPercent, cfg.ClearPercent)
	d.degrLimits = cfg.limits(cfg.DegradedPercent, cfg.DegradedPercent/2)
	d.slowLimits = cfg.limits(slowShare, slowShare/2)
	for _, t := range cfg.Off {
		if i := t.index(); i >= 0 {
			d.off[i] = true
		}
	}
	d.st.Maintenance = cfg.Maintenance
	d.st.Assumed, d.st.Configured = cfg.Active, cfg.Active
	d.lat.init(&cfg)
	return d
}

// view is a record and what the detectors have in common to ask of it.
type view struct {
	rec    *logstream.Record
	active bluegreen.Pool // the pool the proxy was told to use
	served bluegreen.Pool // the pool that answered
	failed bool           // an attempt on the active pool failed
}

// Observe takes the next record and returns the transitions it caused. Only
// events that are not Muted are to be posted. rec is not kept.
func (d *Detector) Observe(rec *logstream.Record) []Event {
	at := rec.Time
	if at.IsZero() {
		at = d.st.Now // a foreign log without times goes by its order
	}
	d.begin(at)
	d.endSilence()
	d.st.LastRecord = d.st.Now
	v := view{rec: rec, active: rec.Active, served: rec.Served}
	if v.active == bluegreen.NoPool {
		v.active = d.assume(rec)
	}
	d.observeActive(v.active)
	proxied := rec.Proxied()
	if proxied {
		d.look(&v)
	}
	// The window comes first: events show it with the record that decided.
	counts := d.cfg.Counts(rec)
	var m mark
	if counts {
		m = d.cfg.markOf(rec, v.active, v.served)
		nanos := at.UnixNano()
		d.ring.expire(nanos, d.cfg.MaxAge)
		d.ring.add(nanos, m)
	}
	if proxied {
		// The order matters: all_down inhibits what follows.
		d.observeDown(&v)
		if !d.st.Balance.Done {
			d.observeBalance(&v)
		}
		d.observeFailover(&v)
	}
	if counts {
		d.observeRate(&v, m)
		d.observeDegraded(&v, m)
		if d.lat.on {
			d.observeLatency(&v, at)
		}
	}
	return d.end()
}

// look completes the view of a request that was handed to a pool.
func (d *Detector) look(v *view) {
	if d.st.Unnamed >= 0 {
		d.observeNames(v)
	}
	if v.served != bluegreen.NoPool {
		d.st.Serving = v.served
		if r := v.rec.Release; r != "" && r != d.releases[v.served] {
			d.releases[v.served] = strings.Clone(r)
		}
	}
	if v.active == bluegreen.NoPool {
		return
	}
	tries := v.rec.Attempts
	// Where the log names no pool for the first of two attempts, it was the active.
	v.failed = v.rec.FailedOn(v.active) || len(tries) > 1 && tries[0].Pool == bluegreen.NoPool && tries[0].Failed()
}

// Tick lets time pass without a record: deferred posts and reminders, the end of
// maintenance, flapping, missing traffic and a lost log. It never resolves what
// only requests can prove to be over, for silence is no proof of health.
func (d *Detector) Tick(now time.Time) []Event {
	d.begin(now)
	d.tickSource()
	d.tickSilence()
	return d.end()
}

func (d *Detector) begin(t time.Time) {
	d.out, d.at = nil, t
	if t.After(d.st.Now) {
		d.st.Now = t
	} else if t.Before(d.st.Now.Add(-backStep)) {
		d.stepBack(t)
	}
	if d.st.Maintenance.Scope != ScopeNone || d.st.MaintenanceOver != nil {
		d.boundMaintenance()
	}
}

func (d *Detector) end() []Event {
	if d.st.Flap.Firing {
		d.settleFlapping()
	}
	if d.pending > 0 || d.cfg.Repeat > 0 {
		d.reconcile()
	}
	return d.out
}

// stepBack keeps a clock that was set back from muting longer than intended: no
// timer has more to go afterwards than its whole length.
func (d *Detector) stepBack(now time.Time) {
	s := &d.st
	past := func(t *time.Time) {
		if t.After(now) {
			*t = now
		}
	}
	m := &s.Maintenance
	length := m.Until.Sub(m.Since)
	for i := range d.posts {
		p := &d.posts[i]
		past(&p.Last)
		if limit := now.Add(d.cfg.Cooldown); p.HoldUntil.After(limit) {
			p.HoldUntil = limit
		}
		if a := p.Ack; a != nil && a.At.After(now) {
			moved := *a
			moved.At, moved.Until = now, now.Add(a.Until.Sub(a.At))
			p.Ack = &moved
		}
	}
	for _, t := range []*time.Time{
		&s.LastRecord, &s.Rate.Low, &s.Degraded.Low, &s.Latency.Low, &s.Fail.RunStart, &s.Fail.FailedAt,
		&s.Rate.Since, &s.Degraded.Since, &s.Latency.Since, &s.Fail.Since, &s.Lost.Since, &m.Since,
	} {
		past(t)
	}
	for i := range s.Flap.Changes {
		past(&s.Flap.Changes[i])
	}
	if m.Scope != ScopeNone && !m.Since.IsZero() {
		m.Until = m.Since.Add(length)
	}
	s.Now = now
}

// event returns an event of the present moment with what all events carry.
func (d *Detector) event(t Type, status Status, severity Severity) Event {
	return Event{
		Time: d.at, Type: t, Status: status, Severity: severity,
		Active: d.st.Active, Window: d.Window(), Threshold: d.cfg.ThresholdPercent,
	}
}

// say yields an event that is said as it comes: a notice has no state that could
// be compared, and no cooldown.
func (d *Detector) say(e Event) {
	if d.isOff(e.Type) {
		return
	}
	d.number(&e)
	d.out = append(d.out, e)
}

// notice says something once.
func (d *Detector) notice(summary, cause string) {
	e := d.event(Notice, Info, Note)
	e.Summary, e.Cause, e.Command = summary, cause, "bgctl status"
	d.say(e)
}

// Phase returns where the alert of a type stands. Types without a state are always
// [Inactive].
func (d *Detector) Phase(t Type) Phase {
	// Missing traffic and a missing log are what is known when nothing else is.
	if p := d.phase(t); !d.st.Unknown || t == NoTraffic || t == SourceLost || stateless(t) {
		return p
	}
	return Unknown
}

// stateless reports whether events of a type neither fire nor resolve.
func stateless(t Type) bool { return t == Switch || t == Upkeep || t == Acked || t == Notice }

// fires reports whether an alert has fired and not resolved, whatever is known now.
func (d *Detector) fires(t Type) bool {
	p := d.phase(t)
	return p == Fires || p == Recovering
}

// phase is [Detector.Phase] as it was when last known.
func (d *Detector) phase(t Type) Phase {
	s := &d.st
	firing, p := false, Inactive
	switch t {
	case ErrorRate:
		p = s.Rate.phase()
	case Degraded:
		p = s.Degraded.phase()
	case Latency:
		p = s.Latency.phase()
	case AllDown:
		firing = s.Down.Firing
	case Failover:
		firing = s.Fail.Firing
	case Flapping:
		firing = s.Flap.Firing
	case NoTraffic:
		firing = !s.Silent.IsZero()
	case SourceLost:
		firing = s.Lost.Firing
	case Switch, Upkeep, Acked, Notice:
		return Inactive
	}
	if firing {
		return Fires
	}
	return p
}
