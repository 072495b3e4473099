package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
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
	InForce bool   `json:"in_force"` // the watcher has taken it up
	Watcher string `json:"watcher,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
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

// maintenanceOn starts a maintenance or replaces the one that is on.
func (a *app) maintenanceOn(ctx context.Context, f *maintenanceFlags) error {
	now := time.Now()
	m, err := f.wanted(a, now)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.printMaintenance(f, &maintenanceJSON{Active: true, Maintenance: &m, DryRun: true})
	}
	if f.state != "" {
		if err := watch.WriteMaintenance(f.state, m); err != nil {
			return err
		}
		return a.printMaintenance(f, &maintenanceJSON{Active: true, Maintenance: &m, InForce: awaitMaintenance(ctx, f.state, &m)})
	}
	return a.maintenanceInside(ctx, f, "on", "--until", m.Until.UTC().Format(time.RFC3339), "--scope", f.scope, "--reason", m.Reason, "--by", m.By)
}

// maintenanceOff ends any maintenance.
func (a *app) maintenanceOff(ctx context.Context, f *maintenanceFlags) error {
	if f.dryRun {
		return a.printMaintenance(f, &maintenanceJSON{DryRun: true})
	}
	if f.state != "" {
		if err := watch.EndMaintenance(f.state, time.Now()); err != nil {
			return err
		}
		return a.printMaintenance(f, &maintenanceJSON{InForce: awaitMaintenance(ctx, f.state, nil)})
	}
	return a.maintenanceInside(ctx, f, "off")
}

// maintenanceInside runs the same command in the watcher's container and prints
// what it says.
func (a *app) maintenanceInside(ctx context.Context, f *maintenanceFlags, args ...string) error {
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	w, err := t.stack.Watcher(ctx)
	if err != nil {
		return err
	}
	out, err := w.Run(ctx, append([]string{"maintenance", "--json"}, args...)...)
	if err != nil {
		return err
	}
	answer := maintenanceJSON{}
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("the watcher's answer is not understood: %w", err)
	}
	answer.Project = t.project.Name
	return a.printMaintenance(f, &answer)
}

// maintenanceStatus reads what the watcher keeps, running or not.
func (a *app) maintenanceStatus(ctx context.Context, f *maintenanceFlags) error {
	if f.state != "" {
		st, err := watch.LoadState(f.state)
		if err != nil {
			return err
		}
		return a.printMaintenance(f, statusOf(&st, time.Now()))
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	w, err := t.stack.Watcher(ctx)
	if err != nil {
		return err
	}
	data, err := w.File(ctx, watch.StateFile)
	if err != nil {
		return err
	}
	st, err := watch.ParseState(data)
	if err != nil {
		return err
	}
	answer := statusOf(&st, time.Now())
	answer.Project, answer.Watcher = t.project.Name, w.State
	return a.printMaintenance(f, answer)
}

// statusOf reduces a watcher's state to its maintenance.
func statusOf(st *watch.State, now time.Time) *maintenanceJSON {
	if m := st.Maintenance; m != nil && m.Until.After(now) {
		return &maintenanceJSON{Active: true, Maintenance: m, InForce: true}
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
		return would + "no maintenance: all messages go out" + m.doubt()
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
	return text.String() + m.doubt() + "\nundo: bgctl maintenance off"
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
