package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The steps of a fault.
const (
	OpRecord StepOp = "record" // record the fault before acting
	OpBreak  StepOp = "break"  // inject the fault
	OpHold   StepOp = "hold"   // keep it for the asked time
	OpRepair StepOp = "repair" // undo the fault
)

// ErrNoChaos says that an application has no switch for faults.
var ErrNoChaos = errors.New("the application has no /chaos")

// record writes the undo before the deed.
type record struct {
	pool  Pool
	mode  FaultMode
	lasts time.Duration
}

func recordStep(pool Pool, mode FaultMode, lasts time.Duration) Step {
	return Step{Op: OpRecord, Pool: pool, Mode: mode, Text: "record the undo before acting", act: record{pool, mode, lasts}}
}

func (s record) do(ctx context.Context, r *run) error {
	fault := Fault{Pool: s.pool, Mode: s.mode, By: r.holder(), Since: r.Now()}
	if s.lasts > 0 {
		fault.Until = fault.Since.Add(s.lasts)
	}
	for _, c := range r.seen.Pool(s.pool).Containers {
		fault.Containers = append(fault.Containers, c.ID)
	}
	if err := r.router.SetFault(ctx, fault); err != nil {
		return fmt.Errorf("record the undo: %w; nothing was broken", err)
	}
	return nil
}

// wreck injects the fault into every container of the pool.
type wreck struct {
	pool Pool
	mode FaultMode
}

func breakStep(pool Pool, mode FaultMode) Step {
	return Step{Op: OpBreak, Pool: pool, Mode: mode, Text: breakText(pool, mode), act: wreck{pool, mode}}
}

// breakText says what a fault does.
func breakText(pool Pool, mode FaultMode) string {
	switch mode {
	case FaultKill:
		return fmt.Sprintf("SIGKILL every container of %s (the engine will not restart them)", pool)
	case FaultStop:
		return fmt.Sprintf("stop every container of %s gracefully", pool)
	case FaultPause:
		return fmt.Sprintf("freeze every container of %s", pool)
	case FaultError:
		return fmt.Sprintf("make %s answer 500 to every request", pool)
	case FaultTimeout:
		return fmt.Sprintf("make %s never answer", pool)
	case FaultSlow:
		return fmt.Sprintf("make %s answer late", pool)
	}
	return "unknown fault " + string(mode)
}

func (s wreck) do(ctx context.Context, r *run) error {
	if s.mode.inApp() {
		err := r.router.Chaos(ctx, s.pool, s.mode)
		if errors.Is(err, ErrNoChaos) {
			// Nothing was broken, so nothing must be left to undo.
			err = errors.Join(err, r.router.ClearFault(ctx, s.pool))
		}
		if err != nil {
			return fmt.Errorf("%w; is it the demo app? Other apps can be broken with --mode kill, stop or pause", err)
		}
		return nil
	}
	for _, c := range r.seen.Pool(s.pool).Containers {
		if c.State != "running" {
			continue
		}
		if err := s.container(ctx, r.Engine, c.ID); err != nil {
			return fmt.Errorf("%s %s: %w", s.mode, c.Name, err)
		}
	}
	return nil
}

// container injects the fault into one container.
func (s wreck) container(ctx context.Context, e Engine, id string) error {
	switch s.mode {
	case FaultKill:
		return e.Kill(ctx, id)
	case FaultStop:
		return e.Stop(ctx, id)
	case FaultPause:
		return e.Pause(ctx, id)
	case FaultError, FaultTimeout, FaultSlow:
	}
	return fmt.Errorf("mode %q is not a container fault", s.mode)
}

// hold keeps the fault for the asked time. A caller that gives up ends it early; the
// steps that follow undo the fault either way.
type hold struct{ lasts time.Duration }

func holdStep(pool Pool, lasts time.Duration) Step {
	return Step{Op: OpHold, Pool: pool, Text: fmt.Sprintf("keep it for %s", lasts), act: hold{lasts}}
}

func (s hold) do(_ context.Context, r *run) error {
	if r.wait(s.lasts) != nil {
		r.detail = "interrupted, undoing now"
	}
	r.ending = true
	return nil
}

// repair undoes every fault on the pool and starts what does not run.
type repair struct{ pool Pool }

func repairStep(pool Pool, text string) Step {
	return Step{Op: OpRepair, Pool: pool, Text: text, act: repair{pool}}
}

func (s repair) do(ctx context.Context, r *run) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range d.Pool(s.pool).Containers {
		if err := s.container(ctx, r.Engine, &c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	if f := d.Pool(s.pool).Fault; f != nil && f.Mode.inApp() {
		// An application that cannot play a fault has none to end.
		if err := r.router.Chaos(ctx, s.pool, ""); err != nil && !errors.Is(err, ErrNoChaos) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	return r.router.ClearFault(ctx, s.pool)
}

// container brings one container back to running.
func (s repair) container(ctx context.Context, e Engine, c *Container) error {
	switch c.State {
	case "paused":
		return e.Unpause(ctx, c.ID)
	case "running", "restarting":
		return nil
	}
	return e.Start(ctx, c.ID)
}
