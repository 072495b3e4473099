package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/deployment"
	"bgctl/internal/sanitize"
	"bgctl/internal/watch"
)

// maintenanceFlags are the flags of `bgctl maintenance …`.
type maintenanceFlags struct {
	lasts  time.Duration
	until  string
	scope  string
	reason string
	by     string
	state  string
	dryRun bool
	json   bool
}

// maintenanceJSON is the documented form of `bgctl maintenance … --json`.
type maintenanceJSON struct {
	Project string `json:"project,omitempty"`
	Active  bool   `json:"active"`
	*watch.Maintenance
	InForce bool               `json:"in_force"` // the watcher has taken it up
	Watcher string             `json:"watcher,omitempty"`
	DryRun  bool               `json:"dry_run,omitempty"`
	Before  *watch.Maintenance `json:"before,omitempty"` // what was in force, and is replaced or ended
	Undo    string             `json:"undo,omitempty"`   // the command that takes the change back
}

// newMaintenanceCommand returns `bgctl maintenance`.
func newMaintenanceCommand(a *app) *cobra.Command {
	var f maintenanceFlags
	cmd := &cobra.Command{
		Use: "maintenance", Short: "Mute messages while you work, for a bounded time",
		Long: "Mute messages while you work. Alerts are still evaluated, `bgctl events` shows them,\n" +
			"and what is still wrong at the end is told then. A maintenance always has an end,\n" +
			"an hour from now unless you say otherwise, at most seven days. It reaches the\n" +
			"running watcher; nothing is restarted.",
		Example: "  bgctl maintenance on --for 30m --reason \"kernel update\"\n  bgctl maintenance on --scope all --until 2026-01-02T15:04:05Z\n  bgctl maintenance off",
	}
	on := &cobra.Command{
		Use: "on", Short: "Mute messages", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.maintenanceOn(cmd.Context(), &f) },
	}
	on.Flags().DurationVar(&f.lasts, "for", watch.DefaultMaintenance, "how `long`")
	on.Flags().StringVar(&f.until, "until", "", "its end: an RFC 3339 `time`")
	on.Flags().StringVar(&f.scope, "scope", string(alert.ScopePools), "what is muted: pools (failover, switch, flapping) or all")
	on.Flags().StringVar(&f.reason, "reason", "", "why, for those who wonder")
	on.MarkFlagsMutuallyExclusive("for", "until")
	off := &cobra.Command{
		Use: "off", Short: "Let messages go out again, one from MAINTENANCE_MODE too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.maintenanceOff(cmd.Context(), &f) },
	}
	for _, c := range []*cobra.Command{on, off} {
		c.Flags().StringVar(&f.by, "by", "", "who; default: this user and host")
		c.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would change and change nothing")
	}
	status := &cobra.Command{
		Use: "status", Short: "Say whether messages are muted, until when and why", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.maintenanceStatus(cmd.Context(), &f) },
	}
	cmd.AddCommand(on, off, status)
	cmd.PersistentFlags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.PersistentFlags().StringVar(&f.state, "state", "", "work on this state `directory` instead of asking Docker")
	return cmd
}

// wanted returns the maintenance that the flags ask for.
func (f *maintenanceFlags) wanted(a *app, now time.Time) (watch.Maintenance, error) {
	m := watch.Maintenance{Since: now, Until: now.Add(f.lasts), Scope: alert.Scope(f.scope), Reason: f.reason, By: f.by}
	if m.By == "" {
		h := a.holder()
		m.By = h.User + "@" + h.Host
	}
	if f.until != "" {
		at, err := time.Parse(time.RFC3339, f.until)
		if err != nil {
			return m, usagef("--until %q: want a time such as %s", f.until, now.Add(time.Hour).UTC().Format(time.RFC3339))
		}
		m.Until = at
	}
	switch {
	case m.Scope != alert.ScopePools && m.Scope != alert.ScopeAll:
		return m, usagef("--scope %q: want pools or all", f.scope)
	case !m.Until.After(now):
		return m, usagef("the maintenance would be over already: its end is %s", m.Until.Format(time.RFC3339))
	case m.Until.Sub(now) > watch.MaxMaintenance:
		return m, usagef("a maintenance lasts seven days at most: end it by %s", now.Add(watch.MaxMaintenance).UTC().Format(time.RFC3339))
	case len(m.Reason) > 500 || len(m.By) > 200:
		return m, usagef("--reason may have 500 bytes, --by 200")
	}
	m.Until = m.Until.Add(time.Second - 1).Truncate(time.Second)
	return m, nil
}

// watcherState is what a watcher keeps, and where a change of that goes.
type watcherState struct {
	st watch.State
	t  *target             // nil for a directory here
	w  *deployment.Watcher // nil for a directory here
}

// openState reads a watcher's state, from the flag's directory or through the engine. A
// damaged one counts as empty: it must not keep anybody from muting messages.
func (a *app) openState(ctx context.Context, f *maintenanceFlags) (*watcherState, error) {
	if f.state != "" {
		if _, err := os.Stat(f.state); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("no watcher keeps its state in %s", f.state)
		}
		st, err := watch.LoadState(f.state)
		if errors.Is(err, watch.ErrState) {
			err = nil
		}
		return &watcherState{st: st}, err
	}
	t, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	s := &watcherState{t: t}
	if err := s.read(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// read reads the state of the target's watcher, running or not.
func (s *watcherState) read(ctx context.Context) error {
	var err error
	if s.w, err = s.t.stack.Watcher(ctx); err != nil {
		return err
	}
	data, err := s.w.File(ctx, watch.StateFile)
	if err != nil {
		return err
	}
	if s.st, err = watch.ParseState(data); errors.Is(err, watch.ErrState) {
		err = nil
	}
	return err
}

// close ends the connections.
func (s *watcherState) close() {
	if s.t != nil {
		s.t.close()
	}
}

// maintenance is the one in force, nil without one.
func (s *watcherState) maintenance(now time.Time) *watch.Maintenance {
	if m := s.st.Maintenance; m != nil && m.Until.After(now) {
		return m
	}
	return nil
}

// maintenanceOn starts a maintenance or replaces the one that is on.
func (a *app) maintenanceOn(ctx context.Context, f *maintenanceFlags) error {
	now := time.Now()
	m, err := f.wanted(a, now)
	if err != nil {
		return err
	}
	return a.maintenanceChange(ctx, f, maintenanceChange{
		to: &m, args: []string{"on", "--until", m.Until.UTC().Format(time.RFC3339), "--scope", f.scope, "--reason", m.Reason, "--by", m.By},
		write: func() error { return watch.WriteMaintenance(f.state, m) },
	})
}

// maintenanceOff ends any maintenance.
func (a *app) maintenanceOff(ctx context.Context, f *maintenanceFlags) error {
	return a.maintenanceChange(ctx, f, maintenanceChange{
		args: []string{"off"}, write: func() error { return watch.EndMaintenance(f.state, time.Now()) },
	})
}

// maintenanceChange is a maintenance that begins or, with nil, any that ends: as
// arguments of the command inside the watcher's container, and as a file here.
type maintenanceChange struct {
	to    *watch.Maintenance
	args  []string
	write func() error
}

// maintenanceChange makes a change, or says with --dry-run what it would be.
func (a *app) maintenanceChange(ctx context.Context, f *maintenanceFlags, c maintenanceChange) error {
	s, err := a.openState(ctx, f)
	if err != nil {
		return err
	}
	defer s.close()
	answer := &maintenanceJSON{Active: c.to != nil, Maintenance: c.to, DryRun: f.dryRun}
	before := s.maintenance(time.Now())
	switch {
	case f.dryRun && s.w != nil:
		err = s.w.Reachable()
	case f.dryRun:
	case s.w != nil:
		answer, err = s.inside(ctx, c.args)
	default:
		if err = c.write(); err == nil {
			answer.InForce = awaitMaintenance(ctx, f.state, c.to)
		}
	}
	if err != nil {
		return err
	}
	if s.t != nil {
		answer.Project = s.t.project.Name
	}
	answer.Before, answer.Undo = before, undoMaintenance(c.to, before)
	return a.printMaintenance(f, answer)
}

// inside has the command in the watcher's container make the change.
func (s *watcherState) inside(ctx context.Context, args []string) (*maintenanceJSON, error) {
	out, err := s.w.Run(ctx, append([]string{"maintenance", "--json"}, args...)...)
	if err != nil {
		return nil, err
	}
	answer := &maintenanceJSON{}
	if err := json.Unmarshal(out, answer); err != nil {
		return nil, fmt.Errorf("the watcher's answer is not understood: %w", err)
	}
	return answer, nil
}

// undoMaintenance is the command that takes a change back, "" when there is nothing to.
func undoMaintenance(to, before *watch.Maintenance) string {
	switch {
	case before != nil:
		words := []string{"bgctl", "maintenance", "on", "--until", before.Until.UTC().Format(time.RFC3339), "--scope", string(before.Scope)}
		if before.Reason != "" {
			words = append(words, "--reason", before.Reason)
		}
		if before.By != "" {
			words = append(words, "--by", before.By)
		}
		return sanitize.Shell(words...)
	case to != nil:
		return "bgctl maintenance off"
	}
	return ""
}

// maintenanceStatus reads what the watcher keeps, running or not.
func (a *app) maintenanceStatus(ctx context.Context, f *maintenanceFlags) error {
	s, err := a.openState(ctx, f)
	if err != nil {
		return err
	}
	defer s.close()
	answer := statusOf(&s.st, time.Now())
	if s.t != nil {
		answer.Project, answer.Watcher = s.t.project.Name, s.w.State
	}
	return a.printMaintenance(f, answer)
}

// statusOf reduces a watcher's state to its maintenance.
func statusOf(st *watch.State, now time.Time) *maintenanceJSON {
	if m := st.Maintenance; m != nil && m.Until.After(now) {
		return &maintenanceJSON{Active: true, Maintenance: m, InForce: true, Undo: undoMaintenance(m, nil)}
	}
	return &maintenanceJSON{InForce: true}
}

// maintenanceWait is how long a watcher may take to notice: it looks every second.
const maintenanceWait = 4 * time.Second

// awaitMaintenance reports whether the watcher of a state directory has taken m up,
// nil for the end of any.
func awaitMaintenance(ctx context.Context, dir string, m *watch.Maintenance) bool {
	return awaitState(ctx, dir, func(st *watch.State) bool {
		now := st.Maintenance
		return m == nil && now == nil || m != nil && now != nil && now.Until.Equal(m.Until) && now.Scope == m.Scope
	})
}

// awaitState reports whether the state in a directory becomes as it is waited for.
func awaitState(ctx context.Context, dir string, is func(*watch.State) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, maintenanceWait)
	defer cancel()
	for {
		if st, err := watch.LoadState(dir); err == nil && is(&st) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// printMaintenance prints a maintenance, and the undo after a change.
func (a *app) printMaintenance(f *maintenanceFlags, m *maintenanceJSON) error {
	if f.json {
		return writeJSON(a.out, m)
	}
	_, err := fmt.Fprintln(a.out, m.words(time.Now()))
	return err
}

// words says what is muted, for how long, by whom and why.
func (m *maintenanceJSON) words(now time.Time) string {
	would := ""
	if m.DryRun {
		would = "would change: "
	}
	if !m.Active {
		if m.DryRun && m.Before == nil {
			return "nothing to do: no maintenance is on"
		}
		return would + "no maintenance: all messages go out" + m.doubt() + m.undoLine()
	}
	muted := "messages about pools are muted"
	if m.Scope == alert.ScopeAll {
		muted = "all messages are muted"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%smaintenance until %s (%s left): %s", would, m.Until.Local().Format("15:04:05 on 2006-01-02"),
		m.Until.Sub(now).Truncate(time.Second), muted)
	if m.By != "" {
		fmt.Fprintf(&text, "\nby %s", clean(m.By))
		if m.Reason != "" {
			fmt.Fprintf(&text, ": %s", clean(m.Reason))
		}
	}
	if b := m.Before; b != nil {
		fmt.Fprintf(&text, "\nreplaces the one until %s by %s", b.Until.Local().Format("15:04:05 on 2006-01-02"), or(clean(b.By), "somebody"))
	}
	return text.String() + m.doubt() + m.undoLine()
}

// undoLine is the line with the undo.
func (m *maintenanceJSON) undoLine() string {
	if m.Undo == "" {
		return ""
	}
	return "\nundo: " + clean(m.Undo)
}

// doubt says when the watcher does not, or may not, act on it.
func (m *maintenanceJSON) doubt() string {
	switch {
	case m.Watcher != "" && m.Watcher != "running":
		return "\nthe watcher is " + clean(m.Watcher) + ": nothing is told at all"
	case !m.InForce && !m.DryRun:
		return "\nthe watcher has not taken it up yet; is it running? bgctl status"
	}
	return ""
}
