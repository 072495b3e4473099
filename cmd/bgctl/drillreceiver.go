package main

import (
	"github.com/spf13/cobra"

	"bgctl/internal/drill/outpost"
	"bgctl/internal/proxy"
	"bgctl/internal/sanitize"
)

// newDrillReceiverCommand returns the drill's helper, which runs inside the watcher's
// container and ends with its input.
func newDrillReceiverCommand(a *app) *cobra.Command {
	var o outpost.Outpost
	var mode string
	cmd := &cobra.Command{
		Use: "drill-receiver", Short: "Help a drill from inside the watcher's container", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Mode = outpost.Mode(mode)
			if o.Mode != outpost.Observe && o.Mode != outpost.Receive {
				return usagef("--mode %q: want observe or receive", mode)
			}
			return o.Run(cmd.Context(), a.in, sanitize.Unwrap(a.out))
		},
	}
	cmd.Flags().StringVar(&mode, "mode", string(outpost.Observe), "observe, receive")
	cmd.Flags().StringVar(&o.StateDir, "state", proxy.StateDir, "the watcher's state `directory`")
	cmd.Flags().StringVar(&o.Health, "health", "http://127.0.0.1:9115/healthz", "`URL` of the watcher's /healthz")
	return cmd
}
