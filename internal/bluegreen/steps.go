package bluegreen

import (
	"context"
	"fmt"
	"time"
)

// recheck refuses a plan whose world changed since it was made.
func (r *run) recheck(ctx context.Context, s Step) error {
	if r.plan.Deploy != nil {
		return r.recheckDeploy(ctx, s)
	}
	if r.plan.Action == ActSwitch || r.plan.Action == ActRollback {
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
	if r.plan.Deploy == nil {
		r.startMeter(ctx)
	}
	results, err := r.router.Probe(ctx, Probes{Pool: s.Pool, Count: s.Count})
	if err != nil {
		return fmt.Errorf("probe %s: %w", s.Pool, err)
	}
	var worst time.Duration
	for _, res := range results {
		worst = max(worst, res.Took)
		reason := probeFault(res, s.Pool)
		if reason != "" && r.plan.Deploy != nil {
			return r.unready(ctx, s.Pool, "a probe through nginx failed: "+reason)
		}
		if reason != "" {
			return &RefusedError{
				Action:  r.plan.Action,
				Reasons: []string{fmt.Sprintf("%s failed a probe through nginx: %s", s.Pool, reason)},
				Hint:    "nothing was changed; look at it: bgctl logs app_" + s.Pool.String(),
			}
		}
	}
	r.detail = fmt.Sprintf("%d of %d ok, worst %.0f ms", len(results), len(results), ms(worst))
	if n := len(results); n > 0 && results[n-1].Release != "" {
		r.detail += ", release " + results[n-1].Release
	}
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
	if r.plan.Deploy == nil {
		r.startMeter(ctx)
	}
	by := r.Holder
	by.What, by.Since = r.plan.Command, r.asked
	r.op.ID = fmt.Sprintf("%s-%d-%d", r.plan.Action, r.asked.UnixMilli(), r.Holder.PID)
	r.op.Kind, r.op.From, r.op.To = r.plan.Action, r.plan.From, r.plan.To
	r.op.By, r.op.Started, r.op.Phase = by, r.asked, OpJournal
	if r.op.Old == nil {
		r.op.Old = r.plan.Old
	}
	if r.op.New == nil {
		r.op.New = r.plan.New
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
	if r.plan.Deploy != nil {
		// The user asked minutes ago; what moving traffic costs begins here.
		r.startMeter(ctx)
		r.routed = r.Now()
	}
	if err := r.router.Route(ctx, s.Pool); err != nil {
		return fmt.Errorf("rename the flag file: %w; traffic stays on %s", err, r.plan.From)
	}
	r.moved = r.Now()
	if r.plan.Deploy == nil {
		r.detail = fmt.Sprintf("%.0f ms after the command", ms(r.moved.Sub(r.asked)))
	}
	return nil
}

// verify asks nginx on a fresh connection.
func (r *run) verify(ctx context.Context, s Step) error {
	routing, err := r.router.Verify(ctx)
	pool := routing.Active
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
		r.warn(fmt.Sprintf("traffic moved, but ACTIVE_POOL could not be written: %v", err))
	}
	return nil
}

// close ends the measurement and the journal entry.
func (r *run) close(ctx context.Context) error {
	begin := r.asked
	if !r.routed.IsZero() {
		begin = r.routed
	}
	total := r.Now().Sub(begin)
	if r.finish != nil {
		receipt := r.finish(ctx, begin, r.moved)
		r.finish = nil
		receipt.Total = ms(total)
		r.outcome.Receipt = &receipt
		r.op.Receipt = &receipt
	}
	r.op.Finished, r.op.Result, r.op.Phase = r.Now(), "done", ""
	if r.op.Staged {
		r.op.Result = "staged"
	}
	if err := r.router.Finish(ctx, r.op); err != nil {
		r.warn("traffic moved, but the journal entry could not be closed: " + err.Error())
	}
	r.began = false
	r.outcome.Message = r.closing(begin)
	r.endForeignBake(ctx)
	return nil
}

// closing is the outcome in one line.
func (r *run) closing(begin time.Time) string {
	moved := fmt.Sprintf("traffic: %s → %s in %.0f ms", r.plan.From, r.plan.To, ms(r.moved.Sub(begin)))
	switch {
	case r.op.Staged:
		return fmt.Sprintf("%s stands in %s, ready in %s; traffic stays on %s; move it: bgctl switch %s",
			&r.release, r.plan.To, r.Now().Sub(r.asked).Round(10*time.Millisecond), r.plan.From, r.plan.To)
	case r.plan.Deploy != nil:
		return fmt.Sprintf("%s takes traffic after %s; %s", &r.release, r.Now().Sub(r.asked).Round(10*time.Millisecond), moved)
	case r.plan.Action == ActRollback && r.op.New != nil:
		return fmt.Sprintf("back on %s; %s", r.op.New, moved)
	}
	return moved
}

// warn notes something that went wrong beside what was asked.
func (r *run) warn(text string) {
	if r.outcome.Warning != "" {
		text = r.outcome.Warning + "; " + text
	}
	r.outcome.Warning = text
}

// abandon closes what a failed run left open and returns the cause with what
// became of it.
func (r *run) abandon(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout+r.slack())
	defer cancel()
	if r.finish != nil {
		receipt := r.finish(ctx, r.asked, r.Now())
		if !r.moved.IsZero() {
			r.outcome.Receipt = &receipt
		}
	}
	if !r.began {
		return cause
	}
	if r.plan.Deploy != nil {
		cause = r.takeBack(ctx, cause)
	}
	r.op.Finished, r.op.Result = r.Now(), "failed: "+cause.Error()
	if err := r.router.Finish(ctx, r.op); err != nil {
		r.warn("the journal entry stays open: " + err.Error())
	}
	return cause
}

// nothingToDo says why a plan is empty.
func nothingToDo(p *Plan) string {
	switch p.Action {
	case ActSwitch:
		return fmt.Sprintf("%s is active already, nothing to do", p.To)
	case ActHeal:
		return fmt.Sprintf("%s is healthy and under no fault, nothing to do", p.To)
	case ActPromote:
		return "no release is being watched, nothing to do"
	case ActChaos, ActRestart, ActDeploy, ActRollback:
	}
	return "nothing to do"
}
