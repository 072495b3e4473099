package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLocked marks a deployment that somebody else is changing.
var ErrLocked = errors.New("locked")

// LockedError names who holds the lock.
type LockedError struct{ Holder Holder }

// Error implements error.
func (e *LockedError) Error() string {
	h := e.Holder
	if h.PID == 0 {
		return "another command is changing this deployment; try again"
	}
	return fmt.Sprintf("locked by %s@%s (pid %d, %q, for %s); try again when it has ended",
		h.User, h.Host, h.PID, h.What, time.Since(h.Since).Round(time.Second))
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Probes says how a pool is asked.
type Probes struct {
	Pool    Pool          `json:"pool"`
	Count   int           `json:"count"`
	Timeout time.Duration `json:"timeout,omitempty"` // of each request; 0: 2 s
}

// ProbeResult is one answer to a probe.
type ProbeResult struct {
	Status  int           `json:"status"` // 0: no answer
	Took    time.Duration `json:"took"`
	Pool    Pool          `json:"pool,omitempty"` // pool of the X-App-Pool header
	Release string        `json:"release,omitempty"`
	// Addr is the address, without its port, of the container that answered; "" when
	// nginx answered in its place.
	Addr string `json:"addr,omitempty"`
	Err  string `json:"error,omitempty"`
}

// Answers reports whether the pool gave an answer of its own, good or not. What
// nginx says in its place, 502, 503 or 504, is none.
func (r *ProbeResult) Answers() bool {
	return r.Addr != "" || r.Err == "" && r.Status > 0 && r.Status < 500
}

// Routing is what nginx does with a request that arrives now.
type Routing struct {
	Active Pool         `json:"active"`           // the pool that it chooses
	Answer *ProbeResult `json:"answer,omitempty"` // what came back from there; nil from an agent that does not ask
}

// Configuration is the environment that the proxy's settings are read from.
type Configuration struct {
	Settings map[string]string `json:"settings"`        // by variable; a missing one has its default
	Check    bool              `json:"check,omitempty"` // test it and change nothing
}

// SettingError is a setting that the proxy cannot run with. Nothing was changed.
type SettingError struct{ Reason string }

// Error names the setting, its value and the reason.
func (e *SettingError) Error() string { return e.Reason }

// Router is the proxy's side of a deployment: the flag that steers traffic, the
// lock and the journal that live beside it, and requests made from the proxy's
// own network. All methods may fail with a transport error; none retries. A call that is
// given up breaks the connection, and the lock goes with it: the controller gives none up,
// so that each has to be bounded by itself.
type Router interface {
	// Status reads the state directory.
	Status(ctx context.Context) (RouterStatus, error)
	// Lock takes the deployment's lock until Close. It fails with [ErrLocked]
	// when another holder has it. A holder that dies loses the lock.
	Lock(ctx context.Context, holder Holder) error
	// Unlock releases the lock; it is no error when it is not held.
	Unlock(ctx context.Context) error
	// Route makes pool active with one rename.
	Route(ctx context.Context, pool Pool) error
	// Probe asks a pool for its health path through nginx, on fresh connections. Each
	// request is bounded on its own.
	Probe(ctx context.Context, p Probes) ([]ProbeResult, error)
	// Verify sends a request for the health path the way that the users' requests go, on
	// a fresh connection and to no other pool, and says where it went.
	Verify(ctx context.Context) (Routing, error)
	// Begin writes op to the journal; Finish closes it. Both are durable on return.
	Begin(ctx context.Context, op Operation) error
	Finish(ctx context.Context, op Operation) error
	// SetFault records a fault durably; ClearFault forgets it.
	SetFault(ctx context.Context, fault Fault) error
	ClearFault(ctx context.Context, pool Pool) error
	// Chaos sends the demo app of pool a fault command: error, timeout, slow or "" to stop.
	Chaos(ctx context.Context, pool Pool, mode FaultMode) error
	// SetSolo keeps a pool out of the failover, durably; nil lets it in again.
	SetSolo(ctx context.Context, solo *Solo) error
	// SetStanding records durably what stands in a pool from now on.
	SetStanding(ctx context.Context, s Standing) error
	// Configure tests the settings with nginx and, unless c.Check is set, puts them in
	// force without closing a connection that is in use. They last over a restart of the
	// proxy. It returns the variables that changed, and fails with a [SettingError].
	Configure(ctx context.Context, c Configuration) (changed []string, err error)
	// InFlight counts the connections that the proxy has open to addresses.
	InFlight(ctx context.Context, addrs []string) (int, error)
	// BeginBake records that a release is watched. The record is live until
	// Close; the lock is not needed for it.
	BeginBake(ctx context.Context, bake Bake) error
	// UpdateBake replaces the record and reports whether it still stood: another
	// operator may have ended the bake.
	UpdateBake(ctx context.Context, bake Bake) (stands bool, err error)
	// EndBake removes the record of the bake of an operation, whoever made it. A record
	// of another operation stays.
	EndBake(ctx context.Context, operation string) error
	// History returns the finished operations, oldest first.
	History(ctx context.Context) ([]Operation, error)
	// Close releases the lock and the connection.
	Close() error
}

// ErrImage marks an image that the engine neither has nor can get.
var ErrImage = errors.New("no image")

// Installer puts releases into pools. Everything it is given is durable in the
// journal before it acts, and each method may be called again after it was cut off.
type Installer interface {
	// Resolve makes sure that the engine has the release's image and returns the
	// release with what the image is. A release with an ID is resolved to that
	// very image, whatever its reference means by now. It fails with [ErrImage].
	Resolve(ctx context.Context, rel Release, pull PullPolicy) (Release, error)
	// Install makes every container of pool run rel with the configuration of the file, and
	// starts what does not run. It does not wait until they are ready. The containers that
	// stood there are kept aside, stopped, until Settle or PutBack.
	Install(ctx context.Context, pool Pool, rel Release, on func(detail string)) error
	// PutBack makes the pool hold again what Install set aside: the same containers, with
	// the image, the environment and the labels they had. Where none is aside, the release
	// is installed. It may be called whatever of an Install was done.
	PutBack(ctx context.Context, pool Pool, before Release, on func(detail string)) error
	// Settle removes what Install set aside.
	Settle(ctx context.Context, pool Pool) error
	// Config returns the hash of the pool's configuration as the file has it, without image
	// and release; "" when the file has no such pool.
	Config(ctx context.Context, pool Pool) (string, error)
	// Keep writes rel to where the pool's image is configured. The text it returns
	// says what the operator should know beside it.
	Keep(ctx context.Context, pool Pool, rel Release) (note string, err error)
	// LastWords returns the end of the log of a container. Foreign text.
	LastWords(ctx context.Context, container string) string
}

// Gauge judges a pool by the requests that reach it.
type Gauge interface {
	// Watch reads the requests from now on until ctx ends. verdict may be called
	// at any time and returns what they say so far; its error is that of the reading.
	Watch(ctx context.Context, d *Deployment, pool Pool) (verdict func() (Verdict, error))
}

// Engine is what the controller needs of the container engine.
type Engine interface {
	Kill(ctx context.Context, container string) error
	Stop(ctx context.Context, container string) error
	Start(ctx context.Context, container string) error
	Pause(ctx context.Context, container string) error
	Unpause(ctx context.Context, container string) error
	Restart(ctx context.Context, container string) error
	// Check runs the container's own health check once. It returns nil when the check
	// passes, or when the container has none.
	Check(ctx context.Context, container string) error
}

// Meter measures what a switch costs. Start begins and does not wait.
type Meter interface {
	Start(ctx context.Context, from, to Pool) Measurement
}

// Measurement is one measurement under way.
type Measurement interface {
	// Ready waits until the clients have got their first answers, for a bounded time.
	Ready(ctx context.Context)
	// Finish ends the measurement. moved is the moment at which the rename had returned.
	Finish(ctx context.Context, moved time.Time) Receipt
}

// Stack changes what a deployment has beside its pools, as a plan of `up` or `down` lists
// it. It is made for one plan.
type Stack interface {
	// Fetch gets every image that the plan needs, those of the pools too. It changes nothing
	// that runs, and may be given up.
	Fetch(ctx context.Context, on func(detail string)) error
	// Converge makes containers, networks and volumes beside pools and proxy match the file.
	Converge(ctx context.Context, on func(detail string)) error
	// ReplaceProxy replaces the proxy's container and returns how long nothing answered.
	// What it returns an error for has been put back, as far as the error does not say else.
	ReplaceProxy(ctx context.Context, on func(detail string)) (gap time.Duration, err error)
	// Remove removes what the plan lists.
	Remove(ctx context.Context, on func(detail string)) error
}
