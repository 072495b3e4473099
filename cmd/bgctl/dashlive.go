package main

import (
	"context"
	"fmt"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/feed"
	"bgctl/internal/tui"
	"bgctl/internal/watch"
)

// screenBake is how long a deploy from the screen watches the new release before it
// counts as good.
const screenBake = 5 * time.Minute

// liveDeps wires a deployment on an engine. Every act is the plan that the command
// of the same name would run.
func (a *app) liveDeps(t *target, live *feed.Feed, cfg *alert.Config) tui.Deps {
	return tui.Deps{
		Observe: live.Observe, Feed: live, Now: time.Now, Logs: live.Logs, Save: a.saver(t.project.Name),
		Execute: func(ctx context.Context, p bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
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
			return a.maintain(ctx, t, m)
		},
		Acknowledge: func(ctx context.Context, ev alert.Event) (string, error) { return a.acknowledge(ctx, t, &ev) },
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
