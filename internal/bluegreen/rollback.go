package bluegreen

import "fmt"

// RollbackOptions steer [PlanRollback].
type RollbackOptions struct {
	Force bool // act although a gate fails
}

// guard of the options.
func (o *RollbackOptions) guard() guard {
	if o.Force {
		return forced
	}
	return strict
}

// Previous is the release that took traffic before the one that does now.
type Previous struct {
	Release Release
	Op      Operation // the operation that took traffic away from it
}

// FindPrevious looks up in the journal what took traffic before. Going back twice
// goes back two releases, never forward again: a rollback takes the release that
// it left out of the list. Nil when traffic has never been moved.
func FindPrevious(d *Deployment) *Previous {
	if d.Router == nil {
		return nil
	}
	var served []Previous // what took traffic, and what ended that; newest last
	for i := range d.Router.Moves {
		op := &d.Router.Moves[i]
		if !op.Moved() || op.Old == nil {
			continue
		}
		if op.Kind == ActRollback {
			served = served[:max(len(served)-1, 0)]
			continue
		}
		served = append(served, Previous{Release: *op.Old, Op: *op})
	}
	if len(served) == 0 {
		return nil
	}
	return &served[len(served)-1]
}

// PlanRollback plans to go back to the release that took traffic before. When the
// standby still holds it, that is a switch; else it is put into the standby first.
// The gates of a switch are kept, because going back to a pool that is down would
// be an outage; a bake is ended by it. It refuses when there is nothing to go back to.
func PlanRollback(d *Deployment, opts RollbackOptions) (Plan, error) {
	p := Plan{Action: ActRollback, Project: d.Project, From: d.Active(), To: d.Active().Other(), Command: "bgctl rollback"}
	if err := needRouter(d, ActRollback); err != nil {
		return p, err
	}
	prev := FindPrevious(d)
	if prev == nil {
		return p, &RefusedError{
			Action: ActRollback, Reasons: []string{"the journal knows of no release that took traffic before this one"},
			Hint: fmt.Sprintf("to move traffic to what stands in %s: bgctl switch %s", p.To, p.To),
		}
	}
	p.Undo = "bgctl switch " + p.From.String()
	holds := d.Pool(p.To).Holds()
	p.Old, p.New = d.Pool(p.From).Holds(), &prev.Release
	back := Check{
		Name: "goes back to", OK: true,
		Text: fmt.Sprintf("%s, which took traffic until %s", &prev.Release, prev.Op.Finished.Local().Format("2006-01-02 15:04:05")),
	}
	if holds != nil && (prev.Release.Same(holds) || prev.Release.ImageID == "") {
		p.Checks = append([]Check{back}, poolChecks(d, p.To)...)
		if err := p.gate(opts.guard()); err != nil {
			return p, err
		}
		p.Severe = len(p.Forced) > 0
		p.switchSteps(&SwitchOptions{Force: opts.Force})
		return p, nil
	}
	spec := newSpec(prev.Release, &DeployOptions{})
	p.Deploy = &spec
	p.Undo = "" // what the standby held is replaced; going forward again is a deploy
	p.Checks = append([]Check{back}, deployChecks(d, p.To)...)
	if err := p.gate(opts.guard()); err != nil {
		return p, err
	}
	p.Severe = len(p.Forced) > 0
	p.deploySteps(holds)
	return p, nil
}

// PlanPromote plans to end the watching of a new release before its time: it stays.
func PlanPromote(d *Deployment) (Plan, error) {
	p := Plan{Action: ActPromote, Project: d.Project, From: d.Active(), To: d.Active(), Command: "bgctl promote"}
	if err := needRouter(d, ActPromote); err != nil {
		return p, err
	}
	if d.Router.Bake == nil {
		return p, nil
	}
	p.Undo = "bgctl rollback"
	p.Steps = []Step{
		{Op: OpLock, Text: "take the deployment's lock"},
		{Op: OpPromote, Pool: d.Router.Bake.Pool, Text: fmt.Sprintf("end the watching of %s; its release stays", d.Router.Bake.Pool)},
	}
	return p, nil
}

// PlanRestart plans to restart the containers of a pool one after the other, each
// ready again before the next. container, an ID or a name, restricts it to one.
func PlanRestart(d *Deployment, pool Pool, container string, opts RollbackOptions) (Plan, error) {
	p := Plan{
		Action: ActRestart, Project: d.Project, From: d.Active(), To: pool, Severe: d.Active() == pool,
		Command: "bgctl restart " + pool.String(),
	}
	if err := needRouter(d, ActRestart); err != nil {
		return p, err
	}
	ps := d.Pool(pool)
	var chosen []*Container
	for i := range ps.Containers {
		if c := &ps.Containers[i]; container == "" || container == c.ID || container == c.Name {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return p, &RefusedError{Action: ActRestart, Reasons: []string{fmt.Sprintf("%s has no such container", pool)}, Hint: "see them: bgctl status"}
	}
	if container != "" {
		p.Command = "bgctl restart " + chosen[0].Name
	}
	other := d.Pool(pool.Other())
	p.Checks = []Check{{
		Name: "other pool", OK: len(ps.Containers) > 1 || d.Active() != pool || other.Ready() && other.Fault == nil,
		Text: fmt.Sprintf("%s is %s; it must answer while %s restarts", pool.Other(), describe(other), pool),
	}}
	if err := p.gate(opts.guard()); err != nil {
		return p, err
	}
	p.Steps = []Step{{Op: OpLock, Text: "take the deployment's lock"}}
	for _, c := range chosen {
		p.Steps = append(
			p.Steps,
			Step{Op: OpRestart, Pool: pool, Container: c.ID, Text: "restart " + c.Name},
			Step{Op: OpReady, Pool: pool, Text: fmt.Sprintf("wait until %s is ready", pool)},
		)
	}
	return p, nil
}
