package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
)

const rollbackLong = `Go back to the release that took traffic before.

When the standby still holds it, that is a switch; else the image that the journal
names is put into the standby first, by its ID. Going back twice goes back two
releases. The gates of a switch are kept: a rollback to a pool that is down would be
an outage. A bake is ended by it.`

// newRollbackCommand returns `bgctl rollback`.
func newRollbackCommand(a *app) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use: "rollback", Short: "Go back to the release that took traffic before", Long: rollbackLong, Args: cobra.NoArgs,
		Example: "  bgctl rollback\n  bgctl rollback --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			act := action{flags: f, receipt: true, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				plan, err := bluegreen.PlanRollback(d, bluegreen.RollbackOptions{Force: f.force})
				if prev := bluegreen.FindPrevious(d); err == nil && prev != nil && !f.json && !f.dryRun {
					fmt.Fprintf(a.err, "back to %s, which took traffic until %s\n",
						clean(prev.Release.String()), prev.Op.Finished.Local().Format("2006-01-02 15:04:05"))
				}
				return plan, err
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "go back although the pool is not ready; the plan says what that skips")
	return cmd
}

// newPromoteCommand returns `bgctl promote`.
func newPromoteCommand(a *app) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use: "promote", Short: "End the bake of a new release before its time; the release stays", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.act(cmd.Context(), &action{flags: f, plan: bluegreen.PlanPromote})
		},
	}
	f.add(cmd)
	return cmd
}

// newRestartCommand returns `bgctl restart`.
func newRestartCommand(a *app) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use: "restart POOL|CONTAINER", Short: "Restart a pool's containers, one after the other",
		Example:           "  bgctl restart green\n  bgctl restart shop-app_green-1",
		ValidArgsFunction: completePools,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s wants a pool, blue or green, or the name of one of its containers", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			act := action{flags: f, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				pool, container, err := findTarget(d, args[0])
				if err != nil {
					return bluegreen.Plan{}, err
				}
				return bluegreen.PlanRestart(d, pool, container, bluegreen.RollbackOptions{Force: f.force})
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "restart although nothing could answer meanwhile")
	return cmd
}

// findTarget finds the pool, or the container of one, that a name means.
func findTarget(d *bluegreen.Deployment, name string) (bluegreen.Pool, string, error) {
	if pool, err := bluegreen.ParsePool(name); err == nil {
		return pool, "", nil
	}
	for _, pool := range bluegreen.Pools() {
		has := slices.ContainsFunc(d.Pool(pool).Containers, func(c bluegreen.Container) bool { return c.Name == name || c.ID == name })
		if has {
			return pool, name, nil
		}
	}
	return bluegreen.NoPool, "", usagef("%q is neither a pool (blue, green) nor the name of a container in one; see them: bgctl status", name)
}
