package bluegreen_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
)

// planner makes a plan for a deployment.
type planner = func(d *bluegreen.Deployment) (bluegreen.Plan, error)

// release is a release of the tests.
func release(id string) bluegreen.Release {
	return bluegreen.Release{ID: id, Image: "shop:" + id, ImageID: "sha256:shop:" + id}
}

// planners are every command that changes a running deployment.
func planners() map[string]planner {
	up := func(spec bluegreen.UpSpec) planner {
		spec.Command = "bgctl up"
		return func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			if p := bluegreen.PlanRecover(d); !p.Empty() {
				return p, nil // `up` recovers first and is planned anew
			}
			return bluegreen.PlanUp(d, &spec)
		}
	}
	both := map[bluegreen.Pool]bluegreen.PoolWant{
		bluegreen.Blue: {Release: release("v1"), Cause: "configuration"}, bluegreen.Green: {Release: release("v0"), Cause: "configuration"},
	}
	settings := map[string]string{"CLIENT_MAX_BODY_SIZE": "20m"}
	return map[string]planner{
		"switch": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanSwitch(d, d.Active().Other(), bluegreen.SwitchOptions{})
		},
		"deploy": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanDeploy(d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{})
		},
		"staged deploy": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanDeploy(d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{Staged: true})
		},
		"baked deploy": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanDeploy(d, bluegreen.Release{Image: "shop:v2"}, bakeFor())
		},
		"rollback to what stands": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			d.Router.Moves = []bluegreen.Operation{moved(bluegreen.ActDeploy, d.Active().Other(), d.Active(), "v0", "v1")}
			return bluegreen.PlanRollback(d, bluegreen.RollbackOptions{})
		},
		"rollback to what is gone": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			d.Router.Moves = []bluegreen.Operation{moved(bluegreen.ActDeploy, d.Active().Other(), d.Active(), "v9", "v1")}
			return bluegreen.PlanRollback(d, bluegreen.RollbackOptions{})
		},
		"restart": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanRestart(d, bluegreen.Green, "", bluegreen.RollbackOptions{})
		},
		"chaos": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanChaos(d, d.Active().Other(), bluegreen.ChaosOptions{Mode: bluegreen.FaultPause, For: time.Minute})
		},
		"heal": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanHeal(d, bluegreen.Green)
		},
		"up of both pools":    up(bluegreen.UpSpec{Pools: both}),
		"up of the standby":   up(bluegreen.UpSpec{Pools: map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Green: both[bluegreen.Green]}}),
		"up of the active":    up(bluegreen.UpSpec{Pools: map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: both[bluegreen.Blue]}}),
		"up of a new release": up(bluegreen.UpSpec{Pools: map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: {Release: release("v2"), Intent: true}}}),
		"up of the rest":      up(bluegreen.UpSpec{Images: []string{"pull image"}, Changes: []string{"recreate watcher"}, Settings: settings, Changed: []string{"CLIENT_MAX_BODY_SIZE"}}),
		"up of the proxy":     up(bluegreen.UpSpec{Replace: "its image changed"}),
	}
}

// newWorld is a bench with everything in it.
func newWorld() *bench {
	b := newBench()
	b.Stack = &bluegreentest.Stack{Gap: 300 * time.Millisecond}
	b.gauge.Say(bluegreen.Verdict{Requests: 900, Enough: true})
	return b
}

// legal checks what has to hold whenever no command runs and the last one ended.
func (b *bench) legal(t *testing.T) {
	t.Helper()
	d := b.observe(t)
	st := d.Router
	if st.Unfinished != nil || st.Lock != nil || st.Solo != nil || st.Bake != nil {
		t.Errorf("left behind: unfinished %+v, lock %v, solo %+v, bake %+v", st.Unfinished, st.Lock, st.Solo, st.Bake)
	}
	if n := b.install.Aside(); n != 0 {
		t.Errorf("%d pools have containers set aside", n)
	}
	if !d.Pool(d.Active()).Ready() {
		t.Errorf("traffic goes to %s, which is not ready", d.Active())
	}
}

// safe checks what has to hold at every moment: no release that was not verified may be
// a failover target or take traffic. Verified are what stood there, and what was kept.
func (b *bench) safe(t *testing.T, point string) {
	t.Helper()
	d := b.observe(t)
	verified := map[string]bool{"v1": true, "v0": true}
	for _, s := range d.Router.Standing {
		verified[s.Release.ID] = true
	}
	for _, pool := range bluegreen.Pools() {
		out := d.Router.Solo != nil && d.Router.Solo.Pool == pool && d.Active() != pool
		if id := d.Pool(pool).Release(); !verified[id] && !out {
			t.Errorf("at %s: %s, never verified, may get requests in %s", point, id, pool)
		}
	}
}

// points are the moments at which a plan's command may die.
func points(p *bluegreen.Plan) []string {
	var all []string
	for _, s := range p.Steps {
		for _, when := range []string{"before-", "after-"} {
			if point := when + string(s.Op); !slices.Contains(all, point) {
				all = append(all, point)
			}
		}
	}
	return all
}

// times is how often a plan comes to a point.
func times(p *bluegreen.Plan, point string) int {
	n := 0
	for _, s := range p.Steps {
		if strings.HasSuffix(point, "-"+string(s.Op)) {
			n++
		}
	}
	return n
}

// died is what a command that was killed panics with.
type died struct{}

// execute runs a plan and returns the operations that were carried out. It may be killed
// at a point, as kill -9 does: nothing is cleaned up but what the kernel cleans up. The
// nth time that a point is reached counts.
func (b *bench) execute(t *testing.T, plan *bluegreen.Plan, point string, nth int) (ops []bluegreen.StepOp, killed bool, err error) {
	t.Helper()
	var open []bluegreen.Router
	c := *b.Controller
	c.Open = func(ctx context.Context) (bluegreen.Router, error) {
		r, err := b.proxy.Open(ctx)
		open = append(open, r)
		return r, err
	}
	c.Failpoint = func(name string) {
		b.safe(t, name)
		if name == point {
			if nth--; nth == 0 {
				panic(died{})
			}
		}
	}
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(died); !ok {
				panic(r)
			}
			killed = true
			for _, r := range open {
				_ = r.Close()
			}
		}
	}()
	_, err = c.Execute(t.Context(), *plan, func(p bluegreen.Progress) {
		if p.State != bluegreen.StepWorking {
			ops = append(ops, p.Step.Op)
		}
	})
	return ops, false, err
}

// opsOf lists the operations of a plan's steps.
func opsOf(p *bluegreen.Plan) []bluegreen.StepOp {
	var ops []bluegreen.StepOp
	for _, s := range p.Steps {
		ops = append(ops, s.Op)
	}
	return ops
}

// TestPlans_ExecutedStepsAreThePlannedSteps: what is shown is what is done.
func TestPlans_ExecutedStepsAreThePlannedSteps(t *testing.T) {
	for name, plan := range planners() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newWorld()
				d := b.observe(t)
				p, err := plan(&d)
				if err != nil {
					t.Fatal(err)
				}
				ops, _, err := b.execute(t, &p, "", 0)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(opsOf(&p), ops); diff != "" {
					t.Errorf("planned (-) and executed (+): %s", diff)
				}
				b.legal(t)
			})
		})
	}
}

// TestPlans_AreRecoveredFromEveryKill kills every command at every step, and lets every
// command come next: its plan begins with the recovery, the recovery is carried out, and
// the deployment is in a legal state.
func TestPlans_AreRecoveredFromEveryKill(t *testing.T) {
	all := planners()
	for name, plan := range all {
		d := newWorld().observe(t)
		first, err := plan(&d)
		if err != nil {
			t.Fatal(err)
		}
		for _, point := range points(&first) {
			for nth := range times(&first, point) {
				for next := range all {
					t.Run(fmt.Sprintf("%s/%s %d/%s", name, point, nth+1, next), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { killAndGoOn(t, plan, all[next], point, nth+1) })
					})
				}
			}
		}
	}
}

// killAndGoOn kills one command and runs the next.
func killAndGoOn(t *testing.T, plan, next planner, point string, nth int) {
	t.Helper()
	b := newWorld()
	d := b.observe(t)
	p, err := plan(&d)
	if err != nil {
		t.Fatal(err)
	}
	if _, killed, _ := b.execute(t, &p, point, nth); !killed {
		t.Fatalf("%s was not reached", point)
	}
	b.safe(t, "the kill")
	d = b.observe(t)
	left := d.Router.Unfinished != nil || d.Router.Bake != nil || d.Router.Solo != nil
	p, err = next(&d)
	if errors.Is(err, bluegreen.ErrRefused) || err == nil && p.Empty() {
		// What the kill left may be in the way of this command: then healing ends it.
		pool := bluegreen.PlanRecover(&d).To
		if f := d.Router.Faults; len(f) > 0 {
			pool = f[0].Pool
		}
		if p, err = bluegreen.PlanHeal(&d, pool); err == nil && p.Empty() {
			b.legal(t)
			return
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if recovers := len(p.Recovers) > 0 || strings.Contains(p.String(), "take over again"); left && !recovers {
		t.Fatalf("left: %+v, and the next plan shows no recovery:\n%s", d.Router, p.String())
	}
	ops, _, err := b.execute(t, &p, "", 0)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.String())
	}
	if diff := cmp.Diff(opsOf(&p), ops); diff != "" {
		t.Errorf("planned (-) and executed (+): %s", diff)
	}
	b.legal(t)
}

// TestPlans_UndoWhatFails breaks every command at every step, by an error or by a user
// who gives up, with a connection that broke: the command itself leaves a legal state.
func TestPlans_UndoWhatFails(t *testing.T) {
	for name, plan := range planners() {
		d := newWorld().observe(t)
		first, err := plan(&d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range first.Steps {
			for how, fail := range map[string]func(*bench, context.CancelFunc){
				"the user gives up":       func(_ *bench, cancel context.CancelFunc) { cancel() },
				"the connection breaks":   func(b *bench, _ context.CancelFunc) { b.proxy.Break() },
				"it breaks and gives up":  func(b *bench, cancel context.CancelFunc) { b.proxy.Break(); cancel() },
				"the new release is sick": func(b *bench, _ context.CancelFunc) { b.install.Health["shop:v2"] = "unhealthy" },
			} {
				t.Run(fmt.Sprintf("%s/%s/%s", name, s.Op, how), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newWorld()
						d := b.observe(t)
						p, err := plan(&d)
						if err != nil {
							t.Fatal(err)
						}
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						c := *b.Controller
						c.Failpoint = func(point string) {
							b.safe(t, point)
							if point == "before-"+string(s.Op) {
								fail(b, cancel)
							}
						}
						_, err = c.Execute(ctx, p, nil)
						d = b.observe(t)
						if d.Router.Bake != nil && err != nil {
							// The bake's connection broke: the next command ends its record.
							if p := bluegreen.PlanRecover(&d); p.Empty() {
								t.Error("a bake is left, and no plan ends it")
							} else if _, _, err := b.execute(t, &p, "", 0); err != nil {
								t.Error(err)
							}
						}
						b.legal(t)
					})
				})
			}
		}
	}
}
