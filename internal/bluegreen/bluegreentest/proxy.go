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
	standing   map[bluegreen.Pool]bluegreen.Standing
	settings   map[string]string

	open []*FakeRouter

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
	// BadSetting is a value that nginx refuses in every setting.
	BadSetting string
	// FailRoute makes Route fail.
	FailRoute error
}

// NewProxy returns a proxy that sends traffic to active.
func NewProxy(active bluegreen.Pool) *Proxy {
	return &Proxy{
		active: active, faults: map[bluegreen.Pool]bluegreen.Fault{},
		Probes: map[bluegreen.Pool]bluegreen.ProbeResult{}, AppFaults: map[bluegreen.Pool]bluegreen.FaultMode{},
		standing: map[bluegreen.Pool]bluegreen.Standing{},
	}
}

// Open returns a router on the proxy.
func (p *Proxy) Open(context.Context) (bluegreen.Router, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &FakeRouter{proxy: p}
	p.open = append(p.open, r)
	return r, nil
}

// errBroken is what a connection says that broke.
var errBroken = errors.New("the connection broke")

// Break breaks every connection that is open, as an agent that is killed does. The locks
// of their holders are released.
func (p *Proxy) Break() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.open {
		r.broken = true
	}
	p.open, p.owner, p.holder, p.baker = nil, nil, nil, nil
}

// CutOff leaves an operation behind as a killed command does.
func (p *Proxy) CutOff(op bluegreen.Operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unfinished = &op
}

// answer is what a pool answers; the mutex is held.
func (p *Proxy) answer(pool bluegreen.Pool) bluegreen.ProbeResult {
	if res, ok := p.Probes[pool]; ok {
		return res
	}
	return bluegreen.ProbeResult{Status: 200, Pool: pool}
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
