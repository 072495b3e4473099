package bluegreen

import "fmt"

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
	cut := d
	d = recovered(d)
	p.Checks = restartChecks(d, pool)
	if err := p.gate(guardOf(opts.Force)); err != nil {
		return p, err
	}
	p.recover(cut, NoPool)
	gate := func(d *Deployment) error {
		again := Plan{Action: ActRestart, Checks: restartChecks(d, pool)}
		return again.gate(guardOf(opts.Force))
	}
	p.add(
		recheckStep(d, fmt.Sprintf("refuse unless something answers while %s restarts", pool), gate),
		journalStep(Operation{From: d.Active(), To: pool, New: ps.Holds()}, asWhole),
	)
	for _, c := range chosen {
		p.add(restartStep(pool, c), readyStep(pool))
	}
	p.add(closeStep(pool, sayHealed))
	return p, nil
}

// restartChecks are the conditions for restarting containers of pool.
func restartChecks(d *Deployment, pool Pool) []Check {
	ps, other := d.Pool(pool), d.Pool(pool.Other())
	return []Check{{
		Name: "other pool", OK: len(ps.Containers) > 1 || d.Active() != pool || other.Ready() && other.Fault == nil,
		Text: fmt.Sprintf("%s is %s; it must answer while %s restarts", pool.Other(), describe(other), pool),
	}}
}
