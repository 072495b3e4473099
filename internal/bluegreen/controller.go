package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// StepState is how far a step came.
type StepState string

// The step states.
const (
	StepWorking StepState = "working"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
	StepSkipped StepState = "skipped"
)

// Progress reports one change of one step.
type Progress struct {
	Index   int           `json:"index"` // from 0
	Total   int           `json:"total"`
	Step    Step          `json:"step"`
	State   StepState     `json:"state"`
	Detail  string        `json:"detail,omitempty"`
	Elapsed time.Duration `json:"elapsed"`
}

// Outcome is what an executed plan did.
type Outcome struct {
	Plan      Plan     `json:"plan"`
	Receipt   *Receipt `json:"receipt,omitempty"`
	Message   string   `json:"message"`             // one line for a person
	Undo      string   `json:"undo,omitempty"`      // the command that undoes it
	Recovered string   `json:"recovered,omitempty"` // what became of an operation that had been cut off
	Warning   string   `json:"warning,omitempty"`   // done, but something beside it was not
	Bake      *Bake    `json:"bake,omitempty"`      // what watching the new release came to
}

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

// ProbeResult is one answer to a probe.
type ProbeResult struct {
	Status  int           `json:"status"` // 0: no answer
	Took    time.Duration `json:"took"`
	Pool    Pool          `json:"pool,omitempty"` // pool of the X-App-Pool header
	Release string        `json:"release,omitempty"`
	Err     string        `json:"error,omitempty"`
}

// Router is the proxy's side of a deployment: the flag that steers traffic, the
// lock and the journal that live beside it, and requests made from the proxy's
// own network. All methods may fail with a transport error; none retries.
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
	// Probe asks pool for its health path through nginx, n times, on fresh connections.
	Probe(ctx context.Context, pool Pool, n int) ([]ProbeResult, error)
	// Verify asks nginx on a fresh connection which pool it sends traffic to.
	Verify(ctx context.Context) (Pool, error)
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
	// InFlight counts the connections that the proxy has open to addresses.
	InFlight(ctx context.Context, addrs []string) (int, error)
	// BeginBake records that a release is watched. The record is live until
	// Close; the lock is not needed for it.
	BeginBake(ctx context.Context, bake Bake) error
	// UpdateBake replaces the record and reports whether it still stood: another
	// operator may have ended the bake.
	UpdateBake(ctx context.Context, bake Bake) (stands bool, err error)
	// EndBake removes the record, whoever made it.
	EndBake(ctx context.Context) error
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
	// Install makes every container of pool run rel, and starts what does not
	// run. It does not wait until they are ready.
	Install(ctx context.Context, pool Pool, rel Release, on func(detail string)) error
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
}

// Meter measures what a switch costs. Start is called before the rename; the
// function it returns ends the measurement after moved, the moment at which the
// rename had returned.
type Meter interface {
	Start(ctx context.Context, from, to Pool) (finish func(ctx context.Context, asked, moved time.Time) Receipt)
}

// Controller executes plans. It decides nothing: what it does stands in the plan.
type Controller struct {
	Observe func(ctx context.Context) (Deployment, error)
	Open    func(ctx context.Context) (Router, error)
	Engine  Engine
	Install Installer                                    // nil: releases cannot be replaced
	Gauge   Gauge                                        // nil: releases cannot be watched
	Meter   Meter                                        // nil: no receipt
	SaveEnv func(ctx context.Context, active Pool) error // nil: no .env to keep in step
	Holder  Holder
	Now     func() time.Time
	Asked   time.Time // when the user asked, for the figures; zero: when Execute is called
	// Failpoint, when set, is called with the name of each point at which a
	// test may want this process to die.
	Failpoint func(name string)
}

// run is one execution of one plan.
type run struct {
	*Controller
	plan    Plan
	router  Router
	op      Operation
	finish  func(ctx context.Context, asked, moved time.Time) Receipt
	moved   time.Time
	asked   time.Time
	routed  time.Time // when a deploy began to move traffic
	outcome Outcome
	detail  string
	began   bool
	release Release      // what is installed, resolved
	foreign *Bake        // a bake that another command runs
	tell    func(string) // reports how far the step is

	installed time.Time // when the containers had been recreated
}

// unlockWait bounds what an engine that hangs can add to the end of a command.
const unlockWait = 2 * time.Second

// Execute runs plan step by step and reports each through on, which may be nil.
// It fails with [ErrLocked], [ErrChanged] or [ErrRefused] before anything was
// changed, and otherwise with an error that says in which state traffic is.
func (c *Controller) Execute(ctx context.Context, plan Plan, on func(Progress)) (Outcome, error) {
	r := &run{Controller: c, plan: plan, asked: c.Asked}
	if r.asked.IsZero() {
		r.asked = c.Now()
	}
	r.outcome = Outcome{Plan: plan, Undo: plan.Undo}
	if plan.Empty() {
		r.outcome.Message = nothingToDo(&plan)
		r.outcome.Undo = ""
		return r.outcome, nil
	}
	router, err := c.Open(ctx)
	if err != nil {
		return r.outcome, err
	}
	r.router = router
	err = r.steps(ctx, on)
	if err != nil {
		err = r.abandon(ctx, err)
	}
	// Closing ends the agent, and with it the lock, but only in a moment. What comes next
	// must not find the deployment locked by this one. Where the connection broke there
	// is nothing left to say.
	unlocking, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockWait)
	defer cancel()
	_ = router.Unlock(unlocking)
	if cerr := router.Close(); err == nil && cerr != nil {
		r.warn("the connection to the proxy did not end cleanly")
	}
	return r.outcome, err
}

// steps runs the plan's steps in order and stops at the first that fails.
func (r *run) steps(ctx context.Context, on func(Progress)) error {
	if on == nil {
		on = func(Progress) {}
	}
	for i, step := range r.plan.Steps {
		begin := r.Now()
		p := Progress{Index: i, Total: len(r.plan.Steps), Step: step, State: StepWorking}
		on(p)
		r.detail = ""
		r.tell = r.teller(p, on)
		err := r.phase(ctx, step)
		r.fail("before-" + string(step.Op))
		if err == nil {
			err = r.step(ctx, step)
		}
		p.State, p.Detail, p.Elapsed = StepDone, r.detail, r.Now().Sub(begin)
		if err != nil {
			p.State, p.Detail = StepFailed, err.Error()
			on(p)
			return err
		}
		r.fail("after-" + string(step.Op))
		on(p)
	}
	return nil
}

// teller reports how far a step is. Steps on the engine report from several
// goroutines, on is called by one at a time.
func (r *run) teller(p Progress, on func(Progress)) func(string) {
	var mu sync.Mutex
	begin := r.Now()
	return func(detail string) {
		mu.Lock()
		defer mu.Unlock()
		p.Detail, p.Elapsed = detail, r.Now().Sub(begin)
		on(p)
	}
}

// fail gives a test the chance to kill the process here.
func (r *run) fail(point string) {
	if r.Failpoint != nil {
		r.Failpoint(point)
	}
}

// step runs one step.
func (r *run) step(ctx context.Context, s Step) error {
	switch s.Op {
	case OpLock:
		return r.lock(ctx)
	case OpRelock:
		return r.relock(ctx)
	case OpRecheck:
		return r.recheck(ctx, s)
	case OpProbe:
		return r.probe(ctx, s)
	case OpJournal:
		return r.journal(ctx)
	case OpRoute:
		return r.route(ctx, s)
	case OpVerify:
		return r.verify(ctx, s)
	case OpEnv:
		return r.env(ctx, s)
	case OpClose:
		return r.close(ctx)
	case OpRecord:
		return r.record(ctx, s)
	case OpBreak:
		return r.breakPool(ctx, s)
	case OpHold:
		return r.hold(ctx)
	case OpRepair:
		return r.repair(ctx, s)
	case OpReady:
		return r.ready(ctx, s)
	case OpUnlock:
		return r.router.Unlock(ctx)
	case OpRestart:
		return r.Engine.Restart(ctx, s.Container)
	case OpImage, OpSolo, OpDrain, OpInstall, OpKeep, OpAdmit:
		return r.deployStep(ctx, s)
	case OpBake:
		return r.bake(ctx, s)
	case OpPromote:
		return r.promote(ctx, s)
	}
	return fmt.Errorf("unknown step %q", s.Op)
}
