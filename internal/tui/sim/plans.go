package sim

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
)

// bakeSteps is how many paces a release is watched for.
const bakeSteps = 100

// planRollback plans the way back to the other pool's release.
func planRollback(d *bluegreen.Deployment) (bluegreen.Plan, error) {
	p, err := bluegreen.PlanSwitch(d, d.Active().Other(), bluegreen.SwitchOptions{})
	p.Action, p.Command = bluegreen.ActRollback, "bgctl rollback"
	if err != nil {
		return p, err
	}
	p.New = &bluegreen.Release{ID: d.Pool(p.To).Release()}
	return p, err
}

// planDeploy plans to put an image into the standby pool, to move traffic there and
// to watch it.
func planDeploy(d *bluegreen.Deployment, image string) (bluegreen.Plan, error) {
	to := d.Active().Other()
	if strings.ContainsAny(image, " \t") || image == "" {
		return bluegreen.Plan{}, &bluegreen.RefusedError{Action: bluegreen.ActDeploy, Reasons: []string{fmt.Sprintf("%q is no image", image)}}
	}
	p := bluegreen.Plan{
		Action: bluegreen.ActDeploy, Project: d.Project, From: d.Active(), To: to,
		Command: "bgctl deploy " + image, Undo: "bgctl rollback", New: &bluegreen.Release{Image: image},
		Checks: []bluegreen.Check{{Name: "active pool", OK: d.Pool(d.Active()).Ready(), Text: d.Active().String() + " carries the traffic meanwhile"}},
		Steps: []bluegreen.Step{
			{Op: bluegreen.OpLock, Text: "take the deployment's lock"},
			{Op: bluegreen.OpImage, Container: image, Text: "make sure the engine has " + image},
			{Op: bluegreen.OpJournal, Pool: to, Text: "write the operation to the journal"},
			{Op: bluegreen.OpInstall, Pool: to, Container: image, Text: fmt.Sprintf("recreate the containers of %s with %s", to, image)},
			{Op: bluegreen.OpReady, Pool: to, Text: fmt.Sprintf("wait until %s is ready", to)},
			{Op: bluegreen.OpProbe, Pool: to, Count: 3, Text: fmt.Sprintf("ask %s for /healthz through nginx, 3 times", to)},
			{Op: bluegreen.OpRoute, Pool: to, Text: fmt.Sprintf("rename active/%s to active/%s in the proxy (no reload)", d.Active(), to)},
			{Op: bluegreen.OpVerify, Pool: to, Text: fmt.Sprintf("verify on fresh connections that %s answers", to)},
			{Op: bluegreen.OpBake, Pool: to, Text: fmt.Sprintf("watch %s; roll back by itself above the threshold", to)},
		},
	}
	return p, nil
}

// planRestart plans to restart one container.
func planRestart(d *bluegreen.Deployment, id string) (bluegreen.Plan, error) {
	for _, pool := range bluegreen.Pools() {
		for _, c := range d.Pool(pool).Containers {
			if c.ID != id {
				continue
			}
			return bluegreen.Plan{
				Action: bluegreen.ActRestart, Project: d.Project, From: d.Active(), To: pool, Severe: pool == d.Active(),
				Command: "bgctl restart " + c.Service,
				Steps: []bluegreen.Step{
					{Op: bluegreen.OpLock, Text: "take the deployment's lock"},
					{Op: bluegreen.OpRestart, Pool: pool, Container: id, Text: "restart " + c.Name},
					{Op: bluegreen.OpReady, Pool: pool, Text: fmt.Sprintf("wait until %s is ready", pool)},
				},
			}, nil
		}
	}
	return bluegreen.Plan{}, &bluegreen.RefusedError{Action: bluegreen.ActRestart, Reasons: []string{"the container belongs to no pool"}}
}

// planPromote plans to end a bake.
func planPromote(d *bluegreen.Deployment) (bluegreen.Plan, error) {
	return bluegreen.Plan{
		Action: bluegreen.ActPromote, Project: d.Project, From: d.Active(), To: d.Active(), Command: "bgctl promote", Undo: "bgctl rollback",
		Steps: []bluegreen.Step{
			{Op: bluegreen.OpLock, Text: "take the deployment's lock"},
			{Op: bluegreen.OpPromote, Pool: d.Active(), Text: fmt.Sprintf("end the watching of %s; its release stays", d.Active())},
		},
	}, nil
}

// Phase tells whether a release is being watched.
func (s *Stack) Phase(*bluegreen.Deployment) *tui.Phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == nil {
		return nil
	}
	p := *s.phase
	if p.Kind == tui.PhaseBaking {
		p.Rate = s.detector.Window().Rate
	}
	return &p
}

// bake watches a release for a while and takes it back when it fails.
func (s *Stack) bake(ctx context.Context, plan *bluegreen.Plan) (string, error) {
	limit := s.opts.Alert.ThresholdPercent
	s.mu.Lock()
	s.dep.Router.Lock = nil // others may act while it is watched
	now := s.opts.Now()
	s.phase = &tui.Phase{Kind: tui.PhaseBaking, Pool: plan.To, Since: now, Until: now.Add(bakeSteps * s.opts.Pace), Threshold: limit}
	s.mu.Unlock()
	for range bakeSteps {
		if err := s.wait(ctx); err != nil {
			s.setPhase(nil)
			return "", err
		}
		if detail, ended, err := s.watchBake(plan); ended {
			return detail, err
		}
	}
	s.setPhase(nil)
	return "no breach", nil
}

// watchBake looks once at a release that is watched.
func (s *Stack) watchBake(plan *bluegreen.Plan) (detail string, ended bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == nil || s.phase.Kind != tui.PhaseBaking || s.dep.Active() != plan.To {
		s.phase = nil
		return "ended by an operator", true, nil
	}
	w := s.detector.Window()
	if s.opts.Pace <= 0 || w.N < w.MinSamples || w.Rate <= s.opts.Alert.ThresholdPercent {
		return "", false, nil
	}
	s.dep.Router.Active = plan.From
	s.phase = &tui.Phase{
		ID: strconv.FormatInt(s.opts.Now().UnixNano(), 10), Kind: tui.PhaseRolledBack, Pool: plan.From, Since: s.phase.Since, Until: s.opts.Now(),
		Rate: w.Rate, Threshold: s.opts.Alert.ThresholdPercent,
		Text: fmt.Sprintf("err %.1f%% above %g%% on %s", w.Rate, s.opts.Alert.ThresholdPercent, plan.To),
	}
	return "", true, fmt.Errorf("rolled back to %s: err %.1f%% above %g%%", plan.From, w.Rate, s.opts.Alert.ThresholdPercent)
}

// setPhase replaces the phase.
func (s *Stack) setPhase(p *tui.Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = p
}

// install puts an image into a pool.
func (s *Stack) install(pool bluegreen.Pool, image string) {
	now := s.opts.Now()
	for i := range s.dep.Pool(pool).Containers {
		c := &s.dep.Pool(pool).Containers[i]
		c.Image, c.StartedAt, c.Restarts = image, now, 0
		c.Release = "v" + strings.TrimPrefix(tag(image), "v")
		c.ID = fmt.Sprintf("%x%x", now.UnixNano(), c.Name)[:32]
	}
}

// tag is the tag of an image, "latest" without one.
func tag(image string) string {
	if _, t, ok := strings.Cut(path.Base(image), ":"); ok {
		return t
	}
	return "latest"
}

// maintain mutes the simulated watcher.
func (s *Stack) maintain(_ context.Context, m tui.Maintenance) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Scope == alert.ScopeNone {
		s.muted = alert.Maintenance{}
		s.detector.SetMaintenance(alert.ScopeNone, time.Time{})
		return "maintenance is off: messages are posted again", nil
	}
	s.muted = alert.Maintenance{Scope: m.Scope, Until: s.opts.Now().Add(m.For)}
	s.detector.SetMaintenance(m.Scope, s.muted.Until)
	return "messages are muted until " + s.muted.Until.Format("15:04:05"), nil
}

// acknowledge notes that somebody looks after an alert.
func (s *Stack) acknowledge(_ context.Context, ev alert.Event) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	until := now.Add(alert.DefaultAck)
	s.judge(s.detector.Acknowledge(alert.Ack{Type: ev.Type, Alert: ev.ID, By: holder, At: now, Until: until}))
	return fmt.Sprintf("%s is neither repeated nor escalated until %s", ev.Type, until.Format(time.TimeOnly)), nil
}
