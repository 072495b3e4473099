package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/feed"
	"bgctl/internal/tui"
	"bgctl/internal/watch"
)

// screenBake is how long a deploy from the screen watches the new release before it
// counts as good.
const screenBake = 5 * time.Minute

// late is the deployment behind a screen. It is reached while the screen is drawn
// already: an engine far away takes seconds to answer, and one that is down comes back.
type late struct {
	a       *app
	project *compose.Project
	feed    *feed.Feed
	ctx     context.Context //nolint:containedctx // the screen's life, which is the feed's

	mu     sync.Mutex
	target *target
}

// newLate prepares what needs no engine, and completes the options with it.
func (a *app) newLate(ctx context.Context, opts *tui.Options) (*late, error) {
	project, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	where, err := compose.Locate(a.connectOptions())
	if err != nil {
		return nil, err
	}
	if opts.Alert, err = watcherConfig(project); err != nil {
		return nil, err
	}
	if opts.Latency == 0 {
		opts.Latency = opts.Alert.LatencyP95
	}
	opts.Project, opts.Host = project.Name, remoteHost(where.Host)
	return &late{
		a: a, project: project, ctx: ctx,
		feed: feed.New(feed.Config{Project: project.Name, Alert: opts.Alert, Past: feed.PastHour, Now: time.Now}),
	}, nil
}

// open reaches the engine, once, and starts the feed.
func (l *late) open(ctx context.Context) (*target, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target != nil {
		return l.target, nil
	}
	t, err := l.a.reach(ctx, l.project)
	if err != nil {
		return nil, err
	}
	l.target = t
	l.feed.Connect(t.stack, t.client)
	go l.feed.Run(l.ctx)
	return t, nil
}

// close ends the connections.
func (l *late) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.target != nil {
		l.target.close()
	}
}

// observe looks at the deployment.
func (l *late) observe(ctx context.Context) (bluegreen.Deployment, error) {
	if _, err := l.open(ctx); err != nil {
		return bluegreen.Deployment{}, err
	}
	return l.feed.Observe(ctx)
}

// deps wires a deployment on an engine. Every act is the plan that the command of the
// same name would run.
func (l *late) deps(cfg *alert.Config) tui.Deps {
	a := l.a
	return tui.Deps{
		Observe: l.observe, Feed: l.feed, Now: time.Now, Logs: l.feed.Logs, Save: a.saver(l.project.Name),
		Execute: func(ctx context.Context, p bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
			t, err := l.open(ctx)
			if err != nil {
				return bluegreen.Outcome{}, err
			}
			d, err := t.stack.Observe(ctx)
			if err != nil {
				return bluegreen.Outcome{}, err
			}
			return a.controller(t, a.meter(t, &d), time.Now()).Execute(ctx, p, on)
		},
		PlanRollback: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanRollback(d, bluegreen.RollbackOptions{})
		},
		PlanDeploy: func(d *bluegreen.Deployment, image string) (bluegreen.Plan, error) {
			bake := bluegreen.BakeSpec{For: screenBake, Threshold: cfg.ThresholdPercent}
			return bluegreen.PlanDeploy(d, bluegreen.Release{Image: image}, bluegreen.DeployOptions{Bake: bake})
		},
		PlanRestart: planRestartOf,
		PlanPromote: bluegreen.PlanPromote,
		Phase:       longPhase,
		Maintain: func(ctx context.Context, m tui.Maintenance) (string, error) {
			t, err := l.open(ctx)
			if err != nil {
				return "", err
			}
			return a.maintain(ctx, t, m)
		},
		Acknowledge: func(ctx context.Context, ev alert.Event) (string, error) {
			t, err := l.open(ctx)
			if err != nil {
				return "", err
			}
			return a.acknowledge(ctx, t, &ev)
		},
	}
}

// planRestartOf plans to restart one container, named by its ID.
func planRestartOf(d *bluegreen.Deployment, id string) (bluegreen.Plan, error) {
	for _, pool := range bluegreen.Pools() {
		for i := range d.Pool(pool).Containers {
			if d.Pool(pool).Containers[i].ID == id {
				return bluegreen.PlanRestart(d, pool, id, bluegreen.RollbackOptions{})
			}
		}
	}
	return bluegreen.Plan{}, &bluegreen.RefusedError{
		Action: bluegreen.ActRestart, Reasons: []string{"the container belongs to no pool"}, Hint: "restart a service: docker compose restart",
	}
}

// longPhase tells which state that lasts a deployment is in: whoever runs a bake or
// a drain, every screen shows it.
func longPhase(d *bluegreen.Deployment) *tui.Phase {
	r := d.Router
	if r == nil {
		return nil
	}
	if b := r.Bake; b != nil {
		return &tui.Phase{
			ID: b.Operation, Kind: tui.PhaseBaking, Pool: b.Pool, Since: b.Since, Until: b.Until,
			Rate: b.Verdict.Rate, Threshold: b.Threshold, Text: b.Verdict.String(),
		}
	}
	if op := r.Current; op != nil && op.Drain != nil {
		return &tui.Phase{
			ID: op.ID, Kind: tui.PhaseDraining, Pool: op.Drain.Pool, Since: op.Started, Until: op.Drain.Until,
			InFlight: op.Drain.InFlight,
		}
	}
	if len(r.Moves) == 0 {
		return nil
	}
	// A rollback that no person asked for is shown until somebody has seen it.
	last := &r.Moves[len(r.Moves)-1]
	if last.Kind != bluegreen.ActRollback || last.Reason == "" {
		return nil
	}
	return &tui.Phase{
		ID: last.ID, Kind: tui.PhaseRolledBack, Pool: last.To, Since: last.Started, Until: last.Finished, Text: last.Reason,
	}
}

// maintain does what `bgctl maintenance` does, on the screen's connection.
func (a *app) maintain(ctx context.Context, t *target, m tui.Maintenance) (string, error) {
	w, err := t.stack.Watcher(ctx)
	if err != nil {
		return "", err
	}
	if m.Scope == alert.ScopeNone {
		_, err = w.Run(ctx, "maintenance", "--json", "off")
		return "maintenance ended: messages go out again", err
	}
	h := a.holder()
	until := time.Now().Add(min(m.For, watch.MaxMaintenance))
	_, err = w.Run(ctx, "maintenance", "--json", "on", "--until", until.UTC().Format(time.RFC3339),
		"--scope", string(m.Scope), "--by", h.User+"@"+h.Host)
	return fmt.Sprintf("maintenance until %s: messages are muted (%s)", until.Format("15:04:05"), m.Scope), err
}
