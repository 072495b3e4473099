package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	// probeLimit bounds one request of a probe that names no limit, and of a verification.
	probeLimit = 2 * time.Second
	// probesMost is how many requests one probe may ask for.
	probesMost = 100
)

// Agent answers requests about one proxy from inside its container.
type Agent struct {
	Dir     *Dir
	HTTP    Asker  // requests to nginx and, through it, to the pools
	Conf    *Conf  // nginx.conf; nil where there is none to change
	Version string // of bgctl, told in the greeting

	pools prober
}

// Asker asks nginx over its private listener, on a fresh connection each time.
type Asker interface {
	// Stub returns the open client connections and the requests served so far.
	Stub(ctx context.Context) (connections int, requests uint64, err error)
	// Probe asks pool for its health path, for as long as limit.
	Probe(ctx context.Context, pool bluegreen.Pool, limit time.Duration) bluegreen.ProbeResult
	// Verify asks for the health path the way the users' requests go.
	Verify(ctx context.Context, limit time.Duration) (bluegreen.Routing, error)
	// Generation returns the mark of the configuration that a worker runs with.
	Generation(ctx context.Context) (string, error)
	// Chaos sends the demo app of pool a fault command.
	Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error
	// InFlight counts the connections that are open to addrs.
	InFlight(addrs []string) (int, error)
}

// answer does what one request asks.
func (a *Agent) answer(ctx context.Context, req *request) response {
	var resp response
	err := a.handle(ctx, req, &resp)
	if err != nil {
		var setting *bluegreen.SettingError
		var lock *LockNeededError
		resp.Error, resp.NoChaos = err.Error(), errors.Is(err, bluegreen.ErrNoChaos)
		resp.Setting, resp.NoLock = errors.As(err, &setting), errors.As(err, &lock)
	}
	return resp
}

// handle dispatches one request.
func (a *Agent) handle(ctx context.Context, req *request, resp *response) (err error) {
	switch req.Op {
	case opStatus:
		return a.status(ctx, resp)
	case opLock:
		return a.lock(ctx, req, resp)
	case opUnlock:
		return a.Dir.Unlock()
	case opProbe:
		return a.probe(ctx, req, resp)
	case opVerify:
		routing, err := a.HTTP.Verify(ctx, probeLimit)
		resp.Pool, resp.Answer = routing.Active, routing.Answer
		return err
	case opChaos:
		return a.HTTP.Chaos(ctx, req.Pool, req.Mode)
	case opInFlight:
		resp.N, err = a.HTTP.InFlight(req.Addrs)
		return err
	case opHistory:
		resp.Ops, err = a.Dir.Journal()
		return err
	case opUpdateBake:
		if req.Bake == nil {
			return errors.New("update-bake: no bake given")
		}
		resp.Stands, err = a.Dir.UpdateBake(*req.Bake)
		return err
	}
	return a.change(ctx, req, resp)
}

// change handles the requests that only the holder of the lock may make.
func (a *Agent) change(ctx context.Context, req *request, resp *response) error {
	switch req.Op {
	case opRoute, opBegin, opFinish, opSetFault, opClearFault, opSolo, opSetStanding, opBeginBake, opEndBake, opConfigure:
	default:
		return fmt.Errorf("%s %q", unknownRequest, req.Op)
	}
	switch {
	case !a.mayChange(req):
		return &LockNeededError{Op: req.Op}
	case req.Op == opConfigure:
		return a.configure(ctx, req, resp)
	}
	return a.record(ctx, req)
}

// mayChange reports whether the session may change a record: as the holder of the
// lock, or because it began the bake that is ended and written down.
func (a *Agent) mayChange(req *request) bool {
	switch {
	case a.Dir.Locked():
		return true
	case req.Op == opFinish && req.Entry != nil:
		return a.Dir.Baked(req.Entry.ID)
	case req.Op == opEndBake:
		return a.Dir.Baked(req.Operation)
	case req.Op == opConfigure && req.Config != nil:
		return req.Config.Check
	}
	return false
}

// record handles the requests that change the flag, the journal or another record.
func (a *Agent) record(ctx context.Context, req *request) error {
	switch {
	case req.Op == opRoute:
		return a.Dir.Route(req.Pool)
	case req.Op == opBegin && req.Entry != nil:
		return a.Dir.Begin(*req.Entry)
	case req.Op == opFinish && req.Entry != nil:
		return a.Dir.Finish(*req.Entry)
	case req.Op == opSetFault && req.Fault != nil:
		return a.Dir.SetFault(*req.Fault)
	case req.Op == opClearFault:
		return a.Dir.ClearFault(req.Pool)
	case req.Op == opSolo:
		return a.Dir.SetSolo(req.Solo)
	case req.Op == opSetStanding && req.Standing != nil:
		return a.Dir.SetStanding(*req.Standing)
	case req.Op == opBeginBake && req.Bake != nil:
		return a.Dir.BeginBake(ctx, *req.Bake)
	case req.Op == opEndBake:
		return a.Dir.EndBake(req.Operation)
	}
	return fmt.Errorf("%s: nothing given to record", req.Op)
}

// probe asks a pool as often as it is told. Every request ends by itself.
func (a *Agent) probe(ctx context.Context, req *request, resp *response) error {
	limit := req.Timeout
	if limit <= 0 {
		limit = probeLimit
	}
	for range min(req.N, probesMost) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("probe %s: %w", req.Pool, err)
		}
		resp.Probes = append(resp.Probes, a.HTTP.Probe(ctx, req.Pool, limit))
	}
	return nil
}

// status reads the directory and asks nginx.
func (a *Agent) status(ctx context.Context, resp *response) error {
	st, err := a.Dir.Status()
	if err != nil {
		return err
	}
	st.Connections, st.Requests, err = a.HTTP.Stub(ctx)
	if err != nil {
		return fmt.Errorf("nginx does not answer on its private listener: %w", err)
	}
	st.Agent, st.Answers = a.Version, a.pools.newest(ctx)
	if a.Conf != nil {
		st.Settings, st.Trouble = a.Conf.InForce()
	}
	resp.Status = &st
	return nil
}

// lock takes the lock or says who has it.
func (a *Agent) lock(ctx context.Context, req *request, resp *response) error {
	if req.Holder == nil {
		return errors.New("lock: no holder given")
	}
	holder, ok, err := a.Dir.Lock(ctx, *req.Holder)
	if !ok && err == nil {
		resp.Locked = holder
	}
	return err
}

// configure tests settings and puts them in force.
func (a *Agent) configure(ctx context.Context, req *request, resp *response) (err error) {
	if req.Config == nil || a.Conf == nil {
		return errors.New("configure: no settings given, or no nginx to configure")
	}
	if req.Config.Check {
		resp.Changed, err = a.Conf.Check(ctx, req.Config.Settings)
		return err
	}
	resp.Changed, err = a.Conf.Apply(ctx, req.Config.Settings, a.HTTP.Generation)
	return err
}
