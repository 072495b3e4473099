package alert

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// kit is the error-rate rule of the reference kit, written from its description: a
// queue of the last requests, looked at only when it is full, and one message per
// cooldown for as long as more than the threshold of them are 4xx or 5xx.
type kit struct {
	window    []int
	size      int
	threshold float64
	cooldown  time.Duration
	last      time.Time
}

// observe reports whether the kit posts at this request.
func (k *kit) observe(status int, now time.Time) bool {
	k.window = append(k.window, status)
	if len(k.window) > k.size {
		k.window = k.window[1:]
	}
	if len(k.window) < k.size {
		return false
	}
	errors := 0
	for _, s := range k.window {
		if s/100 == 4 || s/100 == 5 {
			errors++
		}
	}
	if float64(errors)/float64(len(k.window))*100 <= k.threshold {
		return false
	}
	if !k.last.IsZero() && now.Sub(k.last) < k.cooldown {
		return false
	}
	k.last = now
	return true
}

// kitRecord is a request of the kinds that the kit's proxy logs.
func kitRecord(rng *rand.Rand, errors int) logstream.Record {
	pool := bluegreen.Pools()[rng.IntN(2)]
	if rng.IntN(100) >= errors {
		return []logstream.Record{rec(pool, 200), rec(pool, 502, 200), rec(pool, 301), {Status: 204}}[rng.IntN(4)]
	}
	healthz := rec(pool, 404)
	healthz.Path = "/healthz"
	return []logstream.Record{
		rec(pool, 500), rec(pool, 404), rec(pool, 502, 502), noUpstream(), healthz, rec(pool, 429),
		{Status: 499, Attempts: []logstream.Attempt{{Pool: pool}}},
		{Status: 403},
	}[rng.IntN(8)]
}

// With the reference settings the same requests are posted about as the kit would.
func TestReferenceConfig_PostsWhatTheKitPosts(t *testing.T) {
	posts := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 11))
		cfg := ReferenceConfig()
		cfg.Window = []int{5, 50, 200}[rng.IntN(3)]
		cfg.MinSamples = cfg.Window
		cfg.ThresholdPercent = []float64{0, 0.05, 2, 5, 33}[rng.IntN(5)]
		cfg.ClearPercent = cfg.ThresholdPercent
		cfg.Cooldown = []time.Duration{0, 10 * time.Second, 300 * time.Second}[rng.IntN(3)]
		cfg.Repeat = cfg.Cooldown
		if cfg.Cooldown == 0 {
			cfg.Cooldown, cfg.Repeat = time.Nanosecond, time.Nanosecond // a message per request
		}
		k := &kit{size: cfg.Window, threshold: cfg.ThresholdPercent, cooldown: cfg.Cooldown}
		d, now := NewDetector(cfg), start()
		var want, got []int
		errors := 0
		for i := range 3000 {
			if i%100 == 0 {
				errors = []int{0, 1, 2, 5, 40, 100}[rng.IntN(6)]
			}
			now = now.Add(time.Duration(1+rng.IntN(500)) * time.Millisecond)
			r := kitRecord(rng, errors)
			r.Time, r.Active = now, blue
			if k.observe(r.Status, now) {
				want = append(want, i)
			}
			for _, e := range d.Observe(&r) {
				if e.Type == ErrorRate && e.Muted == "" {
					got = append(got, i)
				}
			}
		}
		if !slices.Equal(got, want) {
			n := 0
			for n < min(len(got), len(want)) && got[n] == want[n] {
				n++
			}
			t.Fatalf("seed %d, window %d, threshold %g, cooldown %v: %d posts, the kit %d; they part at post %d: %v and %v",
				seed, cfg.Window, cfg.ThresholdPercent, cfg.Cooldown, len(got), len(want), n, got[n:min(n+3, len(got))], want[n:min(n+3, len(want))])
		}
		posts += len(got)
	}
	if posts < 1000 {
		t.Errorf("only %d posts in all: the logs test nothing", posts)
	}
}

// The kit's compose file and its text disagree about the defaults: the first one
// posts for a single error in five requests.
func TestReferenceConfig_KitComposeDefaults(t *testing.T) {
	cfg := ReferenceConfig()
	cfg.Window, cfg.MinSamples, cfg.ThresholdPercent, cfg.ClearPercent = 5, 5, 0.05, 0.05
	s := &sim{t: t, d: NewDetector(cfg), now: start(), step: time.Second, active: blue}
	if s.ok(4).send(1, rec(blue, 404)); len(s.said()) != 1 {
		t.Errorf("posted %q", s.said())
	}
	s = newSim(t, func(c *Config) { *c = ReferenceConfig() })
	if s.ok(400).send(4, rec(blue, 404)); len(s.said()) != 0 {
		t.Errorf("4 of 200 are not over 2 %%: posted %q", s.said())
	}
	if s.send(1, rec(blue, 404)); len(s.said()) != 1 {
		t.Errorf("5 of 200 are over 2 %%: posted %q", s.said())
	}
}
