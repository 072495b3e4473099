package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/feed/past"
	"bgctl/internal/tui"
)

const (
	pastPoll  = 50 * time.Millisecond
	pastLimit = 30 * time.Second
)

// before is what the log told before this feed began to read it.
type before struct {
	reading bool
	upTo    int64 // the newest second that it holds, 0: nothing is known
	begins  int64 // the oldest
	points  [2]map[int64]tui.Point
}

// readPast fills the plots backwards once the newest requests are on the screen: the
// proxy's agent sums the hour up. A proxy without one, or with an older one, leaves
// the plots to begin where this feed did.
func (f *Feed) readPast(ctx context.Context) {
	first := f.firstSecond(ctx)
	if first == 0 {
		return
	}
	f.mu.Lock()
	f.before.reading = true
	f.mu.Unlock()
	summary, err := f.askPast(ctx, first)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before.reading = false
	if err == nil {
		f.takePast(&summary, first)
	}
}

// firstSecond waits for the first request that the feed has read and returns its
// second, once that is over.
func (f *Feed) firstSecond(ctx context.Context) int64 {
	ticker := time.NewTicker(pastPoll)
	defer ticker.Stop()
	for {
		f.mu.Lock()
		first, ready := f.seconds.first, f.ready
		f.mu.Unlock()
		// Workers write a moment after the second they write about.
		if ready && first > 0 && f.cfg.Now().Unix() > first+1 {
			return first
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return 0
		}
	}
}

// askPast asks the agent for the hour that ends with a second.
func (f *Feed) askPast(ctx context.Context, to int64) (past.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, pastLimit)
	defer cancel()
	args := []string{"agent", "past", fmt.Sprintf("--to=%d", to), "--health-path=" + f.cfg.Alert.HealthPath}
	f.mu.Lock()
	for _, pool := range bluegreen.Pools() {
		if addrs := f.poolAddrs[pool]; len(addrs) > 0 {
			args = append(args, "--"+pool.String()+"="+strings.Join(addrs, ","))
		}
	}
	f.mu.Unlock()
	if f.cfg.Alert.NotProxied {
		args = append(args, "--not-proxied")
	}
	out, err := f.cfg.Stack.InProxy(ctx, args...)
	if err != nil {
		return past.Summary{}, err
	}
	var s past.Summary
	return s, json.Unmarshal(out, &s)
}

// takePast takes an hour that ends with a second. The second itself may have begun
// before the first request that this feed has read: the sum knows all of it.
func (f *Feed) takePast(s *past.Summary, to int64) {
	b := &f.before
	b.upTo, b.begins = to, s.Begins
	b.points = [2]map[int64]tui.Point{{}, {}}
	for i := range s.Seconds {
		one := &s.Seconds[i]
		if one.Pool == bluegreen.NoPool || one.At > to {
			continue
		}
		p := tui.Point{
			Requests: float64(one.Requests), Errors: float64(one.Errors), Tries: float64(one.Tries),
			Failures: float64(one.Failures), Saved: float64(one.Saved),
			P50: float64(one.Micros[0]) / 1000, P95: float64(one.Micros[1]) / 1000, P99: float64(one.Micros[2]) / 1000,
		}
		for k, n := range one.Classes {
			p.Classes[k] = float64(n)
		}
		b.points[one.Pool-bluegreen.Blue][one.At] = p
	}
	if b.begins > 0 {
		f.seconds.reach(b.begins)
	}
}

// point returns what the past tells of a second of a pool, false when it does not.
func (b *before) point(pool int, at int64) (tui.Point, bool) {
	if b.upTo == 0 || at > b.upTo || at < b.begins || b.begins == 0 {
		return tui.Point{}, false
	}
	return b.points[pool][at], true
}
