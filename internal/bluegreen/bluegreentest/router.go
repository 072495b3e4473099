// Package bluegreentest holds the fakes of the domain's seams and the contract
// tests that fakes and real implementations both have to pass.
package bluegreentest

import (
	"context"
	"errors"
	"sync"

	"bgctl/internal/bluegreen"
)

// Proxy is the state that every [FakeRouter] opened on it shares.
type Proxy struct {
	mu         sync.Mutex
	active     bluegreen.Pool
	holder     *bluegreen.Holder
	owner      *FakeRouter
	unfinished *bluegreen.Operation
	Journal    []bluegreen.Operation
	faults     map[bluegreen.Pool]bluegreen.Fault
	solo       *bluegreen.Solo
	bake       *bluegreen.Bake
	baker      *FakeRouter

	// Open connections to each address.
	Connections map[string]int
	// Phases are the operations as Begin recorded them.
	Phases []bluegreen.StepOp
	// Answers of the pools to probes; a missing one is 200 from the pool.
	Probes map[bluegreen.Pool]bluegreen.ProbeResult
	// AppFaults are the chaos commands the demo apps got.
	AppFaults map[bluegreen.Pool]bluegreen.FaultMode
	// NoChaos makes the pools applications without a switch for faults.
	NoChaos bool
	// FailRoute makes Route fail.
	FailRoute error
}

// NewProxy returns a proxy that sends traffic to active.
func NewProxy(active bluegreen.Pool) *Proxy {
	return &Proxy{
		active: active, faults: map[bluegreen.Pool]bluegreen.Fault{},
		Probes: map[bluegreen.Pool]bluegreen.ProbeResult{}, AppFaults: map[bluegreen.Pool]bluegreen.FaultMode{},
	}
}

// Open returns a router on the proxy.
func (p *Proxy) Open(context.Context) (bluegreen.Router, error) { return &FakeRouter{proxy: p}, nil }

// CutOff leaves an operation behind as a killed command does.
func (p *Proxy) CutOff(op bluegreen.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unfinished = &op
}

// FakeRouter is a [bluegreen.Router] in memory.
type FakeRouter struct{ proxy *Proxy }

var _ bluegreen.Router = (*FakeRouter)(nil)

// Status implements [bluegreen.Router].
func (r *FakeRouter) Status(ctx context.Context) (bluegreen.RouterStatus, error) {
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
	for _, pool := range bluegreen.Pools() {
		if f, ok := p.faults[pool]; ok {
			st.Faults = append(st.Faults, f)
		}
	}
	return st, ctx.Err()
}

// Lock implements [bluegreen.Router].
func (r *FakeRouter) Lock(_ context.Context, holder bluegreen.Holder) error {
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
func (r *FakeRouter) Probe(_ context.Context, pool bluegreen.Pool, n int) ([]bluegreen.ProbeResult, error) {
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	res, ok := p.Probes[pool]
	if !ok {
		res = bluegreen.ProbeResult{Status: 200, Pool: pool}
	}
	out := make([]bluegreen.ProbeResult, n)
	for i := range out {
		out[i] = res
	}
	return out, nil
}

// Verify implements [bluegreen.Router].
func (r *FakeRouter) Verify(context.Context) (bluegreen.Pool, error) {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	return r.proxy.active, nil
}

// Begin implements [bluegreen.Router].
func (r *FakeRouter) Begin(_ context.Context, op bluegreen.Operation) error {
	r.proxy.CutOff(op)
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.Phases = append(r.proxy.Phases, op.Phase)
	return nil
}

// Finish implements [bluegreen.Router].
func (r *FakeRouter) Finish(_ context.Context, op bluegreen.Operation) error {
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
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.faults[f.Pool] = f
	return nil
}

// ClearFault implements [bluegreen.Router].
func (r *FakeRouter) ClearFault(_ context.Context, pool bluegreen.Pool) error {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	delete(r.proxy.faults, pool)
	return nil
}

// Chaos implements [bluegreen.Router].
func (r *FakeRouter) Chaos(_ context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
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
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.solo = solo
	return nil
}

// InFlight implements [bluegreen.Router].
func (r *FakeRouter) InFlight(_ context.Context, addrs []string) (int, error) {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	n := 0
	for _, addr := range addrs {
		n += r.proxy.Connections[addr]
	}
	return n, nil
}

// Connect sets how many connections the proxy has open to an address.
func (p *Proxy) Connect(addr string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Connections == nil {
		p.Connections = map[string]int{}
	}
	p.Connections[addr] = n
}

// BeginBake implements [bluegreen.Router].
func (r *FakeRouter) BeginBake(_ context.Context, bake bluegreen.Bake) error {
	p := r.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.baker != nil && p.baker != r {
		return errors.New("another bake is running")
	}
	p.bake, p.baker = &bake, r
	return nil
}

// UpdateBake implements [bluegreen.Router].
func (r *FakeRouter) UpdateBake(_ context.Context, bake bluegreen.Bake) (bool, error) {
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
func (r *FakeRouter) EndBake(context.Context) error {
	r.proxy.mu.Lock()
	defer r.proxy.mu.Unlock()
	r.proxy.bake = nil
	if r.proxy.baker == r {
		r.proxy.baker = nil
	}
	return nil
}

// History implements [bluegreen.Router].
func (r *FakeRouter) History(context.Context) ([]bluegreen.Operation, error) {
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
	return r.Unlock(context.Background())
}
