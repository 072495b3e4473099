package bluegreen

import (
	"fmt"
	"slices"
)

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
	cut := d
	d = recovered(d)
	p.Undo = "bgctl switch " + d.Active().String()
	p.Old, p.New = d.Pool(d.Active()).Holds(), d.Pool(to).Holds()
	p.Checks = poolChecks(d, to)
	if err := p.gate(guardOf(opts.Force)); err != nil {
		return p, err
	}
	p.recover(cut, NoPool)
	p.switchSteps(d, &opts, sayMoved)
	p.bakeStep(opts.Bake)
	return p, nil
}

// switchSteps lists what moves traffic from the plan's pool to the other.
func (p *Plan) switchSteps(d *Deployment, opts *SwitchOptions, say func(*run) string) {
	from, to := p.From, p.To
	p.add(
		meterStep(from, to),
		recheckStep(d, fmt.Sprintf("refuse if %s is no longer active, or %s holds another release", from, to), nil, to),
	)
	if !opts.Force {
		p.add(probeStep(to, opts.Probes))
	}
	p.add(journalStep(Operation{From: from, To: to, Old: p.Old, New: p.New}, asWhole))
	p.moveSteps()
	p.add(closeStep(to, say))
}

// moveSteps lists what moves traffic between the opening of a journal entry and its end.
func (p *Plan) moveSteps() {
	from, to := p.From, p.To
	metered := slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Op == OpMeter })
	if !metered {
		p.add(meterStep(from, to))
	}
	p.add(routeStep(from, to), verifyStep(to), envStep(to), receiptStep(to))
}
