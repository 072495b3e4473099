package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/alert"
	"bgctl/internal/backtest"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// backtestFlags are the flags of `bgctl backtest`.
type backtestFlags struct {
	window, minSamples      int
	threshold               float64
	cooldown                time.Duration
	classes, format, active string
	since, until            string
	sweep                   []string
	incidentRate            float64
	workers                 int
	json, sweeping          bool
	noTraffic               time.Duration
}

// newBacktestCommand returns `bgctl backtest`.
func newBacktestCommand(a *app) *cobra.Command {
	var f backtestFlags
	cmd := &cobra.Command{
		Use: "backtest FILE…", Short: "Replay access logs: every alert that would have fired",
		Long: "Replay access logs through the watcher's detector and print every alert that would\n" +
			"have fired. Files may be packed by gzip and given in any order; - is the standard\n" +
			"input. Settings default to the watcher's: ERROR_RATE_THRESHOLD, WINDOW_SIZE,\n" +
			"ALERT_COOLDOWN_SEC, ERROR_CLASSES.\n\n" +
			"--sweep compares settings in one pass and recommends one:\n" +
			"  bgctl backtest --sweep window=50,100,200 threshold=1,2,5 access.log*\n\n" +
			"It judges them by incidents, which depend on no setting: every failed request is a\n" +
			"point, every other one takes a little away (--incident-rate percent of a point), and\n" +
			"8 points are an incident. It lasts from its first failed request to its last. The\n" +
			"delay is the time from there to the first alert; an alert outside is a false one.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.sweeping = cmd.Flags().Changed("sweep")
			return a.backtest(cmd.Context(), &f, cmd.Flags().Changed, args)
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&f.window, "window", 0, "requests in the window")
	fl.Float64Var(&f.threshold, "threshold", 0, "error rate in percent")
	fl.DurationVar(&f.cooldown, "cooldown", 0, "least time between two messages of one type")
	fl.StringVar(&f.classes, "classes", "", "statuses that are errors: 5xx or 4xx,5xx")
	fl.IntVar(&f.minSamples, "min-samples", 0, "requests needed before it may fire")
	fl.DurationVar(&f.noTraffic, "no-traffic", 0, "alert after so long without a request")
	fl.StringVar(&f.since, "since", "", "leave out what is older: a `time`, or a duration before now")
	fl.StringVar(&f.until, "until", "", "leave out what is newer")
	fl.StringVar(&f.format, "format", "auto", "auto, bgctl, combined, common, json, or json:field=key,…")
	fl.StringVar(&f.active, "active", "", "active `pool` of a log that does not name it")
	fl.StringArrayVar(&f.sweep, "sweep", nil, "compare settings; `dims` as arguments: window=50,100 threshold=1,2")
	fl.Lookup("sweep").NoOptDefVal = " "
	fl.Float64Var(&f.incidentRate, "incident-rate", backtest.DefaultIncidentRate, "percentage of failed requests that makes an incident")
	fl.IntVar(&f.workers, "workers", 0, "decoders (default: one for each processor)")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// backtest replays the logs and prints the report.
func (a *app) backtest(ctx context.Context, f *backtestFlags, given func(string) bool, args []string) error {
	cfg := backtest.Config{Workers: f.workers}
	paths, err := a.backtestConfig(&cfg, f, given, args)
	if err != nil {
		return usageError{err}
	}
	if cfg.Inputs, err = a.backtestInputs(paths); err != nil {
		return err
	}
	bar := newBar(a)
	cfg.Progress = bar.show
	report, err := backtest.Run(ctx, cfg)
	bar.clear()
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(a.out, report)
	}
	return report.WriteText(a.out, clean)
}

// backtestConfig reads the settings: the environment, then the flags. It returns
// the arguments that are files.
func (a *app) backtestConfig(cfg *backtest.Config, f *backtestFlags, given func(string) bool, args []string) ([]string, error) {
	var err error
	if cfg.Alert, err = alertConfig(a.env); err != nil {
		return nil, err
	}
	if err = f.override(&cfg.Alert, given); err != nil {
		return nil, err
	}
	if cfg.Format, err = logstream.ParseFormat(f.format); err != nil {
		return nil, err
	}
	now := time.Now()
	if cfg.Since, err = moment("since", f.since, now); err != nil {
		return nil, err
	}
	if cfg.Until, err = moment("until", f.until, now); err != nil {
		return nil, err
	}
	if f.sweeping {
		if args, err = f.grid(cfg, args); err != nil {
			return nil, err
		}
	}
	if len(args) == 0 {
		return nil, errors.New("name the logs to replay, or - for the standard input: bgctl backtest access.log*")
	}
	return args, nil
}

// override applies the flags that were given.
func (f *backtestFlags) override(cfg *alert.Config, given func(string) bool) error {
	for name, set := range map[string]func(){
		"window":      func() { cfg.Window = f.window },
		"threshold":   func() { cfg.ThresholdPercent = f.threshold },
		"cooldown":    func() { cfg.Cooldown = f.cooldown },
		"min-samples": func() { cfg.MinSamples = f.minSamples },
		"no-traffic":  func() { cfg.NoTraffic = f.noTraffic },
	} {
		if given(name) {
			set()
		}
	}
	if f.classes != "" {
		classes, err := alert.ParseClasses(f.classes)
		if err != nil {
			return err
		}
		cfg.Classes = classes
	}
	if f.active != "" {
		pool, err := bluegreen.ParsePool(f.active)
		if err != nil {
			return err
		}
		cfg.Active = pool
	}
	return cfg.Validate()
}

var sweepDim = regexp.MustCompile(`^[a-z-]+=[0-9.,]+$`)

// grid takes the dimensions of the sweep out of the arguments.
func (f *backtestFlags) grid(cfg *backtest.Config, args []string) (paths []string, err error) {
	var dims []string
	for _, s := range f.sweep {
		dims = append(dims, strings.Fields(s)...)
	}
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil && sweepDim.MatchString(arg) {
			dims = append(dims, arg)
		} else {
			paths = append(paths, arg)
		}
	}
	grid, err := backtest.ParseGrid(dims)
	if err != nil {
		return nil, err
	}
	if f.incidentRate <= 0 || f.incidentRate >= 100 {
		return nil, fmt.Errorf("--incident-rate %g: want a percentage above 0 and below 100", f.incidentRate)
	}
	grid.IncidentRate = f.incidentRate
	cfg.Grid = &grid
	return paths, grid.Validate(cfg.Alert)
}

// moment reads a time, or a duration before now.
func moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s %q: want a time as 2025-10-30T15:00:00Z, or a duration as 24h", flag, s)
}

// backtestInputs opens nothing yet, but tells what cannot be read.
func (a *app) backtestInputs(paths []string) ([]backtest.Input, error) {
	var inputs []backtest.Input
	for _, path := range paths {
		if path == "-" {
			inputs = append(inputs, backtest.Stdin(a.in))
			continue
		}
		in, err := backtest.File(path)
		if errors.Is(err, backtest.ErrDirectory) {
			err = usageError{err}
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}
