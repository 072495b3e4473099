package bluegreen

import (
	"fmt"
	"slices"
	"time"
)

// Role is the part a container plays in the deployment.
type Role string

// The roles. A pool's role is its name.
const (
	RoleProxy   Role = "proxy"
	RoleBlue    Role = "blue"
	RoleGreen   Role = "green"
	RoleWatcher Role = "watcher"
)

// Role returns the role of the pool's containers.
func (p Pool) Role() Role { return Role(p.String()) }

// Container is one container of the deployment as last observed.
type Container struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Service   string    `json:"service"`
	Role      Role      `json:"role,omitempty"`
	Image     string    `json:"image"`
	ImageID   string    `json:"image_id,omitempty"`
	Release   string    `json:"release,omitempty"`
	State     string    `json:"state"`            // created, running, paused, restarting, exited, dead
	Health    string    `json:"health,omitempty"` // "", starting, healthy, unhealthy
	HealthLog string    `json:"health_log,omitempty"`
	ExitCode  int       `json:"exit_code"`
	Restarts  int       `json:"restarts"`
	OOMKilled bool      `json:"oom_killed,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	CPU       float64   `json:"cpu_percent,omitempty"` // percent of one core
	Memory    uint64    `json:"memory_bytes,omitempty"`
	Addrs     []string  `json:"addrs,omitempty"`     // addresses on the project's networks
	Published string    `json:"published,omitempty"` // host:port of the first published port
}

// Ready reports whether the container can take traffic as far as the engine can
// tell. A paused container keeps its last health, so the state is asked first.
func (c *Container) Ready() bool {
	return c.State == "running" && (c.Health == "" || c.Health == "healthy")
}

// Up reports whether the container runs and no health check of it has failed. The
// first check comes an interval after the start.
func (c *Container) Up() bool { return c.Ready() || c.State == "running" && c.Health == "starting" }

// PoolState is one pool as last observed.
type PoolState struct {
	Pool       Pool         `json:"pool"`
	Containers []Container  `json:"containers"`
	Fault      *Fault       `json:"fault,omitempty"`  // injected by us and not yet undone
	Answer     *ProbeResult `json:"answer,omitempty"` // to the proxy's last request for its health path; nil: not asked
}

// Ready reports whether the pool can take traffic: at least one of its containers is
// ready, and the pool answers the proxy, as far as that has been asked.
//
// A container whose first health check is still to come, up to an interval after its
// start, is ready when the pool answers.
func (p *PoolState) Ready() bool {
	if p.Answer != nil && !p.Answer.Answers() {
		return false
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if c.Ready() || p.Answer != nil && c.State == "running" && c.Health == "starting" {
			return true
		}
	}
	return false
}

// silence says why a pool with a container that runs does not answer the proxy, "" when
// the pool answers or was not asked.
func (p *PoolState) silence() string {
	runs := slices.ContainsFunc(p.Containers, func(c Container) bool { return c.State == "running" })
	if !runs || p.Answer == nil || p.Answer.Answers() {
		return ""
	}
	if p.Answer.Err != "" {
		return p.Answer.Err
	}
	return fmt.Sprintf("its health path gives %d", p.Answer.Status)
}

// Holds returns what stands in the pool, nil when it has no container.
func (p *PoolState) Holds() *Release {
	if len(p.Containers) == 0 {
		return nil
	}
	c := &p.Containers[0]
	return &Release{ID: c.Release, Image: c.Image, ImageID: c.ImageID}
}

// Release returns the release of the pool's first container, "" when unknown.
func (p *PoolState) Release() string {
	if len(p.Containers) == 0 {
		return ""
	}
	return p.Containers[0].Release
}

// RouterStatus is what the proxy says of itself.
type RouterStatus struct {
	Active      Pool       `json:"active"`                // pool that nginx sends traffic to
	Seed        Pool       `json:"seed"`                  // ACTIVE_POOL at the proxy's last start
	Lock        *Holder    `json:"lock,omitempty"`        // who changes the deployment right now
	Unfinished  *Operation `json:"unfinished,omitempty"`  // an operation that was cut off
	Last        *Operation `json:"last,omitempty"`        // the last finished operation
	Faults      []Fault    `json:"faults,omitempty"`      // injected and not yet undone
	Connections int        `json:"connections,omitempty"` // client connections open
	Requests    uint64     `json:"requests,omitempty"`    // requests since nginx started
	Version     string     `json:"version,omitempty"`     // nginx version

	Agent    string            `json:"agent,omitempty"`    // bgctl version in the proxy's container
	Settings map[string]string `json:"settings,omitempty"` // the proxy's settings in force, by variable
	Standing []Standing        `json:"standing,omitempty"` // what the deployment put into its pools
	// Answers are the newest answers of the pools to the agent's own requests. A pool
	// without one has not been asked.
	Answers map[Pool]ProbeResult `json:"answers,omitempty"`
	// Trouble is what the proxy's container lacks beside nginx, such as its log rotation.
	Trouble []string `json:"trouble,omitempty"`

	Current *Operation  `json:"current,omitempty"` // the operation that the lock's holder is at
	Solo    *Solo       `json:"solo,omitempty"`    // a pool is kept out of the failover
	Bake    *Bake       `json:"bake,omitempty"`    // a new release is being watched
	Moves   []Operation `json:"moves,omitempty"`   // the newest operations that moved traffic or a release, oldest first
}

// Deployment is one observation of everything the planner needs to know.
type Deployment struct {
	Project   string        `json:"project"`
	At        time.Time     `json:"at"`
	Router    *RouterStatus `json:"router,omitempty"`       // nil: the proxy did not answer
	RouterErr string        `json:"router_error,omitempty"` // why it did not
	Proxy     *Container    `json:"proxy,omitempty"`
	Watcher   *Container    `json:"watcher,omitempty"`
	Blue      PoolState     `json:"blue"`
	Green     PoolState     `json:"green"`
	Others    []Container   `json:"others,omitempty"`
}

// Active returns the active pool, or [NoPool] when the proxy did not answer.
func (d *Deployment) Active() Pool {
	if d.Router == nil {
		return NoPool
	}
	return d.Router.Active
}

// Pool returns the state of pool, nil for [NoPool].
func (d *Deployment) Pool(pool Pool) *PoolState {
	switch pool {
	case Blue:
		return &d.Blue
	case Green:
		return &d.Green
	case NoPool:
	}
	return nil
}

// Silence says in words why no pool can take traffic.
func (d *Deployment) Silence() string {
	return fmt.Sprintf("blue is %s; green is %s", describe(&d.Blue), describe(&d.Green))
}

// Standing returns the record of what stands in pool, nil when there is none.
func (d *Deployment) Standing(pool Pool) *Standing {
	if d.Router == nil {
		return nil
	}
	for i := range d.Router.Standing {
		if d.Router.Standing[i].Pool == pool {
			return &d.Router.Standing[i]
		}
	}
	return nil
}

// Condition is the deployment's state in one word, as `bgctl status` prints it.
type Condition string

// The conditions.
const (
	OK         Condition = "ok"        // both pools and the proxy are ready
	Degraded   Condition = "degraded"  // traffic is served, but something is not ready
	FailedOver Condition = "failover"  // the active pool is not ready, the other one serves
	Switching  Condition = "switching" // somebody changes the deployment
	Draining   Condition = "draining"  // a pool's last requests end before its release is replaced
	Baking     Condition = "baking"    // a new release takes traffic and is watched
	Down       Condition = "down"      // nothing of it runs
	Outage     Condition = "outage"    // something runs, but no request can be answered
	Unknown    Condition = "unknown"   // the proxy runs and does not answer
)

// Conditions returns every condition.
func Conditions() []Condition {
	return []Condition{OK, Degraded, FailedOver, Switching, Draining, Baking, Down, Outage, Unknown}
}

// runs reports whether the proxy or a container of a pool runs.
func (d *Deployment) runs() bool {
	running := func(c Container) bool { return c.State != "exited" && c.State != "created" && c.State != "dead" }
	return d.Proxy != nil && running(*d.Proxy) || slices.ContainsFunc(d.Blue.Containers, running) || slices.ContainsFunc(d.Green.Containers, running)
}

// Condition derives the state in one word.
func (d *Deployment) Condition() Condition {
	switch {
	case !d.runs():
		return Down
	case d.Proxy == nil, d.Proxy.State != "running":
		return Outage
	case d.Router == nil || d.Router.Active == NoPool:
		return Unknown
	case d.Router.Lock != nil && d.Router.Current != nil && d.Router.Current.Phase == OpDrain:
		return Draining
	case d.Router.Lock != nil:
		return Switching
	case !d.Blue.Ready() && !d.Green.Ready():
		return Outage
	case !d.Pool(d.Active()).Ready():
		return FailedOver
	case !d.Pool(d.Active().Other()).Ready(), !d.Proxy.Up(), len(d.Router.Faults) > 0:
		return Degraded
	case d.Watcher != nil && !d.Watcher.Up(), len(d.Router.Trouble) > 0:
		return Degraded
	case d.Router.Solo != nil, d.Router.Bake != nil && !d.Router.Bake.Live:
		return Degraded // what a cut-off command left behind: the next one settles it
	case d.Router.Bake != nil:
		return Baking
	}
	return OK
}
