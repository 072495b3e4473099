package drill

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// Command is what stands in the records of a drill's faults.
const Command = "bgctl drill"

// Step is one phase as the plan tells it.
type Step struct {
	Phase  Phase  `json:"phase"`
	Text   string `json:"text"`
	Breaks bool   `json:"breaks,omitempty"`
}

// Plan is what a drill will do. Planning changes nothing.
type Plan struct {
	Project string         `json:"project"`
	Active  bluegreen.Pool `json:"active"`
	Steps   []Step         `json:"steps"`
	Notes   []string       `json:"notes,omitempty"`  // what the operator should know
	Forced  []string       `json:"forced,omitempty"` // gates that --force skips
	Undo    string         `json:"undo"`
	// Left are pools that a drill that died left broken; they are healed first.
	Left []bluegreen.Pool `json:"left,omitempty"`
}

// String is the plan as --dry-run prints it.
func (p *Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "drill of %s, active %s\n", p.Project, p.Active)
	for i, s := range p.Steps {
		breaks := " "
		if s.Breaks {
			breaks = "!"
		}
		fmt.Fprintf(&b, "%d.%s%-9s %s\n", i+1, breaks, s.Phase, s.Text)
	}
	for _, n := range p.Forced {
		fmt.Fprintf(&b, "forced: %s\n", n)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "undo: %s\n", p.Undo)
	return b.String()
}

// PlanDrill plans a drill of a deployment. It returns a [bluegreen.RefusedError] when
// the deployment is not ok and force is off, and a [bluegreen.LockedError] while
// somebody else changes it. running tells whether the holder of a fault is alive.
func PlanDrill(d *bluegreen.Deployment, s *Settings, o Options, running func(bluegreen.Fault) bool) (Plan, error) {
	o = o.Normal()
	p := Plan{Project: d.Project, Active: d.Active()}
	if d.Router == nil || p.Active == bluegreen.NoPool {
		why := d.RouterErr
		if why == "" {
			why = "no pool is active"
		}
		return p, refused("the proxy does not say where traffic goes: " + why)
	}
	if d.Router.Lock != nil {
		return p, &bluegreen.LockedError{Holder: *d.Router.Lock}
	}
	clean := *d
	if err := p.leftovers(&clean, running); err != nil {
		return p, err
	}
	if reasons := notOK(&clean, p.Left); len(reasons) > 0 {
		if !o.Force {
			return p, refused(reasons...)
		}
		p.Forced = reasons
	}
	p.Undo = "bgctl heal " + p.Active.String() + " (the drill does it by itself, however it ends)"
	p.steps(s, &o)
	p.note(d, s, &o)
	return p, nil
}

// refused refuses a drill.
func refused(reasons ...string) error {
	return &bluegreen.RefusedError{Action: "drill", Reasons: reasons, Hint: "nothing was changed; see bgctl status, or --force"}
}

// leftovers finds the faults of drills that died.
func (p *Plan) leftovers(d *bluegreen.Deployment, running func(bluegreen.Fault) bool) error {
	for _, pool := range bluegreen.Pools() {
		f := d.Pool(pool).Fault
		if f == nil || !strings.HasPrefix(f.By.What, Command) {
			continue
		}
		if running(*f) {
			return &bluegreen.LockedError{Holder: f.By}
		}
		p.Left = append(p.Left, pool)
		p.Notes = append(p.Notes, fmt.Sprintf("a drill by %s@%s left %s under %s at %s: that is undone first",
			f.By.User, f.By.Host, pool, f.Mode, f.Since.Local().Format("15:04:05")))
	}
	return nil
}

// notOK says what is wrong with a deployment, but for the pools that are healed first.
func notOK(d *bluegreen.Deployment, left []bluegreen.Pool) []string {
	var reasons []string
	add := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	if d.Proxy == nil || !d.Proxy.Up() {
		add("the proxy is %s", state(d.Proxy))
	}
pools:
	for _, pool := range bluegreen.Pools() {
		for _, l := range left {
			if l == pool {
				continue pools
			}
		}
		ps := d.Pool(pool)
		if ps.Fault != nil {
			add("%s is under a fault (%s): bgctl heal %s", pool, ps.Fault.Mode, pool)
		} else if !ps.Ready() {
			add("%s is not ready: bgctl heal %s", pool, pool)
		}
	}
	if d.Watcher != nil && !d.Watcher.Up() {
		add("the watcher is %s", state(d.Watcher))
	}
	return reasons
}

// state says how a container is.
func state(c *bluegreen.Container) string {
	switch {
	case c == nil:
		return "missing"
	case c.State == "running" && c.Health != "":
		return c.Health
	}
	return c.State
}

// steps lists what was asked for.
func (p *Plan) steps(s *Settings, o *Options) {
	texts := map[Phase]string{
		Health: "look at every container, the proxy, both pools, the watcher and where it posts",
		Baseline: fmt.Sprintf("%g requests/s (GET and POST %s) for %s: none lost, all by %s",
			o.Rate, o.Path, o.Duration, p.Active),
		Failover: fmt.Sprintf("%s %s under the same traffic for at least %s, then heal it: no GET lost, %s answers, the watcher tells",
			o.Mode, p.Active, o.Duration, p.Active.Other()),
		Errors: fmt.Sprintf("make %s fail POST requests until the error rate fires (about %d of them at %g %% of %d), then heal it",
			p.Active, errorsNeeded(&s.Alert, s.Alert.Window), s.Alert.ThresholdPercent, s.Alert.Window),
		Log:     "find every request of the drill in the access log, once",
		Slack:   "compare the alerts with what the receiver accepted",
		Restore: fmt.Sprintf("both pools healed and ready, %s active, nothing left behind", p.Active),
	}
	for _, phase := range append(Phases(), Restore) {
		if o.has(phase) {
			p.Steps = append(p.Steps, Step{Phase: phase, Text: texts[phase], Breaks: phase == Failover || phase == Errors})
		}
	}
}

// note says what deserves saying before anything is broken.
func (p *Plan) note(d *bluegreen.Deployment, s *Settings, o *Options) {
	if s.Alert.Cooldown > 0 && !o.Wait {
		p.Notes = append(p.Notes, fmt.Sprintf("a message within %s of the last one of its type is muted by the cooldown, which counts as correct", s.Alert.Cooldown))
	}
	if s.Maintenance {
		p.Notes = append(p.Notes, "MAINTENANCE_MODE is on: messages about pools are muted, which counts as correct")
	}
	if d.Watcher == nil {
		p.Notes = append(p.Notes, "this project has no watcher: alerts are not judged")
	}
	if op := d.Router.Unfinished; op != nil {
		p.Notes = append(p.Notes, bluegreen.Describe(*op, p.Active)+"; the drill settles it")
	}
}

// Breaks reports whether the plan breaks anything.
func (p *Plan) Breaks() bool {
	for _, s := range p.Steps {
		if s.Breaks {
			return true
		}
	}
	return false
}

// FaultLimit is when a fault of a drill was meant to be over at the latest. Until
// then a fault by another machine counts as that of a running drill.
const FaultLimit = 3 * time.Minute
