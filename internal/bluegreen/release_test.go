package bluegreen_test

import (
	"context"
	"errors"
	"testing"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
)

// lingering is a connection whose agent has not noticed yet that it was closed, which
// on a busy engine takes a while.
type lingering struct{ bluegreen.Router }

func (lingering) Close() error { return nil }

// A script's next command, or the next key, must not find the deployment locked by the
// one before.
func TestController_ReleasesTheLockBeforeItReturns(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	c.Open = func(ctx context.Context) (bluegreen.Router, error) {
		r, err := proxy.Open(ctx)
		return lingering{r}, err
	}
	plan := planSwitch(t, e, bluegreen.Green)
	for _, want := range []error{nil, bluegreen.ErrChanged} {
		if _, err := c.Execute(t.Context(), plan, nil); !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		d, err := e.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.Router.Lock != nil {
			t.Errorf("after %v: still locked by %+v", want, d.Router.Lock)
		}
	}
}
