package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/compose"
)

// downFlags are the flags of `bgctl down`.
type downFlags struct {
	volumes bool
	orphans bool
	json    bool
	timeout time.Duration
}

// newDownCommand returns `bgctl down`.
func newDownCommand(a *app) *cobra.Command {
	var f downFlags
	cmd := &cobra.Command{
		Use: "down", Short: "Take the stack down", Args: cobra.NoArgs,
		Long: "Take the stack down: containers and networks. The volumes stay, with the active\n" +
			"pool, the access log and the alert history on them, unless --volumes is given.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.down(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVarP(&f.volumes, "volumes", "v", false, "remove the volumes too")
	cmd.Flags().BoolVar(&f.orphans, "remove-orphans", true, "remove containers of services that the file does not have")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "how long a container may take to stop (default: its own grace period)")
	return cmd
}

// down removes what belongs to the project. It finds that by labels, so that it
// works when the file has changed or has gone.
func (a *app) down(ctx context.Context, f *downFlags) error {
	begin := time.Now()
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	opts := compose.DownOptions{Volumes: f.volumes, RemoveOrphans: f.orphans}
	if f.timeout > 0 {
		opts.Timeout = &f.timeout
	}
	removed, err := t.client.Down(ctx, t.project, opts, newUpProgress(a, f.json))
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(a.out, removed)
	}
	fmt.Fprintf(a.out, "%s: down in %s: %d containers, %d networks, %d volumes removed\n", clean(t.project.Name),
		time.Since(begin).Round(10*time.Millisecond), len(removed.Containers), len(removed.Networks), len(removed.Volumes))
	return nil
}
