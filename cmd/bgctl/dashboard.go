package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// dashboardFlags are the flags of `bgctl dashboard`.
type dashboardFlags struct {
	readOnly bool
	demo     bool
	ascii    bool
	plain    bool
	listKeys bool
	theme    string
	graph    string
	window   string
	latency  time.Duration
	demoRate float64
	set      func(name string) bool // was the flag given?
}

// newDashboardCommand returns `bgctl dashboard`.
func newDashboardCommand(a *app) *cobra.Command {
	var f dashboardFlags
	cmd := &cobra.Command{
		Use: "dashboard", Aliases: []string{"dash"}, Short: "Show and steer the deployment on one live screen", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.set = cmd.Flags().Changed
			if f.listKeys {
				return a.listKeys()
			}
			return a.dashboard(cmd.Context(), &f)
		},
	}
	cmd.Flags().BoolVar(&f.readOnly, "read-only", false, "show only; no key changes anything (or BGCTL_READ_ONLY=1)")
	cmd.Flags().BoolVar(&f.demo, "demo", false, "a simulated deployment; needs no Docker")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "print what changes as sentences, for screen readers and logs (or BGCTL_ACCESSIBLE=1)")
	cmd.Flags().BoolVar(&f.ascii, "ascii", false, "ASCII glyphs only")
	cmd.Flags().BoolVar(&f.listKeys, "list-keys", false, "print the names that keys can be bound to, and exit")
	cmd.Flags().StringVar(&f.theme, "theme", tui.ThemeAuto, "auto, dark, light, high-contrast, mono")
	cmd.Flags().StringVar(&f.graph, "graph", string(tui.GraphBlock), "block, braille, ascii")
	cmd.Flags().StringVar(&f.window, "window", "5m", "how far back plots look: 1m, 5m, 15m, 1h")
	cmd.Flags().DurationVar(&f.latency, "latency", 0, "threshold in the latency plot (default: the watcher's LATENCY_P95, if it has one)")
	// For measurements of the screen itself.
	cmd.Flags().Float64Var(&f.demoRate, "demo-rate", 60, "requests a second of the simulated deployment")
	_ = cmd.Flags().MarkHidden("demo-rate") // the flag is there
	return cmd
}

// listKeys prints the names that settings can bind keys to.
func (a *app) listKeys() error {
	names := tui.KeyNames()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, err := fmt.Fprintf(a.out, "%-16s %s\n", name, strings.Join(names[name], " ")); err != nil {
			return err
		}
	}
	return nil
}

// dashboard runs the screen until the operator quits.
func (a *app) dashboard(ctx context.Context, f *dashboardFlags) error {
	opts, err := a.screenOptions(f)
	if err != nil {
		return err
	}
	show := func(ctx context.Context, deps tui.Deps, opts tui.Options) error {
		return tui.Plain(ctx, deps, opts, a.out)
	}
	plain := f.plain || a.env("BGCTL_ACCESSIBLE") != ""
	if !plain {
		in, out, err := a.screen()
		if err != nil {
			return err
		}
		opts.FirstRun = a.firstRun()
		show = func(ctx context.Context, deps tui.Deps, opts tui.Options) error {
			return tui.Run(ctx, deps, opts, in, out)
		}
	}
	if f.demo {
		deps := a.demoDeps(&opts, f.demoRate)
		return show(ctx, deps, opts)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	live, err := a.newLate(ctx, &opts)
	if err != nil {
		return err
	}
	defer live.close()
	if plain {
		// A script wants to be told by the exit code.
		if _, err := live.open(ctx); err != nil {
			return err
		}
	}
	return show(ctx, live.deps(&opts.Alert), opts)
}

// demoDeps wires the simulated deployment.
func (a *app) demoDeps(opts *tui.Options, rate float64) tui.Deps {
	opts.Alert, opts.Project, opts.Demo = alert.DefaultConfig(), "demo", "simulated"
	if opts.Latency == 0 {
		opts.Latency = demoLatency
	}
	demo := sim.New(sim.Options{Now: time.Now, Seed: 1, Rate: rate, Alert: opts.Alert, Warm: demoWarm(rate), Pace: 300 * time.Millisecond, Spells: sim.Sometime})
	deps := demo.Deps()
	deps.Save = a.saver(opts.Project)
	return deps
}

// demoWarm is how much of the past the simulation makes up: a quarter of an hour, less
// when that would be so many requests that the screen would have to wait for them.
func demoWarm(rate float64) time.Duration {
	if rate <= 60 {
		return 15 * time.Minute
	}
	return time.Duration(15 * 60 / rate * float64(time.Minute))
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
	in, okIn := file(a.in)
	out, okOut := file(a.out)
	if !okIn || !okOut || !isTerminal(a.in) || !isTerminal(a.out) {
		return nil, nil, usagef("the dashboard needs a terminal for input and output; use: bgctl dashboard --plain, or bgctl status")
	}
	if term := a.env("TERM"); term == "" || term == "dumb" {
		return nil, nil, usagef("the dashboard needs a terminal that can place text (TERM=%q); use: bgctl dashboard --plain, or bgctl status", term)
	}
	return in, out, nil
}
