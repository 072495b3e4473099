package proxy

import (
	"context"
	"os"
	"slices"
	"time"
)

const (
	lateEvery  = 5 * time.Millisecond   // how often the routes are looked at
	lateFirst  = 200 * time.Millisecond // of the lookup at the start
	lateLookup = 15 * time.Millisecond  // of one when the routes have changed
	lateAfter  = 2 * time.Second        // how long names may take once the routes have changed
	lateLimit  = time.Minute
)

// LateNetwork makes nginx look its pools up at once when the container gets the network
// that they are on only after its start, as a container does that takes the place of
// another one. nginx by itself asks again only after a second, and answers 502 until then.
type LateNetwork struct {
	Hosts  []string // of the pools
	Lookup func(ctx context.Context, host string) error
	Routes func() string // changes when a network comes or goes
	Reload func() error  // makes nginx begin anew, with all names unknown
}

// Run ends when a pool is known, and when a minute has gone: then it is none of this.
func (l *LateNetwork) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lateLimit)
	defer cancel()
	before := l.Routes()
	if l.known(ctx, lateFirst) {
		return nil
	}
	ticker := time.NewTicker(lateEvery)
	defer ticker.Stop()
	var changed time.Time
	for {
		if routes := l.Routes(); routes != before {
			before, changed = routes, time.Now()
		}
		// A name server that has no network of its own to ask may be slow to say so, and
		// bounds its questions: it is asked only when the answer may be another one.
		if time.Since(changed) < lateAfter && l.known(ctx, lateLookup) {
			return l.Reload()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Routes is the routing table of this process's network, as text.
func Routes() string {
	text, _ := os.ReadFile("/proc/net/route") // without one nothing is seen to change
	return string(text)
}

// Hosts are the names of the pools, as the environment says.
func (c *Conf) Hosts() []string {
	s, _, err := LoadSettings(c.Env, c.Resolver)
	if err != nil {
		return nil
	}
	var hosts []string
	for _, group := range s.Groups {
		if !slices.Contains(hosts, group.Primary) {
			hosts = append(hosts, group.Primary)
		}
	}
	return hosts
}

// known tells whether a pool's name has an address, as far as that is answered in time.
func (l *LateNetwork) known(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	known := make(chan bool, len(l.Hosts))
	for _, host := range l.Hosts {
		go func() { known <- l.Lookup(ctx, host) == nil }()
	}
	for range l.Hosts {
		if <-known {
			return true
		}
	}
	return false
}
