package sim

import (
	"context"
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

// Execute runs a plan on the simulated deployment, step by step.
func (s *Stack) Execute(ctx context.Context, plan bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
	out := bluegreen.Outcome{Plan: plan, Undo: plan.Undo}
	begin := s.opts.Now()
	defer s.unlock()
	for i, step := range plan.Steps {
		start := s.opts.Now()
		p := bluegreen.Progress{Index: i, Total: len(plan.Steps), Step: step, State: bluegreen.StepWorking}
		on(p)
		err := s.wait(ctx)
		if err == nil {
			p.Detail, err = s.do(ctx, &plan, step)
		}
		p.State, p.Elapsed = bluegreen.StepDone, s.opts.Now().Sub(start)
		if err != nil {
			p.State, p.Detail = bluegreen.StepFailed, err.Error()
			on(p)
			return out, err
		}
		on(p)
	}
	out.Message = message(&plan, s.opts.Now().Sub(begin))
	if plan.Action == bluegreen.ActSwitch {
		out.Receipt = &bluegreen.Receipt{Sent: 412, FirstNew: 3, LastOld: 0, Idle: "kept", Long: "kept"}
	}
	return out, nil
}

// wait lets one step take its time.
func (s *Stack) wait(ctx context.Context) error {
	if s.opts.Pace <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(s.opts.Pace)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("nothing moved: %w", ctx.Err())
	}
}

// message says what a plan came to.
func message(plan *bluegreen.Plan, took time.Duration) string {
	switch plan.Action {
	case bluegreen.ActSwitch:
		return fmt.Sprintf("traffic: %s → %s in %d ms", plan.From, plan.To, took.Milliseconds())
	case bluegreen.ActChaos:
		return fmt.Sprintf("%s is broken (%s)", plan.To, plan.Mode)
	case bluegreen.ActHeal:
		return fmt.Sprintf("%s is healed and ready", plan.To)
	case bluegreen.ActRestart:
		return fmt.Sprintf("a container of %s was restarted", plan.To)
	case bluegreen.ActDeploy:
		return fmt.Sprintf("deployed to %s; traffic: %s → %s", plan.To, plan.From, plan.To)
	case bluegreen.ActRollback:
		return fmt.Sprintf("rolled back: %s → %s in %d ms", plan.From, plan.To, took.Milliseconds())
	case bluegreen.ActPromote:
		return fmt.Sprintf("%s stays: the bake was ended", plan.To)
	case bluegreen.ActUp, bluegreen.ActDown:
	}
	return "done"
}

// unlock gives the lock back.
func (s *Stack) unlock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dep.Router.Lock = nil
}

// do does one step, also one that takes its time.
func (s *Stack) do(ctx context.Context, plan *bluegreen.Plan, step bluegreen.Step) (string, error) {
	if step.Op == bluegreen.OpBake {
		return s.bake(ctx, plan)
	}
	return s.step(plan, step)
}

// step does one step.
func (s *Stack) step(plan *bluegreen.Plan, step bluegreen.Step) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	switch step.Op { //nolint:exhaustive // the other steps change nothing that is simulated
	case bluegreen.OpLock, bluegreen.OpRelock:
		s.dep.Router.Lock = &bluegreen.Holder{User: holder, Host: "demo", PID: 812, What: plan.Command, Since: now}
	case bluegreen.OpProbe:
		if !s.dep.Pool(step.Pool).Ready() {
			return "", &bluegreen.RefusedError{Action: plan.Action, Reasons: []string{step.Pool.String() + " does not answer"}}
		}
		return fmt.Sprintf("%d of %d ok, worst 9 ms", step.Count, step.Count), nil
	case bluegreen.OpRoute:
		s.route(step.Pool)
	case bluegreen.OpBreak:
		s.wreck(step.Pool, step.Mode)
	case bluegreen.OpRepair:
		s.repair(step.Pool)
	case bluegreen.OpInstall:
		s.install(step.Pool, step.Container)
	case bluegreen.OpPromote:
		s.phase = nil
	case bluegreen.OpRestart:
		for _, c := range s.all() {
			if c.ID == step.Container {
				c.StartedAt, c.Restarts = now, c.Restarts+1
			}
		}
	}
	return "", nil
}

// route moves traffic. The watcher sees it by the next request.
func (s *Stack) route(to bluegreen.Pool) { s.dep.Router.Active = to }

// wreck injects a fault.
func (s *Stack) wreck(pool bluegreen.Pool, mode bluegreen.FaultMode) {
	ps := s.dep.Pool(pool)
	ps.Fault = &bluegreen.Fault{Pool: pool, Mode: mode, Since: s.opts.Now(), By: bluegreen.Holder{User: holder, Host: "demo"}}
	s.dep.Router.Faults = append(s.dep.Router.Faults, *ps.Fault)
	if mode == bluegreen.FaultKill || mode == bluegreen.FaultStop {
		for i := range ps.Containers {
			ps.Containers[i].State, ps.Containers[i].ExitCode = "exited", 137
		}
	}
}

// repair undoes the faults of a pool.
func (s *Stack) repair(pool bluegreen.Pool) {
	ps := s.dep.Pool(pool)
	ps.Fault, s.dep.Router.Faults = nil, nil
	delete(s.avoided, pool)
	for i := range ps.Containers {
		c := &ps.Containers[i]
		if c.State != "running" {
			c.State, c.ExitCode, c.StartedAt = "running", 0, s.opts.Now()
			c.Restarts++
		}
	}
}
