package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill"
	"bgctl/internal/drill/live"
	"bgctl/internal/load"
	"bgctl/internal/proxy"
	"bgctl/internal/sanitize"
)

// drillFlags are the flags of `bgctl drill`.
type drillFlags struct {
	actFlags
	mode    string
	phases  []string
	opts    drill.Options
	timeout time.Duration
}

// The limits of a drill's traffic: it goes to what may be a running service.
const (
	maxDrillRate     = 1000
	maxDrillDuration = 10 * time.Minute
)

// newDrillCommand returns `bgctl drill`.
func newDrillCommand(a *app) *cobra.Command {
	var f drillFlags
	cmd := &cobra.Command{
		Use: "drill", Short: "Break the deployment on purpose, and judge how it holds", Args: cobra.NoArgs,
		Long: "Break the deployment on purpose, and judge how it holds, in six phases: health,\n" +
			"baseline traffic, failover, error burst, access log, alerts. Every judgement has a\n" +
			"bar and a measured figure. Everything is put back, however the drill ends: a fault\n" +
			"is recorded before it acts, and bgctl heal or the next drill undoes what a killed\n" +
			"one left. Without a webhook the drill itself receives what the watcher posts.\n\n" +
			"Exit codes: 0 passed, 3 a judgement failed, 4 refused, 6 locked, 130 interrupted.",
		Example: "  bgctl drill --dry-run\n  bgctl drill --yes --json\n  bgctl drill --phase failover --mode pause",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.drill(cmd.Context(), &f)
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.opts.Force, "force", false, "drill although the deployment is not ok")
	fl.StringVar(&f.mode, "mode", "kill", "the failover's fault: kill, stop, pause; with the demo app also error, timeout, slow")
	fl.StringSliceVar(&f.phases, "phase", nil, "only these `phases`: baseline, failover, errors, log, slack (health always runs)")
	fl.Float64Var(&f.opts.Rate, "rate", 30, "requests per second")
	fl.IntVar(&f.opts.Clients, "clients", 4, "keep-alive connections")
	fl.DurationVar(&f.opts.Duration, "duration", 5*time.Second, "length of the baseline, and the least time of a fault")
	fl.StringVar(&f.opts.Path, "path", "/", "`path` that GET and POST requests go to")
	fl.DurationVar(&f.timeout, "timeout", 5*time.Minute, "put everything back and give up after this time; --wait adds its own")
	fl.BoolVar(&f.opts.Wait, "wait", false, "wait for alerts to resolve and for cooldowns to end: minutes")
	fl.BoolVar(&f.opts.Webhook, "slack", false, "demand a real webhook")
	return cmd
}

// check refuses what makes no sense.
func (f *drillFlags) check() error {
	var err error
	if f.opts.Mode, err = bluegreen.ParseFaultMode(f.mode); err != nil {
		return usageError{err}
	}
	for _, s := range f.phases {
		p, err := drill.ParsePhase(s)
		if err != nil {
			return usageError{err}
		}
		f.opts.Phases = append(f.opts.Phases, p)
	}
	switch {
	case f.opts.Rate <= 0 || f.opts.Rate > maxDrillRate:
		return usagef("--rate %g: want more than 0 and at most %d requests per second", f.opts.Rate, maxDrillRate)
	case f.opts.Clients < 1 || f.opts.Clients > 256:
		return usagef("--clients %d: want 1 to 256", f.opts.Clients)
	case f.opts.Duration < time.Second || f.opts.Duration > maxDrillDuration:
		return usagef("--duration %s: want 1s to %s", f.opts.Duration, maxDrillDuration)
	case !strings.HasPrefix(f.opts.Path, "/") || strings.ContainsFunc(f.opts.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }):
		return usagef("--path %q: want a path such as /shop?page=1", f.opts.Path)
	case f.timeout < 10*time.Second:
		return usagef("--timeout %s: want at least 10s", f.timeout)
	}
	return nil
}

// drill plans, asks, drills and prints the scorecard.
func (a *app) drill(ctx context.Context, f *drillFlags) error {
	t, d, err := a.openDeployment(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	world := &live.Deployment{Stack: t.stack, Client: t.client}
	settings, err := drillSettings(ctx, world)
	if err != nil {
		return err
	}
	plan, err := drill.PlanDrill(&d, &settings, f.opts, a.drillRuns)
	if err != nil {
		return err
	}
	url := a.proxyURL(t, &d)
	if url == "" {
		return usagef("the proxy publishes no port, so that nothing can send it traffic from here")
	}
	if f.dryRun {
		return a.showDrill(&plan, f)
	}
	if err := a.confirmDrill(&plan, f); err != nil {
		return err
	}
	limit := f.timeout
	if f.opts.Wait {
		limit += settings.Alert.Hold + settings.Alert.Cooldown
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	view := newDrillView(a, &plan)
	runner := drill.NewRunner(a.drillDeps(t, world), plan, settings, f.opts, drill.Traffic{URL: url, Token: strings.ToLower(rand.Text()[:12])})
	report, err := runner.Run(ctx, view.update)
	view.close()
	return a.finishDrill(&report, err, f)
}

// drillSettings reads what the running containers were given.
func drillSettings(ctx context.Context, world *live.Deployment) (drill.Settings, error) {
	var s drill.Settings
	watcher, err := world.Environment(ctx, bluegreen.RoleWatcher)
	if err != nil {
		return s, err
	}
	if s.Alert, err = alertConfig(func(name string) string { return watcher[name] }); err != nil {
		return s, err
	}
	s.Maintenance = watcher["MAINTENANCE_MODE"] == "true"
	nginx, err := world.Environment(ctx, bluegreen.RoleProxy)
	if err != nil {
		return s, err
	}
	s.ReadTimeout, err = proxy.FailTimeout(or(nginx["PROXY_READ_TIMEOUT"], "4s"))
	return s, err
}

// drillDeps wires a drill to the target.
func (a *app) drillDeps(t *target, world *live.Deployment) drill.Deps {
	return drill.Deps{
		Observe: t.stack.Observe, Open: t.stack.Open, Load: load.Run, Now: time.Now, Failpoint: a.failpoint(),
		Follow: world.Follow, Extract: world.Extract, Outpost: world.Outpost,
		Execute: func(ctx context.Context, p bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
			return a.controller(t, nil, time.Now()).Execute(ctx, p, on)
		},
	}
}

// showDrill prints the plan.
func (a *app) showDrill(plan *drill.Plan, f *drillFlags) error {
	if f.json {
		return writeJSON(a.out, plan)
	}
	_, err := fmt.Fprint(a.out, sanitize.Copy(plan).String())
	return err
}

// confirmDrill asks before anything is broken. Where nobody can be asked, --yes says
// that it is meant: a drill costs users what the plan says.
func (a *app) confirmDrill(plan *drill.Plan, f *drillFlags) error {
	if f.yes || !plan.Breaks() {
		return nil
	}
	if a.flags.noInput || !isTerminal(a.in) || !isTerminal(a.err) {
		return usagef("bgctl drill breaks %s on purpose and needs a confirmation; pass --yes, or see --dry-run", plan.Active)
	}
	fmt.Fprint(a.err, sanitize.Copy(plan).String())
	fmt.Fprintf(a.err, "%s takes traffic and will be broken. Type %s to go on: ", plan.Active, plan.Active)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != plan.Active.String() {
		return &bluegreen.RefusedError{Action: "drill", Reasons: []string{"not confirmed"}, Hint: "nothing was changed"}
	}
	return nil
}

// finishDrill prints the scorecard and ends with the code that tells it to scripts.
func (a *app) finishDrill(report *drill.Report, err error, f *drillFlags) error {
	var werr error
	if f.json {
		werr = writeJSON(a.out, report)
	} else {
		_, werr = fmt.Fprintln(a.out, strings.TrimRight(sanitize.Copy(report).String(), "\n"))
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case werr != nil:
		return werr
	case report.Result != drill.Passed:
		if report.Error != "" && !f.json {
			fmt.Fprintln(a.err, "bgctl: the drill could not go on:", oneLine(err))
		}
		return codeError(exitDegraded)
	}
	return nil
}
