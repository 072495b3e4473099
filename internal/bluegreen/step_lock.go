package bluegreen

import (
	"context"
	"errors"
	"fmt"
)

// The steps around the deployment's lock.
const (
	OpLock   StepOp = "lock"   // take the deployment's lock
	OpUnlock StepOp = "unlock" // let others act while a fault stands
	OpRelock StepOp = "relock" // take the lock again, waiting for others to end
)

// lock takes the lock and refuses a plan that was made for another state.
type lock struct{}

func lockStep() Step { return Step{Op: OpLock, Text: "take the deployment's lock", act: lock{}} }

func (lock) do(ctx context.Context, r *run) error {
	if err := r.router.Lock(ctx, r.holder()); err != nil {
		return err
	}
	st, err := r.router.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the proxy's state: %w", err)
	}
	r.status = st
	if leftOf(&st) != r.plan.left || lastOf(&st) != r.plan.last {
		return fmt.Errorf("%w: another command ended or was cut off since this plan was made; nothing was done, run the command again", ErrChanged)
	}
	return nil
}

// unlock lets others act.
type unlock struct{}

func unlockStep() Step {
	return Step{Op: OpUnlock, Text: "release the lock, so that others can act", act: unlock{}}
}

func (unlock) do(ctx context.Context, r *run) error { return r.router.Unlock(ctx) }

// relock takes the lock again and waits for whoever has it: what comes next has to be done
// although the user gave up.
type relock struct{}

func relockStep() Step { return Step{Op: OpRelock, Text: "take the lock again", act: relock{}} }

func (relock) persists() {}

func (relock) do(ctx context.Context, r *run) error {
	return r.until(ctx, readyLimit, func() (bool, error) {
		err := r.router.Lock(ctx, r.holder())
		if err == nil || errors.Is(err, ErrLocked) {
			return false, err
		}
		// The connection broke while nothing was sent over it.
		_ = r.router.Close()
		router, oerr := r.Open(ctx)
		if oerr != nil {
			return false, oerr
		}
		r.router = router
		return false, err
	})
}
