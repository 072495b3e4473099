package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/watch"
)

// logLimit is how long a request may take to appear in the log, messageLimit how long
// a message may take that has no bar of its own.
const (
	logLimit     = 3 * time.Second
	logEvery     = 200 * time.Millisecond
	messageLimit = 4 * time.Second
)

// watcherHealth asks the watcher through the outpost.
func (r *Runner) watcherHealth(ctx context.Context) (watch.Health, error) {
	if r.outpost == nil {
		return watch.Health{}, errors.New("no helper in the watcher's container")
	}
	return r.outpost.Health(ctx)
}

// extract reads the drill's lines of the log until every answered request is there.
func (r *Runner) extract(ctx context.Context) (LogFacts, Extract, error) {
	facts := LogFacts{
		Token: r.token, Shots: r.shotsOf(""), Spans: r.spans, Active: r.plan.Active,
		Settle: 2 * (r.settings.Alert.FailTimeout + time.Second),
	}
	r.mu.Lock()
	facts.Issued = r.issued
	r.mu.Unlock()
	for waited := time.Duration(0); ; waited += logEvery {
		e, err := r.deps.Extract(ctx, mark+r.token)
		if err != nil || facts.complete(&e) || waited >= logLimit {
			return facts, e, err
		}
		if err := sleep(ctx, logEvery); err != nil {
			return facts, e, err
		}
	}
}

// checkLog judges the access log.
func (r *Runner) checkLog(ctx context.Context) error {
	r.say("compare the log with the clients")
	facts, e, err := r.extract(ctx)
	if err != nil {
		return fmt.Errorf("read the access log: %w", err)
	}
	join(facts.Shots, &e, r.token)
	r.judge(JudgeLog(&facts, &e)...)
	h, err := r.watcherHealth(ctx)
	if err != nil {
		r.judge(skipped("the watcher understood every line", err.Error()))
		return ctx.Err()
	}
	r.judge(judged("the watcher understood every line", "0 bad", fmt.Sprintf("%d bad of %d", h.Log.Bad, h.Log.Lines), h.Log.Bad == 0))
	return nil
}

// checkAlerts judges what was posted and what arrived.
func (r *Runner) checkAlerts(ctx context.Context) error {
	receivers := r.report.Alerts.Receivers
	r.say("wait for the messages under way")
	// Slack takes one message a second.
	limit := messageLimit + time.Duration(len(r.tape.Told()))*time.Second
	done := func(told []Told) bool {
		return !slices.ContainsFunc(told, func(t Told) bool {
			return slices.ContainsFunc(receivers, func(rec string) bool { return !t.settled(rec) })
		})
	}
	if r.ears == Hearing {
		r.tape.Wait(ctx, limit, done)
	}
	f := AlertFacts{
		Ears: r.ears, Began: r.report.Started, Expected: r.expected, Told: r.tape.Told(), Receivers: receivers, StandIn: r.report.Alerts.StandIn,
	}
	if r.outpost != nil && f.StandIn {
		f.Messages = r.outpost.Messages()
		r.report.Alerts.Received = f.Messages
	}
	r.judge(JudgeAlerts(&f)...)
	return ctx.Err()
}

// restore puts everything back and judges that it is. ctx is not the drill's.
func (r *Runner) restore(ctx context.Context) error {
	err := r.putBack(ctx)
	if r.outpost != nil {
		gone := r.outpost.End(ctx)
		j := judged("no helper left in the watcher's container", "gone", "gone", gone == nil)
		if gone != nil {
			j.Measured = gone.Error()
		}
		r.judge(j)
	}
	if r.stop != nil {
		r.stop()
	}
	d, oerr := r.deps.Observe(ctx)
	if oerr != nil {
		return errors.Join(err, oerr)
	}
	r.judge(judged("the same pool is active", r.plan.Active.String(), d.Active().String(), d.Active() == r.plan.Active))
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		measured := "ready"
		switch {
		case ps.Fault != nil:
			measured = "under a fault: " + string(ps.Fault.Mode)
		case !ps.Ready():
			measured = "not ready"
		}
		r.judge(judged(pool.String()+" is healed and ready", "ready", measured, measured == "ready"))
	}
	return err
}

// putBack undoes what this drill did: faults first, then the active pool.
func (r *Runner) putBack(ctx context.Context) error {
	d, err := r.deps.Observe(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		ours := ps.Fault != nil && strings.HasPrefix(ps.Fault.By.What, Command)
		if ours || pool == r.plan.Active && !ps.Ready() && len(r.spans) > 0 {
			r.say("heal %s", pool)
			errs = append(errs, r.heal(ctx, pool))
		}
	}
	if d.Active() != r.plan.Active && d.Active() != bluegreen.NoPool {
		r.say("switch back to %s", r.plan.Active)
		errs = append(errs, r.switchBack(ctx))
	}
	return errors.Join(errs...)
}

// switchBack makes the pool active that was so before the drill.
func (r *Runner) switchBack(ctx context.Context) error {
	d, err := r.deps.Observe(ctx)
	if err != nil {
		return err
	}
	p, err := bluegreen.PlanSwitch(&d, r.plan.Active, bluegreen.SwitchOptions{})
	if err != nil {
		return err
	}
	_, err = r.deps.Execute(ctx, p, nil)
	return err
}
