package bluegreen

import (
	"context"
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
