package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"bgctl/internal/proxy"
)

// newExamineCommand returns `bgctl agent examine`, with which `bgctl doctor` looks into
// the proxy's container.
func newExamineCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "examine", Short: "Say how this container is; the request is JSON on the standard input", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var req proxy.ExamineRequest
			if err := json.NewDecoder(a.in).Decode(&req); err != nil {
				return fmt.Errorf("read the request: %w", err)
			}
			return writeJSON(a.out, proxy.NewExaminer(version()).Examine(cmd.Context(), &req))
		},
	}
}
