package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// OpReady waits until a pool is ready.
const OpReady StepOp = "ready"

const (
	// resolveGrace is how long nginx may take to follow a recreated container: each
	// upstream group asks the name server for itself, every second.
	resolveGrace = 2500 * time.Millisecond
	// crashes is how many restarts of a new container are a crash loop.
	crashes = 3
	// backLimit bounds the wait for an old release that was put back: it may not
	// have been ready before either.
	backLimit = 45 * time.Second
)

// ready waits until a pool can take traffic again, by the engine's word and by an answer
// through nginx.
type ready struct{ pool Pool }

func readyStep(pool Pool) Step {
	return Step{Op: OpReady, Pool: pool, Text: fmt.Sprintf("wait until %s is ready", pool), act: ready{pool}}
}

func (s ready) do(ctx context.Context, r *run) error {
	if err := r.until(ctx, readyLimit, func() (bool, error) { return false, r.isReady(ctx, s.pool) }); err != nil {
		return fmt.Errorf("%s did not become ready: %w", s.pool, err)
	}
	r.outcome.Message, r.outcome.Undo = fmt.Sprintf("%s is healthy again", s.pool), ""
	return nil
}

// isReady asks once whether the pool can take traffic.
func (r *run) isReady(ctx context.Context, pool Pool) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	ps := *d.Pool(pool)
	ps.Answer = nil // this step asks for itself
	for i := range ps.Containers {
		// What the engine says of a health check is up to an interval old.
		if c := &ps.Containers[i]; c.Ready() || c.State == "running" && r.Engine.Check(ctx, c.ID) == nil {
			_, err := r.probes(ctx, &ps, 1)
			return err
		}
	}
	return fmt.Errorf("%s is %s", pool, describe(&ps))
}

// back waits for an old release that was put back. One that is not ready is a warning:
// it may not have been ready before either, and users do not depend on it.
type back struct{ pool Pool }

func backStep(pool Pool) Step {
	return Step{
		Op: OpReady, Pool: pool, act: back{pool},
		Text: fmt.Sprintf("wait until %s is ready again, at most %s", pool, backLimit),
	}
}

func (back) persists() {}

func (s back) do(ctx context.Context, r *run) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	if d.Pool(s.pool).Holds() == nil {
		return nil
	}
	if err := r.until(ctx, backLimit, func() (bool, error) { return false, r.isReady(ctx, s.pool) }); err != nil {
		r.warn(fmt.Sprintf("%s is back in %s, but not ready: %v", d.Pool(s.pool).Holds(), s.pool, err))
	}
	return nil
}

// fresh waits until a release that was just installed can take traffic: by the engine's
// word, by an answer through nginx, and until every group of nginx follows its address.
type fresh struct {
	pool  Pool
	limit time.Duration
}

func freshStep(pool Pool, limit time.Duration, before *Release) Step {
	return Step{
		Op: OpReady, Pool: pool, act: fresh{pool, limit},
		Text: fmt.Sprintf("wait until %s is ready, at most %s; else %s comes back", pool, limit, before),
	}
}

func (s fresh) do(ctx context.Context, r *run) error {
	err := r.until(ctx, s.limit, func() (bool, error) {
		final, err := s.look(ctx, r)
		if err != nil {
			return final, err
		}
		if left := resolveGrace - r.Now().Sub(r.installed[s.pool]); left > 0 {
			return true, r.wait(left)
		}
		return false, nil
	})
	if err == nil {
		return nil
	}
	return r.unready(ctx, s.pool, err)
}

// look asks once; final says that waiting longer is of no use.
func (s fresh) look(ctx context.Context, r *run) (final bool, err error) {
	d, err := r.observe(ctx)
	if err != nil {
		return false, err
	}
	ps := *d.Pool(s.pool)
	ps.Answer = nil // this step asks for itself
	if len(ps.Containers) == 0 {
		return false, fmt.Errorf("%s has no container", s.pool)
	}
	for i := range ps.Containers {
		c := &ps.Containers[i]
		if err := doomed(c); err != nil {
			return true, err
		}
		if want := r.release[s.pool].ImageID; want != "" && c.ImageID != want {
			return true, fmt.Errorf("%s runs %s, not %s that was installed: another command replaced it", c.Name, shortID(c.ImageID), shortID(want))
		}
		if c.State == "running" && c.Health == "starting" && r.Engine.Check(ctx, c.ID) == nil {
			continue // its first check by the engine is still to come
		}
		if !c.Ready() {
			return false, fmt.Errorf("%s is %s", c.Name, describe(&PoolState{Containers: ps.Containers[i : i+1]}))
		}
	}
	_, err = r.probes(ctx, &ps, 1)
	return false, err
}

// doomed says why a new container will not become ready, nil when it still may.
func doomed(c *Container) error {
	switch {
	case c.Restarts >= crashes:
		return fmt.Errorf("%s crashes again and again (%d restarts, exit code %d)", c.Name, c.Restarts, c.ExitCode)
	case c.State == "exited" || c.State == "dead":
		return fmt.Errorf("%s exited with code %d", c.Name, c.ExitCode)
	case c.Health == "unhealthy" && c.Restarts > 0:
		return fmt.Errorf("%s ends by itself (%d restarts)", c.Name, c.Restarts)
	case c.Health == "unhealthy" && c.State == "running":
		return errors.New(c.Name + " is unhealthy")
	}
	return nil
}
