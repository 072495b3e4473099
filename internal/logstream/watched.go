package logstream

import (
	"sync"
	"time"
)

// watched knows when a stream last brought something, and has it doubted when that
// was long ago.
type watched struct {
	mu     sync.Mutex
	timer  *time.Timer
	every  time.Duration
	last   int64 // time of the last line
	reason error // why the stream was closed
}

// start has doubt called, in a goroutine of its own, each time the stream was
// silent for that long, until stop is called.
func (w *watched) start(doubt func(), every time.Duration) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var stopped bool
	var running sync.WaitGroup
	w.every, w.reason = every, nil
	var timer *time.Timer
	timer = time.AfterFunc(every, func() {
		w.mu.Lock()
		if stopped {
			w.mu.Unlock()
			return
		}
		running.Add(1)
		w.mu.Unlock()
		doubt()
		w.mu.Lock()
		defer w.mu.Unlock()
		running.Done()
		if !stopped {
			timer.Reset(every)
		}
	})
	w.timer = timer
	return func() {
		w.mu.Lock()
		stopped, w.timer = true, nil
		timer.Stop()
		w.mu.Unlock()
	}
}

// moved says that the stream is alive, up to a line of this time.
func (w *watched) moved(time int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time
	if w.timer != nil {
		w.timer.Reset(w.every)
	}
}

// time returns the time of the last line.
func (w *watched) time() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// end notes why the stream is about to be closed.
func (w *watched) end(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reason = reason
}

// explain returns why the stream was closed, or else err.
func (w *watched) explain(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason != nil {
		return w.reason
	}
	return err
}
