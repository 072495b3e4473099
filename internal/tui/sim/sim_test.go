package sim_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// stack is a simulation with a clock that the test moves.
type stack struct {
	*sim.Stack
	clock time.Time
}

// start starts a simulation of blue under 100 requests a second.
func start(spells sim.Spells) *stack {
	s := &stack{clock: time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC)}
	s.Stack = sim.New(sim.Options{
		Now: func() time.Time { return s.clock }, Seed: 3, Rate: 100, Alert: alert.DefaultConfig(), Warm: time.Minute, Spells: spells,
	})
	return s
}

// pass lets time go by and joins what the feed said.
func (s *stack) pass(d time.Duration) tui.FeedSnapshot {
	s.clock = s.clock.Add(d)
	return s.Take()
}

// run plans and executes.
func (s *stack) run(t *testing.T, plan func(*bluegreen.Deployment) (bluegreen.Plan, error)) {
	t.Helper()
	d, err := s.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan(&d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Execute(t.Context(), p, func(bluegreen.Progress) {}); err != nil {
		t.Fatal(err)
	}
}

func TestStack_IsDeterministic(t *testing.T) {
	a, b := start(sim.NoSpells).pass(3*time.Second), start(sim.NoSpells).pass(3*time.Second)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
	if len(a.Pools[0].Series) < 60 || a.Window.N != 200 {
		t.Errorf("the warm-up left %d seconds and %d requests", len(a.Pools[0].Series), a.Window.N)
	}
}

func TestStack_SwitchMovesEveryRequest(t *testing.T) {
	s := start(sim.NoSpells)
	s.pass(time.Second)
	s.run(t, func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
		return bluegreen.PlanSwitch(d, bluegreen.Green, bluegreen.SwitchOptions{})
	})
	f := s.pass(time.Second)
	for _, r := range f.Rows {
		if r.Active != bluegreen.Green {
			t.Fatalf("a request after the switch was sent to %s", r.Active)
		}
	}
	if len(f.Events) == 0 || f.Events[0].Type != alert.Switch {
		t.Errorf("the switch is no event: %+v", f.Events)
	}
}

func TestStack_KillFailsOverAndHealResolves(t *testing.T) {
	s := start(sim.NoSpells)
	s.pass(time.Second)
	s.run(t, func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
		return bluegreen.PlanChaos(d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
	})
	f := s.pass(2 * time.Second)
	if len(f.Events) == 0 || f.Events[0].Type != alert.Failover || f.Events[0].Status != alert.Firing {
		t.Fatalf("the kill is no failover: %+v", f.Events)
	}
	if f.Cells[len(f.Cells)-1] == tui.CellOK {
		t.Error("a request served by the other pool counts as usual")
	}
	s.run(t, func(d *bluegreen.Deployment) (bluegreen.Plan, error) { return bluegreen.PlanHeal(d, bluegreen.Blue) })
	f = s.pass(10 * time.Second)
	if n := len(f.Events); n == 0 || f.Events[n-1].Status != alert.Resolved {
		t.Errorf("the heal does not resolve it: %+v", f.Events)
	}
}

func TestStack_BadSpellFiresTheErrorRate(t *testing.T) {
	if f := start(sim.BadNow).pass(time.Second); len(f.Events) == 0 || f.Events[0].Type != alert.ErrorRate {
		t.Errorf("a bad spell raises nothing: %+v", f.Events)
	}
}

func TestStack_CancelledExecuteMovesNothing(t *testing.T) {
	s := start(sim.NoSpells)
	d, _ := s.Observe(t.Context())
	plan, _ := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Execute(ctx, plan, func(bluegreen.Progress) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Execute: %v, want context.Canceled", err)
	}
	if d, _ = s.Observe(t.Context()); d.Active() != bluegreen.Blue || d.Router.Lock != nil {
		t.Errorf("active %s, lock %v", d.Active(), d.Router.Lock)
	}
}
