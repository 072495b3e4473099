package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The steps that put a release into a pool.
const (
	OpImage   StepOp = "image"   // make sure the engine has the image
	OpSolo    StepOp = "solo"    // keep the pool out of the failover
	OpDrain   StepOp = "drain"   // wait until the pool has no request in flight
	OpInstall StepOp = "install" // recreate the pool's containers with the release
	OpKeep    StepOp = "keep"    // record what stands in the pool, keep .env in step
	OpAdmit   StepOp = "admit"   // let the pool take over again when the other one fails
	OpRestore StepOp = "restore" // put back what stood in the pool
)

// drainLimit bounds the wait for a pool's last requests; what is left then has
// the container's own grace period.
const drainLimit = 10 * time.Second

// image makes sure that the engine has the image. Nothing has been changed yet, so
// that an image which cannot be had is a refusal.
type image struct {
	pool   Pool
	spec   DeploySpec
	before *Release
}

func imageStep(pool Pool, spec *DeploySpec, before *Release) Step {
	return Step{Op: OpImage, Pool: pool, Text: imageText(spec), act: image{pool, *spec, before}}
}

// imageText says how an image comes to the engine.
func imageText(spec *DeploySpec) string {
	switch spec.Pull {
	case PullAlways:
		return "pull " + spec.Release.Image
	case PullNever:
		return "refuse unless the engine has " + spec.Release.Image
	case PullMissing:
	}
	return "make sure the engine has " + spec.Release.Image + ", pull it if not"
}

func (s image) do(_ context.Context, r *run) error {
	if r.Install == nil {
		return errNoInstaller
	}
	// A pull may take long, and nothing is half done when it is given up.
	rel, err := r.Install.Resolve(r.user, s.spec.Release, s.spec.Pull) //nolint:contextcheck // see run
	if errors.Is(err, ErrImage) {
		return &RefusedError{
			Action: r.plan.Action, Reasons: []string{err.Error()},
			Hint: fmt.Sprintf("nothing was changed: %s still holds %s", s.pool, s.before),
		}
	}
	if err != nil {
		return err
	}
	r.release[s.pool] = rel
	r.detail = shortID(rel.ImageID)
	return nil
}

// shortID is an image's ID as people compare it.
func shortID(id string) string { return id[:min(len(id), len("sha256:")+12)] }

// solo keeps a pool out of the failover.
type solo struct{ pool Pool }

func soloStep(pool Pool) Step {
	return Step{
		Op: OpSolo, Pool: pool, act: solo{pool},
		Text: fmt.Sprintf("keep %s out of the failover until it is verified; %s has no backup meanwhile", pool, pool.Other()),
	}
}

func (s solo) do(ctx context.Context, r *run) error {
	if err := r.router.SetSolo(ctx, &Solo{Pool: s.pool, By: r.holder(), Since: r.Now()}); err != nil {
		return fmt.Errorf("keep %s out of the failover: %w", s.pool, err)
	}
	return nil
}

// drain waits until the proxy has no connection to the pool any more, or too long.
type drain struct{ pool Pool }

func drainStep(pool Pool) Step {
	return Step{
		Op: OpDrain, Pool: pool, act: drain{pool},
		Text: fmt.Sprintf("wait until the last requests on %s have ended, at most %s", pool, drainLimit),
	}
}

func (s drain) do(ctx context.Context, r *run) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	var addrs []string
	for _, c := range d.Pool(s.pool).Containers {
		addrs = append(addrs, c.Addrs...)
	}
	end, n := r.Now().Add(drainLimit), 0
	defer func() { r.op.Drain = nil }()
	err = r.until(ctx, drainLimit, func() (bool, error) {
		was := n
		if n, err = r.router.InFlight(ctx, addrs); err != nil {
			return true, fmt.Errorf("count the connections to %s: %w", s.pool, err)
		}
		if n == 0 {
			return true, nil
		}
		if n != was {
			r.op.Drain = &Drain{Pool: s.pool, InFlight: n, Until: end}
			if err := r.router.Begin(ctx, r.op); err != nil {
				return true, fmt.Errorf("write the journal: %w", err)
			}
		}
		return false, fmt.Errorf("%d in flight, %s left", n, end.Sub(r.Now()).Round(time.Second))
	})
	if errors.Is(err, errTooLong) {
		r.detail = fmt.Sprintf("%d still open after %s", n, drainLimit)
		return nil
	}
	return err
}

// install replaces the pool's containers. Once begun it is not given up halfway.
type install struct {
	pool   Pool
	before *Release
}

func installStep(pool Pool, before, rel *Release) Step {
	return Step{
		Op: OpInstall, Pool: pool, act: install{pool, before},
		Text: fmt.Sprintf("replace %s in %s by %s", before, pool, rel),
	}
}

func (s install) do(ctx context.Context, r *run) error {
	rel := r.release[s.pool]
	if err := r.Install.Install(ctx, s.pool, rel, r.tell); err != nil {
		return fmt.Errorf("put %s into %s: %w", &rel, s.pool, err)
	}
	r.installed[s.pool] = r.Now()
	return nil
}

// restore puts back what stood in the pool, or stops the containers of a pool that had
// none before.
type restore struct {
	pool   Pool
	before *Release
}

func restoreStep(pool Pool, before *Release) Step {
	text := fmt.Sprintf("put %s back into %s", before, pool)
	if before == nil {
		text = fmt.Sprintf("stop what was put into %s; it held nothing before", pool)
	}
	return Step{Op: OpRestore, Pool: pool, Text: text, act: restore{pool, before}}
}

func (restore) persists() {}

func (s restore) do(ctx context.Context, r *run) error {
	if s.before == nil {
		return s.empty(ctx, r)
	}
	if r.Install == nil {
		return errNoInstaller
	}
	if err := r.Install.PutBack(ctx, s.pool, *s.before, r.tell); err != nil {
		return fmt.Errorf("put %s back into %s: %w", s.before, s.pool, err)
	}
	r.installed[s.pool] = r.Now()
	st, err := r.router.Status(ctx)
	if err != nil {
		return err
	}
	d := Deployment{Router: &st}
	if have := d.Standing(s.pool); have == nil || have.Release.ImageID == s.before.ImageID {
		return nil // the record was not changed yet, nor was .env
	}
	if err := r.stand(ctx, s.pool, *s.before); err != nil {
		return err
	}
	if _, err := r.Install.Keep(ctx, s.pool, *s.before); err != nil {
		r.warn("the old image could not be kept in .env: " + err.Error())
	}
	return nil
}

// empty stops every container of the pool.
func (s restore) empty(ctx context.Context, r *run) error {
	d, err := r.observe(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range d.Pool(s.pool).Containers {
		errs = append(errs, r.Engine.Stop(ctx, c.ID))
	}
	return errors.Join(errs...)
}

// keep records what stands in the pool from now on, and keeps .env in step. An .env that
// cannot be written is a warning: the record counts.
type keep struct{ pool Pool }

func keepStep(pool Pool) Step {
	return Step{
		Op: OpKeep, Pool: pool, act: keep{pool},
		Text: fmt.Sprintf("record what stands in %s, keep %s_IMAGE and RELEASE_ID_%s in .env in step", pool, upper(pool), upper(pool)),
	}
}

func (s keep) do(ctx context.Context, r *run) error {
	rel := r.release[s.pool]
	if err := r.stand(ctx, s.pool, rel); err != nil {
		return err
	}
	note, err := r.Install.Keep(ctx, s.pool, rel)
	if err != nil {
		r.warn(fmt.Sprintf("%s runs, but its image could not be kept in .env: %v", &rel, err))
	}
	r.detail = note
	return nil
}

// stand records what stands in a pool.
func (r *run) stand(ctx context.Context, pool Pool, rel Release) error {
	config, err := r.Install.Config(ctx, pool)
	if err != nil {
		r.warn(fmt.Sprintf("the configuration of %s could not be recorded: %v", pool, err))
	}
	s := Standing{Pool: pool, Release: rel, Config: config, Operation: r.op.ID, By: r.holder(), Since: r.Now()}
	if err := r.router.SetStanding(ctx, s); err != nil {
		return fmt.Errorf("record what stands in %s: %w", pool, err)
	}
	return nil
}

// admit lets the pool into the failover again. What an install set aside has no use then.
type admit struct{ pool Pool }

func admitStep(pool, other Pool) Step {
	if other == pool || other == NoPool {
		other = pool.Other()
	}
	return Step{
		Op: OpAdmit, Pool: pool, act: admit{pool},
		Text: fmt.Sprintf("let %s take over again when %s fails", pool, other),
	}
}

func (s admit) do(ctx context.Context, r *run) error {
	if err := r.router.SetSolo(ctx, nil); err != nil {
		return fmt.Errorf("let %s into the failover again: %w", s.pool, err)
	}
	if r.Install == nil {
		return nil
	}
	if err := r.Install.Settle(ctx, s.pool); err != nil {
		r.warn(fmt.Sprintf("the containers that %s held before could not be removed: %v", s.pool, err))
	}
	return nil
}
