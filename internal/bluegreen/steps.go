package bluegreen

import (
	"context"
	"fmt"
	"time"
)

// lock takes the lock and settles an operation that an earlier command left open.
func (r *run) lock(ctx context.Context) error {
	h := r.Holder
	h.What, h.Since = r.plan.Command, r.asked
	if err := r.router.Lock(ctx, h); err != nil {
		return err
	}
	st, err := r.router.Status(ctx)
	if err != nil {
		return fmt.Errorf("read the proxy's state: %w", err)
	}
	if st.Unfinished == nil {
		return nil
	}
	op := *st.Unfinished
	op.Finished, op.Result = r.Now(), settle(op, st.Active)
	if err := r.router.Finish(ctx, op); err != nil {
		return fmt.Errorf("settle the operation that was cut off: %w", err)
	}
	r.outcome.Recovered = Describe(op, st.Active)
	r.detail = r.outcome.Recovered
	return nil
}

// settle says how a cut-off operation ended, judged by where traffic is now.
func settle(op Operation, active Pool) string {
	if active == op.To {
		return "done (its command was cut off after the switch)"
	}
	return "undone (its command was cut off before the switch)"
}

// Describe says in one line what became of an operation whose command was cut off.
func Describe(op Operation, active Pool) string {
	return fmt.Sprintf("%s %s→%s by %s@%s at %s was cut off: traffic is on %s, %s",
		op.Kind, op.From, op.To, op.By.User, op.By.Host, op.Started.Local().Format("15:04:05"), active, settle(op, active))
}

// recheck refuses a plan whose world changed since it was made.
func (r *run) recheck(ctx context.Context, s Step) error {
	if r.plan.Action == ActSwitch {
		st, err := r.router.Status(ctx)
		if err != nil {
			return fmt.Errorf("read the proxy's state: %w", err)
		}
		if st.Active != s.Pool {
			return fmt.Errorf("%w: %s is active now, not %s; nothing was done", ErrChanged, st.Active, s.Pool)
		}
		return nil
	}
	d, err := r.Observe(ctx)
	if err != nil {
		return err
	}
	force := len(r.plan.Forced) > 0
	_, err = PlanChaos(&d, s.Pool, ChaosOptions{Mode: s.Mode, Force: force})
	return err
}

// probe asks the pool through nginx and refuses when an answer is not good. The
// receipt's clients are started first, so that they hold connections by now.
func (r *run) probe(ctx context.Context, s Step) error {
	r.startMeter(ctx)
	results, err := r.router.Probe(ctx, s.Pool, s.Count)
	if err != nil {
		return fmt.Errorf("probe %s: %w", s.Pool, err)
	}
	var worst time.Duration
	for _, res := range results {
		worst = max(worst, res.Took)
		if reason := probeFault(res, s.Pool); reason != "" {
			return &RefusedError{
				Action:  r.plan.Action,
				Reasons: []string{fmt.Sprintf("%s failed a probe through nginx: %s", s.Pool, reason)},
				Hint:    "nothing was changed; look at it: bgctl logs app_" + s.Pool.String(),
			}
		}
	}
	r.detail = fmt.Sprintf("%d of %d ok, worst %.0f ms", len(results), len(results), ms(worst))
	return nil
}

// probeFault says what is wrong with a probe's answer, "" when nothing is.
func probeFault(res ProbeResult, want Pool) string {
	switch {
	case res.Err != "":
		return res.Err
	case res.Status < 200 || res.Status > 299:
		return fmt.Sprintf("/healthz answered %d", res.Status)
	case res.Pool != NoPool && res.Pool != want:
		return fmt.Sprintf("the answer came from %s", res.Pool)
	}
	return ""
}

// startMeter starts the receipt's clients once.
func (r *run) startMeter(ctx context.Context) {
	if r.Meter != nil && r.finish == nil {
		r.finish = r.Meter.Start(ctx, r.plan.From, r.plan.To)
	}
}

// journal writes the intent before acting on it.
func (r *run) journal(ctx context.Context) error {
	r.startMeter(ctx)
	by := r.Holder
	by.What, by.Since = r.plan.Command, r.asked
	r.op = Operation{
		ID:   fmt.Sprintf("%s-%d", r.plan.Action, r.asked.UnixMilli()),
		Kind: r.plan.Action, From: r.plan.From, To: r.plan.To, By: by, Started: r.asked,
	}
	if err := r.router.Begin(ctx, r.op); err != nil {
		return fmt.Errorf("write the journal: %w; traffic stays on %s", err, r.plan.From)
	}
	r.began = true
	return nil
}

// route moves traffic.
func (r *run) route(ctx context.Context, s Step) error {
	// From here to the verification a cancelled caller must not leave us
	// guessing, so that the step runs to its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	if err := r.router.Route(ctx, s.Pool); err != nil {
		return fmt.Errorf("rename the flag file: %w; traffic stays on %s", err, r.plan.From)
	}
	r.moved = r.Now()
	r.detail = fmt.Sprintf("%.0f ms after the command", ms(r.moved.Sub(r.asked)))
	return nil
}

// verify asks nginx on a fresh connection.
func (r *run) verify(ctx context.Context, s Step) error {
	pool, err := r.router.Verify(ctx)
	if err != nil {
		return fmt.Errorf("verify: %w; the flag says %s", err, s.Pool)
	}
	if pool != s.Pool {
		return fmt.Errorf("nginx still sends traffic to %s although the flag says %s; look at it: bgctl status", pool, s.Pool)
	}
	return nil
}

// env keeps .env in step. Traffic has moved already, so that a file which cannot
// be written is a warning.
func (r *run) env(ctx context.Context, s Step) error {
	if r.SaveEnv == nil {
		r.detail = "no .env here"
		return nil
	}
	if err := r.SaveEnv(ctx, s.Pool); err != nil {
		r.outcome.Warning = fmt.Sprintf("traffic moved, but ACTIVE_POOL could not be written: %v", err)
	}
	return nil
}

// close ends the measurement and the journal entry.
func (r *run) close(ctx context.Context) error {
	total := r.Now().Sub(r.asked)
	if r.finish != nil {
		receipt := r.finish(ctx, r.asked, r.moved)
		receipt.Total = ms(total)
		r.outcome.Receipt = &receipt
		r.op.Receipt = &receipt
	}
	r.op.Finished, r.op.Result = r.Now(), "done"
	if err := r.router.Finish(ctx, r.op); err != nil {
		r.outcome.Warning = "traffic moved, but the journal entry could not be closed: " + err.Error()
	}
	r.outcome.Message = fmt.Sprintf("traffic: %s → %s in %.0f ms", r.plan.From, r.plan.To, ms(r.moved.Sub(r.asked)))
	return nil
}

// abandon closes what a failed run left open.
func (r *run) abandon(ctx context.Context, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	if r.finish != nil {
		receipt := r.finish(ctx, r.asked, r.Now())
		if !r.moved.IsZero() {
			r.outcome.Receipt = &receipt
		}
	}
	if !r.began {
		return
	}
	r.op.Finished, r.op.Result = r.Now(), "failed: "+cause.Error()
	if err := r.router.Finish(ctx, r.op); err != nil {
		r.outcome.Warning = "the journal entry stays open: " + err.Error()
	}
}

// nothingToDo says why a plan is empty.
func nothingToDo(p *Plan) string {
	switch p.Action {
	case ActSwitch:
		return fmt.Sprintf("%s is active already, nothing to do", p.To)
	case ActHeal:
		return fmt.Sprintf("%s is healthy and under no fault, nothing to do", p.To)
	case ActChaos, ActRestart:
	}
	return "nothing to do"
}
