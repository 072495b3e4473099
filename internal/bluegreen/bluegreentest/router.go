// Package bluegreentest holds the fakes of the domain's seams and the contract
// tests that fakes and real implementations both have to pass.
package bluegreentest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"bgctl/internal/bluegreen"
)

// FakeRouter is a [bluegreen.Router] in memory.
type FakeRouter struct {
	proxy  *Proxy
	broken bool
	baked  string // operation of the bake that it began
}

var _ bluegreen.Router = (*FakeRouter)(nil)

// errUnlocked refuses a change without the deployment's lock.
var errUnlocked = errors.New("the lock is not held")

// mayChange fails when a connection may not change a record: it needs the lock, or has to
// be the one that began the bake of the operation.
func (r *FakeRouter) mayChange(operation string) error {
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.broken:
		return errBroken
	case p.owner == r, operation != "" && r.baked == operation:
		return nil
	}
	return errUnlocked
}

// isBroken reports whether the connection broke.
func (r *FakeRouter) isBroken() bool {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	return r.broken
}

// Status implements [bluegreen.Router].
func (r *FakeRouter) Status(ctx context.Context) (bluegreen.RouterStatus, error) {
	if r.isBroken() {
		return bluegreen.RouterStatus{}, errBroken
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	st := bluegreen.RouterStatus{Active: p.active}
	if p.owner != nil && p.owner != r {
		st.Lock = p.holder
	}
	if st.Lock == nil {
		st.Unfinished = p.unfinished
	} else {
		st.Current = p.unfinished
	}
	st.Solo = p.solo
	if p.bake != nil {
		b := *p.bake
		b.Live = p.baker != nil
		st.Bake = &b
	}
	for _, op := range p.Journal {
		if op.Moved() || op.Installed() {
			st.Moves = append(st.Moves, op)
		}
	}
	if n := len(p.Journal); n > 0 {
		st.Last = &p.Journal[n-1]
	}
	st.Settings, st.Answers = maps.Clone(p.settings), map[bluegreen.Pool]bluegreen.ProbeResult{}
	for _, pool := range bluegreen.Pools() {
		if f, ok := p.faults[pool]; ok {
			st.Faults = append(st.Faults, f)
		}
		if s, ok := p.standing[pool]; ok {
			st.Standing = append(st.Standing, s)
		}
		st.Answers[pool] = p.answer(pool)
	}
	return st, ctx.Err()
}

// Lock implements [bluegreen.Router].
func (r *FakeRouter) Lock(_ context.Context, holder bluegreen.Holder) error {
	if r.isBroken() {
		return errBroken
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner != nil && p.owner != r {
		return &bluegreen.LockedError{Holder: *p.holder}
	}
	p.owner, p.holder = r, &holder
	return nil
}

// Unlock implements [bluegreen.Router].
func (r *FakeRouter) Unlock(context.Context) error {
	if r.isBroken() {
		return errBroken
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owner == r {
		p.owner, p.holder = nil, nil
	}
	return nil
}

// Route implements [bluegreen.Router].
func (r *FakeRouter) Route(_ context.Context, pool bluegreen.Pool) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.FailRoute != nil {
		return p.FailRoute
	}
	if pool == bluegreen.NoPool {
		return errors.New("no pool")
	}
	p.active = pool
	return nil
}

// Probe implements [bluegreen.Router].
func (r *FakeRouter) Probe(_ context.Context, probes bluegreen.Probes) ([]bluegreen.ProbeResult, error) {
	if r.isBroken() {
		return nil, errBroken
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]bluegreen.ProbeResult, probes.Count)
	for i := range out {
		out[i] = p.answer(probes.Pool)
	}
	return out, nil
}

// Verify implements [bluegreen.Router].
func (r *FakeRouter) Verify(context.Context) (bluegreen.Routing, error) {
	if r.isBroken() {
		return bluegreen.Routing{}, errBroken
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	answer := r.proxy.answer(r.proxy.active)
	return bluegreen.Routing{Active: r.proxy.active, Answer: &answer}, nil
}

// SetStanding implements [bluegreen.Router].
func (r *FakeRouter) SetStanding(_ context.Context, s bluegreen.Standing) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.standing[s.Pool] = s
	return nil
}

// Configure implements [bluegreen.Router].
func (r *FakeRouter) Configure(_ context.Context, c bluegreen.Configuration) ([]string, error) {
	if err := r.mayChange(""); err != nil && !c.Check {
		return nil, err
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
		if p.BadSetting != "" && c.Settings[name] == p.BadSetting {
			return nil, &bluegreen.SettingError{Reason: name + "=" + p.BadSetting + " is refused"}
		}
		if p.settings[name] != c.Settings[name] {
			changed = append(changed, name)
		}
	}
	if !c.Check {
		p.settings = maps.Clone(c.Settings)
	}
	return changed, nil
}

// Begin implements [bluegreen.Router].
func (r *FakeRouter) Begin(_ context.Context, op bluegreen.Operation) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	r.proxy.CutOff(op)
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.Phases = append(r.proxy.Phases, op.Phase)
	return nil
}

// Finish implements [bluegreen.Router].
func (r *FakeRouter) Finish(_ context.Context, op bluegreen.Operation) error {
	if err := r.mayChange(op.ID); err != nil {
		return err
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unfinished != nil && p.unfinished.ID == op.ID {
		p.unfinished = nil
	}
	for i := range p.Journal {
		if op.ID != "" && p.Journal[i].ID == op.ID {
			p.Journal[i] = op
			return nil
		}
	}
	p.Journal = append(p.Journal, op)
	return nil
}

// SetFault implements [bluegreen.Router].
func (r *FakeRouter) SetFault(_ context.Context, f bluegreen.Fault) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.faults[f.Pool] = f
	return nil
}

// ClearFault implements [bluegreen.Router].
func (r *FakeRouter) ClearFault(_ context.Context, pool bluegreen.Pool) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	delete(r.proxy.faults, pool)
	return nil
}

// Chaos implements [bluegreen.Router].
func (r *FakeRouter) Chaos(_ context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
	if r.isBroken() {
		return errBroken
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	if r.proxy.NoChaos {
		return bluegreen.ErrNoChaos
	}
	r.proxy.AppFaults[pool] = mode
	return nil
}

// SetSolo implements [bluegreen.Router].
func (r *FakeRouter) SetSolo(_ context.Context, solo *bluegreen.Solo) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.solo = solo
	return nil
}

// InFlight implements [bluegreen.Router].
func (r *FakeRouter) InFlight(_ context.Context, addrs []string) (int, error) {
	if r.isBroken() {
		return 0, errBroken
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	n := 0
	for _, addr := range addrs {
		n += r.proxy.Connections[addr]
	}
	return n, nil
}

// BeginBake implements [bluegreen.Router].
func (r *FakeRouter) BeginBake(_ context.Context, bake bluegreen.Bake) error {
	if err := r.mayChange(""); err != nil {
		return err
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.baker != nil && p.baker != r {
		return errors.New("another bake is running")
	}
	p.bake, p.baker, r.baked = &bake, r, bake.Operation
	return nil
}

// UpdateBake implements [bluegreen.Router].
func (r *FakeRouter) UpdateBake(_ context.Context, bake bluegreen.Bake) (bool, error) {
	if r.isBroken() {
		return false, errBroken
	}
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bake == nil || p.baker != r {
		return false, nil
	}
	p.bake = &bake
	return true, nil
}

// EndBake implements [bluegreen.Router].
func (r *FakeRouter) EndBake(_ context.Context, operation string) error {
	if err := r.mayChange(operation); err != nil {
		return err
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	if b := r.proxy.bake; b != nil && b.Operation != operation {
		return nil
	}
	r.proxy.bake = nil
	if r.proxy.baker == r {
		r.proxy.baker = nil
	}
	return nil
}

// History implements [bluegreen.Router].
func (r *FakeRouter) History(context.Context) ([]bluegreen.Operation, error) {
	if r.isBroken() {
		return nil, errBroken
	}
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	return append([]bluegreen.Operation(nil), r.proxy.Journal...), nil
}

// Close implements [bluegreen.Router].
func (r *FakeRouter) Close() error {
	r.proxy.mu.Lock()
	if r.proxy.baker == r {
		r.proxy.baker = nil
	}
	r.proxy.mu.Unlock()
	if r.isBroken() {
		return nil
	}
	return r.Unlock(context.Background())
}
