package alert

import (
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	// backStep is how far time may run back before it counts as a clock step:
	// records of several workers arrive slightly out of order.
	backStep = 5 * time.Second
	// unnamedLimit is how many proxied lines without pool names are waited for.
	unnamedLimit = 50
)

// Detector turns records into events. It is not safe for concurrent use. Feed it
// records in log order and a tick about every second; do not tick with the wall
// clock while old records are read.
type Detector struct {
	cfg      Config
	ring     ring
	st       Snapshot
	releases [3]string // by pool, kept out of the snapshot's map for speed
	pending  int       // types with a pending transition
	at       time.Time // time of the record or tick being handled
	out      []Event
}

// NewDetector returns a detector that has seen nothing. Settings that make no
// sense are brought into range; [Config.Validate] names them.
func NewDetector(cfg Config) *Detector {
	cfg = cfg.normal()
	d := &Detector{cfg: cfg, ring: newRing(cfg.Window)}
	d.st.Posts = map[Type]post{}
	d.st.Maintenance = cfg.Maintenance
	return d
}

// Observe takes the next record and returns the transitions it caused. Only
// events that are not Muted are to be posted. rec is not kept.
func (d *Detector) Observe(rec *logstream.Record) []Event {
	d.begin(rec.Time)
	d.st.LastRecord = d.st.Now
	d.endSilence()
	active := rec.Active
	if active == bluegreen.NoPool {
		active = d.cfg.Active
	}
	d.observeActive(active)
	if rec.Proxied() {
		if rec.Served != bluegreen.NoPool {
			d.st.Serving = rec.Served
			if rec.Release != "" {
				d.releases[rec.Served] = rec.Release
			}
		}
		m := markOf(rec, d.cfg.Classes)
		counts := d.cfg.Counts(rec)
		if counts {
			nanos := rec.Time.UnixNano()
			d.ring.expire(nanos, d.cfg.MaxAge)
			d.ring.add(nanos, m)
		}
		d.observeNames(rec, active)
		// The order matters: all_down inhibits the two that follow.
		d.observeDown(rec)
		d.observeFailover(rec, active)
		if counts {
			d.observeRate(rec, m)
		}
	}
	return d.end()
}

// Tick lets time pass without a record: deferred posts, the end of maintenance,
// flapping and missing traffic. It never resolves an error rate or a failover,
// for silence is no proof of health.
func (d *Detector) Tick(now time.Time) []Event {
	d.begin(now)
	d.tickSilence()
	return d.end()
}

func (d *Detector) begin(t time.Time) {
	d.out, d.at = nil, t
	if t.Before(d.st.Now.Add(-backStep)) {
		d.clampTimers(t)
		d.st.Now = t
	} else if t.After(d.st.Now) {
		d.st.Now = t
	}
	if d.st.Maintenance.Scope != ScopeNone {
		d.boundMaintenance()
	}
}

func (d *Detector) end() []Event {
	d.settleFlapping()
	d.reconcile()
	return d.out
}

// clampTimers keeps a clock that stepped back from muting longer than intended.
func (d *Detector) clampTimers(now time.Time) {
	clamp := func(t *time.Time, limit time.Time) {
		if t.After(limit) {
			*t = limit
		}
	}
	for t, p := range d.st.Posts {
		clamp(&p.Last, now)
		clamp(&p.HoldUntil, now.Add(d.cfg.Cooldown))
		d.st.Posts[t] = p
	}
	clamp(&d.st.LastRecord, now)
	clamp(&d.st.Rate.Low, now)
	clamp(&d.st.Fail.RunStart, now)
	clamp(&d.st.Fail.FailedAt, now)
	for i := range d.st.Flap.Changes {
		clamp(&d.st.Flap.Changes[i], now)
	}
}

// event returns an event of the present moment with what all events carry.
func (d *Detector) event(t Type, status Status, severity Severity) Event {
	return Event{
		Time: d.at, Type: t, Status: status, Severity: severity,
		Active: d.st.Active, Window: d.Window(), Threshold: d.cfg.ThresholdPercent,
	}
}

// moveState watches the pool the proxy was told to use.
type moveState struct {
	Next bluegreen.Pool `json:"next,omitempty"` // pool that may become the active one
	Run  int            `json:"run,omitempty"`
}

// switchRun is how many lines in a row must name the new active pool: after a
// reload the old workers still write a few lines with the old name.
const switchRun = 3

func (d *Detector) observeActive(active bluegreen.Pool) {
	s := &d.st
	switch {
	case active == bluegreen.NoPool:
		return
	case s.Active == bluegreen.NoPool:
		s.Active = active
		p := s.Posts[Switch]
		p.Announced = "to:" + active.String()
		s.Posts[Switch] = p
		return
	case active == s.Active:
		s.Move = moveState{}
		return
	case active != s.Move.Next:
		s.Move = moveState{Next: active}
	}
	if s.Move.Run++; s.Move.Run < switchRun {
		return
	}
	from := s.Active
	s.Active, s.Move = active, moveState{}
	e := d.event(Switch, Info, Note)
	e.From, e.To, e.Pool, e.Release = from, active, active, d.releases[active]
	e.Summary = "traffic switched from " + from.String() + " to " + active.String()
	e.Cause = "the proxy was told to use " + active.String()
	e.Command = "bgctl status"
	d.announce(e)
	d.switched(active)
}

// observeNames says once that a log does not tell which pool is which.
func (d *Detector) observeNames(rec *logstream.Record, active bluegreen.Pool) {
	s := &d.st
	if s.Unnamed < 0 {
		return
	}
	if active != bluegreen.NoPool && rec.Served != bluegreen.NoPool {
		s.Unnamed = -1
		return
	}
	if s.Unnamed++; s.Unnamed < unnamedLimit {
		return
	}
	e := d.event(Notice, Info, Note)
	e.Summary = "the log does not name the active pool: failover and switch detection is off"
	e.Cause = "no \"active\" in the log lines"
	if active != bluegreen.NoPool {
		e.Summary = "the log does not name the pool that answered: failover detection is off"
		e.Cause = "no X-App-Pool and no known upstream address in the log lines"
	}
	e.Command = "bgctl status"
	s.Unnamed = -1
	d.number(&e)
	d.out = append(d.out, e)
}

func (d *Detector) tickSilence() {
	s := &d.st
	limit := d.cfg.NoTraffic
	if limit <= 0 || s.LastRecord.IsZero() || !s.Silent.IsZero() || s.Now.Sub(s.LastRecord) < limit {
		return
	}
	s.Silent = s.Now
	e := d.event(NoTraffic, Firing, Warning)
	e.Since = s.Silent
	e.Summary = "no request for " + short(s.Now.Sub(s.LastRecord))
	e.Cause = "no traffic, or the log is not written"
	e.Command = "bgctl status"
	d.announce(e)
}

func (d *Detector) endSilence() {
	if d.st.Silent.IsZero() {
		return
	}
	e := d.event(NoTraffic, Resolved, Good)
	e.Since = d.st.Silent
	e.Summary = "requests arrive again after " + short(d.st.Now.Sub(d.st.Silent))
	d.st.Silent = time.Time{}
	d.announce(e)
}
