package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
)

// historyJSON is the documented form of `bgctl history --json`.
type historyJSON struct {
	Project    string                `json:"project"`
	Operations []bluegreen.Operation `json:"operations"` // newest first
}

// newHistoryCommand returns `bgctl history`.
func newHistoryCommand(a *app) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "history", Short: "List what was done to the deployment: who, when, what it cost", Args: cobra.NoArgs,
		Long: "List the last 200 operations that the proxy's journal holds, newest first.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("-n %d: want 1 or more", limit)
			}
			ops, project, err := a.history(cmd.Context())
			if err != nil {
				return err
			}
			slices.Reverse(ops)
			ops = ops[:min(len(ops), limit)]
			if asJSON {
				return writeJSON(a.out, historyJSON{Project: project, Operations: append([]bluegreen.Operation{}, ops...)})
			}
			return printHistory(a.out, ops)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "how many operations")
	return cmd
}

// history reads the journal.
func (a *app) history(ctx context.Context) ([]bluegreen.Operation, string, error) {
	t, err := a.open(ctx)
	if err != nil {
		return nil, "", err
	}
	defer t.close()
	router, err := t.stack.Open(ctx)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = router.Close() }() // only read
	ops, err := router.History(ctx)
	return ops, t.project.Name, err
}

// printHistory prints one operation a line.
func printHistory(w io.Writer, ops []bluegreen.Operation) error {
	if len(ops) == 0 {
		_, err := fmt.Fprintln(w, "nothing was done to this deployment yet")
		return err
	}
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "WHEN\tWHO\tWHAT\tTRAFFIC\tRELEASE\tTOOK\tRECEIPT\tRESULT")
	for i := range ops {
		op := &ops[i]
		cells(tw, op.Started.Local().Format("2006-01-02 15:04:05"), op.By.User+"@"+op.By.Host, deed(op), movement(op),
			releases(op), op.Finished.Sub(op.Started).Round(10*time.Millisecond).String(), figures(op), result(op))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// deed is what was done, and to which pool where traffic was not the matter.
func deed(op *bluegreen.Operation) string {
	text := string(op.Kind)
	switch op.Kind {
	case bluegreen.ActChaos, bluegreen.ActHeal, bluegreen.ActRestart:
		if op.To != bluegreen.NoPool {
			text += " " + op.To.String()
		}
		if op.Fault != nil {
			text += " (" + string(op.Fault.Mode) + ")"
		}
	case bluegreen.ActSwitch, bluegreen.ActDeploy, bluegreen.ActRollback, bluegreen.ActPromote, bluegreen.ActUp, bluegreen.ActDown:
	}
	if op.Cut {
		text += ", cut off"
	}
	return text
}

// movement is where traffic went.
func movement(op *bluegreen.Operation) string {
	if op.Moved() {
		return fmt.Sprintf("%s → %s", op.From, op.To)
	}
	return "on " + dash(op.From.String())
}

// releases is which release gave way to which.
func releases(op *bluegreen.Operation) string {
	name := func(r *bluegreen.Release) string {
		if r == nil {
			return "-"
		}
		return or(r.ID, r.Image)
	}
	switch {
	case op.Moved():
		return fmt.Sprintf("%s → %s", name(op.Old), name(op.New))
	case op.Before != nil && !op.Installed():
		return fmt.Sprintf("%s: %s, not %s", op.To, name(op.Before), name(op.New))
	case op.Before != nil || op.New != nil && op.Staged:
		return fmt.Sprintf("%s: %s → %s", op.To, name(op.Before), name(op.New))
	case op.Old != nil && op.From != op.To:
		return name(op.Old) // traffic did not move
	}
	return name(op.New)
}

// figures are what moving traffic cost.
func figures(op *bluegreen.Operation) string {
	if op.Receipt == nil || op.Receipt.Skipped != "" {
		return "-"
	}
	return fmt.Sprintf("%d sent, %d failed", op.Receipt.Sent, op.Receipt.Failed)
}

// result is how an operation ended, what it changed, and how its release did afterwards.
func result(op *bluegreen.Operation) string {
	text := or(op.Result, string(op.Ending))
	if len(op.Change) > 0 {
		text += "; changed: " + strings.Join(op.Change, "; ")
	}
	if op.Gap > 0 {
		text += fmt.Sprintf("; nothing listened for %d ms", op.Gap.Milliseconds())
	}
	if op.Reason != "" {
		text += ": " + op.Reason
	}
	if op.Bake != nil {
		text += fmt.Sprintf(" (bake: %s)", &op.Bake.Verdict)
	}
	return text
}
