package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The limits of waiting. Each is smaller than the whole that it is part of.
const (
	// stepLimit bounds a step that must run to its end although its caller gave up.
	stepLimit = 30 * time.Second
	// readyLimit bounds the wait for a pool that was healed, or for a lock that has to be
	// had again.
	readyLimit = 90 * time.Second
	// poll is the pause between two looks.
	poll = 200 * time.Millisecond
	// unlockLimit bounds what an engine that hangs can add to the end of a command.
	unlockLimit = 2 * time.Second
	// reopenLimit bounds the wait for a new connection to the proxy, and for the lock,
	// after a connection broke. An agent whose client is gone lets go of the lock in 2 s.
	reopenLimit = 15 * time.Second
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
	Index   int           `json:"index"` // from 0; the steps that undo a failure come behind the plan's
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
	// Gap is how long the proxy did not answer while its container was replaced.
	Gap time.Duration `json:"gap,omitempty"`
}

// Controller executes plans. It decides nothing: the steps of the plan are the steps it
// takes, and when one fails those that end the operation, as the next command would.
type Controller struct {
	Observe func(ctx context.Context) (Deployment, error)
	// Look is Observe through a connection to the proxy that is there already; may be nil.
	Look    func(ctx context.Context, router Router) (Deployment, error)
	Open    func(ctx context.Context) (Router, error)
	Engine  Engine
	Install Installer                                    // nil: releases cannot be replaced
	Stack   Stack                                        // nil: nothing beside the pools can be changed
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

// act is the execution of one kind of step. Its context does not end when the user
// gives up, so that no call is left half done: who waits does so with run.wait and
// run.until, and what may be cut off takes the user's context.
type act interface {
	do(ctx context.Context, r *run) error
}

// persistent marks the acts that are carried out although the user gave up: they end
// what an earlier step began.
type persistent interface{ persists() }

// run is one execution of one plan. Steps leave here what later ones need.
type run struct {
	*Controller
	plan   Plan
	router Router
	// user is the caller's patience. Steps have a context of their own.
	user    context.Context //nolint:containedctx // see act
	on      func(Progress)
	tell    func(string) // says how far the step under way is
	detail  string       // what the step under way came to
	asked   time.Time
	outcome Outcome

	op      Operation // the journal's entry
	open    bool      // the entry is under way
	phased  bool      // its steps are written to the journal before they begin
	entries int       // opened so far, for their IDs
	offset  int       // of the steps under way among all that are reported
	ending  bool      // what runs now is carried out although the user gave up

	status    RouterStatus       // as it was when the lock was taken
	seen      Deployment         // as the recheck saw it
	release   map[Pool]Release   // what is installed, resolved
	installed map[Pool]time.Time // when the containers had been replaced
	measuring Measurement        // the receipt's clients
	routed    time.Time          // when moving traffic began
	moved     time.Time          // when the rename had returned
}

// newRun prepares the execution of a plan.
func (c *Controller) newRun(ctx context.Context, plan *Plan, on func(Progress)) *run {
	r := &run{
		Controller: c, plan: *plan, user: ctx, on: on, asked: c.Asked, tell: func(string) {},
		release: map[Pool]Release{}, installed: map[Pool]time.Time{},
		outcome: Outcome{Plan: *plan, Undo: plan.Undo},
	}
	if r.on == nil {
		r.on = func(Progress) {}
	}
	if r.asked.IsZero() {
		r.asked = c.Now()
	}
	return r
}

// Execute runs plan step by step and reports each through on, which may be nil.
// It fails with [ErrLocked], [ErrChanged] or [ErrRefused] before anything was
// changed, and otherwise with an error that says in which state traffic is.
func (c *Controller) Execute(ctx context.Context, plan Plan, on func(Progress)) (Outcome, error) {
	r := c.newRun(ctx, &plan, on)
	if plan.Empty() {
		r.outcome.Message, r.outcome.Undo = nothingToDo(&plan), ""
		return r.outcome, nil
	}
	router, err := c.Open(ctx)
	if err != nil {
		return r.outcome, err
	}
	r.router = router
	// The steps end with their own limits, see act.
	ctx = context.WithoutCancel(ctx)
	err = r.steps(ctx, plan.Steps)
	if err != nil {
		err = r.undo(ctx, err)
	}
	r.stopMeter(ctx)
	r.leave(ctx)
	return r.outcome, err
}

// observe observes, through the connection of the run where that is possible: another one
// costs more than all the rest of a look.
func (r *run) observe(ctx context.Context) (Deployment, error) {
	if r.Look == nil {
		return r.Observe(ctx)
	}
	return r.Look(ctx, r.router)
}

// leave unlocks and ends the connection. Closing ends the agent, and with it the lock, but
// only in a moment; what comes next must not find the deployment locked by this command.
func (r *run) leave(ctx context.Context) {
	unlocking, cancel := context.WithTimeout(ctx, unlockLimit)
	defer cancel()
	// Where the connection broke there is nothing left to say.
	_ = r.router.Unlock(unlocking)
	_ = r.router.Close()
}

// steps runs steps in order and stops at the first that fails.
func (r *run) steps(ctx context.Context, steps []Step) error {
	for i, step := range steps {
		p := Progress{Index: r.offset + i, Total: r.offset + len(steps), Step: step, State: StepWorking}
		if err := r.step(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// step runs one step and reports it.
func (r *run) step(ctx context.Context, p Progress) error {
	begin := r.Now()
	r.detail = ""
	r.tell = r.teller(p, begin)
	r.on(p)
	err := r.carryOut(ctx, p.Step)
	p.State, p.Detail, p.Elapsed = StepDone, r.detail, r.Now().Sub(begin)
	if err != nil {
		p.State, p.Detail = StepFailed, err.Error()
	}
	r.on(p)
	return err
}

// carryOut executes a step between its two failpoints.
func (r *run) carryOut(ctx context.Context, s Step) error {
	if s.act == nil {
		return fmt.Errorf("the step %q has no execution: plans that were read cannot be carried out", s.Op)
	}
	if _, ends := s.act.(persistent); ends {
		r.ending = true // what was begun is ended to its last step
	}
	if err := r.patience(); err != nil {
		return err
	}
	if err := r.insist(ctx, func() error { return r.note(ctx, s.Op) }); err != nil {
		return err
	}
	r.fail("before-" + string(s.Op))
	if err := r.insist(ctx, func() error { return s.act.do(ctx, r) }); err != nil {
		return err
	}
	r.fail("after-" + string(s.Op))
	return nil
}

// note writes to the journal which step begins.
func (r *run) note(ctx context.Context, op StepOp) error {
	if !r.open || !r.phased || r.op.Phase == op {
		return nil
	}
	r.op.Phase = op
	if err := r.router.Begin(ctx, r.op); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// teller reports how far a step is. Steps on the engine report from several
// goroutines, on is called by one at a time.
func (r *run) teller(p Progress, begin time.Time) func(string) {
	var mu sync.Mutex
	return func(detail string) {
		mu.Lock()
		defer mu.Unlock()
		p.Detail, p.Elapsed = detail, r.Now().Sub(begin)
		r.on(p)
	}
}

// fail gives a test the chance to kill the process here.
func (r *run) fail(point string) {
	if r.Failpoint != nil {
		r.Failpoint(point)
	}
}

// holder names this command.
func (r *run) holder() Holder {
	h := r.Holder
	h.What, h.Since = r.plan.Command, r.asked
	return h
}

// warn notes something that went wrong beside what was asked.
func (r *run) warn(text string) {
	if r.outcome.Warning != "" {
		text = r.outcome.Warning + "; " + text
	}
	r.outcome.Warning = text
}

// undo takes back what a failed step left, by the steps that the next command would
// take, and returns the cause with what became of it. It opens a new connection when
// the old one broke: what undoes an act never depends on what just failed.
func (r *run) undo(ctx context.Context, cause error) error {
	r.stopMeter(ctx)
	if !r.open {
		return cause
	}
	r.ending = true
	op := r.op
	_, err := r.mend(ctx)
	var d Deployment
	if err == nil {
		d, err = r.observe(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w; what had begun could not be undone (%w); finish or undo it: bgctl heal %s", cause, err, op.To)
	}
	way := recoverOperation(&op, &d)
	after := way.after(&op, d.Active())
	r.phased, r.op, r.offset = false, op, len(r.plan.Steps)
	if err := r.steps(ctx, way.steps(&op, failure{cause: cause, after: after})); err != nil {
		return fmt.Errorf("%w; %s, but that could not be undone (%w); do it again: bgctl heal %s", cause, after, err, op.To)
	}
	if ill, ok := errors.AsType[*UnreadyError](cause); ok {
		ill.After = after
		return ill
	}
	return fmt.Errorf("%w; %s", cause, after)
}

// nothingToDo says why a plan is empty.
func nothingToDo(p *Plan) string {
	switch p.Action {
	case ActSwitch:
		return fmt.Sprintf("%s is active already, nothing to do", p.To)
	case ActHeal:
		return fmt.Sprintf("%s is healthy and under no fault, nothing to do", p.To)
	case ActPromote:
		return "no release is being watched, nothing to do"
	case ActChaos, ActRestart, ActDeploy, ActRollback, ActUp, ActDown:
	}
	return "nothing to do"
}
