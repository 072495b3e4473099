package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/watch"
)

// watched is what the watcher knows, as part of `bgctl status`.
type watched struct {
	Alerts      []alert.Event      `json:"alerts"` // firing now
	Maintenance *watch.Maintenance `json:"maintenance,omitempty"`
	// Broken says of receivers that get no messages why not.
	Broken map[string]string `json:"broken_receivers,omitempty"`
}

// readWatched reads the watcher's state. A watcher that is not there or has none
// yet knows nothing: its container's own state is said elsewhere.
func readWatched(ctx context.Context, t *target, d *bluegreen.Deployment) watched {
	out := watched{Alerts: []alert.Event{}}
	if d.Watcher == nil {
		return out
	}
	data, err := t.stack.WatcherFile(ctx, d.Watcher.ID, watch.StateFile)
	if err != nil {
		return out
	}
	st, err := watch.ParseState(data)
	if err != nil {
		return out
	}
	out.Alerts = append(out.Alerts, st.Alerts...)
	out.Broken = st.Broken
	if m := st.Maintenance; m != nil && m.Until.After(time.Now()) {
		out.Maintenance = m
	}
	return out
}

// notes prints what fires and what is muted.
func (s *watched) notes(w io.Writer) {
	for i := range s.Alerts {
		ev := &s.Alerts[i]
		since := ev.Since
		if since.IsZero() {
			since = ev.Time
		}
		fmt.Fprintf(w, "\nalert: %s since %s: %s\n", severity(ev.Severity), since.Local().Format("15:04:05"), clean(ev.Summary))
		if ev.Ack.InForce(time.Now()) {
			fmt.Fprintf(w, "  %s\n", ackWords(ev.Ack))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Broken)) {
		fmt.Fprintf(w, "\n%s gets no messages: %s\n", clean(name), clean(s.Broken[name]))
	}
	if m := s.Maintenance; m != nil {
		line := maintenanceJSON{Active: true, Maintenance: m, InForce: true, Undo: undoMaintenance(m, nil)}
		fmt.Fprintf(w, "\n%s\n", line.words(time.Now()))
	}
}
