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
	"bgctl/internal/doctor"
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

	Current  *bluegreen.Operation `json:"current,omitempty"`  // what the lock's holder is doing
	Bake     *bluegreen.Bake      `json:"bake,omitempty"`     // a new release that is watched
	Solo     *bluegreen.Solo      `json:"solo,omitempty"`     // a pool that is kept out of the failover
	Previous *bluegreen.Release   `json:"previous,omitempty"` // what bgctl rollback goes back to
	Agent    string               `json:"agent,omitempty"`    // version of the bgctl in the proxy's container
	Trouble  []string             `json:"trouble,omitempty"`  // what the proxy's container lacks beside nginx

	renewal string // why the proxy's bgctl should be renewed
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

	Standing *bluegreen.Standing `json:"standing,omitempty"` // what the deployment put there by its own record
	Differs  string              `json:"differs,omitempty"`  // what runs instead
	Silent   string              `json:"silent,omitempty"`   // why it does not answer the proxy although it runs
}

// statusFlags are the flags of `bgctl status`.
type statusFlags struct {
	json     bool
	watch    bool
	until    string
	timeout  time.Duration
	interval time.Duration
}

// newStatusCommand returns `bgctl status`.
func newStatusCommand(a *app) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use: "status", Short: "Say which pool takes traffic and how everything is", Args: cobra.NoArgs,
		Example: "  bgctl status\n  bgctl status --watch\n  bgctl status --watch --until active=green --timeout 60s",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.watch {
				return a.watchStatus(cmd.Context(), &f)
			}
			if f.until != "" || f.timeout != 0 {
				return usagef("--until and --timeout go with --watch")
			}
			return a.status(cmd.Context(), &f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON; with --watch one object for each change")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "print a line whenever something changes")
	cmd.Flags().StringVar(&f.until, "until", "", "end with 0 when it holds: healthy, active=`POOL`, state=STATE, or several with commas")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "end with 124 after this time (default: never)")
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "look at least this often; the engine's events are seen at once")
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
	case bluegreen.OK, bluegreen.Switching, bluegreen.Draining, bluegreen.Baking:
		if len(s.Broken) > 0 {
			return codeError(exitDegraded) // nobody would hear of an alert
		}
		return nil
	case bluegreen.Unknown:
		return codeError(exitUnreachable)
	case bluegreen.Degraded, bluegreen.FailedOver, bluegreen.Outage, bluegreen.Down:
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
		p.Standing, p.Differs, p.Silent = d.Standing(pool), doctor.Differs(d, pool), silence(ps)
		s.Pools[pool.String()] = p
	}
	if d.Router != nil {
		s.Agent, s.Trouble, s.renewal = d.Router.Agent, d.Router.Trouble, renewal(d.Router.Agent)
		s.Lock, s.Last = d.Router.Lock, d.Router.Last
		s.Current, s.Bake, s.Solo = d.Router.Current, d.Router.Bake, d.Router.Solo
		if prev := bluegreen.FindPrevious(d); prev != nil {
			s.Previous = &prev.Release
		}
		s.Faults = append(s.Faults, d.Router.Faults...)
		if op := d.Router.Unfinished; op != nil {
			s.Cut = bluegreen.Describe(*op, d.Active())
		}
	}
	return s
}

// silence says why a pool with a container that runs does not answer the proxy, "" when
// the pool answers or was not asked.
func silence(ps *bluegreen.PoolState) string {
	runs := slices.ContainsFunc(ps.Containers, func(c bluegreen.Container) bool { return c.State == "running" })
	switch a := ps.Answer; {
	case a == nil || !runs || a.Answers():
		return ""
	case a.Err != "":
		return a.Err
	default:
		return fmt.Sprintf("nginx says %d in its place", a.Status)
	}
}

// renewal says why the proxy's bgctl should be renewed, "" when it is this one. An agent
// that does not tell its version is older than that.
func renewal(agent string) string {
	if agent == version() {
		return ""
	}
	return fmt.Sprintf("the proxy runs %s, this is %s; renew it when a moment without answers does no harm: bgctl up --upgrade",
		or(agent, "an older bgctl"), version())
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
		fmt.Fprintf(&b, ", %s", clean(s.Proxy.URL))
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
	notes(&b, s, d.At)
	_, err := io.WriteString(w, b.String())
	return err
}

// row prints one container.
func row(w io.Writer, pool, role string, c *bluegreen.Container, now time.Time) {
	state := c.State
	if c.State == "exited" {
		state = fmt.Sprintf("exited (%d)", c.ExitCode)
	}
	cells(w, pool, role, dash(c.Release), state, dash(c.Health), c.Image, uptime(c, now))
}

// cells prints one line of a table. Whatever a cell holds, it stays one cell.
func cells(w io.Writer, texts ...string) {
	for i, text := range texts {
		texts[i] = clean(text)
	}
	fmt.Fprintln(w, strings.Join(texts, "\t"))
}

// uptime is how long a container has run. The engine's clock may be ahead of this one.
func uptime(c *bluegreen.Container, now time.Time) string {
	if c.State != "running" || c.StartedAt.IsZero() {
		return "-"
	}
	return max(now.Sub(c.StartedAt).Round(time.Second), 0).String()
}

// dash stands for nothing.
func dash(s string) string { return or(s, "-") }

// ills prints what is not as it should be although every container may look well.
func ills(w io.Writer, s *statusJSON) {
	if s.State == bluegreen.Outage {
		fmt.Fprintln(w, "\nno request is answered")
	}
	if s.Error != "" {
		fmt.Fprintf(w, "\nproxy: %s\n", clean(s.Error))
	}
	for _, text := range s.Trouble {
		fmt.Fprintf(w, "\ntrouble: %s\n", clean(text))
	}
	for _, pool := range bluegreen.Pools() {
		p := s.Pools[pool.String()]
		if p.Silent != "" {
			fmt.Fprintf(w, "\n%s does not answer the proxy: %s; look at it: bgctl logs %s\n", pool, clean(p.Silent), clean(p.Service))
		}
		if p.Differs != "" {
			fmt.Fprintf(w, "\n%s is not what the deployment put there: %s\n", pool, clean(p.Differs))
		}
	}
}

// notes prints what an operator has to know beside the table.
func notes(w io.Writer, s *statusJSON, now time.Time) {
	ills(w, s)
	for _, f := range s.Faults {
		fmt.Fprintf(w, "\nfault: %s is under %s since %s, by %s@%s; undo: bgctl heal %s\n",
			f.Pool, clean(string(f.Mode)), f.Since.Local().Format("15:04:05"), clean(f.By.User), clean(f.By.Host), f.Pool)
	}
	if s.Lock != nil {
		fmt.Fprintf(w, "\nlocked by %s@%s (pid %d): %s\n", clean(s.Lock.User), clean(s.Lock.Host), s.Lock.PID, clean(s.Lock.What))
	}
	if op := s.Current; op != nil && op.Drain != nil {
		fmt.Fprintf(w, "draining %s: %d in flight\n", op.Drain.Pool, op.Drain.InFlight)
	} else if op != nil && op.Phase != "" {
		what := deed(op)
		if op.New != nil && op.From != op.To {
			what = fmt.Sprintf("%s of %s to %s", op.Kind, op.New, op.To)
		}
		fmt.Fprintf(w, "%s: at the step %s\n", clean(what), clean(string(op.Phase)))
	}
	if b := s.Bake; b != nil {
		fmt.Fprintf(w, "\n%s\n", clean(bakeText(b, now)))
	}
	if s.Solo != nil && s.Lock == nil {
		fmt.Fprintf(w, "\n%s is kept out of the failover since %s: its release is not verified\n", s.Solo.Pool, s.Solo.Since.Local().Format("15:04:05"))
	}
	if s.Cut != "" {
		fmt.Fprintf(w, "\n%s; the next command settles it (bgctl heal %s)\n", clean(s.Cut), or(s.Standby, "POOL"))
	}
	if s.renewal != "" {
		fmt.Fprintf(w, "\n%s\n", clean(s.renewal))
	}
	s.notes(w)
}

// bakeText is how far a bake is.
func bakeText(b *bluegreen.Bake, now time.Time) string {
	if !b.Live {
		return fmt.Sprintf("the bake of %s by %s@%s was cut off: %s; end it: bgctl promote, or bgctl rollback", b.Pool, b.By.User, b.By.Host, &b.Verdict)
	}
	return fmt.Sprintf("baking %s: %s of %s, %s, rolls back to %s over %g %% (bgctl promote or bgctl rollback ends it)",
		b.Pool, max(now.Sub(b.Since), 0).Round(time.Second), b.Until.Sub(b.Since), &b.Verdict, b.From, b.Threshold)
}
