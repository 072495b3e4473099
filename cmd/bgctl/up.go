package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/stack"
)

// upFlags are the flags of `bgctl up`.
type upFlags struct {
	dryRun   bool
	json     bool
	demo     bool
	build    bool
	recreate bool
	orphans  bool
	timeout  time.Duration
}

// newUpCommand returns `bgctl up`.
func newUpCommand(a *app) *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use: "up", Short: "Bring the stack up, or up to date; change only what differs", Args: cobra.NoArgs,
		Example: "  bgctl up\n  bgctl up --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.up(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "print the plan and change nothing")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object per step, then the result")
	cmd.Flags().BoolVar(&f.demo, "demo", false, "add a stand-in for Slack to the embedded stack")
	cmd.Flags().BoolVar(&f.build, "build", false, "build images again")
	cmd.Flags().BoolVar(&f.recreate, "force-recreate", false, "recreate every container")
	cmd.Flags().BoolVar(&f.orphans, "remove-orphans", false, "remove containers of services that the file no longer has")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long a container may take to become healthy")
	return cmd
}

// up converges the project and carries out an edited ACTIVE_POOL.
func (a *app) up(ctx context.Context, f *upFlags) error {
	begin := time.Now()
	var overrides [][]byte
	if f.demo {
		overrides = append(overrides, stack.Demo)
	}
	t, err := a.open(ctx, overrides...)
	if err != nil {
		return err
	}
	defer t.close()
	if f.demo && !t.project.Embedded {
		return usagef("--demo goes with the embedded stack; here is a compose file")
	}
	observed, err := t.client.Observe(ctx, t.project)
	if err != nil {
		return err
	}
	plan, err := compose.PlanUp(t.project, observed, compose.UpOptions{
		Build: f.build, ForceRecreate: f.recreate, RemoveOrphans: f.orphans,
		WaitHealthy: true, WaitTimeout: f.timeout, Images: a.selfImages(t),
	})
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.showUp(plan, f)
	}
	if err := t.client.Execute(ctx, plan, newUpProgress(a, f.json)); err != nil {
		return a.explain(err)
	}
	for _, name := range plan.Orphans {
		fmt.Fprintf(a.err, "note: %s belongs to no service of the file; bgctl up --remove-orphans removes it\n", clean(name))
	}
	if err := a.carryOut(ctx, t); err != nil {
		return err
	}
	return a.upResult(ctx, t, plan, f, begin)
}

// showUp prints the plan.
func (a *app) showUp(plan *compose.Plan, f *upFlags) error {
	text := plan.String()
	if f.json {
		return writeJSON(a.out, map[string]any{"steps": strings.Split(strings.TrimSpace(text), "\n")})
	}
	if text == "" {
		text = "nothing to do\n"
	}
	_, err := fmt.Fprint(a.out, text)
	return err
}

// carryOut switches to the pool of an edited ACTIVE_POOL, as the newest word on
// where traffic should be. One that is older than the last switch is stale: the
// switch was made from another directory or machine.
func (a *app) carryOut(ctx context.Context, t *target) error {
	v := t.project.Environment["ACTIVE_POOL"]
	if v == "" {
		return nil
	}
	pool, err := bluegreen.ParsePool(v)
	if err != nil {
		return usagef("ACTIVE_POOL: %w", err)
	}
	d, err := t.stack.Observe(ctx)
	if err != nil {
		return err
	}
	if d.Active() == pool || d.Active() == bluegreen.NoPool {
		return nil
	}
	if last := d.Router.Last; last != nil && a.env("ACTIVE_POOL") == "" && a.envTime().Before(last.Finished) {
		fmt.Fprintf(a.err, "note: .env says ACTIVE_POOL=%s, but %s@%s switched to %s after it was written; traffic stays there\n",
			pool, clean(last.By.User), clean(last.By.Host), d.Active())
		return nil
	}
	fmt.Fprintf(a.err, "ACTIVE_POOL was set to %s: switching\n", pool)
	p, err := bluegreen.PlanSwitch(&d, pool, bluegreen.SwitchOptions{})
	if err != nil {
		return err
	}
	outcome, err := a.controller(t, a.meter(t, &d), time.Now()).Execute(ctx, p, a.progress())
	return a.finish(&outcome, err, &actFlags{})
}

// upResult prints where things stand.
func (a *app) upResult(ctx context.Context, t *target, plan *compose.Plan, f *upFlags, begin time.Time) error {
	d, err := t.stack.Observe(ctx)
	if err != nil {
		return err
	}
	s := a.summary(t, &d)
	if f.json {
		return writeJSON(a.out, s)
	}
	what := "up"
	if plan.Empty() {
		what = "up already, nothing to do"
	}
	fmt.Fprintf(a.out, "%s: %s in %s; active %s, %s\n", clean(t.project.Name), what,
		time.Since(begin).Round(10*time.Millisecond), dash(s.Active), dash(s.Proxy.URL))
	return nil
}

// explain prints the end of an unhealthy container's log before its error.
func (a *app) explain(err error) error {
	if ill, ok := errors.AsType[*compose.UnhealthyError](err); ok {
		for line := range strings.Lines(ill.Log) {
			fmt.Fprintf(a.err, "  %s | %s\n", clean(ill.Container), clean(strings.TrimRight(line, "\r\n")))
		}
	}
	return err
}
