package bluegreentest

import (
	"context"
	"fmt"
	"sync"

	"bgctl/internal/bluegreen"
)

// Engine is a [bluegreen.Engine] in memory, together with the observation of it.
type Engine struct {
	mu    sync.Mutex
	d     bluegreen.Deployment
	proxy *Proxy
	Calls []string
	// Checks are the results of the containers' own health checks, by ID.
	Checks map[string]error
}

var _ bluegreen.Engine = (*Engine)(nil)

// NewEngine returns a healthy deployment with one container for each role.
func NewEngine(p *Proxy) *Engine {
	running := func(id string, role bluegreen.Role) bluegreen.Container {
		return bluegreen.Container{ID: id, Name: "shop-" + id, Role: role, State: "running", Health: "healthy"}
	}
	proxy, watcher := running("nginx", bluegreen.RoleProxy), running("watcher", bluegreen.RoleWatcher)
	return &Engine{proxy: p, d: bluegreen.Deployment{
		Project: "shop", Proxy: &proxy, Watcher: &watcher,
		Blue:  bluegreen.PoolState{Pool: bluegreen.Blue, Containers: []bluegreen.Container{running("blue", bluegreen.RoleBlue)}},
		Green: bluegreen.PoolState{Pool: bluegreen.Green, Containers: []bluegreen.Container{running("green", bluegreen.RoleGreen)}},
	}}
}

// Observe returns the deployment as it is now.
func (e *Engine) Observe(ctx context.Context) (bluegreen.Deployment, error) {
	router, err := e.proxy.Open(ctx)
	if err != nil {
		return bluegreen.Deployment{}, err
	}
	st, err := router.Status(ctx)
	if err != nil {
		return bluegreen.Deployment{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.d
	d.Blue.Containers = append([]bluegreen.Container(nil), e.d.Blue.Containers...)
	d.Green.Containers = append([]bluegreen.Container(nil), e.d.Green.Containers...)
	d.Router = &st
	for i := range st.Faults {
		d.Pool(st.Faults[i].Pool).Fault = &st.Faults[i]
	}
	for pool, answer := range st.Answers {
		d.Pool(pool).Answer = &answer
	}
	return d, nil
}

// Set puts a container into a state.
func (e *Engine) Set(id, state, health string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, pool := range bluegreen.Pools() {
		ps := e.d.Pool(pool)
		for i := range ps.Containers {
			if ps.Containers[i].ID == id {
				ps.Containers[i].State, ps.Containers[i].Health = state, health
			}
		}
	}
}

// act records a call and puts the container into its new state.
func (e *Engine) act(verb, id, state, health string) error {
	e.mu.Lock()
	e.Calls = append(e.Calls, fmt.Sprintf("%s %s", verb, id))
	e.mu.Unlock()
	e.Set(id, state, health)
	return nil
}

// Kill implements [bluegreen.Engine].
func (e *Engine) Kill(_ context.Context, id string) error { return e.act("kill", id, "exited", "") }

// Stop implements [bluegreen.Engine].
func (e *Engine) Stop(_ context.Context, id string) error { return e.act("stop", id, "exited", "") }

// Start implements [bluegreen.Engine].
func (e *Engine) Start(_ context.Context, id string) error {
	return e.act("start", id, "running", "healthy")
}

// Pause implements [bluegreen.Engine].
func (e *Engine) Pause(_ context.Context, id string) error {
	return e.act("pause", id, "paused", "healthy")
}

// Unpause implements [bluegreen.Engine].
func (e *Engine) Unpause(_ context.Context, id string) error {
	return e.act("unpause", id, "running", "healthy")
}

// Check implements [bluegreen.Engine].
func (e *Engine) Check(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.Checks[id]
}

// Restart implements [bluegreen.Engine].
func (e *Engine) Restart(_ context.Context, id string) error {
	return e.act("restart", id, "running", "healthy")
}
