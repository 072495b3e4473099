package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout bounds the probe of a container by itself.
const healthTimeout = 2 * time.Second

// newHealthcheckCommand returns the probe that images without wget or curl use.
func newHealthcheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck [URL]", Hidden: true, Args: cobra.MaximumNArgs(1),
		Short: "Exit 0 when URL answers 2xx (for HEALTHCHECK in images without curl)",
		RunE: func(cmd *cobra.Command, args []string) error {
			url := "http://127.0.0.1:" + or(a.env("PORT"), "3000") + "/healthz"
			if len(args) == 1 {
				url = args[0]
			}
			return a.healthcheck(cmd.Context(), url)
		},
	}
}

// healthcheck asks url once.
func (a *app) healthcheck(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return usageError{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("unhealthy: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only the status counts
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("unhealthy: %s answered %d", url, resp.StatusCode)
	}
	fmt.Fprintln(a.out, "healthy")
	return nil
}

// or returns v, or def when v is empty.
func or(v, def string) string {
	if v == "" {
		return def
	}
	return v
}
