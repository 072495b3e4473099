package alert

import (
	"maps"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
)

// snapshotVersion changes when the meaning of a field changes.
const snapshotVersion = 1

// Snapshot is the whole state of a [Detector] between two records. It survives
// JSON: a detector restored from it goes on as if it had never stopped.
type Snapshot struct {
	Version     int               `json:"version"`
	Seq         uint64            `json:"seq"` // number of the last event
	Now         time.Time         `json:"now,omitzero"`
	LastRecord  time.Time         `json:"last_record,omitzero"`
	Active      bluegreen.Pool    `json:"active,omitempty"` // confirmed active pool
	Serving     bluegreen.Pool    `json:"serving,omitempty"`
	Releases    map[string]string `json:"releases,omitempty"` // pool to release last seen
	Maintenance Maintenance       `json:"maintenance,omitzero"`
	Posts       map[Type]post     `json:"posts,omitempty"`
	Rate        rateState         `json:"rate"`
	Fail        failState         `json:"failover"`
	Down        downState         `json:"all_down"`
	Flap        flapState         `json:"flapping"`
	Move        moveState         `json:"switch"`
	Silent      time.Time         `json:"silent,omitzero"` // no traffic: firing since
	Unnamed     int               `json:"unnamed"`         // proxied lines without pool names, -1 when named or said
	Times       []int64           `json:"times,omitempty"` // the window, oldest first
	Marks       []mark            `json:"marks,omitempty"`
}

// State returns a copy of the durable state.
func (d *Detector) State() Snapshot {
	s := d.st
	s.Version = snapshotVersion
	s.Posts = maps.Clone(s.Posts)
	s.Releases = map[string]string{}
	for _, pool := range bluegreen.Pools() {
		if release := d.releases[pool]; release != "" {
			s.Releases[pool.String()] = release
		}
	}
	s.Flap.Changes = slices.Clone(s.Flap.Changes)
	s.Times, s.Marks = make([]int64, d.ring.n), make([]mark, d.ring.n)
	for i := range d.ring.n {
		s.Times[i] = d.ring.times[(d.ring.head+i)%len(d.ring.times)]
		s.Marks[i] = d.ring.at(i)
	}
	return s
}

// Restore replaces the state of d. A snapshot of another version is ignored:
// starting afresh is better than acting on numbers that mean something else.
// Maintenance that is configured wins over that of the snapshot.
func (d *Detector) Restore(s Snapshot) {
	if s.Version != snapshotVersion {
		return
	}
	d.ring = newRing(d.cfg.Window)
	for i := range min(len(s.Times), len(s.Marks)) {
		d.ring.add(s.Times[i], s.Marks[i])
	}
	for _, pool := range bluegreen.Pools() {
		d.releases[pool] = s.Releases[pool.String()]
	}
	s.Times, s.Marks, s.Releases = nil, nil, nil
	if d.cfg.Maintenance.Scope != ScopeNone {
		s.Maintenance = d.cfg.Maintenance
	}
	s.Posts = maps.Clone(s.Posts)
	if s.Posts == nil {
		s.Posts = map[Type]post{}
	}
	s.Flap.Changes = slices.Clone(s.Flap.Changes)
	d.st, d.pending = s, 0
	for _, p := range s.Posts {
		if p.Pending != nil {
			d.pending++
		}
	}
}
