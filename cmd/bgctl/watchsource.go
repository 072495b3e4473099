package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
	"bgctl/internal/watch"
)

// cursorSource remembers the position behind the batch that is being delivered.
type cursorSource struct {
	watch.Source
	cursor logstream.Cursor
	close  func()
}

// Run implements [watch.Source].
func (s *cursorSource) Run(ctx context.Context, deliver func(logstream.Batch) error) error {
	defer s.close()
	return s.Source.Run(ctx, func(b logstream.Batch) error {
		s.cursor = b.Cursor
		return deliver(b)
	})
}

// sourceConfig is how a log is read, whatever it is.
type sourceConfig struct {
	format logstream.Format
	window int // lines of the past to begin with, at the first start
	tell   func(logstream.State)
}

// watchSource opens what --source names: the log file here, what the stack's proxy
// logs on an engine, or the output of any container there.
func (a *app) watchSource(ctx context.Context, f *watchFlags, cfg sourceConfig) (*cursorSource, error) {
	kind, name, named := strings.Cut(f.source, ":")
	if kind == "file" && !named {
		return &cursorSource{close: func() {}, Source: logstream.NewFileSource(logstream.FileConfig{
			Path: f.log, Poll: logPoll, Start: startAt(f.state, cfg.window, logstream.Cursor.OfFile), Format: cfg.format, OnState: cfg.tell,
		})}, nil
	}
	if kind != "docker" || named && name == "" {
		return nil, usagef("--source %q: want file, docker, or docker:SERVICE", f.source)
	}
	t, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	notice := func(text string) { fmt.Fprintln(a.err, "bgctl: warning:", clean(text)) }
	source := &cursorSource{close: t.close}
	if named {
		source.Source = logstream.NewContainerSource(logstream.ContainerConfig{
			Engine: &deployment.Output{Client: t.client, Project: t.project.Name, Name: name},
			Start:  startAt(f.state, cfg.window, func(c logstream.Cursor) bool { return c.Container != "" }),
			Format: cfg.format, OnState: cfg.tell, OnNotice: notice,
		})
		return source, nil
	}
	source.Source = t.stack.FollowProxy(logstream.RemoteConfig{
		Start:  startAt(f.state, cfg.window, func(logstream.Cursor) bool { return true }),
		Format: cfg.format, OnState: cfg.tell,
	}, notice)
	return source, nil
}

// startAt continues where the last run ended; the first one, and one whose log was
// of another kind, reads a window back. A damaged state is set aside by the watcher,
// which says so.
func startAt(dir string, window int, fits func(logstream.Cursor) bool) logstream.Start {
	var c logstream.Cursor
	st, err := watch.LoadState(dir)
	if err != nil || json.Unmarshal(st.Cursor, &c) != nil || c.IsZero() || !fits(c) {
		return logstream.AtLast(window)
	}
	return logstream.AtCursor(c).Within(max(maxBehind, window))
}

// maxBehind is how many lines a watcher that was away reads to catch up: enough for
// every window and what is still news, and read within a second or two.
const maxBehind = 50_000

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
