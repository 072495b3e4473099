package bluegreen

import (
	"context"
	"fmt"
)

// OpRecheck observes again under the lock.
const OpRecheck StepOp = "recheck"

// recheck refuses a plan whose world changed since it was made: another active pool,
// another release in a pool that the plan counts on, or a gate that would refuse now.
type recheck struct {
	active Pool
	holds  map[Pool]*Release
	gate   func(d *Deployment) error // nil: none
}

// recheckStep makes the step for a plan that was made from d. The pools are those whose
// release the plan counts on.
func recheckStep(d *Deployment, text string, gate func(d *Deployment) error, pools ...Pool) Step {
	act := recheck{active: d.Active(), holds: map[Pool]*Release{}, gate: gate}
	for _, pool := range pools {
		act.holds[pool] = d.Pool(pool).Holds()
	}
	return Step{Op: OpRecheck, Pool: d.Active(), Text: text, act: act}
}

func (s recheck) do(ctx context.Context, r *run) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	if d.Active() != s.active {
		return fmt.Errorf("%w: %s is active now, not %s; nothing was done", ErrChanged, d.Active(), s.active)
	}
	for pool, planned := range s.holds {
		if now := d.Pool(pool).Holds(); !sameImage(planned, now) {
			return fmt.Errorf("%w: %s holds %s now, not %s; nothing was done", ErrChanged, pool, now, planned)
		}
	}
	r.seen = d
	if s.gate == nil {
		return nil
	}
	return s.gate(&d)
}

// sameImage reports whether both are the same bytes, as far as that is known.
func sameImage(a, b *Release) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ImageID == b.ImageID
}
