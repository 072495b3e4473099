package alert

import (
	"maps"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
)

// snapshotVersion changes when the meaning of a field changes. Version 1 had
// neither the alerts nor the flags of a mark that later ones have.
const snapshotVersion = 2

// Snapshot is the whole state of a [Detector] between two records. It survives
// JSON: a detector restored from it goes on as if it had never stopped.
type Snapshot struct {
	Version         int               `json:"version"`
	Seq             uint64            `json:"seq"` // number of the last event
	Now             time.Time         `json:"now,omitzero"`
	LastRecord      time.Time         `json:"last_record,omitzero"`
	Active          bluegreen.Pool    `json:"active,omitempty"` // confirmed active pool
	Serving         bluegreen.Pool    `json:"serving,omitempty"`
	Assumed         bluegreen.Pool    `json:"assumed,omitempty"`    // active pool of lines that do not name it
	Configured      bluegreen.Pool    `json:"configured,omitempty"` // where that came from
	Tried           [3]int            `json:"tried,omitzero"`       // first attempts by pool, until it is known
	Releases        map[string]string `json:"releases,omitempty"`   // pool to release last seen
	Addrs           [3]string         `json:"addrs,omitzero"`       // by pool, for logs without pool names
	Maintenance     Maintenance       `json:"maintenance,omitzero"`
	MaintenanceOver *Maintenance      `json:"maintenance_over,omitempty"` // its end is still to be said
	Posts           map[Type]post     `json:"posts,omitempty"`
	Rate            rateState         `json:"rate"`
	Degraded        degradedState     `json:"degraded,omitzero"`
	Latency         latencyState      `json:"latency,omitzero"`
	Fail            failState         `json:"failover"`
	Down            downState         `json:"all_down"`
	Flap            flapState         `json:"flapping"`
	Move            moveState         `json:"switch"`
	Balance         balanceState      `json:"balance,omitzero"`
	Lost            lostState         `json:"lost,omitzero"`
	Unknown         bool              `json:"unknown,omitempty"`
	Silent          time.Time         `json:"silent,omitzero"` // no traffic: firing since
	Unnamed         int               `json:"unnamed"`         // proxied lines without pool names, -1 when named
	Times           []int64           `json:"times,omitempty"` // the window, oldest first
	Marks           []mark            `json:"marks,omitempty"`
}

// State returns a copy of the durable state.
func (d *Detector) State() Snapshot {
	s := d.st
	s.Version = snapshotVersion
	s.Posts = map[Type]post{}
	for i, t := range types() {
		if p := d.posts[i]; p != (post{}) {
			s.Posts[t] = p // what it points to is never changed
		}
	}
	s.Releases = map[string]string{}
	for _, pool := range bluegreen.Pools() {
		if release := d.releases[pool]; release != "" {
			s.Releases[pool.String()] = release
		}
	}
	s.Rate.First, s.Rate.Last = d.rateNotes.first.sample(), d.rateNotes.last.sample()
	s.Fail.First, s.Fail.Last = d.failNotes.first.sample(), d.failNotes.last.sample()
	s.Down.First, s.Down.Last = d.downNotes.first.sample(), d.downNotes.last.sample()
	s.Degraded.First, s.Degraded.Last = d.degrNotes.first.sample(), d.degrNotes.last.sample()
	s.Flap.Changes = slices.Clone(s.Flap.Changes)
	s.Times, s.Marks = make([]int64, d.ring.n), make([]mark, d.ring.n)
	for i := range d.ring.n {
		s.Times[i] = d.ring.times[(d.ring.head+i)%len(d.ring.times)]
		s.Marks[i] = d.ring.at(i)
	}
	d.lat.save(&s.Latency)
	return s
}

// save puts the window into a snapshot. The slices of what is usual are replaced,
// never changed, but their map is not.
func (l *latency) save(s *latencyState) {
	if !l.on {
		return
	}
	s.Usual = maps.Clone(s.Usual)
	s.Took, s.Times = make([]time.Duration, l.n), make([]int64, l.n)
	for i := range l.n {
		s.Took[i], s.Times[i] = l.took[l.at(i)], l.times[l.at(i)]
	}
}

// Restore replaces the state of d. A snapshot of a version that is not known is
// ignored: starting afresh is better than acting on numbers that mean something
// else. Configuration wins over the snapshot: a maintenance or an active pool that
// was configured anew, a smaller window, an alert that is off now.
func (d *Detector) Restore(s Snapshot) {
	switch s.Version {
	case snapshotVersion:
	case 1:
		upgrade(&s)
	default:
		return
	}
	d.restored = true
	d.ring = newRing(d.cfg.Window, d.cfg.ShortWindow)
	for i := range min(len(s.Times), len(s.Marks)) {
		d.ring.add(s.Times[i], s.Marks[i])
	}
	for _, pool := range bluegreen.Pools() {
		d.releases[pool] = s.Releases[pool.String()]
	}
	d.rateNotes.restore(s.Rate.First, s.Rate.Last)
	d.failNotes.restore(s.Fail.First, s.Fail.Last)
	d.downNotes.restore(s.Down.First, s.Down.Last)
	d.degrNotes.restore(s.Degraded.First, s.Degraded.Last)
	if m := d.cfg.Maintenance; m.Scope != ScopeNone && (s.Maintenance.Scope == ScopeNone || !m.Until.IsZero()) {
		s.Maintenance = m
	}
	if s.Configured != d.cfg.Active || s.Assumed == bluegreen.NoPool {
		s.Assumed, s.Configured = d.cfg.Active, d.cfg.Active
	}
	d.pending = 0
	for i, t := range types() {
		d.posts[i] = s.Posts[t]
		if d.off[i] {
			d.posts[i] = post{}
		}
		if d.posts[i].Pending != nil {
			d.pending++
		}
	}
	took, times := s.Latency.Took, s.Latency.Times
	s.Times, s.Marks, s.Releases, s.Posts, s.Latency.Took, s.Latency.Times = nil, nil, nil, nil, nil, nil
	s.Rate.First, s.Rate.Last, s.Fail.First, s.Fail.Last = nil, nil, nil, nil
	s.Down.First, s.Down.Last, s.Degraded.First, s.Degraded.Last = nil, nil, nil, nil
	s.Flap.Changes = slices.Clone(s.Flap.Changes)
	s.Flap.Firing = s.Flap.Firing && len(s.Flap.Changes) > 0
	d.st = s
	d.restoreLatency(took, times)
}

func (d *Detector) restoreLatency(took []time.Duration, times []int64) {
	s := &d.st.Latency
	d.lat = latency{}
	if d.lat.init(&d.cfg); !d.lat.on {
		*s = latencyState{}
		return
	}
	s.Usual = maps.Clone(s.Usual)
	d.lat.judge(d.latencyLimit())
	for i := range min(len(took), len(times)) {
		d.lat.add(times[i], took[i])
	}
}

// upgrade makes a snapshot of version 1 one of today: its marks knew an error only
// by the kind.
func upgrade(s *Snapshot) {
	s.Marks = slices.Clone(s.Marks)
	for i, m := range s.Marks {
		if m.kind() == CellError {
			s.Marks[i] = m | markClient | markCounted
		}
	}
	s.Balance.Done = true
	s.Fail.Seen = true
	s.Version = snapshotVersion
}
