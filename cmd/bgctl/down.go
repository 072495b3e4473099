package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/ops"
	"bgctl/stack"
)

// downFlags are the flags of `bgctl down`.
type downFlags struct {
	actFlags
	volumes bool
	orphans bool
	timeout time.Duration
}

const downLong = `Take the stack down: containers and networks. The volumes stay, with the active
pool, the access log and the alert history on them, unless --volumes is given.

Only what the compose file declares is removed, and only what belongs to this project by
its labels: never a volume or network that the file calls external, never a container of a
service that the file does not have, unless --remove-orphans is given.`

// newDownCommand returns `bgctl down`.
func newDownCommand(a *app) *cobra.Command {
	var f downFlags
	cmd := &cobra.Command{
		Use: "down", Short: "Take the stack down", Args: cobra.NoArgs, Long: downLong,
		Example: "  bgctl down\n  bgctl down --volumes --dry-run",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.down(cmd.Context(), &f) },
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.volumes, "volumes", "v", false, "remove the volumes too; they are listed, and you are asked")
	cmd.Flags().BoolVar(&f.orphans, "remove-orphans", false, "remove containers of services that the file does not have")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long a container may take to stop (default: its own grace period)")
	return cmd
}

// downJSON is the result of `bgctl down --json`.
type downJSON struct {
	Removed []string `json:"removed"`
	Kept    []string `json:"kept,omitempty"`
}

// down removes what the file declares.
func (a *app) down(ctx context.Context, f *downFlags) error {
	begin := time.Now()
	// Of the embedded stack the services of --demo are part as well.
	t, err := a.open(ctx, stack.Demo)
	if err != nil {
		return err
	}
	defer t.close()
	opts := ops.DownOptions{Volumes: f.volumes, RemoveOrphans: f.orphans}
	if f.timeout > 0 {
		opts.Timeout = &f.timeout
	}
	plan, err := a.opsTarget(t, nil, false).Down(ctx, opts)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.showPlan(&plan.Plan, &f.actFlags)
	}
	if err := a.confirmChange(&plan.Plan, &f.actFlags); err != nil {
		return err
	}
	a.notes(plan.Notes)
	if plan.Direct != nil {
		err = t.client.Execute(ctx, plan.Direct, newUpProgress(a, false))
	} else if !plan.Plan.Empty() {
		c := a.controller(t, nil, begin)
		c.Stack = plan.Stack
		_, err = c.Execute(ctx, plan.Plan, nil)
	}
	if err != nil {
		return err
	}
	return a.downResult(&plan, f, begin)
}

// downResult says what was removed.
func (a *app) downResult(plan *ops.Plan, f *downFlags, begin time.Time) error {
	var removed []string
	for _, s := range plan.Steps {
		removed = append(removed, s.Detail...)
	}
	if f.json {
		return writeJSON(a.out, downJSON{Removed: removed, Kept: plan.Notes})
	}
	count := func(kind string) int {
		n := 0
		for _, line := range removed {
			if strings.HasPrefix(line, "remove "+kind+" ") {
				n++
			}
		}
		return n
	}
	fmt.Fprintf(a.out, "%s: down in %s: %d containers, %d networks, %d volumes removed\n", clean(plan.Project),
		time.Since(begin).Round(10*time.Millisecond), count("container"), count("network"), count("volume"))
	return nil
}
