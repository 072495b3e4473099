package feed

import (
	"context"
	"encoding/json"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/compose"
)

const (
	eventHistory = "500" // lines of the watcher's past
	retry        = time.Second
	sampleEvery  = 3 * time.Second
)

// readEvents follows the output of the watcher's container, and of the next one
// when that is replaced.
func (f *Feed) readEvents(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		id := f.watcher
		f.mu.Unlock()
		if id != "" {
			f.follow(ctx, id)
		}
		select {
		case <-f.wake:
		case <-time.After(retry):
		case <-ctx.Done():
		}
	}
}

// follow reads one container's output to its end. Lines that were there before
// are recognised by their events' IDs on the screen's side of the feed.
func (f *Feed) follow(ctx context.Context, id string) {
	r, err := f.cfg.Client.Logs(ctx, id, compose.LogsOptions{Follow: true, Tail: eventHistory, Stdout: true})
	if err != nil {
		f.state("alerts", false, err)
		return
	}
	defer func() { _ = r.Close() }() // read to its end, or given up
	f.state("alerts", true, nil)
	f.mu.Lock()
	f.events, f.deliveries = nil, nil // told again from the beginning
	f.mu.Unlock()
	for {
		line, err := r.Next()
		if err != nil {
			f.state("alerts", false, err)
			return
		}
		f.event(line.Text)
	}
}

// event takes one line of the watcher.
func (f *Feed) event(line []byte) {
	var kind struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(line, &kind) != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lineAt = f.cfg.Now()
	select {
	case f.told <- struct{}{}:
	default:
	}
	switch kind.Kind {
	case "alert":
		var ev alert.Event
		if json.Unmarshal(line, &ev) == nil {
			f.events = append(f.events, ev)
			if last := f.lastOf[ev.Type]; ev.Time.After(last) {
				f.lastOf[ev.Type] = ev.Time
			}
		}
	case "delivery":
		var d alert.Delivery
		if json.Unmarshal(line, &d) == nil {
			f.deliveries = append(f.deliveries, d)
		}
	}
}

// sample asks every few seconds what the containers use.
func (f *Feed) sample(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		f.sampleOnce(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sampleOnce asks for each running container. A container that does not answer
// keeps no figures.
func (f *Feed) sampleOnce(ctx context.Context) {
	list, err := f.cfg.Client.Containers(ctx, f.cfg.Project)
	if err != nil {
		return // Observe reports it
	}
	usage := make(map[string]compose.Stats, len(list))
	type sample struct {
		id  string
		use compose.Stats
		ok  bool
	}
	results := make(chan sample, len(list))
	for i := range list {
		go func() {
			use, err := f.cfg.Client.Stats(ctx, list[i].ID)
			results <- sample{list[i].ID, use, err == nil}
		}()
	}
	for range list {
		if s := <-results; s.ok {
			usage[s.id] = s.use
		}
	}
	f.mu.Lock()
	f.usage, f.sampled = usage, true
	f.mu.Unlock()
}
