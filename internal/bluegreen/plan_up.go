package bluegreen

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// UpSpec is what a file asks of a deployment that runs, beyond what is there.
type UpSpec struct {
	Command string
	// Images lists the images that have to be got, Changes what is done beside pools and
	// proxy, a line each.
	Images  []string
	Changes []string
	// Settings are the proxy's settings as the file has them, Changed the variables among
	// them that are not in force.
	Settings map[string]string
	Changed  []string
	// Pools are the pools whose containers are not what the file asks for.
	Pools map[Pool]PoolWant
	// Replace says why the proxy's container has to be replaced, "" when it stays; LastGap
	// is how long nothing answered when that was done before.
	Replace string
	LastGap time.Duration
	// Active is the pool that the file newly wants traffic on, [NoPool] for none.
	Active  Pool
	Notes   []string
	Timeout time.Duration // until a pool is ready; 0: [DeployTimeout]
}

// PoolWant is what a pool shall hold.
type PoolWant struct {
	Release Release
	Cause   string // what differs
	Intent  bool   // the release is another one than the pool holds
}

// PlanUp plans to make a running deployment match its file. Pools are changed one after
// the other, each while it takes no traffic, through the gates of a deploy; users see no
// other release than the file asks for.
func PlanUp(d *Deployment, spec *UpSpec) (Plan, error) {
	p := Plan{
		Action: ActUp, Project: d.Project, From: d.Active(), To: d.Active(),
		Command: spec.Command, Notes: spec.Notes, Severe: spec.Replace != "",
	}
	if err := needRouter(d, ActUp); err != nil {
		return p, err
	}
	rolls := planRolls(d, spec)
	moves := spec.Active != NoPool && spec.Active != d.Active() && len(rolls) == 0
	if len(rolls) == 0 && len(spec.Images)+len(spec.Changes) == 0 && len(spec.Changed) == 0 && spec.Replace == "" && !moves {
		return p, nil
	}
	if len(rolls) > 0 || moves {
		if err := needNoBake(d, ActUp); err != nil {
			return p, err
		}
	}
	if err := p.gateRolls(d, rolls); err != nil {
		return p, err
	}
	p.recover(d, NoPool)
	p.add(recheckStep(d, fmt.Sprintf("refuse unless %s still takes traffic, and the pools hold what they held", p.From), nil, Blue, Green))
	p.changeSteps(spec)
	for _, ro := range rolls {
		p.Old, p.New = ro.old, &ro.spec.Release
		switch {
		case ro.stands:
			p.From, p.To = ro.from, ro.pool
			p.switchSteps(d, &SwitchOptions{}, sayMoved)
			continue
		case !ro.spec.Staged:
			p.From, p.To = ro.from, ro.pool
		}
		p.add(imageStep(ro.pool, &ro.spec, ro.before))
		p.roll(ro, EndDone, sayRolled)
	}
	if moves {
		p.To = spec.Active
		p.Old, p.New = d.Pool(p.From).Holds(), d.Pool(p.To).Holds()
		p.Checks = append(p.Checks, poolChecks(d, p.To)...)
		if err := p.gate(strict); err != nil {
			p.Steps = nil
			return p, err
		}
		p.switchSteps(d, &SwitchOptions{}, sayMoved)
	}
	if spec.Replace != "" {
		p.add(
			journalStep(Operation{From: p.To, To: p.To, Change: []string{"proxy: " + spec.Replace}}, asWhole),
			replaceStep(spec.Replace, spec.LastGap),
			closeStep(p.To, func(r *run) string {
				return "the proxy was replaced; " + nothingAnswered(r.outcome.Gap)
			}),
		)
	}
	p.From = d.Active()
	return p, nil
}

// changeSteps lists what is changed beside the pools. The proxy's settings are tested, and
// the images got, before anything is changed.
func (p *Plan) changeSteps(spec *UpSpec) {
	what := slices.Clone(spec.Changes)
	if len(spec.Changed) > 0 {
		p.add(checkStep(spec.Settings, spec.Changed))
	}
	if len(spec.Images) > 0 {
		p.add(fetchStep(spec.Images))
	}
	if len(spec.Changes)+len(spec.Changed) == 0 {
		return
	}
	if len(spec.Changed) > 0 {
		what = append(what, "proxy settings: "+strings.Join(spec.Changed, ", "))
	}
	p.add(journalStep(Operation{From: p.From, To: p.From, Change: what}, asWhole))
	if len(spec.Changes) > 0 {
		p.add(convergeStep(spec.Changes))
	}
	if len(spec.Changed) > 0 {
		p.add(configureStep(spec.Settings, spec.Changed))
	}
	p.add(closeStep(p.From, func(*run) string { return "changed: " + strings.Join(what, "; ") }))
}

// sayRolled is the outcome of a pool that holds what the file asks for.
func sayRolled(r *run) string {
	say := fmt.Sprintf("%s stands in %s", r.op.New, r.op.To)
	if !r.op.Staged {
		say += ", " + sayMoved(r)
	}
	return join(r.outcome.Message, say)
}

// planRolls decides which pool is given what, and in which order. The standby is first. A
// change of the active pool is put into the standby, and traffic moves there; the pool
// that had it takes what the standby was to hold. So the release that users see stays the
// same unless the file asks for another one, and so does the one that a rollback goes to.
func planRolls(d *Deployment, spec *UpSpec) []roll {
	active := d.Active()
	standby := active.Other()
	mine, changes := spec.Pools[active]
	other, otherChanges := spec.Pools[standby]
	timeout := spec.Timeout
	if timeout == 0 {
		timeout = DeployTimeout
	}
	rollTo := func(pool, from Pool, rel Release, traffic bool) roll {
		return roll{
			pool: pool, from: from, before: d.Pool(pool).Holds(), old: d.Pool(from).Holds(),
			spec: DeploySpec{Release: rel, Pull: PullMissing, Timeout: timeout, Staged: !traffic},
		}
	}
	switch {
	case !changes && !otherChanges:
		return nil
	case !changes:
		return []roll{rollTo(standby, active, other.Release, false)}
	}
	first := rollTo(standby, active, mine.Release, true)
	first.stands = !otherChanges && mine.Release.Same(first.before)
	rolls := []roll{first}
	// What had traffic is the rollback from now on. It is replaced when the file asks for
	// another release there, or when its configuration is the old one.
	var second *Release
	switch {
	case otherChanges && other.Intent:
		second = &other.Release
	case !mine.Intent && otherChanges:
		second = &other.Release
	case !mine.Intent:
		second = d.Pool(standby).Holds()
	default:
		return rolls
	}
	if second == nil {
		second = &mine.Release
	}
	last := rollTo(active, standby, *second, false)
	last.old = &mine.Release
	return append(rolls, last)
}

// gateRolls refuses to replace what stands in a pool while the other one could not carry
// all traffic alone.
func (p *Plan) gateRolls(d *Deployment, rolls []roll) error {
	if len(rolls) == 0 {
		return nil
	}
	p.Checks = deployChecks(d, d.Active().Other())
	err := p.gate(strict)
	if refused, ok := err.(*RefusedError); ok { //nolint:errorlint // gate returns this very type
		refused.Hint = "nothing was changed; see how the pools are: bgctl status"
	}
	return err
}

// DownSpec is what `down` removes.
type DownSpec struct {
	Command string
	What    []string // a line for each container, network and volume
	Notes   []string // what is left, and why
	Data    bool     // volumes are among it
}

// PlanDown plans to remove a deployment. It takes the lock where there is a proxy that can
// give it, so that no other command is cut off in its middle.
func PlanDown(d *Deployment, spec *DownSpec) Plan {
	p := Plan{
		Action: ActDown, Project: d.Project, From: d.Active(), Command: spec.Command,
		Notes: spec.Notes, Severe: spec.Data,
	}
	if len(spec.What) == 0 {
		return p
	}
	if d.Router != nil {
		p.left, p.last = leftOf(d.Router), lastOf(d.Router)
		p.add(lockStep())
	}
	p.add(removeStep(spec.What))
	return p
}
