package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
)

const (
	minInterval = 100 * time.Millisecond
	lookTimeout = 10 * time.Second       // for one look: an engine may be half there
	settleTime  = 100 * time.Millisecond // events come in bursts: one look for all of them
)

// changeJSON is one line of `bgctl status --watch --json`: the status, and when it
// was seen.
type changeJSON struct {
	At time.Time `json:"at"`
	statusJSON
}

// condition is what --until waits for.
type condition struct{ name, value string }

// parseUntil reads "healthy", "active=green", "state=ok", or several with commas.
func parseUntil(text string) ([]condition, error) {
	var out []condition
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		c := condition{name, value}
		switch {
		case text == "":
			return nil, nil
		case c == condition{"healthy", ""}:
		case name == "active":
			if _, err := bluegreen.ParsePool(value); err != nil {
				return nil, usagef("--until active: %w", err)
			}
		case name == "state":
			if !slices.Contains(bluegreen.Conditions(), bluegreen.Condition(value)) {
				return nil, usagef("--until state=%s: unknown state; use one of %v", value, bluegreen.Conditions())
			}
		default:
			return nil, usagef("--until %q: want healthy, active=POOL or state=STATE", part)
		}
		out = append(out, c)
	}
	return out, nil
}

// holds reports whether all conditions hold.
func holds(want []condition, s *statusJSON) bool {
	for _, c := range want {
		ok := false
		switch c.name {
		case "healthy":
			ok = s.State == bluegreen.OK
		case "active":
			ok = s.Active == c.value
		case "state":
			ok = string(s.State) == c.value
		}
		if !ok {
			return false
		}
	}
	return len(want) > 0
}

// watchStatus prints the state whenever it changes, until what is waited for holds.
func (a *app) watchStatus(ctx context.Context, f *statusFlags) error {
	want, err := parseUntil(f.until)
	if err != nil {
		return err
	}
	if f.interval < minInterval {
		return usagef("--interval %s: want %s or more", f.interval, minInterval)
	}
	t, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	var limit <-chan time.Time
	if f.timeout > 0 {
		timer := time.NewTimer(f.timeout)
		defer timer.Stop()
		limit = timer.C
	}
	events := t.client.Events(watching, t.project.Name)
	ticker := time.NewTicker(f.interval)
	defer ticker.Stop()
	var last string
	for {
		s := a.look(ctx, t)
		if line := changeLine(&s); line != last && ctx.Err() == nil {
			last = line
			if err := a.change(&s, line, f); err != nil {
				return err
			}
		}
		if holds(want, &s) {
			return nil
		}
		if err := await(ctx, events, ticker.C, limit); err != nil {
			if ctx.Err() == nil {
				return &untilError{until: f.until, limit: f.timeout, now: last}
			}
			return err
		}
	}
}

// untilError says that what was waited for did not come in time.
type untilError struct {
	until string
	limit time.Duration
	now   string
}

// Error implements error.
func (e *untilError) Error() string {
	if e.until == "" {
		return fmt.Sprintf("watched for %s; now: %s", e.limit, e.now)
	}
	return fmt.Sprintf("%s did not hold within %s; now: %s", e.until, e.limit, e.now)
}

// Is makes it a timeout.
func (e *untilError) Is(target error) bool { return target == context.DeadlineExceeded }

// await waits for the next reason to look again. A burst of events is one reason.
func await(ctx context.Context, events <-chan compose.Event, tick, limit <-chan time.Time) error {
	select {
	case <-events:
		settle := time.NewTimer(settleTime)
		defer settle.Stop()
		for {
			select {
			case <-events:
			case <-settle.C:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	case <-tick:
		return nil
	case <-limit:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look observes once. An engine that is away is a state like any other.
func (a *app) look(ctx context.Context, t *target) statusJSON {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	d, err := t.stack.Observe(ctx)
	s := a.summary(t, &d)
	if err != nil {
		s.State, s.Error = bluegreen.Unknown, oneLine(err)
	}
	return s
}

// change prints one change.
func (a *app) change(s *statusJSON, line string, f *statusFlags) error {
	now := time.Now()
	if f.json {
		return writeJSON(a.out, changeJSON{At: now, statusJSON: *s})
	}
	_, err := fmt.Fprintf(a.out, "%s %s\n", now.Format("15:04:05"), line)
	return err
}

// changeLine is the state in one line. It holds what is worth a line when it
// changes, and nothing that counts on by itself.
func changeLine(s *statusJSON) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, active %s", s.State, dash(s.Active))
	for _, pool := range bluegreen.Pools() {
		p := s.Pools[pool.String()]
		state := p.State
		if p.State == "running" && p.Health != "" {
			state = p.Health
		}
		fmt.Fprintf(&b, "; %s %s %s", pool, dash(p.Release), or(state, "missing"))
		if p.Fault != "" {
			fmt.Fprintf(&b, " (fault: %s)", p.Fault)
		}
		if p.Silent != "" {
			b.WriteString(" (does not answer)")
		}
	}
	for _, c := range []struct {
		name string
		of   containerJSON
	}{{"proxy", s.Proxy}, {"watcher", s.Watcher}} {
		if !c.of.Ready && c.of.State != "missing" {
			fmt.Fprintf(&b, "; %s %s %s", c.name, c.of.State, c.of.Health)
		}
	}
	if s.Lock != nil {
		fmt.Fprintf(&b, "; %s@%s: %s", s.Lock.User, s.Lock.Host, s.Lock.What)
	}
	if s.Current != nil && s.Current.Phase != "" {
		fmt.Fprintf(&b, " (%s)", s.Current.Phase)
	}
	if s.Bake != nil {
		fmt.Fprintf(&b, "; baking until %s", s.Bake.Until.Local().Format("15:04:05"))
	}
	if s.Cut != "" {
		b.WriteString("; an operation was cut off")
	}
	for _, text := range s.Trouble {
		fmt.Fprintf(&b, "; trouble: %s", text)
	}
	if s.Error != "" {
		fmt.Fprintf(&b, "; %s", s.Error)
	}
	return clean(b.String())
}
