package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/sanitize"
)

// logFlags are the flags of `bgctl logs`.
type logFlags struct {
	follow bool
	tail   string
	since  string
	times  bool
	json   bool
}

// newLogsCommand returns `bgctl logs`.
func newLogsCommand(a *app) *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [SERVICE...]", Short: "Print the logs of the containers",
		Long: "Print the logs of the containers, of all services or of those named.\n" +
			"The requests themselves stand in the proxy's access log: bgctl logs --access.",
		Example: "  bgctl logs nginx -f\n  bgctl logs alert_watcher --since 10m",
		RunE: func(cmd *cobra.Command, args []string) error {
			if access, _ := cmd.Flags().GetBool("access"); access {
				return a.accessLog(cmd.Context(), &f, args)
			}
			return a.logs(cmd.Context(), &f, args)
		},
	}
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with new lines")
	cmd.Flags().BoolP("access", "a", false, "the proxy's access log")
	cmd.Flags().StringVar(&f.tail, "tail", "all", "`lines` from the end of each log, or all")
	cmd.Flags().StringVar(&f.since, "since", "", "only lines since this time or `duration` ago")
	cmd.Flags().BoolVarP(&f.times, "timestamps", "t", false, "print the time of each line")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	return cmd
}

// logLine is the JSON form of a line.
type logLine struct {
	Time    time.Time `json:"time,omitzero"`
	Service string    `json:"service"`
	Name    string    `json:"container"`
	Stream  string    `json:"stream"`
	Text    string    `json:"text"`
}

// logs prints the logs of containers; following several, in the order of arrival.
func (a *app) logs(ctx context.Context, f *logFlags, services []string) error {
	since, err := parseSince(f.since, time.Now())
	if err != nil {
		return err
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	containers, err := t.client.Containers(ctx, t.project.Name)
	if err != nil {
		return err
	}
	containers, err = pick(containers, services)
	if err != nil {
		return err
	}
	opts := compose.LogsOptions{Follow: f.follow, Tail: f.tail, Since: since, Timestamps: f.times || f.json}
	p := &linePrinter{w: a.out, json: f.json, width: nameWidth(containers), stamped: f.times}
	if !f.follow {
		for i := range containers {
			if err := copyLog(ctx, t.client, &containers[i], opts, p); err != nil {
				return err
			}
		}
		return nil
	}
	return followAll(ctx, t.client, containers, opts, p)
}

// followAll follows every container until the context ends.
func followAll(ctx context.Context, c *compose.Client, containers []compose.Container, opts compose.LogsOptions, p *linePrinter) error {
	var wg sync.WaitGroup
	errs := make([]error, len(containers))
	for i := range containers {
		wg.Go(func() { errs[i] = copyLog(ctx, c, &containers[i], opts, p) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil //nolint:nilerr // ended by the reader, as meant
	}
	return errors.Join(errs...)
}

// copyLog prints one container's log.
func copyLog(ctx context.Context, c *compose.Client, from *compose.Container, opts compose.LogsOptions, p *linePrinter) error {
	r, err := c.Logs(ctx, from.ID, opts)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	for {
		line, err := r.Next()
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.print(from, &line); err != nil {
			return err
		}
	}
}

// linePrinter prints lines of several containers to one writer.
type linePrinter struct {
	mu      sync.Mutex
	w       io.Writer
	json    bool
	stamped bool
	width   int
}

// print prints one line. The text is foreign: it is made safe for a terminal,
// and escaped by the encoder in JSON.
func (p *linePrinter) print(from *compose.Container, line *compose.LogLine) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		return writeJSON(p.w, logLine{
			Time: line.Time, Service: from.Service, Name: from.Name, Stream: line.Stream, Text: string(line.Text),
		})
	}
	stamp := ""
	if p.stamped {
		stamp = line.Time.Format(time.RFC3339Nano) + " "
	}
	_, err := fmt.Fprintf(p.w, "%-*s | %s%s\n", p.width, clean(from.Name), stamp, clean(string(line.Text)))
	return err
}

// pick returns the containers of the named services; all of them without names.
func pick(containers []compose.Container, services []string) ([]compose.Container, error) {
	if len(services) == 0 {
		return containers, nil
	}
	var out []compose.Container
	for _, name := range services {
		found := compose.FindService(containers, name)
		if len(found) == 0 {
			return nil, usagef("no container of service %q; services here: %s", name, serviceNames(containers))
		}
		out = append(out, found...)
	}
	return out, nil
}

// parseSince reads a time or a duration before now.
func parseSince(v string, now time.Time) (time.Time, error) {
	if v == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(v); err == nil {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, usagef("--since %q: want a duration such as 10m or a time such as 2026-01-02T15:04:05Z", v)
	}
	return t, nil
}

// nameWidth is the width of the longest container name.
func nameWidth(containers []compose.Container) int {
	width := 0
	for i := range containers {
		width = max(width, utf8.RuneCountInString(clean(containers[i].Name)))
	}
	return width
}

// serviceNames lists the services that have containers.
func serviceNames(containers []compose.Container) string {
	var names []string
	for i := range containers {
		if !slices.Contains(names, containers[i].Service) {
			names = append(names, containers[i].Service)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// accessLog prints the proxy's access log as nginx wrote it, queries in full: who may
// reach the engine may read the file, and looks for this very request.
func (a *app) accessLog(ctx context.Context, f *logFlags, args []string) error {
	if len(args) > 0 {
		return usagef("--access takes no service")
	}
	lines := math.MaxInt32
	if f.tail != "all" {
		n, err := strconv.Atoi(f.tail)
		if err != nil || n < 0 {
			return usagef("--tail %q: want a number of lines, or all", f.tail)
		}
		lines = n
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	mode := deployment.TailOnce
	if f.follow {
		mode = deployment.TailFollow
	}
	r, err := t.stack.AccessLog(ctx, lines, mode)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	// A file or another program gets the bytes that nginx wrote.
	out := sanitize.Unwrap(a.out)
	if isTerminal(a.out) {
		out = &lineWriter{w: a.out}
	}
	_, err = io.Copy(out, r)
	if ctx.Err() != nil {
		return nil // ended by the reader, as meant
	}
	return err
}

// lineWriter passes on whole lines: what is made safe must not be cut in two.
type lineWriter struct {
	w    io.Writer
	rest []byte
}

// Write implements io.Writer.
func (s *lineWriter) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		if _, err := fmt.Fprintln(s.w, clean(string(s.rest[:i]))); err != nil {
			return 0, err
		}
		s.rest = s.rest[i+1:]
	}
}
