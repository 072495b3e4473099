package feed

import (
	"context"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/watch"
)

const (
	stateEvery = 3 * time.Second
	stateLimit = 5 * time.Second
	stateQuiet = 500 * time.Millisecond // no line of the watcher for so long: its past has been read
)

// readState looks at what the watcher keeps every few seconds, and as soon as the
// watcher has told something: a maintenance that somebody else began, and alerts that
// fired before the output of this watcher begins.
func (f *Feed) readState(ctx context.Context) {
	ticker := time.NewTicker(stateEvery)
	defer ticker.Stop()
	for {
		f.mu.Lock()
		id := f.watcher
		f.mu.Unlock()
		if id != "" {
			f.stateOnce(ctx, id)
		}
		select {
		case <-f.told:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// stateOnce reads the state of one watcher. One that cannot be read tells nothing:
// what was known stays.
func (f *Feed) stateOnce(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, stateLimit)
	defer cancel()
	data, err := f.cfg.Stack.WatcherFile(ctx, id, watch.StateFile)
	if err != nil {
		return
	}
	if st, err := watch.ParseState(data); err == nil {
		f.takeState(&st)
	}
}

// takeState takes what the watcher keeps.
func (f *Feed) takeState(st *watch.State) {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.muted, f.mutedBy = alert.Maintenance{}, ""
	if m := st.Maintenance; m != nil && m.Until.After(now) {
		f.muted = alert.Maintenance{Scope: m.Scope, Until: m.Until, Since: m.Since}
		f.mutedBy = m.By
	}
	if !f.sources["alerts"].OK || now.Sub(f.lineAt) < stateQuiet {
		return // its output may be about to tell the same
	}
	for _, ev := range st.Alerts {
		if last := f.lastOf[ev.Type]; !last.Before(ev.Time) {
			continue
		}
		f.lastOf[ev.Type] = ev.Time
		f.events = append(f.events, ev)
	}
}
