// Command picture draws the dashboard's picture for the documentation: the
// simulated deployment during a failover, at a fixed moment, as SVG on its standard
// output. The same code gives the same bytes.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

func main() {
	svg, err := draw(context.Background())
	if err == nil {
		_, err = fmt.Fprint(os.Stdout, svg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// draw lets the simulated deployment lose its active pool, be healed and switched,
// and draws what an operator sees half a minute later.
func draw(ctx context.Context) (string, error) {
	clock := time.Date(2026, 3, 4, 14, 29, 30, 0, time.UTC)
	opts := tui.Options{Project: "shop", Alert: alert.DefaultConfig(), Latency: 300 * time.Millisecond, Theme: tui.ThemeDark, User: "ana"}
	stack := sim.New(sim.Options{Now: func() time.Time { return clock }, Seed: 4, Rate: 120, Alert: opts.Alert, Warm: 3 * time.Minute})
	deps := stack.Deps()
	m := tui.New(ctx, deps, opts)
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 36}) //nolint:contextcheck // the model has its own
	pass := func(d time.Duration) error {
		for end := clock.Add(d); clock.Before(end); {
			clock = clock.Add(time.Second)
			seen, err := deps.Observe(ctx)
			if err != nil {
				return err
			}
			m.Show(seen, deps.Feed.Take()) //nolint:contextcheck // the model has its own
		}
		return nil
	}
	do := func(plan func(*bluegreen.Deployment) (bluegreen.Plan, error)) error {
		seen, err := deps.Observe(ctx)
		if err != nil {
			return err
		}
		p, err := plan(&seen)
		if err != nil {
			return err
		}
		_, err = deps.Execute(ctx, p, func(bluegreen.Progress) {})
		return err
	}
	for _, step := range []func() error{
		func() error { return pass(20 * time.Second) },
		func() error {
			return do(func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanSwitch(d, bluegreen.Green, bluegreen.SwitchOptions{})
			})
		},
		func() error { return pass(90 * time.Second) },
		func() error {
			return do(func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanChaos(d, bluegreen.Green, bluegreen.ChaosOptions{Mode: bluegreen.FaultError})
			})
		},
		func() error { return pass(37 * time.Second) },
	} {
		if err := step(); err != nil {
			return "", err
		}
	}
	return m.SVG(), nil
}
