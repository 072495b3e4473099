package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/demoapp"
	"bgctl/internal/load"
)

// newDemoAppCommand returns the application of the demo, which is what the bgctl
// image runs by default.
func newDemoAppCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "demo-app", Hidden: true, Args: cobra.NoArgs, Short: "Run the demo application",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demoapp.Run(cmd.Context(), demoapp.Config{
				Addr: ":" + or(a.env("PORT"), "3000"), Pool: a.env("APP_POOL"), Release: a.env("RELEASE_ID"), Log: a.err,
			})
		},
	}
}

// loadFlags are the flags of `bgctl load`.
type loadFlags struct {
	clients  int
	requests int
	rate     float64
	length   time.Duration
	methods  []string
	json     bool
}

// newLoadCommand returns the load generator: for the demo and for a look of one's own.
func newLoadCommand(a *app) *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use: "load URL", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Send traffic to a loopback address from clients that never retry",
		RunE:  func(cmd *cobra.Command, args []string) error { return a.sendLoad(cmd.Context(), &f, args[0]) },
	}
	cmd.Flags().IntVar(&f.clients, "clients", 8, "keep-alive connections")
	cmd.Flags().IntVar(&f.requests, "requests", 0, "end after so many requests")
	cmd.Flags().Float64Var(&f.rate, "rate", 0, "requests per second of all clients together; 0: flat out")
	cmd.Flags().DurationVar(&f.length, "for", 10*time.Second, "end after this time")
	cmd.Flags().StringSliceVar(&f.methods, "methods", []string{"GET", "POST"}, "used in turn")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// sendLoad runs the generator once. A lost request is a failure of the command.
func (a *app) sendLoad(ctx context.Context, f *loadFlags, url string) error {
	rep, err := load.Run(ctx, load.Config{
		URL: url, Clients: f.clients, Requests: f.requests, Rate: f.rate, Duration: f.length, Methods: f.methods, Body: "hello",
	})
	if err != nil {
		return usageError{err}
	}
	if f.json {
		err = writeJSON(a.out, rep)
	} else {
		_, err = fmt.Fprintln(a.out, rep.String())
	}
	if err == nil && rep.Failed > 0 {
		return codeError(exitFailed)
	}
	return err
}
