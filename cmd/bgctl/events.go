package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bgctl/internal/deployment"
	"bgctl/internal/sanitize"
	"bgctl/internal/watch"
)

// eventFlags are the flags of `bgctl events`.
type eventFlags struct {
	follow   bool
	since    string
	types    []string
	limit    int
	json     bool
	state    string
	untilEOF bool // end with the standard input: set by a bgctl outside the container
}

// newEventsCommand returns `bgctl events`.
func newEventsCommand(a *app) *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use: "events", Short: "Print the alerts of the past, and what became of their messages", Args: cobra.NoArgs,
		Long: "Print the alerts of the past from the watcher's history, oldest first, with what\n" +
			"became of the message about each. The history is kept when the watcher is stopped\n" +
			"and replaced; it holds about the last 20,000 events.",
		Example: "  bgctl events --since 1h\n  bgctl events -f --type failover\n  bgctl events --json --limit 0 | jq .summary",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.events(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with new events")
	cmd.Flags().StringVar(&f.since, "since", "", "only events since this time or `duration` ago")
	cmd.Flags().StringSliceVar(&f.types, "type", nil, "only events of these `types`, such as failover,error_rate")
	cmd.Flags().IntVar(&f.limit, "limit", 100, "at most the last `n` events of the past; 0: all")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line, as the watcher wrote it")
	cmd.Flags().StringVar(&f.state, "state", "", "read this state `directory` instead of asking Docker")
	cmd.Flags().BoolVar(&f.untilEOF, "until-eof", false, "end when the standard input ends")
	_ = cmd.Flags().MarkHidden("until-eof") // the flag was just defined
	return cmd
}

// eventSource reads the history of a watcher, near or far.
type eventSource struct {
	read   func(ctx context.Context) ([]watch.Entry, error)
	follow func(ctx context.Context, emit func(line []byte) error) error
}

// events prints the past and, with -f, what comes.
func (a *app) events(ctx context.Context, f *eventFlags) error {
	since, err := parseSince(f.since, time.Now())
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return usagef("--limit %d: want 0 or more", f.limit)
	}
	source := localEvents(f.state)
	if f.state == "" {
		t, err := a.open(ctx)
		if err != nil {
			return err
		}
		defer t.close()
		source = a.remoteEvents(t.stack)
	}
	p := newEventPrinter(a, f, since)
	past, err := source.read(ctx)
	if err != nil {
		return err
	}
	if err := p.past(past, f.limit); err != nil || !f.follow {
		return err
	}
	if f.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			defer cancel()
			_, _ = io.Copy(io.Discard, a.in) // its end is what matters
		}()
	}
	seen := &lineSet{seed: maphash.MakeSeed()}
	for i := range past {
		seen.add(past[i].Raw)
	}
	err = source.follow(ctx, func(line []byte) error {
		if !seen.add(line) {
			return nil
		}
		return p.next(line)
	})
	if ctx.Err() != nil {
		return nil // ended by the reader, as meant
	}
	return err
}

// localEvents reads a directory.
func localEvents(dir string) eventSource {
	return eventSource{
		read: func(context.Context) ([]watch.Entry, error) { return watch.ReadHistory(dir) },
		follow: func(ctx context.Context, emit func([]byte) error) error {
			return watch.FollowHistory(ctx, dir, emit)
		},
	}
}

// remoteEvents reads the watcher's volume: the past as files, which works on a
// stopped watcher too, and what comes through a command in its container.
func (a *app) remoteEvents(s *deployment.Stack) eventSource {
	return eventSource{
		read: func(ctx context.Context) ([]watch.Entry, error) {
			w, err := s.Watcher(ctx)
			if err != nil {
				return nil, err
			}
			return watch.ReadHistoryFrom(func(name string) ([]byte, error) { return w.File(ctx, name) })
		},
		follow: func(ctx context.Context, emit func([]byte) error) error { return a.followWatcher(ctx, s, emit) },
	}
}

// followRetry is the pause before a watcher that went away is looked for again.
const followRetry = time.Second

// followWatcher follows the history through one watcher after the other: each new
// one tells it from the beginning. Only what cannot mend itself is an error.
func (a *app) followWatcher(ctx context.Context, s *deployment.Stack, emit func([]byte) error) error {
	waiting := false
	for {
		err := followOnce(ctx, s, emit)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // ended by the reader, as meant
		case errors.Is(err, errOldWatcher), errors.Is(err, deployment.ErrNoStack):
			return err
		case err != nil && !waiting:
			fmt.Fprintln(a.err, "bgctl: waiting for the watcher:", oneLine(err))
		}
		waiting = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followRetry):
		}
	}
}

// errOldWatcher says that the command inside does not know what it is asked.
var errOldWatcher = errors.New("the watcher runs another version of bgctl, which cannot follow events; bring it up to date: bgctl up")

// followOnce follows until the watcher's container ends.
func followOnce(ctx context.Context, s *deployment.Stack, emit func([]byte) error) error {
	w, err := s.Watcher(ctx)
	if err != nil {
		return err
	}
	r, err := w.Follow(ctx, "events", "-f", "--json", "--limit", "0", "--until-eof")
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // ends the command inside
	lines := 0
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for sc.Scan() {
		lines++
		if err := emit(sc.Bytes()); err != nil {
			return err
		}
	}
	if text := r.Stderr(); lines == 0 && strings.Contains(text, "unknown") {
		return errOldWatcher
	}
	return sc.Err()
}

// lineSet remembers lines, the older ones at least for as long as a history that
// tells them again is.
type lineSet struct {
	seed     maphash.Seed
	now, old map[uint64]struct{}
}

// lineSetSize is above the number of lines that a history can hold.
const lineSetSize = 100_000

// add remembers a line and reports whether it is new. One that comes through a command
// has escapes which the same line in the watcher's file may not have.
func (s *lineSet) add(line []byte) bool {
	sum := maphash.Bytes(s.seed, sanitize.AppendJSON(nil, line))
	_, now := s.now[sum]
	_, old := s.old[sum]
	if now {
		return false
	}
	if len(s.now) >= lineSetSize || s.now == nil {
		s.now, s.old = map[uint64]struct{}{}, s.now
	}
	s.now[sum] = struct{}{}
	return !old
}

// wants reports whether a type is among those asked for.
func (f *eventFlags) wants(typ string) bool {
	return len(f.types) == 0 || slices.Contains(f.types, typ)
}
