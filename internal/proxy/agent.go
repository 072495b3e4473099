package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"bgctl/internal/bluegreen"
)

// Agent answers requests about one proxy from inside its container.
type Agent struct {
	Dir     *Dir
	HTTP    Asker  // requests to nginx and, through it, to the pools
	Version string // of bgctl, told in the greeting
}

// Asker asks nginx over its private listener.
type Asker interface {
	// Active asks on a fresh connection which pool nginx sends traffic to.
	Active(ctx context.Context) (bluegreen.Pool, error)
	// Stub returns the open client connections and the requests served so far.
	Stub(ctx context.Context) (connections int, requests uint64, err error)
	// Probe asks pool for its health path.
	Probe(ctx context.Context, pool bluegreen.Pool) bluegreen.ProbeResult
	// Chaos sends the demo app of pool a fault command.
	Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error
	// InFlight counts the connections that are open to addrs.
	InFlight(addrs []string) (int, error)
}

// Serve greets, then answers one request a line until r ends. It releases the
// lock before it returns.
func (a *Agent) Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enc := json.NewEncoder(w)
	if err := enc.Encode(response{Protocol: Protocol, Version: a.Version}); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	requests := readRequests(ctx, r)
	for {
		idle := time.NewTimer(idleLimit)
		select {
		case req, open := <-requests:
			idle.Stop()
			if !open {
				return a.end()
			}
			if err := enc.Encode(a.answer(ctx, req)); err != nil {
				return errors.Join(fmt.Errorf("answer %s: %w", req.Op, err), a.end())
			}
		case <-idle.C:
			return errors.Join(errors.New("no request for too long"), a.end())
		case <-ctx.Done():
			idle.Stop()
			return a.end()
		}
	}
}

// end lets go of everything that belongs to the connection.
func (a *Agent) end() error { return errors.Join(a.Dir.Unlock(), a.Dir.Release()) }

// readRequests decodes requests until r ends or sends nonsense.
func readRequests(ctx context.Context, r io.Reader) <-chan request {
	out := make(chan request)
	go func() {
		defer close(out)
		dec := json.NewDecoder(bufio.NewReader(r))
		for {
			var req request
			if dec.Decode(&req) != nil {
				return
			}
			select {
			case out <- req:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// answer does what one request asks.
func (a *Agent) answer(ctx context.Context, req request) response {
	var resp response
	err := a.handle(ctx, req, &resp)
	if err != nil {
		resp.Error, resp.NoChaos = err.Error(), errors.Is(err, bluegreen.ErrNoChaos)
	}
	return resp
}

// handle dispatches one request.
func (a *Agent) handle(ctx context.Context, req request, resp *response) error {
	switch req.Op {
	case opStatus:
		return a.status(ctx, resp)
	case opLock:
		return a.lock(ctx, req, resp)
	case opUnlock:
		return a.Dir.Unlock()
	case opRoute:
		return a.Dir.Route(req.Pool)
	case opProbe:
		for range min(req.N, 100) {
			resp.Probes = append(resp.Probes, a.HTTP.Probe(ctx, req.Pool))
		}
		return nil
	case opVerify:
		var err error
		resp.Pool, err = a.HTTP.Active(ctx)
		return err
	case opChaos:
		return a.HTTP.Chaos(ctx, req.Pool, req.Mode)
	case opInFlight:
		var err error
		resp.N, err = a.HTTP.InFlight(req.Addrs)
		return err
	case opHistory:
		var err error
		resp.Ops, err = a.Dir.Journal()
		return err
	case opUpdateBake:
		if req.Bake == nil {
			return errors.New("update-bake: no bake given")
		}
		var err error
		resp.Stands, err = a.Dir.UpdateBake(*req.Bake)
		return err
	}
	return a.record(ctx, req)
}

// record handles the requests that write to the journal or the fault records.
func (a *Agent) record(ctx context.Context, req request) error {
	switch {
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
	case req.Op == opBeginBake && req.Bake != nil:
		return a.Dir.BeginBake(ctx, *req.Bake)
	case req.Op == opEndBake:
		return a.Dir.EndBake()
	}
	return fmt.Errorf("%s %q", unknownRequest, req.Op)
}

// status reads the directory and asks nginx. When nginx contradicts the flag
// file, what nginx does is what counts for the user.
func (a *Agent) status(ctx context.Context, resp *response) error {
	st, err := a.Dir.Status()
	if err != nil {
		return err
	}
	st.Connections, st.Requests, err = a.HTTP.Stub(ctx)
	if err != nil {
		return fmt.Errorf("nginx does not answer on its private listener: %w", err)
	}
	resp.Status = &st
	return nil
}

// lock takes the lock or says who has it.
func (a *Agent) lock(ctx context.Context, req request, resp *response) error {
	if req.Holder == nil {
		return errors.New("lock: no holder given")
	}
	holder, ok, err := a.Dir.Lock(ctx, *req.Holder)
	if !ok && err == nil {
		resp.Locked = holder
	}
	return err
}
