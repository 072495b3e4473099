package bluegreentest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"bgctl/internal/bluegreen"
)

// Installer is a [bluegreen.Installer] in memory: it changes what the pools of an
// [Engine] hold.
type Installer struct {
	Engine *Engine

	mu    sync.Mutex
	Calls []string
	// Images are the references that can be had, and what they are.
	Images map[string]string
	// Health is what the containers of an image become; "" is healthy.
	Health map[string]string
	// Kept is what the env file says of each pool.
	Kept map[bluegreen.Pool]bluegreen.Release
	// FailInstall makes Install fail for a release.
	FailInstall map[string]error
	// Configs are the hashes of the pools' configurations.
	Configs map[bluegreen.Pool]string

	aside map[bluegreen.Pool]bluegreen.Container
}

var _ bluegreen.Installer = (*Installer)(nil)

// NewInstaller returns an installer that can get the given images.
func NewInstaller(e *Engine, images ...string) *Installer {
	i := &Installer{
		Engine: e, Images: map[string]string{}, Health: map[string]string{},
		Kept: map[bluegreen.Pool]bluegreen.Release{}, FailInstall: map[string]error{},
		Configs: map[bluegreen.Pool]string{}, aside: map[bluegreen.Pool]bluegreen.Container{},
	}
	for _, image := range images {
		i.Images[image] = "sha256:" + image
	}
	return i
}

// call records a call.
func (i *Installer) call(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.Calls = append(i.Calls, fmt.Sprintf(format, args...))
}

// Resolve implements [bluegreen.Installer].
func (i *Installer) Resolve(_ context.Context, rel bluegreen.Release, pull bluegreen.PullPolicy) (bluegreen.Release, error) {
	i.call("resolve %s %s", rel.Image, pull)
	if rel.ImageID != "" {
		return rel, nil
	}
	id, ok := i.Images[rel.Image]
	if !ok {
		return rel, fmt.Errorf("%w: %s is nowhere", bluegreen.ErrImage, rel.Image)
	}
	rel.ImageID = id
	return rel, nil
}

// Install implements [bluegreen.Installer].
func (i *Installer) Install(_ context.Context, pool bluegreen.Pool, rel bluegreen.Release, on func(string)) error {
	i.call("install %s in %s", rel.ID, pool)
	on("recreate container shop-" + pool.String())
	i.mu.Lock()
	if _, twice := i.aside[pool]; !twice {
		i.aside[pool] = i.Engine.take(pool)
	}
	i.mu.Unlock()
	if err := i.FailInstall[rel.ID]; err != nil {
		return err
	}
	health := i.Health[rel.Image]
	if health == "" {
		health = "healthy"
	}
	i.Engine.Hold(pool, rel, health)
	return nil
}

// PutBack implements [bluegreen.Installer].
func (i *Installer) PutBack(ctx context.Context, pool bluegreen.Pool, before bluegreen.Release, on func(string)) error {
	i.mu.Lock()
	c, ok := i.aside[pool]
	delete(i.aside, pool)
	i.mu.Unlock()
	if !ok {
		d, err := i.Engine.Observe(ctx)
		if err == nil && d.Pool(pool).Holds().Same(&before) {
			return nil
		}
		return errors.Join(err, i.Install(ctx, pool, before, on))
	}
	i.call("put %s back into %s", c.Release, pool)
	i.Engine.give(pool, &c)
	return nil
}

// Settle implements [bluegreen.Installer].
func (i *Installer) Settle(_ context.Context, pool bluegreen.Pool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.aside, pool)
	return nil
}

// Config implements [bluegreen.Installer].
func (i *Installer) Config(_ context.Context, pool bluegreen.Pool) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.Configs[pool], nil
}

// Aside reports how many pools have something set aside.
func (i *Installer) Aside() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.aside)
}

// take returns the pool's container as it is.
func (e *Engine) take(pool bluegreen.Pool) bluegreen.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.d.Pool(pool).Containers[0]
}

// give puts a container back, and starts it.
func (e *Engine) give(pool bluegreen.Pool, c *bluegreen.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c.State, c.Health = "running", "healthy"
	e.d.Pool(pool).Containers[0] = *c
}

// Keep implements [bluegreen.Installer].
func (i *Installer) Keep(_ context.Context, pool bluegreen.Pool, rel bluegreen.Release) (string, error) {
	i.call("keep %s for %s", rel.ID, pool)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.Kept[pool] = rel
	return "", nil
}

// LastWords implements [bluegreen.Installer].
func (i *Installer) LastWords(_ context.Context, container string) string {
	return "last words of " + container + "\n"
}

// Hold makes the pool's container run a release.
func (e *Engine) Hold(pool bluegreen.Pool, rel bluegreen.Release, health string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := &e.d.Pool(pool).Containers[0]
	c.Image, c.ImageID, c.Release, c.State, c.Health = rel.Image, rel.ImageID, rel.ID, "running", health
}

// Gauge is a [bluegreen.Gauge] that says what it is told to.
type Gauge struct {
	mu      sync.Mutex
	verdict bluegreen.Verdict
}

var _ bluegreen.Gauge = (*Gauge)(nil)

// Say sets the verdict.
func (g *Gauge) Say(v bluegreen.Verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.verdict = v
}

// Watch implements [bluegreen.Gauge].
func (g *Gauge) Watch(context.Context, *bluegreen.Deployment, bluegreen.Pool) func() (bluegreen.Verdict, error) {
	return func() (bluegreen.Verdict, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.verdict, nil
	}
}

// Address gives a pool's container an address on the project's network.
func (e *Engine) Address(id, addr string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, pool := range bluegreen.Pools() {
		ps := e.d.Pool(pool)
		for i := range ps.Containers {
			if ps.Containers[i].ID == id {
				ps.Containers[i].Addrs = []string{addr}
			}
		}
	}
}
