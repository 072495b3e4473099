package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
	"bgctl/internal/sanitize"
	"bgctl/internal/slack"
	"bgctl/internal/watch"
)

// watchFlags are the flags of `bgctl watch`.
type watchFlags struct {
	source    string
	log       string
	format    string
	state     string
	listen    string
	testAlert bool
}

// newWatchCommand returns `bgctl watch`.
func newWatchCommand(a *app) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use: "watch", Short: "Watch the access log, detect, tell Slack (the watcher's process)", Args: cobra.NoArgs,
		Long: "Watch the access log, detect, and tell Slack. This is the process of the service\n" +
			"alert_watcher. It reads its settings from the environment: ERROR_RATE_THRESHOLD,\n" +
			"WINDOW_SIZE, ALERT_COOLDOWN_SEC, ERROR_CLASSES, MAINTENANCE_MODE,\n" +
			"SLACK_WEBHOOK_URL or SLACK_WEBHOOK_URL_FILE, ALERT_WEBHOOK_URL or ALERT_WEBHOOK_URL_FILE.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := useRoots(); err != nil {
				return err
			}
			if f.testAlert {
				return a.testAlert(cmd.Context())
			}
			return a.watch(cmd.Context(), &f)
		},
	}
	cmd.Flags().StringVar(&f.source, "source", "file", "what to read: file (--log), docker (the proxy's log on the engine), docker:`SERVICE` (a container's output)")
	cmd.Flags().StringVar(&f.log, "log", proxy.AccessLog, "access log to read")
	cmd.Flags().StringVar(&f.format, "format", "auto", "auto, bgctl, combined, common, json, or json:field=key,…")
	cmd.Flags().StringVar(&f.state, "state", proxy.StateDir, "`directory` that survives a restart")
	cmd.Flags().StringVar(&f.listen, "listen", ":9115", "`address` of /healthz and /metrics")
	cmd.Flags().BoolVar(&f.testAlert, "test-alert", false, "post one test message and print the verdict")
	return cmd
}

// watch runs the watcher until the context ends.
func (a *app) watch(ctx context.Context, f *watchFlags) error {
	cfg, err := alertConfig(a.env)
	if err != nil {
		return err
	}
	receivers, err := a.receivers()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen for /healthz: %w", err)
	}
	detector := alert.NewDetector(cfg)
	detector.MuteBefore(oldNews(f.state, cfg.MaxAge, time.Now()))
	lost := &sourceHealth{}
	format, err := logstream.ParseFormat(f.format)
	if err != nil {
		return usagef("--format: %w", err)
	}
	source, err := a.watchSource(ctx, f, sourceConfig{format: format, window: cfg.Window, tell: lost.set})
	if err != nil {
		return err
	}
	mode := a.env("MAINTENANCE_MODE")
	if _, err := watch.ParseMode(mode, time.Now()); err != nil {
		return usageError{err}
	}
	err = watch.Run(ctx, watch.Config{
		Source: source, Detector: watch.Keep(detector, detector.State, detector.Restore),
		StateDir: f.state, Host: hostname(), Project: a.env("COMPOSE_PROJECT_NAME"),
		Threshold: cfg.ThresholdPercent, Out: sanitize.NewJSONWriter(a.out), Receivers: asReceivers(receivers), Listener: listener,
		Cursor:          func() any { return source.cursor },
		SourceHealth:    lost.get,
		SourceChanged:   func(why string) { tellSource(detector, why) },
		Acknowledge:     detector.Acknowledge,
		OldIsNews:       func() { detector.MuteBefore(time.Time{}) },
		MaintenanceMode: mode, Version: version(),
		SetMaintenance: func(m watch.Maintenance) []alert.Event {
			detector.SetMaintenance(m.Scope, m.Until)
			return nil // what has to be said is said by the next tick
		},
	})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // stopped as asked
	}
	return err
}

// asReceivers returns the receivers as the watcher takes them.
func asReceivers(stored []*slack.Stored) []slack.Receiver {
	out := make([]slack.Receiver, len(stored))
	for i, r := range stored {
		out[i] = r
	}
	return out
}

// logPoll is how often the log is looked at where the system does not tell that it
// grew: the largest part of the delay between a request and the decision about it.
const logPoll = 100 * time.Millisecond

// oldNews is the time before which a request is no news any more: where the watcher
// left off it tells what it missed lately, and at its first start nothing.
func oldNews(state string, maxAge time.Duration, now time.Time) time.Time {
	st, err := watch.LoadState(state)
	if err != nil || st.Saved.IsZero() {
		return now
	}
	if maxAge == 0 {
		maxAge = alert.DefaultConfig().MaxAge // a window without a limit is no reason to tell old news
	}
	return now.Add(-maxAge)
}

// tellSource passes on whether the log can be read.
func tellSource(d *alert.Detector, why string) {
	if why == "" {
		d.SourceBack()
		return
	}
	d.SourceLost(why)
}

// hostname names this machine in messages.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return host
}

// testAlert posts one message to every receiver and prints what they said.
func (a *app) testAlert(ctx context.Context) error {
	receivers, err := a.receivers()
	if err != nil {
		return err
	}
	if len(receivers) == 0 {
		return usagef("no webhook is configured; set SLACK_WEBHOOK_URL or SLACK_WEBHOOK_URL_FILE")
	}
	var errs []error
	for _, r := range receivers {
		if trouble, _ := r.Look(); trouble != "" {
			errs = append(errs, usagef("%s", trouble))
			continue
		}
		verdict, err := watch.TestAlert(ctx, r, slack.Meta{Host: hostname(), Project: a.env("COMPOSE_PROJECT_NAME")})
		fmt.Fprintf(a.out, "%s: %s\n", r.Name(), clean(verdict))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
