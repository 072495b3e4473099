package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/load"
)

// The traffic of an error burst and of the good requests after it.
const (
	burstFactor = 3 // requests sent at most, as a multiple of those needed
	burstWait   = 3 * time.Second
	flushMax    = 2000 // good requests that push the errors out of the window
	flushRate   = 100
)

// burst makes requests fail until the error rate fires, then lets good ones follow.
func (r *Runner) burst(ctx context.Context) error {
	f := BurstFacts{
		Ears: r.ears, Need: r.needed(ctx), Rate: -1,
		Clear: r.settings.Alert.ThresholdPercent / 2, Hold: r.settings.Alert.Hold, Waited: r.opts.Wait,
	}
	r.expect(alert.ErrorRate, alert.Firing)
	if r.ears != Hearing { // errors that nobody hears would prove nothing
		r.judge(JudgeBurst(&f)...)
		return nil
	}
	why, err := r.burstSkip(ctx)
	if err != nil {
		return err
	}
	if f.Skipped = why; why == "" {
		err = r.burn(ctx, &f)
	}
	if err != nil {
		return err
	}
	r.judge(JudgeBurst(&f)...)
	return nil
}

// needed is how many failed requests make the error rate fire, by what stands in the
// watcher's window now.
func (r *Runner) needed(ctx context.Context) int {
	c := &r.settings.Alert
	if h, err := r.watcherHealth(ctx); err == nil {
		return errorsNeeded(c, h.Window.N)
	}
	return max(errorsNeeded(c, 0), errorsNeeded(c, c.Window))
}

// burstSkip says why there can be no burst, "" when there can.
func (r *Runner) burstSkip(ctx context.Context) (string, error) {
	if told := first(r.tape.Told(), alert.ErrorRate, alert.Firing, time.Time{}); told != nil {
		return fmt.Sprintf("it fired in the %s phase already (%s)", Failover, told.Event.ID), nil
	}
	if h, err := r.watcherHealth(ctx); err == nil {
		for i := range h.Alerts {
			if ev := &h.Alerts[i]; ev.Type == alert.ErrorRate {
				r.unexpect(alert.ErrorRate)
				return fmt.Sprintf("it has been firing since %s; it resolves after %s of good traffic",
					ev.Since.Local().Format("15:04:05"), r.settings.Alert.Hold), nil
			}
		}
	}
	if r.fourHundreds() {
		return "", nil
	}
	ok, err := r.obeys(ctx)
	if err != nil || ok {
		return "", err
	}
	r.unexpect(alert.ErrorRate)
	return "the application has no /chaos to make it answer 500; with ERROR_CLASSES=4xx,5xx a --path that it answers 404 does", nil
}

// fourHundreds reports whether the requested path already answers with what counts
// as an error: then nothing has to be broken.
func (r *Runner) fourHundreds() bool {
	shots := r.shotsOf(Baseline)
	if r.settings.Alert.Classes != alert.Class4xx5xx || len(shots) == 0 {
		return false
	}
	for i := range shots {
		if shots[i].Status < 400 || shots[i].Status > 498 {
			return false
		}
	}
	return true
}

// obeys reports whether the active pool takes the commands of the demo application.
func (r *Runner) obeys(ctx context.Context) (bool, error) {
	router, err := r.deps.Open(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = router.Close() }() // nothing is held by it
	return router.Chaos(ctx, r.plan.Active, "") == nil, ctx.Err()
}

// burn is the burst itself.
func (r *Runner) burn(ctx context.Context, f *BurstFacts) error {
	begin := r.deps.Now()
	broken := !r.fourHundreds()
	if broken {
		r.say("make %s answer errors", r.plan.Active)
		if _, _, err := r.breakActive(ctx, bluegreen.FaultError); err != nil {
			return fmt.Errorf("make %s answer errors: %w", r.plan.Active, err)
		}
		r.fail("drill-errors-broken")
	}
	err := r.shoot(ctx, f, begin)
	if broken {
		r.say("heal %s", r.plan.Active)
		err = errors.Join(err, r.heal(ctx, r.plan.Active))
		r.spans = append(r.spans, Span{begin, r.deps.Now()})
	}
	if err != nil || !broken {
		return err
	}
	return r.flush(ctx, f)
}

// shoot sends failing requests until the watcher speaks.
func (r *Runner) shoot(ctx context.Context, f *BurstFacts, begin time.Time) error {
	limit := burstFactor*f.Need + burstMargin
	r.say("errors until the watcher speaks")
	// nginx repeats no POST: each one that fails is one that a user sees.
	t := r.start(ctx, load.Config{Methods: []string{http.MethodPost}, Rate: r.opts.Rate, Requests: limit})
	patience := requests(limit, r.opts.Rate) + burstWait
	fired := func(told []Told) bool {
		f.Fired = first(told, alert.ErrorRate, alert.Firing, begin)
		return f.Fired != nil
	}
	r.tape.Wait(ctx, patience, fired)
	if err := t.stop(); err != nil {
		return err
	}
	return r.countBurst(ctx, f)
}

// countBurst counts the failed requests that stood in the log when the alert fired.
// The event's own time is the log's, so that no two clocks are compared.
func (r *Runner) countBurst(ctx context.Context, f *BurstFacts) error {
	_, e, err := r.extract(ctx)
	if err != nil {
		return err
	}
	of := map[int]bool{}
	for _, s := range r.shotsOf(Errors) {
		of[s.N] = true
	}
	for i := range e.Records {
		rec := &e.Records[i]
		if !of[number(rec.Path, r.token)] || rec.Status < 400 || rec.Status < 500 && r.settings.Alert.Classes != alert.Class4xx5xx {
			continue
		}
		if f.Total++; f.Fired != nil && !rec.Time.After(f.Fired.Event.Time) {
			f.Failed++
		}
	}
	if f.Total == 0 {
		f.Skipped = fmt.Sprintf("%s was told to fail and did not: it ignores POST /chaos/start", r.plan.Active)
		r.unexpect(alert.ErrorRate)
	}
	return ctx.Err()
}

// flush sends good requests until the errors have left the window, so that the alert
// resolves by itself, and waits for that when it was asked to.
func (r *Runner) flush(ctx context.Context, f *BurstFacts) error {
	n := min(r.settings.Alert.Window, flushMax)
	r.say("good requests")
	t := r.start(ctx, load.Config{Methods: []string{http.MethodGet}, Rate: max(flushRate, r.opts.Rate), Requests: n})
	select {
	case <-t.done:
	case <-ctx.Done():
	}
	if err := t.stop(); err != nil {
		return err
	}
	if f.Fired == nil {
		return ctx.Err()
	}
	if r.opts.Wait {
		return r.awaitResolved(ctx, f)
	}
	// The watcher reads a moment later than nginx writes.
	var last atomic.Value
	err := until(ctx, burstWait, func() bool {
		h, err := r.watcherHealth(ctx)
		if err == nil {
			last.Store(h.Window.Rate)
		}
		return err == nil && h.Window.Rate <= f.Clear
	})
	if rate, ok := last.Load().(float64); ok {
		f.Rate = rate
	}
	return err
}

// awaitResolved keeps light traffic up until the watcher tells that it is over and
// nothing is held back by a cooldown.
func (r *Runner) awaitResolved(ctx context.Context, f *BurstFacts) error {
	limit := r.settings.Alert.Hold + r.settings.Alert.Cooldown + burstWait
	r.say("wait up to %s for the alert to resolve", limit.Round(time.Second))
	t := r.start(ctx, load.Config{Methods: []string{http.MethodGet}, Rate: max(r.opts.Rate/3, 1)})
	r.tape.Wait(ctx, limit, func(told []Told) bool {
		for at := f.Fired.Seen; ; at = f.Over.Seen.Add(1) {
			over := first(told, alert.ErrorRate, alert.Resolved, at)
			if over == nil {
				return false
			}
			// One that a cooldown mutes is told again when that has ended.
			if f.Over = over; over.Muted() == "" || f.Fired.Muted() != "" {
				return true
			}
		}
	})
	return errors.Join(ctx.Err(), t.stop())
}
