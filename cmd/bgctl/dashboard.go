package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/feed"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// dashboardFlags are the flags of `bgctl dashboard`.
type dashboardFlags struct {
	readOnly bool
	demo     bool
	ascii    bool
	theme    string
	graph    string
}

// newDashboardCommand returns `bgctl dashboard`.
func newDashboardCommand(a *app) *cobra.Command {
	var f dashboardFlags
	cmd := &cobra.Command{
		Use: "dashboard", Aliases: []string{"dash"}, Short: "Show and steer the deployment on one live screen", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dashboard(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVar(&f.readOnly, "read-only", false, "show only; no key changes anything (or BGCTL_READ_ONLY=1)")
	cmd.Flags().BoolVar(&f.demo, "demo", false, "a simulated deployment; needs no Docker")
	cmd.Flags().BoolVar(&f.ascii, "ascii", false, "ASCII glyphs only")
	cmd.Flags().StringVar(&f.theme, "theme", tui.ThemeAuto, "auto, dark, light, mono")
	cmd.Flags().StringVar(&f.graph, "graph", string(tui.GraphBlock), "block, braille, ascii")
	return cmd
}

// dashboard runs the screen until the operator quits.
func (a *app) dashboard(ctx context.Context, f *dashboardFlags) error {
	in, out, err := a.screen()
	if err != nil {
		return err
	}
	opts := a.screenOptions(f)
	if f.demo {
		opts.Alert, opts.Latency = alert.DefaultConfig(), demoLatency
		demo := sim.New(sim.Options{Now: time.Now, Seed: 1, Rate: 60, Alert: opts.Alert, Warm: 15 * time.Minute, Pace: 300 * time.Millisecond, Spells: sim.Sometime})
		opts.Project, opts.Demo = "demo", "simulated"
		return tui.Run(ctx, demo.Deps(), opts, in, out)
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	cfg, err := watcherConfig(t.project)
	if err != nil {
		return err
	}
	live := feed.New(feed.Config{Stack: t.stack, Client: t.client, Project: t.project.Name, Alert: cfg, Now: time.Now})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go live.Run(ctx)
	opts.Alert = cfg
	opts.Project, opts.Host = t.project.Name, remoteHost(t.client.Info().Host)
	deps := tui.Deps{
		Observe: live.Observe, Feed: live, Now: time.Now,
		Execute: func(ctx context.Context, p bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
			d, err := t.stack.Observe(ctx)
			if err != nil {
				return bluegreen.Outcome{}, err
			}
			return a.controller(t, a.meter(t, &d), time.Now()).Execute(ctx, p, on)
		},
	}
	return tui.Run(ctx, deps, opts, in, out)
}

// demoLatency is the threshold in the plots of the simulated deployment.
const demoLatency = 300 * time.Millisecond

// watcherConfig reads the settings of the project's watcher, so that the window on
// the screen is the window that fires.
func watcherConfig(p *compose.Project) (alert.Config, error) {
	for name, service := range p.Services {
		if deployment.ServiceRole(name, service.Labels[deployment.RoleLabel]) != bluegreen.RoleWatcher {
			continue
		}
		return alertConfig(func(key string) string {
			if v := service.Environment[key]; v != nil {
				return *v
			}
			return ""
		})
	}
	return alert.DefaultConfig(), nil
}

// screen returns the terminal's ends, or says what to use without one.
func (a *app) screen() (in, out *os.File, err error) {
	in, okIn := a.in.(*os.File)
	out, okOut := a.out.(*os.File)
	if !okIn || !okOut || !isTerminal(a.in) || !isTerminal(a.out) {
		return nil, nil, usagef("the dashboard needs a terminal for input and output; use: bgctl status")
	}
	if term := a.env("TERM"); term == "" || term == "dumb" {
		return nil, nil, usagef("the dashboard needs a terminal that can place text (TERM=%q); use: bgctl status", term)
	}
	return in, out, nil
}

// screenOptions are how the screen looks.
func (a *app) screenOptions(f *dashboardFlags) tui.Options {
	opts := tui.Options{
		Theme: f.theme, Graph: tui.Graph(f.graph), Charset: tui.CharsetUnicode, Farewell: a.err,
		User: a.holder().User,
	}
	if f.readOnly || a.env("BGCTL_READ_ONLY") != "" {
		opts.Access = tui.ReadOnly
	}
	if f.ascii {
		opts.Charset = tui.CharsetASCII
	}
	// The convention is any value at all, not only true ones.
	if a.env("NO_COLOR") != "" || a.flags.color == "never" {
		opts.Theme = tui.ThemeMono
	}
	return opts
}
