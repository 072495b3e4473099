package drill

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/load"
)

// healthProbes is how often each pool is asked.
const healthProbes = 3

// undoLeft heals what a drill that died left broken.
func (r *Runner) undoLeft(ctx context.Context) error {
	for _, pool := range r.plan.Left {
		if err := r.heal(ctx, pool); err != nil {
			return fmt.Errorf("undo what an earlier drill left on %s: %w", pool, err)
		}
	}
	return nil
}

// health judges everything the rest depends on, and opens the ears of the drill.
func (r *Runner) health(ctx context.Context) error {
	r.say("containers, proxy, pools, watcher")
	d, err := r.deps.Observe(ctx)
	if err != nil {
		return err
	}
	r.judge(judgeContainers(&d))
	if err := r.healthProxy(ctx); err != nil {
		return err
	}
	return r.healthWatcher(ctx, &d)
}

// judgeContainers judges every container of the project.
func judgeContainers(d *bluegreen.Deployment) Judgement {
	var bad []string
	n := 0
	look := func(c *bluegreen.Container) {
		if c == nil {
			return
		}
		if n++; !c.Up() {
			bad = append(bad, c.Name+" is "+state(c))
		}
	}
	look(d.Proxy)
	look(d.Watcher)
	for _, list := range [][]bluegreen.Container{d.Blue.Containers, d.Green.Containers, d.Others} {
		for i := range list {
			look(&list[i])
		}
	}
	if d.Proxy == nil || len(d.Blue.Containers) == 0 || len(d.Green.Containers) == 0 {
		bad = append(bad, "the proxy or a pool has no container")
	}
	j := judged("every container is ready", fmt.Sprintf("%d of %d", n, n), fmt.Sprintf("%d of %d", n-len(bad), n), len(bad) == 0)
	j.Why = strings.Join(bad, "; ")
	return j
}

// healthProxy judges nginx and, through it, both pools.
func (r *Runner) healthProxy(ctx context.Context) error {
	router, err := r.deps.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = router.Close() }() // nothing is held by it
	routing, err := router.Verify(ctx)
	if err != nil {
		return fmt.Errorf("ask nginx which pool is active: %w", err)
	}
	r.judge(judged("nginx uses the active pool", r.plan.Active.String(), routing.Active.String(), routing.Active == r.plan.Active))
	for _, pool := range bluegreen.Pools() {
		results, err := router.Probe(ctx, bluegreen.Probes{Pool: pool, Count: healthProbes})
		if err != nil {
			return fmt.Errorf("probe %s: %w", pool, err)
		}
		ok, worst := 0, time.Duration(0)
		for _, res := range results {
			if res.Status >= 200 && res.Status <= 299 && (res.Pool == pool || res.Pool == bluegreen.NoPool) {
				ok++
			}
			worst = max(worst, res.Took)
		}
		r.judge(judged(pool.String()+" answers /healthz through nginx", fmt.Sprintf("%d of %d", healthProbes, healthProbes),
			fmt.Sprintf("%d of %d, worst %s", ok, len(results), ms(worst)), ok == healthProbes))
	}
	return nil
}

// healthWatcher judges the watcher and where it posts.
func (r *Runner) healthWatcher(ctx context.Context, d *bluegreen.Deployment) error {
	const alive, posts = "the watcher reads the log", "messages have a receiver"
	switch {
	case d.Watcher == nil:
		r.ears = NoneHere
		r.judge(r.ears.unheard(alive, ""))
		return nil
	case d.Watcher.State != "running":
		r.judge(judged(alive, "running and healthy", "the watcher is "+state(d.Watcher), false))
		return nil
	}
	r.ears = Hearing
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	if err := r.deps.Follow(listening, r.tape.Line); err != nil {
		return fmt.Errorf("follow the watcher's output: %w", err)
	}
	if err := r.openOutpost(ctx, outpost.Observe); err != nil {
		r.judge(judged(alive, "/healthz is ok", "not known", false), judged(posts, "at least one", "not known: "+err.Error(), false))
		return ctx.Err()
	}
	h, err := r.outpost.Health(ctx)
	if err != nil {
		r.judge(judged(alive, "/healthz is ok", err.Error(), false))
		return ctx.Err()
	}
	if h.Maintenance != nil && !r.settings.Maintenance {
		r.say("maintenance is on: messages about pools are muted")
		r.report.Notes = append(r.report.Notes, "maintenance is on: messages about pools are muted, which counts as correct")
	}
	j := judged(alive, "/healthz is ok", h.Status, len(h.Reasons) == 0)
	j.Why = strings.Join(h.Reasons, "; ")
	r.judge(j)
	for _, q := range h.Receivers {
		r.webhooks = append(r.webhooks, q.Receiver)
		r.judge(judged(q.Receiver+" takes messages", "not refusing, none waiting", receiverText(q.Broken, q.Pending), q.Broken == "" && q.Pending == 0))
	}
	return r.receive(ctx, posts)
}

// receiverText says how a receiver stands.
func receiverText(broken string, pending int) string {
	if broken != "" {
		return "refuses: " + broken
	}
	return fmt.Sprintf("%d waiting", pending)
}

// receive stands in for a webhook where there is none.
func (r *Runner) receive(ctx context.Context, name string) error {
	r.report.Alerts.Receivers = r.webhooks
	if len(r.webhooks) > 0 {
		r.judge(judged(name, "at least one", strings.Join(r.webhooks, ", "), true))
		return nil
	}
	if r.opts.Webhook {
		r.judge(judged(name, "a real webhook", "none is configured", false))
		return nil
	}
	if err := r.outpost.End(ctx); err != nil {
		return err
	}
	if err := r.openOutpost(ctx, outpost.Receive); err != nil {
		r.judge(judged(name, "the drill's own", err.Error(), false))
		return ctx.Err()
	}
	r.report.Alerts.Receivers, r.report.Alerts.StandIn = []string{"drill"}, true
	r.judge(judged(name, "at least one", "no webhook is set: the drill receives", true))
	return nil
}

// openOutpost opens the helper.
func (r *Runner) openOutpost(ctx context.Context, mode outpost.Mode) error {
	o, err := r.deps.Outpost(ctx, mode, func(outpost.Message) {})
	r.outpost, r.outErr = o, err
	if err != nil {
		r.outpost = nil
	}
	return err
}

// baseline sends traffic to an unbroken deployment.
func (r *Runner) baseline(ctx context.Context) error {
	r.say("%g requests/s for %s", r.opts.Rate, r.opts.Duration)
	t := r.start(ctx, load.Config{Methods: both(), Rate: r.opts.Rate})
	err := sleep(ctx, r.opts.Duration)
	if err = errors.Join(err, t.stop()); err != nil {
		return err
	}
	shots, err := r.named(ctx, Baseline)
	if err != nil {
		return err
	}
	r.judge(JudgeBaseline(shots, r.plan.Active)...)
	return nil
}

// both are the methods of traffic.
func both() []string { return []string{"GET", "POST"} }

// named returns the shots of a phase, with the pool from the log for an application
// whose answers do not name it.
func (r *Runner) named(ctx context.Context, p Phase) ([]Shot, error) {
	shots := r.shotsOf(p)
	for i := range shots {
		if shots[i].Pool == bluegreen.NoPool && !shots[i].Lost() {
			_, e, err := r.extract(ctx)
			join(shots, &e, r.token)
			return shots, err
		}
	}
	return shots, nil
}
