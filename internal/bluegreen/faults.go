package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// actTimeout bounds a step that must run to its end although its caller gave up.
const actTimeout = 30 * time.Second

// readyTimeout bounds the wait for a healed pool, readyPoll is its interval.
const (
	readyTimeout = 90 * time.Second
	readyPoll    = 200 * time.Millisecond
)

// record writes the undo before the deed.
func (r *run) record(ctx context.Context, s Step) error {
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	by := r.Holder
	by.What, by.Since = r.plan.Command, r.asked
	fault := Fault{Pool: s.Pool, Mode: s.Mode, By: by, Since: r.Now()}
	if r.plan.For > 0 {
		fault.Until = fault.Since.Add(r.plan.For)
	}
	for _, c := range d.Pool(s.Pool).Containers {
		fault.Containers = append(fault.Containers, c.ID)
	}
	if err := r.router.SetFault(ctx, fault); err != nil {
		return fmt.Errorf("record the undo: %w; nothing was broken", err)
	}
	return nil
}

// ErrNoChaos says that an application has no switch for faults.
var ErrNoChaos = errors.New("the application has no /chaos")

// breakPool injects the fault into every container of the pool.
func (r *run) breakPool(ctx context.Context, s Step) error {
	switch s.Mode {
	case FaultError, FaultTimeout, FaultSlow:
		if err := r.router.Chaos(ctx, s.Pool, s.Mode); err != nil {
			if errors.Is(err, ErrNoChaos) {
				// Nothing was broken, so nothing must be left to undo.
				err = errors.Join(err, r.router.ClearFault(context.WithoutCancel(ctx), s.Pool))
			}
			return fmt.Errorf("%w; is it the demo app? Other apps can be broken with --mode kill, stop or pause", err)
		}
	case FaultKill, FaultStop, FaultPause:
		d, err := r.Observe(ctx)
		if err != nil {
			return err
		}
		for _, c := range d.Pool(s.Pool).Containers {
			if c.State != "running" {
				continue
			}
			if err := r.breakContainer(ctx, c.ID, s.Mode); err != nil {
				return fmt.Errorf("%s %s: %w", s.Mode, c.Name, err)
			}
		}
	}
	r.outcome.Message = fmt.Sprintf("%s: %s injected", s.Pool, s.Mode)
	return nil
}

// breakContainer injects one fault into one container.
func (r *run) breakContainer(ctx context.Context, id string, mode FaultMode) error {
	switch mode {
	case FaultKill:
		return r.Engine.Kill(ctx, id)
	case FaultStop:
		return r.Engine.Stop(ctx, id)
	case FaultPause:
		return r.Engine.Pause(ctx, id)
	case FaultError, FaultTimeout, FaultSlow:
	}
	return fmt.Errorf("mode %q is not a container fault", mode)
}

// hold keeps the fault for the asked time. A caller that gives up ends it early;
// the fault is undone either way.
func (r *run) hold(ctx context.Context) error {
	timer := time.NewTimer(r.plan.For)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		r.detail = "interrupted, undoing now"
	}
	return nil
}

// relock takes the lock again and waits for whoever has it: the fault must be
// undone although its command was interrupted.
func (r *run) relock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		err := r.lock(ctx)
		if !errors.Is(err, ErrLocked) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// repair undoes every fault on the pool and starts what does not run.
func (r *run) repair(ctx context.Context, s Step) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range d.Pool(s.Pool).Containers {
		if err := r.repairContainer(ctx, &c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	if f := d.Pool(s.Pool).Fault; f != nil && appFault(f.Mode) {
		// An application that cannot play a fault has none to end.
		if err := r.router.Chaos(ctx, s.Pool, ""); err != nil && !errors.Is(err, ErrNoChaos) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return r.router.ClearFault(ctx, s.Pool)
}

// appFault reports whether the demo app itself plays the fault.
func appFault(mode FaultMode) bool {
	return mode == FaultError || mode == FaultTimeout || mode == FaultSlow
}

// repairContainer brings one container back to running.
func (r *run) repairContainer(ctx context.Context, c *Container) error {
	switch c.State {
	case "paused":
		return r.Engine.Unpause(ctx, c.ID)
	case "running", "restarting":
		return nil
	}
	return r.Engine.Start(ctx, c.ID)
}

// ready waits until the pool can take traffic again, by the engine's word and by
// a probe through nginx.
func (r *run) ready(ctx context.Context, s Step) error {
	if r.plan.Deploy != nil {
		return r.deployReady(ctx, s)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	if err := r.waitReady(ctx, s.Pool); err != nil {
		return fmt.Errorf("%s did not become ready in %s: %w", s.Pool, readyTimeout, err)
	}
	r.outcome.Message = fmt.Sprintf("%s is healthy again", s.Pool)
	r.outcome.Undo = ""
	return nil
}

// waitReady asks until the pool can take traffic or ctx ends.
func (r *run) waitReady(ctx context.Context, pool Pool) error {
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for {
		err := r.isReady(ctx, pool)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// isReady asks once whether the pool can take traffic.
func (r *run) isReady(ctx context.Context, pool Pool) error {
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	if !d.Pool(pool).Ready() {
		return fmt.Errorf("%s is %s", pool, describe(d.Pool(pool)))
	}
	return r.answers(ctx, pool)
}

// answers asks the pool once through nginx.
func (r *run) answers(ctx context.Context, pool Pool) error {
	results, err := r.router.Probe(ctx, Probes{Pool: pool, Count: 1})
	if err != nil {
		return err
	}
	for _, res := range results {
		if fault := probeFault(res, pool); fault != "" {
			return errors.New(fault)
		}
	}
	return nil
}

// MaxHold is the longest time that a fault may be asked for.
const MaxHold = 24 * time.Hour

// ParseFaultMode returns the fault mode that s names.
func ParseFaultMode(s string) (FaultMode, error) {
	switch m := FaultMode(s); m {
	case FaultKill, FaultStop, FaultPause, FaultError, FaultTimeout, FaultSlow:
		return m, nil
	}
	return "", fmt.Errorf("unknown mode %q: use kill, stop, pause, error, timeout or slow", s)
}
