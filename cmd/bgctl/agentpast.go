package main

import (
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/feed/past"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
)

// lowest is the niceness of what can wait: the proxy beside it cannot.
const lowest = 19

// newPastCommand returns `bgctl agent past`, which sums up an hour of the log for a
// dashboard elsewhere.
func newPastCommand(a *app) *cobra.Command {
	cfg := alert.DefaultConfig()
	var to int64
	var blue, green []string
	cmd := &cobra.Command{
		Use: "past [FILE]", Short: "Sum up the last hour of the access log by the second", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest) // it is only slower without
			if to == 0 {
				to = time.Now().Unix()
			}
			src := &past.Source{Path: append(args, proxy.AccessLog)[0], Counts: cfg.Counts}
			if len(blue)+len(green) > 0 {
				src.Addrs = logstream.NewAddrMap()
				// They are today's: what a line says about itself overrules them.
				for _, addr := range blue {
					src.Addrs.Learn(addr, bluegreen.Blue)
				}
				for _, addr := range green {
					src.Addrs.Learn(addr, bluegreen.Green)
				}
			}
			sum, err := past.Sum(cmd.Context(), src, to)
			if err != nil {
				return err
			}
			return writeJSON(a.out, sum)
		},
	}
	cmd.Flags().Int64Var(&to, "to", 0, "the last second, in Unix `time`; default: now")
	cmd.Flags().StringSliceVar(&blue, "blue", nil, "`addresses` of blue, for a log that does not name pools")
	cmd.Flags().StringSliceVar(&green, "green", nil, "`addresses` of green")
	cmd.Flags().StringVar(&cfg.HealthPath, "health-path", cfg.HealthPath, "requests of this `path` do not count")
	cmd.Flags().BoolVar(&cfg.NotProxied, "not-proxied", cfg.NotProxied, "requests that no pool had to answer count")
	return cmd
}
