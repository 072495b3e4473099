package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/load"
)

// warmUp is how long the traffic runs before the fault.
const warmUp = time.Second

// grace is how long beyond its bar something is waited for: a figure that misses its
// bar says more than "never".
const grace = 3 * time.Second

// failover breaks the active pool under traffic, watches the other one take over,
// and heals it.
func (r *Runner) failover(ctx context.Context) error {
	f := FailoverFacts{Mode: r.opts.Mode, Active: r.plan.Active, Ears: r.ears, Receiver: r.receiver()}
	t := r.start(ctx, load.Config{Methods: both(), Rate: r.opts.Rate})
	err := r.breakAndHeal(ctx, &f)
	err = errors.Join(err, t.stop())
	if err != nil && ctx.Err() != nil {
		return err
	}
	shots, lerr := r.named(ctx, Failover)
	f.Shots = shots
	if !f.Broken.IsZero() {
		judgements, times := JudgeFailover(&f, &r.settings, &r.opts)
		r.report.Timings = times
		r.judge(judgements...)
	}
	return errors.Join(err, lerr)
}

// receiver is whose acceptance counts: the first of the watcher's, "" when nobody receives.
func (r *Runner) receiver() string {
	if len(r.report.Alerts.Receivers) == 0 {
		return ""
	}
	return r.report.Alerts.Receivers[0]
}

// breakAndHeal is the failover while traffic runs.
func (r *Runner) breakAndHeal(ctx context.Context, f *FailoverFacts) error {
	r.say("traffic")
	if err := errors.Join(sleep(ctx, warmUp), r.calm(ctx)); err != nil {
		return err
	}
	r.say("%s %s", f.Mode, f.Active)
	var err error
	if f.Broken, f.Done, err = r.breakActive(ctx, f.Mode); err != nil {
		return fmt.Errorf("%s %s: %w", f.Mode, f.Active, err)
	}
	r.fail("drill-broken")
	if f.Mode != bluegreen.FaultSlow {
		r.expect(alert.Failover, alert.Firing)
		r.expect(alert.Failover, alert.Resolved)
	}
	if err := r.awaitFailover(ctx, f); err != nil {
		return err
	}
	r.say("heal %s", f.Active)
	f.Heal = r.deps.Now()
	if err := r.heal(ctx, f.Active); err != nil {
		return err
	}
	f.HealedAt = r.deps.Now()
	r.spans = append(r.spans, Span{f.Broken, f.HealedAt})
	return r.awaitRecovery(ctx, f)
}

// calm lets a failover from before the drill resolve, which takes traffic: as long as
// it fires there is no second one to be told.
func (r *Runner) calm(ctx context.Context) error {
	h, err := r.watcherHealth(ctx)
	if err != nil || !slices.ContainsFunc(h.Alerts, func(e alert.Event) bool { return e.Type == alert.Failover }) {
		return ctx.Err()
	}
	r.say("an earlier failover still fires; wait for its end")
	r.tape.Wait(ctx, barsFor(&r.settings, &r.opts).resolved+grace, func(told []Told) bool {
		return first(told, alert.Failover, alert.Resolved, time.Time{}) != nil
	})
	return ctx.Err()
}

// awaitFailover waits for the other pool, the watcher and the receiver, and at least
// for the time that was asked for.
func (r *Runner) awaitFailover(ctx context.Context, f *FailoverFacts) error {
	b := barsFor(&r.settings, &r.opts)
	b.alert += f.Done.Sub(f.Broken)
	r.say("wait for %s", f.Active.Other())
	err := until(ctx, b.first+grace, func() bool {
		return f.Mode == bluegreen.FaultSlow || !answered(r.shotsOf(Failover), f.Active.Other(), f.Broken).IsZero()
	})
	if err != nil {
		return err
	}
	if r.ears == Hearing && f.Mode != bluegreen.FaultSlow {
		r.say("wait for the watcher")
		limit := f.Broken.Add(b.alert + grace)
		r.tape.Wait(ctx, limit.Sub(r.deps.Now()), func(told []Told) bool {
			f.Fired = first(told, alert.Failover, alert.Firing, f.Broken)
			return f.Fired != nil && (f.Receiver == "" || f.Fired.settled(f.Receiver))
		})
	}
	r.say("%s under %s", f.Active, f.Mode)
	return sleep(ctx, max(r.opts.Duration-r.deps.Now().Sub(f.Broken), 0))
}

// awaitRecovery waits until the healed pool answers and the watcher says so.
func (r *Runner) awaitRecovery(ctx context.Context, f *FailoverFacts) error {
	b := barsFor(&r.settings, &r.opts)
	r.say("wait for %s", f.Active)
	err := until(ctx, b.recover+grace, func() bool {
		return !answered(r.shotsOf(Failover), f.Active, f.Heal).IsZero()
	})
	if err != nil || f.Fired == nil {
		return err
	}
	r.say("wait for the watcher to tell the recovery")
	limit := b.resolved + grace
	if r.opts.Wait {
		limit += r.settings.Alert.Cooldown
	}
	r.tape.Wait(ctx, limit, func(told []Told) bool {
		f.Resolved = first(told, alert.Failover, alert.Resolved, f.Fired.Seen)
		return f.Resolved != nil
	})
	// The report about the failover's own message may be newer than the copy.
	if again := first(r.tape.Told(), alert.Failover, alert.Firing, f.Broken); again != nil {
		f.Fired = again
	}
	return ctx.Err()
}

// expect notes an event that the drill causes.
func (r *Runner) expect(t alert.Type, s alert.Status) {
	if r.ears != NoneHere {
		r.expected = append(r.expected, Expectation{t, s})
	}
}

// unexpect takes back what turned out not to be possible.
func (r *Runner) unexpect(t alert.Type) {
	r.expected = slices.DeleteFunc(r.expected, func(e Expectation) bool { return e.Type == t })
}

// breakActive injects a fault into the active pool through the controller, so that
// guard, record and undo apply. It returns when the fault was asked for and done.
func (r *Runner) breakActive(ctx context.Context, mode bluegreen.FaultMode) (asked, done time.Time, err error) {
	d, err := r.deps.Observe(ctx)
	if err != nil {
		return asked, done, err
	}
	if d.Active() != r.plan.Active {
		return asked, done, fmt.Errorf("%w: %s is active now, not %s", bluegreen.ErrChanged, d.Active(), r.plan.Active)
	}
	p, err := bluegreen.PlanChaos(&d, r.plan.Active, bluegreen.ChaosOptions{Mode: mode, Force: r.opts.Force})
	if err != nil {
		return asked, done, err
	}
	p.Command, p.For = fmt.Sprintf("%s (%s)", Command, r.current.Phase), FaultLimit
	_, err = r.deps.Execute(ctx, p, func(step bluegreen.Progress) {
		switch {
		case step.Step.Op != bluegreen.OpBreak:
		case step.State == bluegreen.StepWorking:
			asked = r.deps.Now()
		case step.State == bluegreen.StepDone:
			done = r.deps.Now()
		}
	})
	return asked, done, err
}

// heal undoes every fault on a pool and waits until it is ready.
func (r *Runner) heal(ctx context.Context, pool bluegreen.Pool) error {
	d, err := r.deps.Observe(ctx)
	if err != nil {
		return err
	}
	p, err := bluegreen.PlanHeal(&d, pool)
	if err != nil {
		return err
	}
	p.Command = Command
	_, err = r.deps.Execute(ctx, p, nil)
	return err
}
