package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
)

// statusJSON is the documented form of `bgctl status --json`. Fields are added,
// never renamed.
type statusJSON struct {
	Project string               `json:"project"`
	Active  string               `json:"active"`
	Standby string               `json:"standby"`
	State   bluegreen.Condition  `json:"state"`
	Pools   map[string]poolJSON  `json:"pools"`
	Proxy   containerJSON        `json:"proxy"`
	Watcher containerJSON        `json:"watcher"`
	Lock    *bluegreen.Holder    `json:"lock"`
	Faults  []bluegreen.Fault    `json:"faults"`
	Cut     string               `json:"unfinished,omitempty"`
	Last    *bluegreen.Operation `json:"last,omitempty"`
	Error   string               `json:"error,omitempty"`
	watched
}

// containerJSON is one container.
type containerJSON struct {
	Service   string `json:"service"`
	Container string `json:"container"`
	Image     string `json:"image"`
	State     string `json:"state"`
	Health    string `json:"health"`
	Ready     bool   `json:"ready"`
	URL       string `json:"url,omitempty"`
}

// poolJSON is one pool.
type poolJSON struct {
	containerJSON
	Release  string `json:"release"`
	Replicas int    `json:"replicas"`
	Fault    string `json:"fault,omitempty"`
}

// statusFlags are the flags of `bgctl status`.
type statusFlags struct{ json bool }

// newStatusCommand returns `bgctl status`.
func newStatusCommand(a *app) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use: "status", Short: "Say which pool takes traffic and how everything is", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// status prints the state and ends with the code that tells it to scripts.
func (a *app) status(ctx context.Context, f *statusFlags) error {
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	d, err := t.stack.Observe(ctx)
	if err != nil {
		return err
	}
	s := a.summary(t, &d)
	s.watched = readWatched(ctx, t, &d)
	if f.json {
		err = writeJSON(a.out, s)
	} else {
		err = printStatus(a.out, &s, &d)
	}
	if err != nil {
		return err
	}
	switch s.State {
	case bluegreen.OK, bluegreen.Switching:
		return nil
	case bluegreen.Unknown:
		return codeError(exitUnreachable)
	case bluegreen.Degraded, bluegreen.FailedOver, bluegreen.Down:
	}
	return codeError(exitDegraded)
}

// summary reduces a deployment to what status prints.
func (a *app) summary(t *target, d *bluegreen.Deployment) statusJSON {
	s := statusJSON{
		Project: d.Project, Active: d.Active().String(), Standby: d.Active().Other().String(),
		State: d.Condition(), Pools: map[string]poolJSON{}, Error: d.RouterErr,
		Proxy: container(d.Proxy), Watcher: container(d.Watcher), Faults: []bluegreen.Fault{},
	}
	s.Proxy.URL = a.proxyURL(t, d)
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		p := poolJSON{Release: ps.Release(), Replicas: len(ps.Containers)}
		if len(ps.Containers) > 0 {
			p.containerJSON = container(&ps.Containers[0])
		}
		p.Ready = ps.Ready()
		if ps.Fault != nil {
			p.Fault = string(ps.Fault.Mode)
		}
		s.Pools[pool.String()] = p
	}
	if d.Router != nil {
		s.Lock, s.Last = d.Router.Lock, d.Router.Last
		s.Faults = append(s.Faults, d.Router.Faults...)
		if op := d.Router.Unfinished; op != nil {
			s.Cut = bluegreen.Describe(*op, d.Active())
		}
	}
	return s
}

// container reduces a container, which may be missing.
func container(c *bluegreen.Container) containerJSON {
	if c == nil {
		return containerJSON{State: "missing"}
	}
	return containerJSON{
		Service: c.Service, Container: c.Name, Image: c.Image,
		State: c.State, Health: c.Health, Ready: c.Ready(),
	}
}

// printStatus prints the state for people.
func printStatus(w io.Writer, s *statusJSON, d *bluegreen.Deployment) error {
	var b strings.Builder
	active := "unknown"
	if s.Active != "" {
		active = s.Active
	}
	fmt.Fprintf(&b, "%s: %s, active %s", clean(s.Project), s.State, active)
	if s.Proxy.URL != "" {
		fmt.Fprintf(&b, ", %s", s.Proxy.URL)
	}
	b.WriteString("\n\n")
	tw := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "POOL\tROLE\tRELEASE\tSTATE\tHEALTH\tIMAGE\tUP")
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		role := "standby"
		if d.Active() == pool {
			role = "active"
		}
		if len(ps.Containers) == 0 {
			fmt.Fprintf(tw, "%s\t%s\t-\tmissing\t-\t-\t-\n", pool, role)
		}
		for i := range ps.Containers {
			row(tw, pool.String(), role, &ps.Containers[i], d.At)
		}
	}
	for _, c := range []*bluegreen.Container{d.Proxy, d.Watcher} {
		if c != nil {
			row(tw, "-", string(c.Role), c, d.At)
		}
	}
	_ = tw.Flush() // a builder takes everything
	notes(&b, s)
	_, err := io.WriteString(w, b.String())
	return err
}

// row prints one container.
func row(w io.Writer, pool, role string, c *bluegreen.Container, now time.Time) {
	state := c.State
	if c.State == "exited" {
		state = fmt.Sprintf("exited (%d)", c.ExitCode)
	}
	up := "-"
	if c.State == "running" && !c.StartedAt.IsZero() {
		up = now.Sub(c.StartedAt).Round(time.Second).String()
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
		pool, role, dash(clean(c.Release)), state, dash(c.Health), clean(c.Image), up)
}

// dash stands for nothing.
func dash(s string) string { return or(s, "-") }

// notes prints what an operator has to know beside the table.
func notes(w io.Writer, s *statusJSON) {
	if s.Error != "" {
		fmt.Fprintf(w, "\nproxy: %s\n", clean(s.Error))
	}
	for _, f := range s.Faults {
		fmt.Fprintf(w, "\nfault: %s is under %s since %s, by %s@%s; undo: bgctl heal %s\n",
			f.Pool, f.Mode, f.Since.Local().Format("15:04:05"), clean(f.By.User), clean(f.By.Host), f.Pool)
	}
	if s.Lock != nil {
		fmt.Fprintf(w, "\nlocked by %s@%s (pid %d): %s\n", clean(s.Lock.User), clean(s.Lock.Host), s.Lock.PID, clean(s.Lock.What))
	}
	if s.Cut != "" {
		fmt.Fprintf(w, "\n%s; the next command settles it\n", clean(s.Cut))
	}
	s.notes(w)
}
