package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// drainLimit bounds the wait for a pool's last requests; what is left then has
	// the container's own grace period.
	drainLimit = 10 * time.Second
	// resolveGrace is how long nginx may take to follow a recreated container: each
	// upstream group asks the name server for itself, every second.
	resolveGrace = 2500 * time.Millisecond
	// crashes is how many restarts of a new container are a crash loop.
	crashes = 3
	// takeBackLimit bounds putting the old release back, beyond the wait until it is ready.
	takeBackLimit = 2 * time.Minute
	// backTimeout bounds the wait for an old release that was put back: it may not
	// have been ready before either.
	backTimeout = 45 * time.Second
)

// phase writes to the journal which step of a deploy begins, before it does.
func (r *run) phase(ctx context.Context, s Step) error {
	if !r.began || r.plan.Deploy == nil {
		return nil
	}
	r.op.Phase = s.Op
	if err := r.router.Begin(ctx, r.op); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// deployStep runs one step of putting a release into a pool.
func (r *run) deployStep(ctx context.Context, s Step) error {
	if r.Install == nil {
		return errors.New("this bgctl cannot replace releases: no installer")
	}
	switch s.Op { //nolint:exhaustive // the controller hands over these alone
	case OpImage:
		return r.image(ctx)
	case OpSolo:
		by := r.Holder
		by.What, by.Since = r.plan.Command, r.asked
		if err := r.router.SetSolo(ctx, &Solo{Pool: s.Pool, By: by, Since: r.Now()}); err != nil {
			return fmt.Errorf("keep %s out of the failover: %w", s.Pool, err)
		}
	case OpDrain:
		return r.drain(ctx, s)
	case OpInstall:
		return r.install(ctx, s)
	case OpKeep:
		return r.keep(ctx, s)
	case OpAdmit:
		return r.admit(ctx, s)
	default:
		return fmt.Errorf("unknown step %q", s.Op)
	}
	return nil
}

// recheckDeploy refuses a deploy whose world changed since it was planned, and
// notes what stands in the pool now, so that exactly that can be put back.
func (r *run) recheckDeploy(ctx context.Context, s Step) error {
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	if d.Active() != s.Pool {
		return fmt.Errorf("%w: %s is active now, not %s; nothing was done", ErrChanged, d.Active(), s.Pool)
	}
	if err := needNoBake(&d); err != nil {
		return err
	}
	if len(r.plan.Forced) == 0 {
		p := Plan{Action: r.plan.Action, Checks: deployChecks(&d, r.plan.To)}
		if err := p.gate(strict); err != nil {
			return err
		}
	}
	if r.op.Before == nil { // else inherited from a deploy that was cut off
		r.op.Before = d.Pool(r.plan.To).Holds()
	}
	return nil
}

// image makes sure that the engine has the image. Nothing has been changed yet, so
// that an image which cannot be had is a refusal.
func (r *run) image(ctx context.Context) error {
	spec := r.plan.Deploy
	rel, err := r.Install.Resolve(ctx, spec.Release, spec.Pull)
	if errors.Is(err, ErrImage) {
		return &RefusedError{
			Action: r.plan.Action, Reasons: []string{err.Error()},
			Hint: fmt.Sprintf("nothing was changed: %s still holds %s", r.plan.To, r.op.Before),
		}
	}
	if err != nil {
		return err
	}
	r.release, r.op.New, r.op.Staged = rel, &rel, spec.Staged
	r.detail = shortID(rel.ImageID)
	return nil
}

// shortID is an image's ID as people compare it.
func shortID(id string) string { return id[:min(len(id), len("sha256:")+12)] }

// drain waits until the proxy has no connection to the pool any more, or too long.
func (r *run) drain(ctx context.Context, s Step) error {
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	var addrs []string
	for _, c := range d.Pool(s.Pool).Containers {
		addrs = append(addrs, c.Addrs...)
	}
	r.op.Drain = &Drain{Pool: s.Pool, Until: r.Now().Add(drainLimit)}
	defer func() { r.op.Drain = nil }()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	for told := -1; ; {
		n, err := r.router.InFlight(ctx, addrs)
		switch {
		case err != nil:
			return fmt.Errorf("count the connections to %s: %w", s.Pool, err)
		case n == 0:
			return nil
		case r.Now().After(r.op.Drain.Until):
			r.detail = fmt.Sprintf("%d still open after %s", n, drainLimit)
			return nil
		case n != told:
			told = n
			r.op.Drain = &Drain{Pool: s.Pool, InFlight: n, Until: r.op.Drain.Until}
			r.tell(fmt.Sprintf("%d in flight, %s left", n, r.op.Drain.Until.Sub(r.Now()).Round(time.Second)))
			if err := r.router.Begin(ctx, r.op); err != nil {
				return fmt.Errorf("write the journal: %w", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// install recreates the pool's containers. Once begun it is not given up halfway.
func (r *run) install(ctx context.Context, s Step) error {
	if err := r.Install.Install(ctx, s.Pool, r.release, r.tell); err != nil {
		return fmt.Errorf("put %s into %s: %w", &r.release, s.Pool, err)
	}
	r.installed = r.Now()
	return nil
}

// UnreadyError says why a new release did not become ready. Output and Log are
// foreign text: sanitise them before showing them.
type UnreadyError struct {
	Pool      Pool
	Reason    string
	Container string // the container that shows it, "" when there is none
	Output    string // what its last health check printed
	Log       string // the end of its log
	After     string // what became of it
}

// Error is one line; Output and Log are for the caller to show.
func (e *UnreadyError) Error() string {
	msg := fmt.Sprintf("%s did not become ready: %s", e.Pool, e.Reason)
	if e.After != "" {
		msg += "; " + e.After
	}
	return msg
}

// deployReady waits until the new release can take traffic: by the engine's word,
// by an answer through nginx, and until every group of nginx follows its address.
func (r *run) deployReady(ctx context.Context, s Step) error {
	limit := r.plan.Deploy.Timeout
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(readyPoll)
	defer ticker.Stop()
	var last error
	for {
		final, err := r.newIsReady(bounded, s.Pool)
		switch {
		case err == nil && r.Now().Sub(r.installed) >= resolveGrace:
			return nil
		case final:
			return r.unready(ctx, s.Pool, err.Error())
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && bounded.Err() == nil:
			if last == nil || last.Error() != err.Error() {
				r.tell(err.Error())
			}
			last = err
		}
		select {
		case <-ticker.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if last == nil {
				last = errors.New("no answer")
			}
			return r.unready(ctx, s.Pool, fmt.Sprintf("%v, after %s", last, limit))
		}
	}
}

// newIsReady asks once; final says that waiting longer is of no use.
func (r *run) newIsReady(ctx context.Context, pool Pool) (final bool, err error) {
	d, err := r.Observe(ctx)
	if err != nil {
		return false, err
	}
	ps := d.Pool(pool)
	for i := range ps.Containers {
		c := &ps.Containers[i]
		switch {
		case c.Restarts >= crashes:
			return true, fmt.Errorf("%s crashes again and again (%d restarts, exit code %d)", c.Name, c.Restarts, c.ExitCode)
		case c.State == "exited" || c.State == "dead":
			return true, fmt.Errorf("%s exited with code %d", c.Name, c.ExitCode)
		case c.Health == "unhealthy" && c.Restarts > 0:
			return true, fmt.Errorf("%s ends by itself (%d restarts)", c.Name, c.Restarts)
		case c.Health == "unhealthy":
			return true, fmt.Errorf("%s is unhealthy", c.Name)
		case !c.Ready():
			return false, fmt.Errorf("%s is %s", c.Name, describe(&PoolState{Containers: ps.Containers[i : i+1]}))
		}
	}
	if len(ps.Containers) == 0 {
		return false, fmt.Errorf("%s has no container", pool)
	}
	return false, r.answers(ctx, pool)
}

// unready collects what explains why a release did not become ready.
func (r *run) unready(ctx context.Context, pool Pool, reason string) error {
	out := &UnreadyError{Pool: pool, Reason: reason}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	d, err := r.Observe(ctx)
	if err != nil {
		return out // poorer, not wrong
	}
	for _, c := range d.Pool(pool).Containers {
		if !c.Ready() || out.Container == "" {
			out.Container, out.Output, out.Log = c.Name, c.HealthLog, r.Install.LastWords(ctx, c.ID)
		}
	}
	return out
}

// keep keeps .env in step. A file that cannot be written is a warning: the release
// runs, and only the next `up` would miss it.
func (r *run) keep(ctx context.Context, s Step) error {
	note, err := r.Install.Keep(ctx, s.Pool, r.release)
	if err != nil {
		r.warn(fmt.Sprintf("%s runs, but its image could not be kept in .env, and the next bgctl up would put the old one back: %v", &r.release, err))
	}
	r.detail = note
	return nil
}

// admit lets the pool into the failover again.
func (r *run) admit(ctx context.Context, s Step) error {
	if err := r.router.SetSolo(ctx, nil); err != nil {
		return fmt.Errorf("let %s into the failover again: %w", s.Pool, err)
	}
	return nil
}
