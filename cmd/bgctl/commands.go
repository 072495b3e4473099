package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"bgctl/internal/sanitize"
)

// addCommands adds every command to the root.
func addCommands(root *cobra.Command, a *app) {
	root.AddCommand(
		newUpCommand(a), newDownCommand(a), newStatusCommand(a), newDashboardCommand(a), newTopCommand(a),
		newSwitchCommand(a), newDeployCommand(a), newPromoteCommand(a), newRollbackCommand(a), newHistoryCommand(a),
		newChaosCommand(a), newHealCommand(a), newRestartCommand(a), newDrillCommand(a), newMaintenanceCommand(a), newAckCommand(a),
		newLogsCommand(a), newEventsCommand(a), newDoctorCommand(a), newBacktestCommand(a), newWatchCommand(a),
		newInitCommand(a), newConfigCommand(a), newVersionCommand(a), newImageCommand(a),
		newAgentCommand(a), newHealthcheckCommand(a), newDemoAppCommand(a), newLoadCommand(a),
		newStandInCommand(a), newExitCodesTopic(a),
	)
}

// newExitCodesTopic returns `bgctl help exit-codes`.
func newExitCodesTopic(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean"}
	cmd.SetHelpFunc(func(*cobra.Command, []string) { _ = printExitCodes(a.out) })
	return cmd
}

// newVersionCommand returns `bgctl version`.
func newVersionCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return writeJSON(a.out, map[string]string{"version": version(), "go": goVersion()})
			}
			_, err := fmt.Fprintf(a.out, "bgctl %s (%s)\n", version(), goVersion())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// version is the version of the module or, in a development build, the revision.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

// goVersion is the toolchain that built this binary.
func goVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.GoVersion
}

// writeJSON prints v as one JSON line, which a terminal may show: what is foreign in
// it is escaped, not changed.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(sanitize.NewJSONWriter(w))
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// oneLine is an error's text on one line that is safe to print: an engine, an agent or
// a registry may have written any part of it.
func oneLine(err error) string {
	var texts []string
	for line := range strings.SplitSeq(cause(err).Error(), "\n") {
		if line = strings.TrimSpace(clean(line)); line != "" {
			texts = append(texts, line)
		}
	}
	return strings.Join(texts, "; ")
}

// cause drops the marker that main joins to an interrupted call's error.
func cause(err error) error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) && exitCode(err) == exitInterrupted {
		return errors.New("interrupted; see where traffic is: bgctl status")
	}
	return err
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := file(stream)
	return ok && term.IsTerminal(f.Fd())
}

// file is the file behind a stream, if there is one.
func file(stream any) (*os.File, bool) {
	if w, ok := stream.(io.Writer); ok {
		stream = sanitize.Unwrap(w)
	}
	f, ok := stream.(*os.File)
	return f, ok
}
