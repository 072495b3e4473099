package bluegreen

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Action is what a plan does.
type Action string

// The actions.
const (
	ActSwitch  Action = "switch"
	ActChaos   Action = "chaos"
	ActHeal    Action = "heal"
	ActRestart Action = "restart"

	ActDeploy   Action = "deploy"
	ActRollback Action = "rollback"
	ActPromote  Action = "promote"
)

// StepOp is one kind of step.
type StepOp string

// The steps that the [Controller] can execute.
const (
	OpLock    StepOp = "lock"    // take the deployment's lock
	OpRecheck StepOp = "recheck" // observe again: has the world changed since planning?
	OpProbe   StepOp = "probe"   // ask the pool through nginx
	OpJournal StepOp = "journal" // record the operation before acting
	OpRoute   StepOp = "route"   // rename the flag file
	OpVerify  StepOp = "verify"  // the proxy answers from the new pool
	OpEnv     StepOp = "env"     // keep .env in step
	OpRecord  StepOp = "record"  // record the fault before acting
	OpBreak   StepOp = "break"   // inject the fault
	OpHold    StepOp = "hold"    // keep it for the asked time
	OpRepair  StepOp = "repair"  // undo the fault
	OpRestart StepOp = "restart" // restart a container
	OpReady   StepOp = "ready"   // wait until the pool is ready
	OpClose   StepOp = "close"   // close the journal entry
	OpUnlock  StepOp = "unlock"  // let others act while the fault stands
	OpRelock  StepOp = "relock"  // take the lock again, waiting for others to end

	OpImage   StepOp = "image"   // make sure the engine has the image
	OpSolo    StepOp = "solo"    // keep the pool out of the failover
	OpDrain   StepOp = "drain"   // wait until the pool has no request in flight
	OpInstall StepOp = "install" // recreate the pool's containers with the release
	OpKeep    StepOp = "keep"    // keep the image in .env in step
	OpAdmit   StepOp = "admit"   // let the pool take over again when the other one fails
	OpBake    StepOp = "bake"    // watch the new release, roll back on a breach
	OpPromote StepOp = "promote" // end the watching, the new release stays
)

// Step is one step of a plan.
type Step struct {
	Op        StepOp    `json:"op"`
	Pool      Pool      `json:"pool,omitempty"`
	Container string    `json:"container,omitempty"` // ID
	Mode      FaultMode `json:"mode,omitempty"`
	Count     int       `json:"count,omitempty"`
	Text      string    `json:"text"` // what it does, for people
}

// Check is one condition a plan was gated on.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Plan is what will be done, in order. It is a value: planning changes nothing,
// and the plan a dialog shows is the plan that runs.
type Plan struct {
	Action  Action        `json:"action"`
	Project string        `json:"project"`
	From    Pool          `json:"from,omitempty"` // active pool the plan was made for
	To      Pool          `json:"to,omitempty"`
	Mode    FaultMode     `json:"mode,omitempty"`
	For     time.Duration `json:"for,omitempty"`
	Checks  []Check       `json:"checks,omitempty"`
	Steps   []Step        `json:"steps"`
	Undo    string        `json:"undo,omitempty"`    // the command that undoes it
	Command string        `json:"command,omitempty"` // the command that does it
	Severe  bool          `json:"severe,omitempty"`  // users may notice: ask for the name
	Forced  []string      `json:"forced,omitempty"`  // gates that force skips
	Old     *Release      `json:"old,omitempty"`     // what takes traffic now
	New     *Release      `json:"new,omitempty"`     // what takes traffic afterwards, or stands in To
	Deploy  *DeploySpec   `json:"deploy,omitempty"`  // what is put into To
	Bake    *BakeSpec     `json:"bake,omitempty"`    // how it is watched afterwards
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// String is the plan as --dry-run prints it, one step a line.
func (p *Plan) String() string {
	var b strings.Builder
	for _, c := range p.Checks {
		mark := "ok  "
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "check %s  %s: %s\n", mark, c.Name, c.Text)
	}
	if p.Empty() {
		b.WriteString("nothing to do\n")
	}
	digits := len(strconv.Itoa(len(p.Steps)))
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%*d. %-8s %s\n", digits, i+1, s.Op, s.Text)
	}
	if p.Undo != "" {
		fmt.Fprintf(&b, "undo: %s\n", p.Undo)
	}
	return b.String()
}

// ErrRefused marks a plan that a gate refused; nothing was changed.
var ErrRefused = errors.New("refused")

// ErrChanged marks a plan whose world changed between planning and acting.
var ErrChanged = errors.New("state changed")

// RefusedError says which gates refused a plan.
type RefusedError struct {
	Action  Action
	Reasons []string
	Hint    string
}

// Error implements error.
func (e *RefusedError) Error() string {
	msg := fmt.Sprintf("%s refused: %s", e.Action, strings.Join(e.Reasons, "; "))
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// Is makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// SwitchOptions steer [PlanSwitch].
type SwitchOptions struct {
	Force  bool // act although a gate fails
	Probes int  // probes through nginx before the switch; 0 means 3
	Bake   BakeSpec
}

// PlanSwitch plans to move all traffic to pool. A plan for a pool that is active
// already is empty. It returns a [RefusedError] when a gate fails and force is off.
func PlanSwitch(d *Deployment, to Pool, opts SwitchOptions) (Plan, error) {
	p := Plan{
		Action: ActSwitch, Project: d.Project, From: d.Active(), To: to,
		Command: "bgctl switch " + to.String(),
	}
	if err := needRouter(d, ActSwitch); err != nil {
		return p, err
	}
	if d.Active() == to {
		return p, nil
	}
	p.Undo = "bgctl switch " + d.Active().String()
	p.Old, p.New = d.Pool(d.Active()).Holds(), d.Pool(to).Holds()
	p.Checks = poolChecks(d, to)
	if err := p.gate(opts.guard()); err != nil {
		return p, err
	}
	p.Severe = len(p.Forced) > 0
	p.switchSteps(&opts)
	p.bakeStep(opts.Bake)
	return p, nil
}

// switchSteps lists what moves traffic from the plan's pool to the other.
func (p *Plan) switchSteps(opts *SwitchOptions) {
	from, to := p.From, p.To
	probes := opts.Probes
	if probes == 0 {
		probes = 3
	}
	p.Steps = []Step{
		{Op: OpLock, Text: "take the deployment's lock"},
		{Op: OpRecheck, Pool: from, Text: fmt.Sprintf("refuse if %s is no longer active", from)},
	}
	if !opts.Force {
		p.Steps = append(p.Steps, Step{
			Op: OpProbe, Pool: to, Count: probes,
			Text: fmt.Sprintf("ask %s for /healthz through nginx, %d times", to, probes),
		})
	}
	p.Steps = append(
		p.Steps,
		Step{Op: OpJournal, Pool: to, Text: "write the operation to the journal"},
		Step{Op: OpRoute, Pool: to, Text: fmt.Sprintf("rename active/%s to active/%s in the proxy (no reload)", from, to)},
		Step{Op: OpVerify, Pool: to, Text: fmt.Sprintf("verify on fresh connections that %s answers", to)},
		Step{Op: OpEnv, Pool: to, Text: "keep ACTIVE_POOL in .env in step"},
		Step{Op: OpClose, Pool: to, Text: "close the journal entry with the receipt"},
	)
}

// ChaosOptions steer [PlanChaos].
type ChaosOptions struct {
	Mode  FaultMode
	For   time.Duration // 0: until healed
	Force bool          // act although no healthy pool would be left
}

// PlanChaos plans to break a pool. It refuses to break the last healthy one.
func PlanChaos(d *Deployment, pool Pool, opts ChaosOptions) (Plan, error) {
	p := Plan{
		Action: ActChaos, Project: d.Project, From: d.Active(), To: pool, Mode: opts.Mode, For: opts.For,
		Command: fmt.Sprintf("bgctl chaos %s --mode %s", pool, opts.Mode),
		Undo:    "bgctl heal " + pool.String(),
		Severe:  d.Active() == pool,
	}
	if err := needRouter(d, ActChaos); err != nil {
		return p, err
	}
	other := d.Pool(pool.Other())
	p.Checks = append(p.Checks, Check{
		Name: "other pool", OK: other.Ready() && other.Fault == nil,
		Text: fmt.Sprintf("%s is %s; it must carry the traffic", pool.Other(), describe(other)),
	}, Check{
		Name: "target", OK: len(d.Pool(pool).Containers) > 0,
		Text: fmt.Sprintf("%s has %d container(s)", pool, len(d.Pool(pool).Containers)),
	}, Check{
		Name: "no fault yet", OK: d.Pool(pool).Fault == nil,
		Text: faultText(d.Pool(pool)),
	})
	if err := p.gate(opts.guard()); err != nil {
		return p, err
	}
	p.Steps = []Step{
		{Op: OpLock, Text: "take the deployment's lock"},
		{Op: OpRecheck, Pool: pool, Mode: opts.Mode, Text: fmt.Sprintf("refuse unless %s is still healthy", pool.Other())},
		{Op: OpRecord, Pool: pool, Mode: opts.Mode, Text: "record the undo before acting"},
		{Op: OpBreak, Pool: pool, Mode: opts.Mode, Text: breakText(pool, opts.Mode)},
	}
	if opts.For > 0 {
		p.Command += " --for " + opts.For.String()
		p.Steps = append(
			p.Steps,
			Step{Op: OpUnlock, Text: "release the lock, so that others can act"},
			Step{Op: OpHold, Pool: pool, Text: fmt.Sprintf("keep it for %s", opts.For)},
			Step{Op: OpRelock, Text: "take the lock again"},
			Step{Op: OpRepair, Pool: pool, Text: "undo the fault"},
			Step{Op: OpReady, Pool: pool, Text: fmt.Sprintf("wait until %s is ready", pool)},
		)
	}
	return p, nil
}

// PlanHeal plans to undo every fault on pool and to bring its containers up.
func PlanHeal(d *Deployment, pool Pool) (Plan, error) {
	p := Plan{
		Action: ActHeal, Project: d.Project, From: d.Active(), To: pool,
		Command: "bgctl heal " + pool.String(),
	}
	ps := d.Pool(pool)
	if ps.Fault == nil && ps.Ready() && !leftOver(d, pool) {
		return p, nil
	}
	if len(ps.Containers) == 0 {
		return p, &RefusedError{
			Action: ActHeal, Reasons: []string{fmt.Sprintf("%s has no container", pool)}, Hint: "create it: bgctl up",
		}
	}
	p.Steps = []Step{
		{Op: OpLock, Text: "take the deployment's lock"},
		{Op: OpRepair, Pool: pool, Text: fmt.Sprintf("unpause, start and stop faults in %s", pool)},
		{Op: OpReady, Pool: pool, Text: fmt.Sprintf("wait until %s is ready", pool)},
	}
	return p, nil
}

// guard says whether a failed check refuses a plan or is listed in it.
type guard uint8

const (
	strict guard = iota
	forced
)

// guard of the options.
func (o *SwitchOptions) guard() guard {
	if o.Force {
		return forced
	}
	return strict
}

// guard of the options.
func (o *ChaosOptions) guard() guard {
	if o.Force {
		return forced
	}
	return strict
}

// gate refuses the plan when a check fails, or lists what force skips.
func (p *Plan) gate(g guard) error {
	var failed []string
	for _, c := range p.Checks {
		if !c.OK {
			failed = append(failed, c.Text)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	if g == strict {
		return &RefusedError{Action: p.Action, Reasons: failed, Hint: "nothing was changed; --force skips this check"}
	}
	p.Forced = failed
	return nil
}

// needRouter refuses what cannot be done without an answer of the proxy.
func needRouter(d *Deployment, act Action) error {
	switch {
	case d.Proxy == nil:
		return &RefusedError{Action: act, Reasons: []string{"there is no proxy container"}, Hint: "bring the stack up: bgctl up"}
	case d.Router == nil:
		return &RefusedError{Action: act, Reasons: []string{"the proxy does not answer: " + d.RouterErr}, Hint: "look at it: bgctl logs nginx"}
	}
	return nil
}

// poolChecks are the conditions for sending users to pool.
func poolChecks(d *Deployment, pool Pool) []Check {
	ps := d.Pool(pool)
	return []Check{
		{Name: "containers", OK: ps.Ready(), Text: fmt.Sprintf("%s is %s", pool, describe(ps))},
		{Name: "no fault", OK: ps.Fault == nil, Text: faultText(ps)},
	}
}

// describe says in words how a pool is.
func describe(ps *PoolState) string {
	if len(ps.Containers) == 0 {
		return "missing (no container)"
	}
	parts := make([]string, 0, len(ps.Containers))
	for i := range ps.Containers {
		c := &ps.Containers[i]
		word := c.State
		switch {
		case c.State == "exited":
			word = fmt.Sprintf("exited (code %d)", c.ExitCode)
		case c.State == "running" && c.Health != "":
			word = c.Health
		}
		parts = append(parts, word)
	}
	return strings.Join(parts, ", ")
}

// faultText says which injected fault a pool is under.
func faultText(ps *PoolState) string {
	if ps.Fault == nil {
		return fmt.Sprintf("no injected fault on %s", ps.Pool)
	}
	return fmt.Sprintf("%s is under an injected fault (%s); bgctl heal %s undoes it", ps.Pool, ps.Fault.Mode, ps.Pool)
}

// breakText says what a fault does.
func breakText(pool Pool, mode FaultMode) string {
	switch mode {
	case FaultKill:
		return fmt.Sprintf("SIGKILL every container of %s (the engine will not restart them)", pool)
	case FaultStop:
		return fmt.Sprintf("stop every container of %s gracefully", pool)
	case FaultPause:
		return fmt.Sprintf("freeze every container of %s", pool)
	case FaultError:
		return fmt.Sprintf("make %s answer 500 to every request", pool)
	case FaultTimeout:
		return fmt.Sprintf("make %s never answer", pool)
	case FaultSlow:
		return fmt.Sprintf("make %s answer late", pool)
	}
	return "unknown fault " + string(mode)
}
