//go:build e2e

package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/load"
)

// The crowd of users: so many clients of each kind, and how often they ask together.
const (
	getClients, postClients = 8, 4
	getRate, postRate       = 240, 120
	longestCrowd            = 10 * time.Minute // bound of a crowd that nobody stops
)

// crowd is users with keep-alive connections who never retry.
type crowd struct {
	mu    sync.Mutex
	begin time.Time
	good  []time.Time // when a good answer had arrived
	bad   map[string]int
	sent  int
	end   func()
}

// tally is what a crowd saw. A request has failed when it got no answer or a status
// of 500 or more.
type tally struct {
	sent, failed int
	gap          time.Duration // longest time without a good answer
	gapBegan     time.Duration // after the first request
	bad          map[string]int
}

// String is the tally in one line.
func (l tally) String() string {
	return fmt.Sprintf("%d sent, %d failed %v; longest time without a good answer %s, %s after the start",
		l.sent, l.failed, l.bad, l.gap.Round(time.Millisecond), l.gapBegan.Round(time.Millisecond))
}

// crowd lets users ask the proxy until they are stopped: 8 with GET and 4 with POST.
func (s *stack) crowd(t *testing.T) *crowd { return s.gather(t, getClients, postClients) }

// getCrowd is a crowd that only reads.
func (s *stack) getCrowd(t *testing.T) *crowd { return s.gather(t, getClients, 0) }

// gather starts a crowd, and returns when its first answers have arrived.
func (s *stack) gather(t *testing.T, gets, posts int) *crowd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestCrowd)
	c := &crowd{begin: time.Now(), bad: map[string]int{}}
	var wg sync.WaitGroup
	for _, cfg := range []load.Config{
		{Methods: []string{http.MethodGet}, Clients: gets, Rate: getRate},
		{Methods: []string{http.MethodPost}, Clients: posts, Rate: postRate, Body: "hello"},
	} {
		if cfg.Clients == 0 {
			continue
		}
		cfg.URL, cfg.Timeout, cfg.OnResult = s.url()+"/", 10*time.Second, c.add
		wg.Go(func() {
			if _, err := load.Run(ctx, cfg); err != nil {
				t.Error(err)
			}
		})
	}
	c.end = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(c.end)
	eventually(t, 10*time.Second, "the users get answers", func() bool { return c.count().sent > 2*(gets+posts) })
	return c
}

// add counts one request.
func (c *crowd) add(r load.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	var errno syscall.Errno
	switch {
	case errors.As(r.Err, &errno):
		c.bad[r.Method+": "+errno.Error()]++
	case r.Err != nil:
		c.bad[r.Method+": "+r.Err.Error()]++
	case r.Status >= http.StatusInternalServerError:
		c.bad[fmt.Sprintf("%s: status %d", r.Method, r.Status)]++
	default:
		c.good = append(c.good, r.End)
	}
}

// stop sends the users home and returns what they saw.
func (c *crowd) stop() tally {
	c.end()
	return c.count()
}

// count returns what the users saw until now.
func (c *crowd) count() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := tally{sent: c.sent, bad: maps.Clone(c.bad)}
	for _, n := range c.bad {
		l.failed += n
	}
	last := c.begin
	for _, at := range append(slices.SortedFunc(slices.Values(c.good), time.Time.Compare), time.Now()) {
		if gap := at.Sub(last); gap > l.gap {
			l.gap, l.gapBegan = gap, last.Sub(c.begin)
		}
		last = at
	}
	return l
}

// lostNothing stops a crowd and fails the test for every request that it lost.
func (c *crowd) lostNothing(t *testing.T) {
	t.Helper()
	l := c.stop()
	t.Log(l)
	if l.failed != 0 {
		t.Errorf("users: got %d failed requests %v, want 0", l.failed, l.bad)
	}
}

// lookout asks the proxy on fresh connections and notes each change of the answer.
type lookout struct {
	mu   sync.Mutex
	seen []string
	end  func()
}

// lookout watches who answers until it is stopped.
func (s *stack) lookout(t *testing.T) *lookout {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestCrowd)
	l := &lookout{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			text, err := ask(ctx, s.url())
			if err != nil {
				text = "no answer"
			}
			l.note(ctx, text)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	l.end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(l.end)
	return l
}

// note adds an answer that differs from the one before.
func (l *lookout) note(ctx context.Context, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ctx.Err() == nil && (len(l.seen) == 0 || l.seen[len(l.seen)-1] != text) {
		l.seen = append(l.seen, text)
	}
}

// stop ends the watch and returns the answers, one for each change.
func (l *lookout) stop() []string {
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.seen)
}

// ask gets the text of one answer on a fresh connection.
func ask(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", http.NoBody)
	if err != nil {
		return "", err
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("status %d", resp.StatusCode), err
	}
	return string(text), err
}
