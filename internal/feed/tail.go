package feed

import (
	"context"
	"fmt"
	"sync"

	"bgctl/internal/compose"
	"bgctl/internal/tui"
)

const (
	tailHistory = "500" // lines of the past that a tail begins with
	tailBuffer  = 1000  // lines kept for a screen that is busy
)

// tail is the output of one container, read in the background.
type tail struct {
	cancel context.CancelFunc

	mu      sync.Mutex
	lines   []string
	dropped uint64
	err     error
}

// Logs follows the output of a container until its Close or the end of ctx.
func (f *Feed) Logs(ctx context.Context, container string) (tui.Tail, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := f.cfg.Client.Logs(ctx, container, compose.LogsOptions{Follow: true, Tail: tailHistory, Stdout: true, Stderr: true})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("follow the output: %w", err)
	}
	t := &tail{cancel: cancel}
	go func() {
		defer cancel()
		defer func() { _ = r.Close() }() // read to its end, or given up
		t.read(func() (string, error) {
			line, err := r.Next()
			return string(line.Text), err
		})
	}()
	return t, nil
}

// read reads until next fails. The oldest lines nobody took make room.
func (t *tail) read(next func() (string, error)) {
	for {
		line, err := next()
		t.mu.Lock()
		if err != nil {
			t.err = err
			t.mu.Unlock()
			return
		}
		if len(t.lines) == tailBuffer {
			t.lines = append(t.lines[:0], t.lines[1:]...)
			t.dropped++
		}
		t.lines = append(t.lines, line)
		t.mu.Unlock()
	}
}

// Take implements [tui.Tail].
func (t *tail) Take() tui.TailSnapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	snap := tui.TailSnapshot{Lines: t.lines, Dropped: t.dropped, Err: t.err}
	t.lines, t.dropped = nil, 0
	return snap
}

// Close implements [tui.Tail].
func (t *tail) Close() { t.cancel() }
