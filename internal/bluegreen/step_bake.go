package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	bakeTick   = time.Second     // between two looks
	bakeRecord = 2 * time.Second // between two records in the proxy's state
	notReady   = 3               // looks in a row at a pool that is not ready, until it is a breach
)

// RolledBackError says that a new release was taken back after it had traffic.
type RolledBackError struct {
	Pool   Pool   // that was watched
	To     Pool   // where traffic is now
	Reason string // with its figures
	After  time.Duration
}

// Error implements error.
func (e *RolledBackError) Error() string {
	return fmt.Sprintf("rolled back from %s to %s after %s: %s; traffic is on %s",
		e.Pool, e.To, e.After.Round(time.Second), e.Reason, e.To)
}

// errPromoted ends a bake that an operator ended.
var errPromoted = errors.New("promoted")

// The steps of a bake.
const (
	OpBake    StepOp = "bake"    // watch the new release, roll back on a breach
	OpPromote StepOp = "promote" // end the watching, the new release stays
)

// bake watches the new release and moves traffic back on a breach. The lock is
// free meanwhile: others may roll back, promote, or just look.
type bake struct {
	pool, from Pool
	spec       BakeSpec
}

// bakeStep adds the watching of the new release, if it is asked for.
func (p *Plan) bakeStep(b BakeSpec) {
	if b.For <= 0 {
		return
	}
	p.Bake = &b
	p.add(Step{
		Op: OpBake, Pool: p.To, act: bake{p.To, p.From, b},
		Text: fmt.Sprintf("watch %s for %s; back to %s when more than %g %% of its requests fail", p.To, b.For, p.From, b.Threshold),
	})
}

func (s bake) do(ctx context.Context, r *run) error {
	if r.Gauge == nil {
		r.warn("the new release is not watched: no gauge")
		return nil
	}
	begin := r.Now()
	b := Bake{
		Operation: r.op.ID, Pool: s.pool, From: s.from, By: r.holder(), Since: begin,
		Until: begin.Add(s.spec.For), Threshold: s.spec.Threshold,
	}
	d, err := r.observe(ctx)
	if err == nil {
		err = r.router.BeginBake(ctx, b)
	}
	if err == nil {
		err = r.router.Unlock(ctx)
	}
	if err != nil {
		return fmt.Errorf("begin to watch %s: %w; its release stays", s.pool, err)
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	verdict := r.Gauge.Watch(watching, &d, s.pool)
	err = r.watch(ctx, &b, verdict)
	return r.endBake(ctx, &b, err)
}

// watch looks every second until the time is over, or something ends it: a breach
// is a [RolledBackError], errPromoted an operator's word.
func (r *run) watch(ctx context.Context, b *Bake, verdict func() (Verdict, error)) error {
	recorded, ill := b.Since, 0
	for {
		if err := r.wait(bakeTick); err != nil {
			return err
		}
		now := r.Now()
		v, err := verdict()
		b.Verdict = v
		if err != nil {
			r.warn("the access log cannot be read: " + err.Error())
		}
		d, oerr := r.observe(ctx)
		switch {
		case oerr != nil || d.Router == nil: // the engine or the proxy is away: traffic is where it was
		case d.Active() != b.Pool:
			return r.ended(ctx, b)
		default:
			ill = b.judge(d.Pool(b.Pool), ill)
		}
		r.tell(b.progress(now))
		if b.Verdict.Breach != "" {
			return &RolledBackError{Pool: b.Pool, To: b.From, After: now.Sub(b.Since), Reason: b.Verdict.Breach}
		}
		if !now.Before(b.Until) {
			return nil
		}
		if now.Sub(recorded) >= bakeRecord && oerr == nil {
			recorded = now
			if stands, err := r.router.UpdateBake(ctx, *b); err == nil && !stands {
				return r.ended(ctx, b)
			}
		}
	}
}

// judge looks at the pool itself: one that is not ready for some looks in a row is
// a breach, whatever its requests say. It returns the looks in a row so far.
func (b *Bake) judge(ps *PoolState, ill int) int {
	if ps.Ready() {
		return 0
	}
	if ill++; ill >= notReady {
		b.Verdict.Breach = fmt.Sprintf("%s is %s", b.Pool, describe(ps))
	}
	return ill
}

// ended says how another operator ended the bake.
func (r *run) ended(ctx context.Context, b *Bake) error {
	if d, err := r.observe(ctx); err == nil && d.Router != nil && d.Active() != b.Pool {
		return &RolledBackError{Pool: b.Pool, To: d.Active(), After: r.Now().Sub(b.Since), Reason: "another operator moved traffic"}
	}
	return errPromoted
}

// progress is how far the bake is, in one line.
func (b *Bake) progress(now time.Time) string {
	return fmt.Sprintf("%s of %s, %s, threshold %g %%",
		now.Sub(b.Since).Round(time.Second), b.Until.Sub(b.Since), &b.Verdict, b.Threshold)
}

// endBake draws the conclusion.
func (r *run) endBake(ctx context.Context, b *Bake, err error) error {
	back, breach := errors.AsType[*RolledBackError](err)
	switch {
	case breach && back.To == b.From && b.Verdict.Breach != "":
		err = r.rollBack(ctx, b, back)
	case breach: // somebody else has done it
	case errors.Is(err, errPromoted):
		r.outcome.Message += fmt.Sprintf("; its bake was ended after %s: %s", r.Now().Sub(b.Since).Round(time.Second), &b.Verdict)
		err = nil
	case err == nil && !b.Verdict.Enough:
		r.warn(fmt.Sprintf("the bake is inconclusive: %d requests reached %s, too few to judge by; its release stays", b.Verdict.Requests, b.Pool))
	case err == nil:
		r.outcome.Message += fmt.Sprintf("; baked %s: %s", b.Until.Sub(b.Since), &b.Verdict)
	default:
		err = fmt.Errorf("the bake of %s was interrupted after %s (%s); its release stays; undo: bgctl rollback: %w",
			b.Pool, r.Now().Sub(b.Since).Round(time.Second), &b.Verdict, err)
	}
	b.Live = false
	r.outcome.Bake = b
	r.recordBake(ctx, b)
	return err
}

// recordBake writes the end of a bake to the journal, beside the deploy's entry.
func (r *run) recordBake(ctx context.Context, b *Bake) {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	op := r.op
	op.Bake = b
	err := errors.Join(r.router.Finish(ctx, op), r.router.EndBake(ctx, b.Operation))
	if err != nil {
		r.warn("the end of the bake could not be recorded: " + err.Error())
	}
}

// rollBack moves traffic back after a breach, by a plan of its own. It waits for whoever
// has the lock, and leaves traffic alone when the old pool could not carry it.
func (r *run) rollBack(ctx context.Context, b *Bake, why *RolledBackError) error {
	r.ending = true
	d, err := r.observe(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%s, but traffic could not be moved back: %w", why.Reason, err)
	case d.Active() != b.Pool:
		why.To, why.Reason = d.Active(), "another operator moved traffic"
		return why
	}
	plan, err := planBreach(&d, b, why.Reason)
	if err != nil {
		return err
	}
	plan.Command = r.plan.Command
	back := r.newRun(r.user, &plan, nil) //nolint:contextcheck // the user's patience, see run
	back.router, back.asked, back.tell, back.ending = r.router, r.Now(), r.tell, true
	if err := back.steps(ctx, plan.Steps); err != nil {
		err = back.undo(ctx, err)
		r.router = back.router
		return fmt.Errorf("%s; moving traffic back: %w", why.Reason, err)
	}
	r.router = back.router
	r.outcome.Receipt, r.outcome.Undo = back.outcome.Receipt, "bgctl switch "+b.Pool.String()
	r.outcome.Message = back.outcome.Message
	if w := back.outcome.Warning; w != "" {
		r.warn(w)
	}
	return why
}

// planBreach plans the rollback of a release whose bake was breached.
func planBreach(d *Deployment, b *Bake, reason string) (Plan, error) {
	p := Plan{
		Action: ActRollback, Project: d.Project, From: b.Pool, To: b.From,
		Old: d.Pool(b.Pool).Holds(), New: d.Pool(b.From).Holds(),
	}
	if ps := d.Pool(b.From); !ps.Ready() {
		return p, fmt.Errorf("%s, and %s is %s: traffic stays on %s", reason, b.From, describe(ps), b.Pool)
	}
	p.add(
		relockStep(),
		meterStep(b.Pool, b.From),
		recheckStep(d, fmt.Sprintf("refuse if %s is no longer active", b.Pool), nil),
		journalStep(Operation{From: b.Pool, To: b.From, Old: p.Old, New: p.New, Reason: reason}, asWhole),
	)
	p.moveSteps()
	p.add(closeStep(b.From, sayBack))
	return p, nil
}

// promote ends a bake before its time.
type promote struct{ operation string }

func promoteStep(b *Bake) Step {
	return Step{
		Op: OpPromote, Pool: b.Pool, act: promote{b.Operation},
		Text: fmt.Sprintf("end the watching of %s; its release stays", b.Pool),
	}
}

func (s promote) do(ctx context.Context, r *run) error {
	if err := r.router.EndBake(ctx, s.operation); err != nil {
		return fmt.Errorf("end the bake: %w", err)
	}
	r.outcome.Message = fmt.Sprintf("%s is no longer watched; its release stays", r.status.Active)
	return nil
}
