package proxy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/proxy"
)

func TestLateNetwork(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for name, v := range map[string]struct {
		route, known time.Duration // when the routes change, when the names are known
		reloads      int
		end          time.Duration // at the latest
		lookups      int           // at most
	}{
		"known from the start":  {route: never, end: time.Millisecond, lookups: 2},
		"a network comes":       {route: time.Second, known: 1020 * time.Millisecond, reloads: 1, end: 1100 * time.Millisecond, lookups: 20},
		"another network comes": {route: time.Second, known: never, end: time.Minute, lookups: 2000},
		// The pools are down; nginx looks for them by itself.
		"no network comes": {route: never, known: never, end: time.Minute, lookups: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, reloads := time.Now(), 0
				lookups := make(chan struct{}, 1<<14)
				l := proxy.LateNetwork{
					Hosts: []string{"app_blue", "app_green"},
					Routes: func() string {
						if time.Since(begin) < v.route {
							return ""
						}
						return "default"
					},
					Lookup: func(ctx context.Context, _ string) error {
						lookups <- struct{}{}
						if time.Since(begin) >= v.known {
							return nil
						}
						<-ctx.Done() // a name server without a network of its own
						return errors.New("no such host")
					},
					Reload: func() error { reloads++; return nil },
				}
				if err := l.Run(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took > v.end {
					t.Errorf("took %s, want at most %s", took, v.end)
				}
				if reloads != v.reloads || len(lookups) > v.lookups {
					t.Errorf("got %d reloads and %d lookups, want %d and at most %d", reloads, len(lookups), v.reloads, v.lookups)
				}
				synctest.Wait()
			})
		})
	}
}
