package logstream

import (
	"io"
	"sync"
	"time"
)

// watchdog has a silent stream probed, and closes it when the probe finds that it
// should not be silent.
type watchdog struct {
	mu      sync.Mutex
	timer   *time.Timer // nil: not started, or stopped
	every   time.Duration
	last    instant
	verdict error
}

// instant is the time of a line and how many lines with this time there were.
type instant struct {
	time  int64
	lines int
}

// start calls probe, in a goroutine of its own, whenever the stream was silent for
// that long.
func (w *watchdog) start(every time.Duration, probe func() error, stream io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.every = every
	w.timer = time.AfterFunc(every, func() {
		before := w.position()
		err := probe()
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case w.timer == nil:
		case err == nil || w.last != before:
			w.timer.Reset(every)
		default:
			w.verdict = err
			_ = stream.Close()
		}
	})
}

// moved says that the stream is alive, up to these lines.
func (w *watchdog) moved(last instant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = last
	if w.timer != nil {
		w.timer.Reset(w.every)
	}
}

// position returns how far the stream has come.
func (w *watchdog) position() instant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}

// explain returns why the stream was closed, or else err.
func (w *watchdog) explain(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.verdict != nil {
		return w.verdict
	}
	return err
}
