package feed

import (
	"context"
	"time"

	"bgctl/internal/alert"
)

const (
	warmLimit = 4 * time.Second        // an engine takes two seconds for one sample of a container
	warmQuiet = 200 * time.Millisecond // no further line for so long: the past has been read
	warmPoll  = 20 * time.Millisecond
)

// Overview is the statistics of the span that ends now, at most an hour.
func (f *Feed) Overview(span time.Duration) alert.Overview {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats.Snapshot(f.cfg.Now(), span)
}

// Window is the error-rate window as the watcher has it.
func (f *Feed) Window() alert.Window {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.detector.Window()
}

// Warm waits until the log's past has been read and the containers were sampled
// once, for those that print one picture and end. It gives up after some seconds:
// what is missing then is missing in the picture.
func (f *Feed) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	ticker := time.NewTicker(warmPoll)
	defer ticker.Stop()
	var lines uint64
	since := f.cfg.Now()
	for {
		now := f.cfg.Now()
		f.mu.Lock()
		read, sampled, follows := f.counts.Lines, f.sampled, f.sources["log"].OK
		f.mu.Unlock()
		if read != lines || !follows {
			lines, since = read, now
		}
		if sampled && now.Sub(since) >= warmQuiet {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
