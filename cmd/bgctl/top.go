package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/feed"
)

// topSpan is what the traffic figures are over.
const topSpan = 60 * time.Second

// topJSON is the documented form of `bgctl top --json`. Fields are added, never renamed.
type topJSON struct {
	At         time.Time             `json:"at"`
	Project    string                `json:"project"`
	Active     string                `json:"active"`
	State      bluegreen.Condition   `json:"state"`
	Span       float64               `json:"span_seconds"`
	Traffic    map[string]trafficTop `json:"traffic"`
	Saved      int                   `json:"saved"` // failed on one pool, answered by the other
	Containers []bluegreen.Container `json:"containers"`
	Window     alert.Window          `json:"window"`
	Threshold  float64               `json:"threshold"`
	Firing     []alert.Event         `json:"firing"`
	Bake       *bluegreen.Bake       `json:"bake,omitempty"`
	Error      string                `json:"error,omitempty"`
}

// trafficTop is what one pool answered.
type trafficTop struct {
	Requests    int                `json:"requests"`
	Rate        float64            `json:"rps"`
	ErrorRate   float64            `json:"error_percent"`          // answered with 500 or more
	AttemptRate float64            `json:"failed_attempt_percent"` // of the attempts on it, the hidden ones included
	P50         float64            `json:"p50_ms"`
	P95         float64            `json:"p95_ms"`
	P99         float64            `json:"p99_ms"`
	Classes     map[string]float64 `json:"classes_rps"`
}

// topFlags are the flags of `bgctl top`.
type topFlags struct {
	json     bool
	watch    bool
	interval time.Duration
}

// newTopCommand returns `bgctl top`.
func newTopCommand(a *app) *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use: "top", Short: "Show traffic, containers and alerts in one table: the dashboard's plain twin", Args: cobra.NoArgs,
		Example: "  bgctl top\n  bgctl top --watch --json | jq .traffic.green.rps",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.interval < time.Second {
				return usagef("--interval %s: want 1s or more", f.interval)
			}
			return a.top(cmd.Context(), &f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON; with --watch one object each time")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "repeat until interrupted")
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "with --watch: how often")
	return cmd
}

// top reads the deployment and prints it, once or until interrupted.
func (a *app) top(ctx context.Context, f *topFlags) error {
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	cfg, err := watcherConfig(t.project)
	if err != nil {
		return err
	}
	live := feed.New(feed.Config{Stack: t.stack, Client: t.client, Project: t.project.Name, Alert: cfg, Now: time.Now})
	d, err := live.Observe(ctx)
	if err != nil {
		return err
	}
	if err := a.present(&d); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	go live.Run(running)
	live.Warm(ctx)
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	alerts := firing{}
	for {
		d, err := live.Observe(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		alerts.take(live.Take().Events)
		v := picture(live, &d, &cfg, alerts)
		if err != nil {
			v.State, v.Error = bluegreen.Unknown, oneLine(err)
		}
		if err := a.printPicture(&v, f); err != nil || !f.watch {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// printPicture prints one picture as it is asked for.
func (a *app) printPicture(v *topJSON, f *topFlags) error {
	if f.json {
		return writeJSON(a.out, v)
	}
	return printTop(a.out, v)
}

// firing are the alerts that have not resolved, in the order in which they began.
type firing []alert.Event

// take follows the watcher's events.
func (f *firing) take(events []alert.Event) {
	for i := range events {
		ev := &events[i]
		if ev.Status == alert.Info {
			continue
		}
		var rest firing
		for _, old := range *f {
			if old.Type != ev.Type {
				rest = append(rest, old)
			}
		}
		if ev.Status == alert.Firing {
			rest = append(rest, *ev)
		}
		*f = rest
	}
}

// picture is the deployment at one moment.
func picture(live *feed.Feed, d *bluegreen.Deployment, cfg *alert.Config, alerts firing) topJSON {
	o := live.Overview(topSpan)
	v := topJSON{
		At: time.Now(), Project: d.Project, Active: d.Active().String(), State: d.Condition(), Span: topSpan.Seconds(),
		Traffic: map[string]trafficTop{}, Saved: o.Saved, Window: live.Window(), Threshold: cfg.ThresholdPercent,
		Firing: append([]alert.Event{}, alerts...), Error: d.RouterErr,
	}
	for _, pool := range bluegreen.Pools() {
		p := &o.Pools[pool]
		v.Traffic[pool.String()] = trafficTop{
			Requests: p.N, Rate: p.Rate, ErrorRate: p.ErrorRate, AttemptRate: p.AttemptRate,
			P50: millis(p.P50), P95: millis(p.P95), P99: millis(p.P99),
			Classes: map[string]float64{"2xx": p.Classes[2], "3xx": p.Classes[3], "4xx": p.Classes[4], "5xx": p.Classes[5]},
		}
		v.Containers = append(v.Containers, d.Pool(pool).Containers...)
	}
	for _, c := range []*bluegreen.Container{d.Proxy, d.Watcher} {
		if c != nil {
			v.Containers = append(v.Containers, *c)
		}
	}
	if d.Router != nil {
		v.Bake = d.Router.Bake
	}
	return v
}

// printTop prints one picture for people.
func printTop(w io.Writer, v *topJSON) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, active %s, %s; traffic of the last %.0f s\n\n", clean(v.Project), v.State, dash(v.Active), v.At.Format("15:04:05"), v.Span)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "POOL\tRPS\tERRORS\tFAILED TRIES\tP50\tP95\tP99\t2XX/S\t3XX/S\t4XX/S\t5XX/S\tREQUESTS\t")
	for _, pool := range bluegreen.Pools() {
		p := v.Traffic[pool.String()]
		times := "-\t-\t-"
		if p.Requests > 0 {
			times = fmt.Sprintf("%.0f ms\t%.0f ms\t%.0f ms", p.P50, p.P95, p.P99)
		}
		fmt.Fprintf(tw, "%s\t%.1f\t%.1f %%\t%.1f %%\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", pool, p.Rate, p.ErrorRate, p.AttemptRate, times,
			p.Classes["2xx"], p.Classes["3xx"], p.Classes["4xx"], p.Classes["5xx"], p.Requests)
	}
	_ = tw.Flush() // a builder takes everything
	b.WriteByte('\n')
	tw = tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "CONTAINER\tROLE\tSTATE\tHEALTH\tRELEASE\tIMAGE\tCPU\tMEMORY\tRESTARTS\tUP")
	for i := range v.Containers {
		containerTop(tw, &v.Containers[i], v.At)
	}
	_ = tw.Flush() // a builder takes everything
	win := &v.Window
	fmt.Fprintf(&b, "\nwindow: %d of the last %d requests failed (%.1f %%, fires over %g %%)", win.Errors, win.N, win.Rate, v.Threshold)
	if win.ErrorsToFire > 0 {
		fmt.Fprintf(&b, ", %d more errors until it fires", win.ErrorsToFire)
	}
	fmt.Fprintf(&b, "; %d requests saved by failover\n", v.Saved)
	if v.Bake != nil {
		fmt.Fprintln(&b, clean(bakeText(v.Bake, v.At)))
	}
	for i := range v.Firing {
		fmt.Fprintf(&b, "firing since %s: %s\n", v.Firing[i].Time.Local().Format("15:04:05"), clean(v.Firing[i].Summary))
	}
	if v.Error != "" {
		fmt.Fprintf(&b, "proxy: %s\n", clean(v.Error))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// containerTop prints one container.
func containerTop(w io.Writer, c *bluegreen.Container, now time.Time) {
	const mib = 1 << 20
	cells(w, c.Name, string(c.Role), c.State, dash(c.Health), dash(c.Release), c.Image, fmt.Sprintf("%.1f %%", c.CPU),
		fmt.Sprintf("%.1f MiB", float64(c.Memory)/mib), strconv.Itoa(c.Restarts), uptime(c, now))
}

// millis converts a duration to milliseconds.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
