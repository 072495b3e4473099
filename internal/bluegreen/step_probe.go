package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// OpProbe asks a pool through nginx.
const OpProbe StepOp = "probe"

// probeLimit bounds each request to a pool. It is what an application may take to answer
// its health path.
const probeLimit = 4 * time.Second

// probe asks a pool for its health path and refuses when an answer is not good.
type probe struct {
	pool  Pool
	count int
}

func probeStep(pool Pool, count int) Step {
	if count == 0 {
		count = 3
	}
	return Step{
		Op: OpProbe, Pool: pool, Count: count, act: probe{pool, count},
		Text: fmt.Sprintf("ask %s for /healthz through nginx, %d times", pool, count),
	}
}

func (s probe) do(ctx context.Context, r *run) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	results, err := r.probes(ctx, d.Pool(s.pool), s.count)
	if err == nil {
		err = r.checked(ctx, d.Pool(s.pool))
	}
	if err == nil {
		var worst time.Duration
		for i := range results {
			worst = max(worst, results[i].Took)
		}
		r.detail = fmt.Sprintf("%d of %d ok, worst %.0f ms", len(results), s.count, ms(worst))
		if n := len(results); n > 0 && results[n-1].Release != "" {
			r.detail += ", release " + results[n-1].Release
		}
		return nil
	}
	var bad badAnswerError
	switch {
	case !errors.As(err, &bad):
		return fmt.Errorf("probe %s: %w", s.pool, err)
	case r.open:
		return r.unready(ctx, s.pool, fmt.Errorf("a probe through nginx failed: %w", err))
	}
	return &RefusedError{
		Action:  r.plan.Action,
		Reasons: []string{fmt.Sprintf("%s failed a probe through nginx: %s", s.pool, bad)},
		Hint:    "nothing was changed; look at it: bgctl logs app_" + s.pool.String(),
	}
}

// checked runs the health checks that the engine has not run yet.
func (r *run) checked(ctx context.Context, ps *PoolState) error {
	for i := range ps.Containers {
		c := &ps.Containers[i]
		if c.State != "running" || c.Health != "starting" {
			continue
		}
		if err := r.Engine.Check(ctx, c.ID); err != nil {
			return badAnswerError(fmt.Sprintf("%s is starting, and its health check does not pass yet: %v", c.Name, err))
		}
	}
	return nil
}

// badAnswerError says what is wrong with an answer of a pool.
type badAnswerError string

// Error implements error.
func (b badAnswerError) Error() string { return string(b) }

// probes asks the containers of a pool. It fails with a badAnswerError when one of them is not
// good, or when it came from a container that is none of the pool's.
func (r *run) probes(ctx context.Context, ps *PoolState, count int) ([]ProbeResult, error) {
	results, err := r.router.Probe(ctx, Probes{Pool: ps.Pool, Count: count, Timeout: probeLimit})
	if err != nil {
		return nil, err
	}
	for i := range results {
		if bad := probeFault(&results[i], ps); bad != "" {
			return results, badAnswerError(bad)
		}
	}
	return results, nil
}

// probeFault says what is wrong with an answer, "" when nothing is.
func probeFault(res *ProbeResult, ps *PoolState) string {
	switch {
	case res.Err != "":
		return res.Err
	case res.Status < 200 || res.Status > 299:
		return fmt.Sprintf("/healthz answered %d", res.Status)
	case res.Pool != NoPool && res.Pool != ps.Pool:
		return fmt.Sprintf("the answer came from %s", res.Pool)
	case res.Addr != "" && !ps.owns(res.Addr):
		return fmt.Sprintf("the answer came from %s, which is no container of %s", res.Addr, ps.Pool)
	}
	return ""
}

// owns reports whether a container of the pool has the address. A pool whose addresses
// are unknown owns every one.
func (p *PoolState) owns(addr string) bool {
	known := false
	for i := range p.Containers {
		known = known || len(p.Containers[i].Addrs) > 0
		if slices.Contains(p.Containers[i].Addrs, addr) {
			return true
		}
	}
	return !known
}
