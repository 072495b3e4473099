package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
)

// steadyAfter is how long a container is given that ends right after its start.
const steadyAfter = time.Second

// Replacement is a container that waits, created and never started, to take the place of
// another one of its service.
type Replacement struct {
	run *execution
	op  Operation
	old ObservedContainer
	id  string // of the new container
}

// PrepareReplace makes the images, networks and volumes that the service needs and creates
// its new container under a temporary name, ready to start. What runs is not touched. The
// service has to have exactly one container. End with [Replacement.Swap] or
// [Replacement.Discard]; after a kill in between, the next [PlanUp] tidies up.
func (c *Client) PrepareReplace(ctx context.Context, p *Project, service string, opts ServiceOptions) (*Replacement, error) {
	changed, err := p.WithOverrides(service, opts)
	if err != nil {
		return nil, err
	}
	seen, err := c.Observe(ctx, changed)
	if err != nil {
		return nil, err
	}
	up := opts.upOptions()
	up.ForceRecreate = true
	plan, err := PlanUp(changed.only(service), seen, up)
	if err != nil {
		return nil, err
	}
	op, err := plan.prepareOnly(service)
	if err != nil {
		return nil, err
	}
	if err := c.Execute(ctx, plan, nil); err != nil {
		return nil, err
	}
	r := &Replacement{run: &execution{client: c, plan: plan}, op: op}
	old := r.run.observed(op.containerID)
	if old == nil {
		return nil, fmt.Errorf("replace %s: the plan does not know container %s", op.Name, shortID(op.containerID))
	}
	r.old = *old
	making, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	if r.id, err = r.run.create(making, op, temporaryName(old.ID, op.Name), old); err != nil {
		return nil, err
	}
	return r, nil
}

// prepareOnly takes the one recreate and all that touches a running container out of the plan.
func (p *Plan) prepareOnly(service string) (Operation, error) {
	var recreates, rest []Operation
	for _, op := range p.Operations {
		switch {
		case op.Action == ActionRecreate:
			recreates = append(recreates, op)
		case op.Kind != KindContainer, op.leftover:
			rest = append(rest, op)
		}
	}
	if len(recreates) != 1 {
		return Operation{}, fmt.Errorf("replace service %s: it has %d containers, not one; run the project's up first", service, len(recreates))
	}
	p.Operations = rest
	return recreates[0], nil
}

// Discard removes the new container, unless it has taken its place.
func (r *Replacement) Discard(ctx context.Context) error {
	if r.id == "" {
		return nil
	}
	ctx, cancel := uncancelled(ctx, quickLimit)
	defer cancel()
	err := r.run.client.removeAndWait(ctx, r.id, container.RemoveOptions{Force: true})
	return r.run.client.wrap("remove the new container of "+r.op.Name, err)
}

// Swap stops the old container, with its grace period, and starts the new one. gap is the
// time from the request to stop until a start returned. The old container is removed only
// when the new one runs, and is healthy if it has a check; else the old one is started
// again, the error says so, and the new one stays for [Replacement.Discard]. Once it has
// begun, a swap does not end with ctx.
func (r *Replacement) Swap(ctx context.Context, progress Progress) (gap time.Duration, err error) {
	tell := reporter{progress}.step(r.op)
	tell(StepWorking, "takes over from the old container")
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	gap, err = r.swap(ctx)
	if err != nil {
		tell(StepError, err.Error())
		return gap, err
	}
	r.id = "" // nothing is left to discard
	removing, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	if err := r.run.client.removeAndWait(removing, r.old.ID, container.RemoveOptions{Force: true}); err != nil {
		// The swap is done all the same, and the next up removes what is left.
		tell(StepWorking, "the old container is not removed: "+plainReason(err))
	}
	tell(StepDone, "")
	return gap, nil
}

func (r *Replacement) swap(ctx context.Context) (time.Duration, error) {
	// The names change while the old one still runs: every request to the engine between
	// the stop and the start would lengthen the gap.
	if err := r.rename(ctx, r.old.ID, temporaryName(r.id, r.op.Name)); err != nil {
		return 0, fmt.Errorf("%w; nothing has changed", err)
	}
	if err := r.rename(ctx, r.id, r.op.Name); err != nil {
		return 0, errors.Join(fmt.Errorf("%w; the old container runs on", err), r.oldName(ctx))
	}
	begin := time.Now()
	if err := r.run.stop(ctx, r.old.ID, r.op.service); err != nil {
		return r.restore(ctx, begin, err)
	}
	err := r.run.run(ctx, r.id, r.op.Name)
	gap := time.Since(begin)
	if err == nil {
		err = r.steady(ctx)
	}
	if err != nil {
		return r.restore(ctx, begin, err)
	}
	return gap, nil
}

// steady waits until the new container runs, and is healthy if it has a check. One that
// cannot live ends within a moment.
func (r *Replacement) steady(ctx context.Context) error {
	if err := pause(ctx, steadyAfter); err != nil {
		return err
	}
	return r.run.client.waitFor(ctx, r.id, conditionSteady, r.run.plan.options.WaitTimeout)
}

// restore starts the old container again under its name, if it ran.
func (r *Replacement) restore(ctx context.Context, begin time.Time, cause error) (time.Duration, error) {
	// The new one has the ports while it runs.
	if err := r.run.stop(ctx, r.id, r.op.service); err != nil {
		cause = fmt.Errorf("%w; %w", cause, err)
	}
	if r.old.State == container.StateRunning {
		if err := r.run.run(ctx, r.old.ID, r.op.Name); err != nil {
			return time.Since(begin), fmt.Errorf("%w; the old container does not start again either: %w", cause, err)
		}
	}
	gap := time.Since(begin)
	if err := r.oldName(ctx); err != nil {
		return gap, fmt.Errorf("%w; the old container is started again, under another name: %w", cause, err)
	}
	return gap, fmt.Errorf("%w; the old container is started again", cause)
}

// oldName gives both containers the names back that they had before the swap.
func (r *Replacement) oldName(ctx context.Context) error {
	if err := r.rename(ctx, r.id, temporaryName(r.old.ID, r.op.Name)); err != nil {
		return err
	}
	return r.rename(ctx, r.old.ID, r.op.Name)
}

func (r *Replacement) rename(ctx context.Context, id, name string) error {
	ctx, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	return r.run.client.rename(ctx, id, name)
}
