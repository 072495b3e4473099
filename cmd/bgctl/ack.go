package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/watch"
)

// ackFlags are the flags of `bgctl ack`.
type ackFlags struct {
	lasts  time.Duration
	set    bool // --for was given
	by     string
	state  string
	off    bool
	dryRun bool
	json   bool
}

// ackJSON is the documented form of `bgctl ack --json`.
type ackJSON struct {
	Project string      `json:"project,omitempty"`
	Alerts  []ackedJSON `json:"alerts"`
	InForce bool        `json:"in_force"` // the watcher has taken it up
	DryRun  bool        `json:"dry_run,omitempty"`
}

// ackedJSON is one alert and who looks after it.
type ackedJSON struct {
	Alert   string     `json:"alert"` // the event's ID
	Type    alert.Type `json:"type"`
	Summary string     `json:"summary"`
	Ack     *alert.Ack `json:"ack,omitempty"`
	Changed bool       `json:"changed"`

	began time.Time
}

// newAckCommand returns `bgctl ack`.
func newAckCommand(a *app) *cobra.Command {
	var f ackFlags
	cmd := &cobra.Command{
		Use: "ack [ALERT]", Short: "Say that you look after an alert that fires", Args: cobra.MaximumNArgs(1),
		Long: "Say that you look after an alert: a type such as error_rate, an event such as\n" +
			"error_rate-3, or without a name all that fire. It is neither repeated nor escalated\n" +
			"until then; that it ended is told all the same, and ends the acknowledgement too.\n" +
			"Everybody sees it: bgctl status, bgctl events, the dashboard. Nothing is restarted.",
		Example: "  bgctl ack\n  bgctl ack error_rate --for 2h\n  bgctl ack error_rate --off",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.set = cmd.Flags().Changed("for")
			return a.ack(cmd.Context(), &f, append(args, "")[0])
		},
	}
	cmd.Flags().DurationVar(&f.lasts, "for", alert.DefaultAck, "how `long`, at most seven days")
	cmd.Flags().StringVar(&f.by, "by", "", "who; default: this user and host")
	cmd.Flags().BoolVar(&f.off, "off", false, "take it back: nobody looks after it")
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would change and change nothing")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&f.state, "state", "", "work on this state `directory` instead of asking Docker")
	cmd.MarkFlagsMutuallyExclusive("for", "off")
	return cmd
}

// ack acknowledges what name means, or takes that back.
func (a *app) ack(ctx context.Context, f *ackFlags, name string) error {
	if f.lasts <= 0 || f.lasts > alert.MaxAck {
		return usagef("--for %s: want more than nothing and at most seven days", f.lasts)
	}
	if len(f.by) > 200 {
		return usagef("--by may have 200 bytes")
	}
	if f.by == "" {
		h := a.holder()
		f.by = h.User + "@" + h.Host
	}
	if f.state != "" {
		return a.ackHere(ctx, f, name)
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	out, err := a.ackInside(ctx, t, f, name)
	if err != nil {
		return err
	}
	return a.printAck(f, out)
}

// ackPlan is what would change of the alerts that are meant. Saying once more what
// is so already changes nothing.
func (f *ackFlags) ackPlan(st *watch.State, past func() ([]watch.Entry, error), name string) (*ackJSON, error) {
	found, err := st.Firing(name, past)
	if err != nil {
		if watch.IsNotFiring(err) {
			return nil, err
		}
		return nil, usageError{err}
	}
	now := time.Now()
	out := &ackJSON{InForce: true, DryRun: f.dryRun}
	for i := range found {
		ev := &found[i]
		one := ackedJSON{Alert: ev.ID, Type: ev.Type, Summary: ev.Summary, began: watch.Began(ev)}
		if ev.Ack.InForce(now) {
			one.Ack = ev.Ack
		}
		switch {
		case f.off:
			one.Changed = one.Ack != nil
			one.Ack = nil
		case one.Ack == nil || one.Ack.By != f.by || f.set:
			one.Changed = true
			one.Ack = &alert.Ack{Type: ev.Type, Alert: ev.ID, By: f.by, At: now, Until: now.Add(f.lasts + time.Second - 1).Truncate(time.Second)}
		}
		out.Alerts = append(out.Alerts, one)
	}
	return out, nil
}

// ackHere acknowledges in a state directory and waits for its watcher.
func (a *app) ackHere(ctx context.Context, f *ackFlags, name string) error {
	st, err := watch.LoadState(f.state)
	if err != nil {
		return err
	}
	out, err := f.ackPlan(&st, func() ([]watch.Entry, error) { return watch.ReadHistory(f.state) }, name)
	if err != nil || f.dryRun {
		return a.printAckUnless(err, f, out)
	}
	for i := range out.Alerts {
		one := &out.Alerts[i]
		if !one.Changed {
			continue
		}
		ask := watch.AckRequest{Ack: alert.Ack{Type: one.Type, Alert: one.Alert, By: f.by, At: time.Now()}, Since: one.began}
		if one.Ack != nil {
			ask.Ack = *one.Ack
		}
		if err := watch.WriteAck(f.state, ask); err != nil {
			return err
		}
	}
	out.InForce = out.awaited(ctx, f.state)
	return a.printAck(f, out)
}

// awaited reports whether the watcher of a state directory has taken it all up.
func (out *ackJSON) awaited(ctx context.Context, dir string) bool {
	return awaitState(ctx, dir, func(st *watch.State) bool {
		for i := range out.Alerts {
			if one := &out.Alerts[i]; !st.Attended(one.Type, one.Ack) {
				return false
			}
		}
		return true
	})
}

// ackInside plans here, where a refusal keeps its exit code, and has the command
// inside the watcher's container do it.
func (a *app) ackInside(ctx context.Context, t *target, f *ackFlags, name string) (*ackJSON, error) {
	w, err := t.stack.Watcher(ctx)
	if err != nil {
		return nil, err
	}
	file := func(name string) ([]byte, error) { return w.File(ctx, name) }
	data, err := file(watch.StateFile)
	if err != nil {
		return nil, err
	}
	st, err := watch.ParseState(data)
	if err != nil {
		return nil, err
	}
	out, err := f.ackPlan(&st, func() ([]watch.Entry, error) { return watch.ReadHistoryFrom(file) }, name)
	if err != nil {
		return nil, err
	}
	out.Project = t.project.Name
	for i := range out.Alerts {
		one := &out.Alerts[i]
		if !one.Changed || f.dryRun {
			continue
		}
		args := []string{"ack", one.Alert, "--json", "--by", f.by}
		if f.off {
			args = append(args, "--off")
		} else {
			args = append(args, "--for", f.lasts.String())
		}
		answer, err := w.Run(ctx, args...)
		if err != nil {
			return nil, oldInside(err)
		}
		var inside ackJSON
		if err := json.Unmarshal(answer, &inside); err != nil || len(inside.Alerts) != 1 {
			return nil, fmt.Errorf("the watcher's answer is not understood: %s", clean(string(answer)))
		}
		one.Ack, out.InForce = inside.Alerts[0].Ack, out.InForce && inside.InForce
	}
	return out, nil
}

// oldInside says that the watcher's bgctl does not know a command yet.
func oldInside(err error) error {
	if strings.Contains(err.Error(), "unknown command") {
		return errors.New("the watcher runs an older bgctl, which cannot do this; bring it up to date: bgctl up")
	}
	return err
}
