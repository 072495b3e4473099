package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"bgctl/internal/logstream"
	"bgctl/internal/watch"
)

// startAt continues where the last run ended; the first one reads a window back.
// A damaged state is set aside by the watcher, which says so.
func startAt(dir string, window int) logstream.Start {
	var c logstream.Cursor
	st, err := watch.LoadState(dir)
	if err != nil || json.Unmarshal(st.Cursor, &c) != nil || c.IsZero() {
		return logstream.AtLast(window)
	}
	return logstream.AtCursor(c)
}

// cursorSource remembers the position behind the batch that is being delivered.
type cursorSource struct {
	*logstream.FileSource
	cursor logstream.Cursor
}

// Run implements [watch.Source].
func (s *cursorSource) Run(ctx context.Context, deliver func(logstream.Batch) error) error {
	return s.FileSource.Run(ctx, func(b logstream.Batch) error {
		s.cursor = b.Cursor
		return deliver(b)
	})
}

// sourceHealth keeps why the log is not being read.
type sourceHealth struct {
	mu  sync.Mutex
	err error
}

// set takes a change of the source's state.
func (h *sourceHealth) set(s logstream.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = s.Err
	if !s.Connected && s.Err == nil {
		h.err = errors.New("the access log is not there")
	}
	if s.Connected {
		h.err = nil
	}
}

// get returns why the log is not being read, nil when it is.
func (h *sourceHealth) get() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
