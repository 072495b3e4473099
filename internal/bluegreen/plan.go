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

	ActUp   Action = "up"
	ActDown Action = "down"
)

// StepOp names a kind of step. Plans in JSON and the journal carry these names.
type StepOp string

// Step is one step of a plan. Each kind of step has a file of its own, which holds its
// words, its execution and what its being cut off means.
type Step struct {
	Op        StepOp    `json:"op"`
	Pool      Pool      `json:"pool,omitempty"`
	Container string    `json:"container,omitempty"` // ID
	Mode      FaultMode `json:"mode,omitempty"`
	Count     int       `json:"count,omitempty"`
	Text      string    `json:"text"` // what it does, for people
	// Detail lists what a step does that stands for several changes.
	Detail []string `json:"detail,omitempty"`

	act act
}

// Check is one condition a plan was gated on.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Plan is what will be done, in order. It is a value: planning changes nothing, and
// the steps that are shown are the steps that are executed.
type Plan struct {
	Action  Action        `json:"action"`
	Project string        `json:"project"`
	From    Pool          `json:"from,omitempty"` // active pool the plan was made for
	To      Pool          `json:"to,omitempty"`
	Mode    FaultMode     `json:"mode,omitempty"`
	For     time.Duration `json:"for,omitempty"`
	Checks  []Check       `json:"checks,omitempty"`
	Steps   []Step        `json:"steps"`
	Notes   []string      `json:"notes,omitempty"`   // what the operator should know, done or not
	Undo    string        `json:"undo,omitempty"`    // the command that undoes it
	Command string        `json:"command,omitempty"` // the command that does it
	Severe  bool          `json:"severe,omitempty"`  // users may notice: ask for the name
	Forced  []string      `json:"forced,omitempty"`  // gates that force skips
	Old     *Release      `json:"old,omitempty"`     // what takes traffic now
	New     *Release      `json:"new,omitempty"`     // what takes traffic afterwards, or stands in To
	Deploy  *DeploySpec   `json:"deploy,omitempty"`  // what is put into To
	Bake    *BakeSpec     `json:"bake,omitempty"`    // how it is watched afterwards
	// Recovers says what becomes of commands that were cut off, before anything else.
	Recovers []string `json:"recovers,omitempty"`

	left leftovers // what the plan was made to recover
	last string    // the newest operation in the journal when the plan was made
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 }

// add appends steps.
func (p *Plan) add(steps ...Step) { p.Steps = append(p.Steps, steps...) }

// String is the plan as --dry-run prints it, one step a line.
func (p *Plan) String() string {
	var b strings.Builder
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, cut := range p.Recovers {
		fmt.Fprintf(&b, "recovers: %s\n", cut)
	}
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
	digits, width := len(strconv.Itoa(len(p.Steps))), 8
	for _, s := range p.Steps {
		width = max(width, len(s.Op))
	}
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%*d. %-*s %s\n", digits, i+1, width, s.Op, s.Text)
		for _, line := range s.Detail {
			fmt.Fprintf(&b, "%*s%s\n", digits+width+3, "", line)
		}
	}
	if p.Undo != "" {
		fmt.Fprintf(&b, "undo: %s\n", p.Undo)
	}
	return b.String()
}

// ErrRefused marks a plan that a gate refused; nothing was changed.
var ErrRefused = errors.New("refused")

// ErrChanged marks a plan whose world changed between planning and acting. Nothing
// that the plan names was done.
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

// guard says whether a failed check refuses a plan or is listed in it.
type guard uint8

const (
	strict guard = iota
	forced
)

// guardOf is the guard that a --force flag asks for.
func guardOf(force bool) guard { //nolint:revive // the flag is the user's --force, which every planner passes on
	if force {
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
	p.Severe = true
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
	text := strings.Join(parts, ", ")
	if why := ps.silence(); why != "" {
		text += ", but does not answer the proxy: " + why
	}
	return text
}

// faultText says which injected fault a pool is under.
func faultText(ps *PoolState) string {
	if ps.Fault == nil {
		return fmt.Sprintf("no injected fault on %s", ps.Pool)
	}
	return fmt.Sprintf("%s is under an injected fault (%s); bgctl heal %s undoes it", ps.Pool, ps.Fault.Mode, ps.Pool)
}
