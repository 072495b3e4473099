package demoapp

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The chaos modes.
const (
	modeNone    = ""
	modeError   = "error"   // normal routes answer 500
	modeTimeout = "timeout" // normal routes hang
	modeSlow    = "slow"    // normal routes answer late
	modeDown    = "down"    // as error, and /healthz answers 503
)

const (
	hangTime     = 60 * time.Second // longest a request hangs in mode timeout
	defaultDelay = time.Second      // delay of mode slow when none is asked for
)

// chaos holds how the application misbehaves at the moment.
type chaos struct {
	mu    sync.Mutex
	mode  string
	delay time.Duration
	ended chan struct{} // closed when the mode ends; waiting requests go on
}

// start enters mode. Requests that wait in an earlier mode go on.
func (c *chaos) start(mode, delay string) error {
	d := defaultDelay
	if delay != "" {
		var err error
		if d, err = time.ParseDuration(delay); err != nil || d < 0 || d > hangTime {
			return fmt.Errorf("delay %q: use a duration from 0 to %s, such as 500ms", delay, hangTime)
		}
	}
	switch mode {
	case modeError, modeTimeout, modeSlow, modeDown:
	default:
		return fmt.Errorf("unknown mode %q: use error, timeout, slow or down", mode)
	}
	c.set(mode, d)
	return nil
}

// stop returns to normal.
func (c *chaos) stop() { c.set(modeNone, 0) }

func (c *chaos) set(mode string, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		close(c.ended)
	}
	c.mode, c.delay, c.ended = mode, delay, make(chan struct{})
}

// current returns the mode.
func (c *chaos) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode
}

// apply does to one request what the mode asks for and returns the status to
// answer with.
func (c *chaos) apply(ctx context.Context) int {
	c.mu.Lock()
	mode, delay, ended := c.mode, c.delay, c.ended
	c.mu.Unlock()
	switch mode {
	case modeError, modeDown:
		return http.StatusInternalServerError
	case modeTimeout:
		if waitFor(ctx, hangTime, ended) {
			return http.StatusGatewayTimeout
		}
	case modeSlow:
		waitFor(ctx, delay, ended)
	}
	return http.StatusOK
}

// waitFor waits for d and reports whether all of it passed.
func waitFor(ctx context.Context, d time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
	case <-ctx.Done():
	}
	return false
}
