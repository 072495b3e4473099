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
	"bgctl/internal/ops"
	"bgctl/stack"
)

// upFlags are the flags of `bgctl up`.
type upFlags struct {
	actFlags
	demo     bool
	build    bool
	recreate bool
	orphans  bool
	fromEnv  bool
	upgrade  bool
	timeout  time.Duration
}

const upLong = `Bring the stack up, or up to date; change only what differs.

A stack that runs is changed without losing a request: a pool whose configuration or
release differs is replaced while it takes no traffic, through the gates of a deploy, and
then the other one; the proxy's settings are tested by nginx and put in force by a reload.
Only a change that needs a new proxy container interrupts the service, for the time that
is printed; it wants --yes, or a yes on the terminal.

What a deploy, a rollback or a switch changed counts more than a file that is older: such
a file is named, and nothing is changed for it unless --release-from-env is given.`

// newUpCommand returns `bgctl up`.
func newUpCommand(a *app) *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use: "up", Short: "Bring the stack up, or up to date; change only what differs", Args: cobra.NoArgs,
		Long:    upLong,
		Example: "  bgctl up\n  bgctl up --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.up(cmd.Context(), &f) },
	}
	f.add(cmd)
	cmd.Flags().Lookup("json").Usage = "print one JSON object per step, then the result"
	cmd.Flags().BoolVar(&f.demo, "demo", false, "add a stand-in for Slack to the embedded stack")
	cmd.Flags().BoolVar(&f.build, "build", false, "build images again")
	cmd.Flags().BoolVar(&f.recreate, "force-recreate", false, "recreate every container")
	cmd.Flags().BoolVar(&f.orphans, "remove-orphans", false, "remove containers of services that the file no longer has")
	cmd.Flags().BoolVar(&f.fromEnv, "release-from-env", false, "take the file's releases and active pool although they are older than what is live")
	cmd.Flags().BoolVar(&f.upgrade, "upgrade", false, "replace the proxy's container when its image is another one by now")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long a container may take to become healthy")
	return cmd
}

// upRounds bounds how often `up` plans: what was cut off is ended first, and a command of
// somebody else may change the deployment between planning and the lock.
const upRounds = 4

// up brings the project up.
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
	if err := a.bringSecrets(t.project); err != nil {
		return err
	}
	opts := ops.UpOptions{
		Build: f.build, ForceRecreate: f.recreate, RemoveOrphans: f.orphans, ReleaseFromEnv: f.fromEnv,
		Upgrade: f.upgrade, Timeout: f.timeout, Version: version(),
	}
	target := a.opsTarget(t, overrides, f.json)
	did := false
	for round := 1; ; round++ {
		plan, err := target.Up(ctx, opts)
		if err != nil {
			return err
		}
		if f.dryRun {
			return a.showUp(&plan, f)
		}
		if plan.Empty() {
			a.notes(plan.Notes)
			break
		}
		err = a.carryOut(ctx, t, &plan, f)
		switch {
		case errors.Is(err, bluegreen.ErrChanged) && round < upRounds:
			continue
		case err != nil:
			return a.explain(err)
		}
		did = true
		if !plan.Again || round >= upRounds {
			break
		}
	}
	if err := a.awaitAnswer(ctx, t, f.timeout); err != nil {
		return err
	}
	return a.upResult(ctx, t, f, upSummary(begin, did))
}

// answerPoll is the pause between two looks at whether a pool answers.
const answerPoll = 200 * time.Millisecond

// awaitAnswer waits until a pool answers through the proxy. A stack whose every request
// fails is not up.
func (a *app) awaitAnswer(ctx context.Context, t *target, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(answerPoll)
	defer ticker.Stop()
	for {
		d, err := t.stack.Observe(ctx)
		if err != nil {
			return err
		}
		if d.Condition() != bluegreen.Outage || len(d.Blue.Containers)+len(d.Green.Containers) == 0 {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			fmt.Fprintf(a.err, "bgctl: the containers run, but no pool answers the proxy after %s: %s\n", limit, clean(d.Silence()))
			return codeError(exitDegraded)
		}
	}
}

// carryOut executes one plan of `up`.
func (a *app) carryOut(ctx context.Context, t *target, plan *ops.Plan, f *upFlags) error {
	if err := a.confirmChange(&plan.Plan, &f.actFlags); err != nil {
		return err
	}
	a.notes(plan.Notes)
	if plan.Direct != nil {
		return t.client.Execute(ctx, plan.Direct, newUpProgress(a, f.json))
	}
	c := a.controller(t, a.meterOf(ctx, t), time.Now())
	c.Stack = plan.Stack
	steps := a.steps()
	on := steps.update
	if f.json {
		on = a.jsonSteps()
	}
	outcome, err := c.Execute(ctx, plan.Plan, on)
	steps.clear()
	if f.json {
		return err
	}
	outcome.Undo = ""
	return a.finish(&outcome, err, &f.actFlags)
}

// jsonSteps prints one object for each report of a step.
func (a *app) jsonSteps() func(bluegreen.Progress) {
	return func(p bluegreen.Progress) {
		_ = writeJSON(a.out, stepJSON{ // a reader that has gone shows at the result
			Action: string(p.Step.Op), Kind: "step", Name: p.Step.Text, State: string(p.State),
			Detail: p.Detail, Elapsed: p.Elapsed.Milliseconds(),
		})
	}
}

// notes prints what the operator should know.
func (a *app) notes(notes []string) {
	for _, note := range notes {
		fmt.Fprintln(a.err, "note:", clean(note))
	}
}

// opsTarget is the target of the use cases.
func (a *app) opsTarget(t *target, overrides [][]byte, asJSON bool) *ops.Target {
	install := a.installer(t)
	install.Load = func(ctx context.Context, vars map[string]string) (*compose.Project, error) {
		project, err := a.loadWith(ctx, vars, overrides...)
		if err != nil {
			return nil, err
		}
		return project, a.bringSecrets(project)
	}
	return &ops.Target{
		Client: t.client, Project: t.project, Stack: t.stack, Install: install,
		Images: a.selfImages(t), Auth: install.Auth, Progress: newUpProgress(a, asJSON),
		ProxyURL: func(d *bluegreen.Deployment) string { return a.proxyURL(t, d) },
	}
}

// showUp prints the plan.
func (a *app) showUp(plan *ops.Plan, f *upFlags) error {
	if plan.Direct == nil {
		return a.showPlan(&plan.Plan, &f.actFlags)
	}
	text := plan.Direct.String()
	if f.json {
		return writeJSON(a.out, map[string]any{"steps": strings.Split(strings.TrimSpace(text), "\n")})
	}
	a.notes(plan.Notes)
	if text == "" {
		text = "nothing to do\n"
	}
	for line := range strings.Lines(text) {
		fmt.Fprintln(a.out, clean(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

// upSummary says how `up` ended, without where.
func upSummary(begin time.Time, did bool) string { //nolint:revive // it words one fact
	if !did {
		return "up already, nothing to do"
	}
	return "up in " + time.Since(begin).Round(10*time.Millisecond).String()
}

// upResult prints where things stand.
func (a *app) upResult(ctx context.Context, t *target, f *upFlags, what string) error {
	d, err := t.stack.Observe(ctx)
	if err != nil {
		return err
	}
	s := a.summary(t, &d)
	if f.json {
		return writeJSON(a.out, s)
	}
	fmt.Fprintf(a.out, "%s: %s; active %s, %s\n", clean(t.project.Name), what, dash(s.Active), dash(s.Proxy.URL))
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
