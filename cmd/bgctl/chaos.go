package main

import (
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
)

// newChaosCommand returns `bgctl chaos`.
func newChaosCommand(a *app) *cobra.Command {
	var f actFlags
	var mode string
	var hold time.Duration
	cmd := &cobra.Command{
		Use: "chaos POOL", Short: "Break a pool on purpose",
		Long: "Break a pool on purpose. The last healthy pool is never broken without --force.\n" +
			"The undo is recorded before anything is broken: bgctl heal POOL undoes it\n" +
			"whatever became of this command.",
		Example:           "  bgctl chaos blue\n  bgctl chaos green --mode pause --for 30s",
		Args:              exactPool,
		ValidArgsFunction: completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			pool, err := bluegreen.ParsePool(args[0])
			if err != nil {
				return usageError{err}
			}
			fault, err := bluegreen.ParseFaultMode(mode)
			if err != nil {
				return usageError{err}
			}
			if hold < 0 || hold > bluegreen.MaxHold {
				return usagef("--for %s: want a time up to %s, or 0 for until healed", hold, bluegreen.MaxHold)
			}
			act := action{flags: f, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanChaos(d, pool, bluegreen.ChaosOptions{Mode: fault, For: hold, Force: f.force})
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "break the pool although no healthy one would be left")
	cmd.Flags().StringVar(&mode, "mode", "kill", "kill, stop, pause; with the demo app also error, timeout, slow")
	cmd.Flags().DurationVar(&hold, "for", 0, "undo it after this time (default: until bgctl heal)")
	return cmd
}

// newHealCommand returns `bgctl heal`.
func newHealCommand(a *app) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use: "heal POOL", Short: "Undo a fault and bring a pool up again",
		Example:           "  bgctl heal blue",
		Args:              exactPool,
		ValidArgsFunction: completePools,
		RunE: func(cmd *cobra.Command, args []string) error {
			pool, err := bluegreen.ParsePool(args[0])
			if err != nil {
				return usageError{err}
			}
			act := action{flags: f, plan: func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
				return bluegreen.PlanHeal(d, pool)
			}}
			return a.act(cmd.Context(), &act)
		},
	}
	f.add(cmd)
	return cmd
}
