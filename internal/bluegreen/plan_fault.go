package bluegreen

import (
	"fmt"
	"time"
)

// ChaosOptions steer [PlanChaos].
type ChaosOptions struct {
	Mode  FaultMode
	For   time.Duration // 0: until healed
	Force bool          // act although no healthy pool would be left
}

// chaosChecks are the conditions for breaking a pool: the other one has to carry the
// traffic.
func chaosChecks(d *Deployment, pool Pool) []Check {
	other := d.Pool(pool.Other())
	return []Check{
		{
			Name: "other pool", OK: other.Ready() && other.Fault == nil,
			Text: fmt.Sprintf("%s is %s; it must carry the traffic", pool.Other(), describe(other)),
		},
		{
			Name: "target", OK: len(d.Pool(pool).Containers) > 0,
			Text: fmt.Sprintf("%s has %d container(s)", pool, len(d.Pool(pool).Containers)),
		},
		{Name: "no fault yet", OK: d.Pool(pool).Fault == nil, Text: faultText(d.Pool(pool))},
	}
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
	cut := d
	d = recovered(d)
	p.Checks = chaosChecks(d, pool)
	if err := p.gate(guardOf(opts.Force)); err != nil {
		return p, err
	}
	if opts.For > 0 {
		p.Command += " --for " + opts.For.String()
	}
	p.recover(cut, NoPool)
	gate := func(d *Deployment) error {
		again := Plan{Action: ActChaos, Checks: chaosChecks(d, pool)}
		return again.gate(guardOf(opts.Force))
	}
	p.add(recheckStep(d, fmt.Sprintf("refuse unless %s is still healthy", pool.Other()), gate))
	if !opts.Force {
		p.add(probeStep(pool.Other(), 1))
	}
	op := Operation{From: d.Active(), To: pool, Fault: &Fault{Pool: pool, Mode: opts.Mode}}
	p.add(
		recordStep(pool, opts.Mode, opts.For),
		journalStep(op, asWhole),
		breakStep(pool, opts.Mode),
		closeStep(pool, func(*run) string { return fmt.Sprintf("%s: %s injected", pool, opts.Mode) }),
	)
	if opts.For > 0 {
		p.add(
			unlockStep(), holdStep(pool, opts.For), relockStep(),
			repairStep(pool, "undo the fault"), readyStep(pool),
		)
	}
	return p, nil
}

// PlanHeal plans to undo every fault on pool, to bring its containers up, and to end what
// commands that were cut off left in their middle.
func PlanHeal(d *Deployment, pool Pool) (Plan, error) {
	p := Plan{
		Action: ActHeal, Project: d.Project, From: d.Active(), To: pool,
		Command: "bgctl heal " + pool.String(),
	}
	ps := d.Pool(pool)
	if ps.Fault == nil && ps.Ready() && !leftIn(d, pool) {
		return p, nil
	}
	if len(ps.Containers) == 0 {
		return p, &RefusedError{
			Action: ActHeal, Reasons: []string{fmt.Sprintf("%s has no container", pool)}, Hint: "create it: bgctl up",
		}
	}
	p.recover(d, NoPool)
	op := Operation{From: d.Active(), To: pool, Fault: ps.Fault}
	p.add(
		journalStep(op, asWhole),
		repairStep(pool, fmt.Sprintf("unpause, start and stop faults in %s", pool)),
		readyStep(pool),
		closeStep(pool, sayHealed),
	)
	return p, nil
}

// sayHealed is the outcome of a pool that was healed.
func sayHealed(r *run) string { return fmt.Sprintf("%s is healthy again", r.op.To) }
