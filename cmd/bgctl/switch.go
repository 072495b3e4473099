package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/receipt"
	"bgctl/internal/sanitize"
)

// actFlags are the flags of every command that changes a running deployment.
type actFlags struct {
	dryRun bool
	force  bool
	json   bool
	yes    bool
}

// add registers the flags.
func (f *actFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "print the plan and change nothing")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
}

// newSwitchCommand returns `bgctl switch`.
func newSwitchCommand(a *app) *cobra.Command {
	var f actFlags
	var probes int
	var noReceipt bool
	var bake bluegreen.BakeSpec
	cmd := &cobra.Command{
		Use: "switch POOL", Short: "Move all traffic to a pool, without losing a request",
		Example:           "  bgctl switch green\n  bgctl switch blue --dry-run",
		Args:              exactPool,
		ValidArgsFunction: completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			pool, err := bluegreen.ParsePool(args[0])
			if err != nil {
				return usageError{err}
			}
			if err := checkBake(bake.For); err != nil {
				return err
			}
			act := action{flags: f, receipt: !noReceipt, bake: &bake, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanSwitch(d, pool, bluegreen.SwitchOptions{Force: f.force, Probes: probes, Bake: bake})
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "switch although the pool is not ready; the plan says what that skips")
	cmd.Flags().IntVar(&probes, "probes", 3, "health requests through nginx that must succeed first")
	cmd.Flags().DurationVar(&bake.For, "bake", 0, "watch the new pool this long, switch back by itself on a breach")
	cmd.Flags().BoolVar(&noReceipt, "no-receipt", false, "do not measure what the switch costs the users")
	return cmd
}

// exactPool accepts one pool name.
func exactPool(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s wants one pool: blue or green", cmd.CommandPath())
	}
	return nil
}

// completePools completes pool names.
func completePools(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"blue", "green"}, cobra.ShellCompDirectiveNoFileComp
}

// action is one change of a running deployment.
type action struct {
	flags   actFlags
	receipt bool
	bake    *bluegreen.BakeSpec // its threshold is the one of the project's watcher
	plan    func(*bluegreen.Deployment) (bluegreen.Plan, error)
}

// act observes, plans, shows or asks, and executes.
func (a *app) act(ctx context.Context, act *action) error {
	asked := time.Now()
	t, d, err := a.openDeployment(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	if act.bake != nil && act.bake.For > 0 {
		cfg, err := watcherConfig(t.project)
		if err != nil {
			return err
		}
		act.bake.Threshold = cfg.ThresholdPercent
	}
	var meter bluegreen.Meter
	if act.receipt {
		meter = a.meter(t, &d)
	}
	c := a.controller(t, meter, asked)
	for round := 1; ; round++ {
		plan, err := act.plan(&d)
		if err != nil {
			return err
		}
		if act.flags.dryRun {
			return a.showPlan(&plan, &act.flags)
		}
		shown := plan.Severe && !act.flags.yes && !act.flags.force
		if err := a.confirm(&plan, &act.flags); err != nil {
			return err
		}
		steps := a.steps()
		outcome, err := c.Execute(ctx, plan, steps.update)
		steps.clear()
		if errors.Is(err, bluegreen.ErrChanged) && outcome.Recovered == "" && !shown && round < planRounds {
			// Nobody saw the plan, and nothing of it was done: it is made for what is there now.
			if d, err = t.stack.Observe(ctx); err == nil {
				continue
			}
		}
		return a.finish(&outcome, err, &act.flags)
	}
}

// planRounds bounds how often a command plans anew when the deployment changes between
// planning and the lock.
const planRounds = 3

// openDeployment is open for what works on a deployment that exists, as it is now. The
// caller closes the target.
func (a *app) openDeployment(ctx context.Context) (*target, bluegreen.Deployment, error) {
	looking := a.lookEarly(ctx)
	project, err := a.load(ctx)
	early := <-looking
	if err != nil {
		early.target.close()
		return nil, bluegreen.Deployment{}, err
	}
	t, d := early.target, early.seen
	switch {
	case t.client == nil:
		return nil, d, early.err
	case t.project.Name != project.Name:
		t.stack.Close()
		t = a.target(t.client, project)
		d, err = t.stack.Observe(ctx)
	default:
		t.project, err = project, early.err
	}
	if err == nil {
		err = a.present(&d)
	}
	if err != nil {
		t.close()
		return nil, bluegreen.Deployment{}, err
	}
	return t, d, nil
}

// earlyLook is a look at the project that the file is expected to be.
type earlyLook struct {
	target *target // without a client when the engine cannot be reached
	seen   bluegreen.Deployment
	err    error
}

// lookEarly observes while the file is read, which takes as long. The name of the project
// is known without the file but when that gives it another one.
func (a *app) lookEarly(ctx context.Context) <-chan earlyLook {
	out := make(chan earlyLook, 1)
	go func() {
		expected := compose.NamedProject(compose.ExpectedName(a.loadOptions()))
		client, err := a.connect(ctx)
		look := earlyLook{target: a.target(client, expected), err: err}
		if err == nil {
			look.seen, look.err = look.target.stack.Observe(ctx)
		}
		out <- look
	}()
	return out
}

// present refuses to work on a project that does not exist.
func (a *app) present(d *bluegreen.Deployment) error {
	if d.Proxy == nil && len(d.Blue.Containers)+len(d.Green.Containers) == 0 {
		return fmt.Errorf("%w: project %q has no containers on this engine; bring it up: bgctl up", deployment.ErrNoStack, d.Project)
	}
	return nil
}

// meter measures what a switch costs the users of the proxy.
func (a *app) meter(t *target, d *bluegreen.Deployment) bluegreen.Meter {
	return &receipt.Meter{URL: a.proxyURL(t, d)}
}

// meterOf is meter for a deployment that has not been observed.
func (a *app) meterOf(ctx context.Context, t *target) bluegreen.Meter {
	d, err := t.stack.Observe(ctx)
	if err != nil {
		return nil
	}
	return a.meter(t, &d)
}

// controller wires the controller to the target. A nil meter measures nothing.
func (a *app) controller(t *target, meter bluegreen.Meter, asked time.Time) *bluegreen.Controller {
	return &bluegreen.Controller{
		Observe: t.stack.Observe, Look: t.stack.Look, Open: t.stack.Open, Engine: t.stack,
		Holder: a.holder(), Now: time.Now, Asked: asked, Failpoint: a.failpoint(),
		SaveEnv: a.envSaver(), Meter: meter, Install: a.installer(t), Gauge: a.gauge(t),
	}
}

// showPlan prints a plan.
func (a *app) showPlan(plan *bluegreen.Plan, f *actFlags) error {
	if f.json {
		return writeJSON(a.out, plan)
	}
	_, err := fmt.Fprint(a.out, sanitize.Copy(plan).String())
	return err
}

// finish prints the outcome.
func (a *app) finish(o *bluegreen.Outcome, err error, f *actFlags) error {
	if f.json {
		result := outcomeJSON{Outcome: o}
		if err != nil {
			result.Error = oneLine(err)
		}
		return errors.Join(err, writeJSON(a.out, &result))
	}
	if o.Recovered != "" {
		fmt.Fprintln(a.err, "note:", clean(o.Recovered))
	}
	if o.Warning != "" {
		fmt.Fprintln(a.err, "warning:", clean(o.Warning))
	}
	if ill, ok := errors.AsType[*bluegreen.UnreadyError](err); ok {
		a.lastWords(ill)
	}
	if err != nil && o.Bake == nil {
		return err
	}
	if o.Message != "" {
		fmt.Fprintln(a.out, clean(o.Message))
	}
	if o.Receipt != nil {
		fmt.Fprintln(a.out, clean(o.Receipt.String()))
	}
	if o.Undo != "" {
		fmt.Fprintln(a.out, "undo:", clean(o.Undo))
	}
	return err
}

// outcomeJSON is the documented form of `--json` of every command that changes
// something. Fields are added, never renamed.
type outcomeJSON struct {
	*bluegreen.Outcome
	Error string `json:"error,omitempty"`
}
