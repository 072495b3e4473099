package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/slack"
)

// standInTimeout bounds reading a request and ending the server.
const standInTimeout = 5 * time.Second

// newStandInCommand returns the stand-in for Slack.
func newStandInCommand(a *app) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "slack-standin", Hidden: true, Args: cobra.NoArgs,
		Short: "Play Slack's incoming webhook; GET /messages lists what arrived",
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.standIn(cmd.Context(), addr) },
	}
	cmd.Flags().StringVar(&addr, "listen", ":9009", "`address` to listen on")
	return cmd
}

// standIn serves until the context ends.
func (a *app) standIn(ctx context.Context, addr string) error {
	srv := &http.Server{Addr: addr, Handler: slack.NewStandIn(), ReadHeaderTimeout: standInTimeout}
	stopped := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), standInTimeout)
		defer cancel()
		_ = srv.Shutdown(end) // what is cut off is a test's
	})
	defer stopped()
	fmt.Fprintf(a.err, "bgctl: stand-in for Slack on %s\n", addr)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
