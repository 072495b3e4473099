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

// Replacement is a new container that waits to take the place of the one that its service
// has. When the old one publishes ports, the new one runs already, on a network of its own
// where nobody reaches it: it takes over by being connected to its real networks. Else it
// is created, and takes over by its start.
type Replacement struct {
	run     *execution
	op      Operation
	old     ObservedContainer
	id      string // of the new container
	staging string // ID of the staging network that the new container starts on, "" for none
}

// PrepareReplace makes the images, networks and volumes that the service needs and its new
// container, under a temporary name. What runs is not touched. The service has to have
// exactly one container. End with [Replacement.Swap], and with [Replacement.Discard] when
// that fails; after a kill in between, the next [PlanUp] tidies up.
//
// A new container that does not become ready on its own is removed, and the error says so.
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
	if err := r.make(ctx); err != nil {
		return nil, err
	}
	if err := r.stage(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%w; nothing has changed, the old container serves", err), r.Discard(ctx))
	}
	return r, nil
}

// make creates the new container.
func (r *Replacement) make(ctx context.Context) (err error) {
	ctx, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	r.id, err = r.run.create(ctx, r.op, temporaryName(r.old.ID, r.op.Name), &r.old)
	return err
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
	if err != nil {
		return r.run.client.wrap("remove the new container of "+r.op.Name, err)
	}
	r.id = ""
	return r.unstage(ctx)
}

// SwapOptions steer [Replacement.Swap].
type SwapOptions struct {
	Progress Progress // may be nil
	// Patience is how long the requests under way may last after the old container was told
	// to stop. Those that last longer are cut: until the old one has ended nothing new is
	// answered, and everybody else would wait for them. 0 means stop_grace_period.
	Patience time.Duration
	// Ask asks the service once from outside, on a new connection. It measures the gap and
	// says whether the new container answers. May be nil.
	Ask func(context.Context) Answer
}

// Swap ends the old container and lets the new one take its place. Idle connections are
// closed; what is lost of the requests under way says [SwapOptions.Patience]. The old
// container is removed only when the new one runs, is healthy if it has a check, and
// answers if it can be asked; else the old one is started again, the error says so, and the
// new one stays for [Replacement.Discard]. Once it has begun, a swap does not end with ctx.
func (r *Replacement) Swap(ctx context.Context, opts SwapOptions) (Gap, error) {
	tell := reporter{opts.Progress}.step(r.op)
	tell(StepWorking, "takes over from the old container")
	if ctx.Err() != nil {
		return Gap{}, ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	gap, err := r.swap(ctx, opts)
	if err != nil {
		tell(StepError, err.Error())
		return gap, err
	}
	// The swap is done, whatever becomes of this: the next up would do the rest.
	if err := r.tidy(ctx); err != nil {
		tell(StepWorking, plainReason(err)+"; the next up tidies up")
	}
	r.id = "" // nothing is left to discard
	tell(StepDone, "")
	return gap, nil
}

// swap returns how long nothing answered, also with an error.
func (r *Replacement) swap(ctx context.Context, opts SwapOptions) (Gap, error) {
	watch := watchGap(ctx, opts.Ask)
	begin := time.Now()
	err := r.end(ctx, opts.Patience)
	if err == nil {
		err = r.takeOver(ctx)
	}
	end := time.Now()
	if err == nil {
		err = r.confirm(ctx, watch, end)
	}
	if err != nil {
		err = r.restore(ctx, err)
		end = time.Now()
		if watch != nil {
			watch.answered(ctx, end)
		}
	}
	gap := Gap{For: end.Sub(begin)}
	if watch != nil {
		gap = Gap{For: watch.gap(), Asked: true}
	}
	if err != nil {
		err = fmt.Errorf("%w; nothing answered for %s", err, gap.For.Round(time.Millisecond))
	}
	return gap, err
}

// takeOver lets the new container take the ports, which are free.
func (r *Replacement) takeOver(ctx context.Context) error {
	if r.staging == "" {
		return r.run.run(ctx, r.id, r.op.Name)
	}
	published, err := r.attach(ctx)
	if err != nil || published {
		return err
	}
	// This engine publishes ports at a start only.
	stopping, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	if err := r.run.client.Stop(stopping, r.id, time.Second); err != nil {
		return err
	}
	return r.run.run(ctx, r.id, r.op.Name)
}

// confirm waits until the new container runs, is healthy if it has a check, and answers if
// it can be asked. One that cannot live ends within a moment.
func (r *Replacement) confirm(ctx context.Context, watch *gapWatch, after time.Time) error {
	if r.staging == "" {
		if err := pause(ctx, steadyAfter); err != nil {
			return err
		}
	}
	if watch != nil && !watch.answered(ctx, after) {
		return fmt.Errorf("the new container of %s does not answer at the published address", r.op.Name)
	}
	return r.run.client.waitFor(ctx, r.id, conditionSteady, r.run.plan.options.WaitTimeout)
}

// restore starts the old container again, if it ran.
func (r *Replacement) restore(ctx context.Context, cause error) error {
	// The new one has the ports while it runs.
	if err := r.run.stop(ctx, r.id, r.op.service); err != nil {
		cause = fmt.Errorf("%w; %w", cause, err)
	}
	if r.old.State != container.StateRunning {
		return cause
	}
	if err := r.run.run(ctx, r.old.ID, r.op.Name); err != nil {
		return fmt.Errorf("%w; the old container does not start again either: %w", cause, err)
	}
	return fmt.Errorf("%w; the old container is started again", cause)
}

// tidy removes the old container and the staging network, and gives the new container its
// name. The names come last: a request to the engine before them would lengthen the gap,
// and a temporary name is put right by the next up.
func (r *Replacement) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	client := r.run.client
	err := client.removeAndWait(ctx, r.old.ID, container.RemoveOptions{Force: true})
	err = client.wrap("remove the old container of "+r.op.Name, err)
	if err == nil {
		err = client.rename(ctx, r.id, r.op.Name)
	}
	return errors.Join(err, r.unstage(ctx))
}
