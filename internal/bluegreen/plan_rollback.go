package bluegreen

import "fmt"

// RollbackOptions steer [PlanRollback].
type RollbackOptions struct {
	Force bool // act although a gate fails
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
		if op.Kind == ActUp && op.Old.Same(op.New) {
			continue // the same release, with another configuration
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
	cut := d
	d = recovered(d)
	holds := d.Pool(p.To).Holds()
	p.Old, p.New = d.Pool(p.From).Holds(), &prev.Release
	back := Check{
		Name: "goes back to", OK: true,
		Text: fmt.Sprintf("%s, which took traffic until %s", &prev.Release, prev.Op.Finished.Local().Format("2006-01-02 15:04:05")),
	}
	if holds != nil && (prev.Release.Same(holds) || prev.Release.ImageID == "") {
		p.Checks = append([]Check{back}, poolChecks(d, p.To)...)
		if err := p.gate(guardOf(opts.Force)); err != nil {
			return p, err
		}
		p.recover(cut, NoPool)
		p.switchSteps(d, &SwitchOptions{Force: opts.Force}, sayBack)
		return p, nil
	}
	spec := newSpec(prev.Release, &DeployOptions{})
	p.Deploy = &spec
	p.Undo = "" // what the standby held is replaced; going forward again is a deploy
	p.Checks = append([]Check{back}, deployChecks(d, p.To)...)
	if err := p.gate(guardOf(opts.Force)); err != nil {
		return p, err
	}
	p.deploySteps(cut, guardOf(opts.Force))
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
	p.recover(d, NoPool)
	if d.Router.Bake.Live {
		p.add(promoteStep(d.Router.Bake))
	}
	return p, nil
}
