package bluegreen_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/bluegreen"
)

// bakeFor is a deploy that is watched for ten minutes.
func bakeFor() bluegreen.DeployOptions {
	return bluegreen.DeployOptions{Bake: bluegreen.BakeSpec{For: 10 * time.Minute, Threshold: 2}}
}

func TestController_BakeThatStaysGoodKeepsTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.gauge.Say(bluegreen.Verdict{Requests: 900, Failed: 1, Rate: 0.1, Enough: true})
		begin := time.Now()
		seen := make(chan bluegreen.Deployment, 1)
		time.AfterFunc(time.Minute, func() { seen <- b.observe(t) })
		out, err := b.deploy(t, "shop:v2", bakeFor())
		if err != nil || !strings.Contains(out.Message, "baked 10m0s: 900 requests") || out.Warning != "" {
			t.Errorf("%v, %+v", err, out)
		}
		if took := time.Since(begin); took < 10*time.Minute || took > 10*time.Minute+10*time.Second {
			t.Errorf("it baked for %s", took)
		}
		during := <-seen
		if during.Condition() != bluegreen.Baking || during.Router.Bake.Verdict.Requests != 900 || during.Router.Lock != nil {
			t.Errorf("others saw %s, %+v, lock %+v", during.Condition(), during.Router.Bake, during.Router.Lock)
		}
		b.check(t, bluegreen.Green, "v1", "v2")
		d := b.observe(t)
		if d.Router.Bake != nil || len(b.proxy.Journal) != 1 || b.proxy.Journal[0].Bake.Verdict.Failed != 1 {
			t.Errorf("bake %+v, journal %+v", d.Router.Bake, b.proxy.Journal)
		}
	})
}

func TestController_BakeWithoutTrafficIsInconclusive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.gauge.Say(bluegreen.Verdict{Requests: 3})
		out, err := b.deploy(t, "shop:v2", bakeFor())
		if err != nil || !strings.Contains(out.Warning, "inconclusive: 3 requests") {
			t.Errorf("%v, warning %q", err, out.Warning)
		}
		b.check(t, bluegreen.Green, "v1", "v2")
	})
}

func TestController_BreachOfABakeRollsBack(t *testing.T) {
	for name, breach := range map[string]func(*bench){
		"4.1 % of the last 200": func(b *bench) {
			b.gauge.Say(bluegreen.Verdict{Requests: 400, Failed: 8, Rate: 4.1, Enough: true, Breach: "4.1 % of the last 200 requests failed on green"})
		},
		"green is exited": func(b *bench) { b.engine.Set("green", "exited", "") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				time.AfterFunc(2*time.Minute, func() { breach(b) })
				begin := time.Now()
				out, err := b.deploy(t, "shop:v2", bakeFor())
				back, ok := errors.AsType[*bluegreen.RolledBackError](err)
				if !ok || back.To != bluegreen.Blue || !strings.Contains(err.Error(), name) {
					t.Fatalf("err = %v, want a rollback because %s", err, name)
				}
				if took := time.Since(begin); took > 2*time.Minute+6*time.Second {
					t.Errorf("it took %s from the breach", took-2*time.Minute)
				}
				b.check(t, bluegreen.Blue, "v1", "v2")
				last := b.proxy.Journal[len(b.proxy.Journal)-1]
				if last.Kind != bluegreen.ActRollback || !strings.Contains(last.Reason, name) || out.Bake == nil {
					t.Errorf("journal ends with %+v", last)
				}
				if d := b.observe(t); bluegreen.FindPrevious(&d) != nil {
					t.Errorf("a rollback would go to %+v: the release that was rolled back", bluegreen.FindPrevious(&d))
				}
			})
		})
	}
}

func TestController_BreachLeavesTrafficWhenNobodyElseCouldTakeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		time.AfterFunc(time.Minute, func() {
			b.engine.Set("blue", "exited", "")
			b.gauge.Say(bluegreen.Verdict{Requests: 400, Enough: true, Breach: "9 % failed"})
		})
		_, err := b.deploy(t, "shop:v2", bakeFor())
		if err == nil || !strings.Contains(err.Error(), "blue is exited") || !strings.Contains(err.Error(), "traffic stays on green") {
			t.Errorf("err = %v", err)
		}
		if d := b.observe(t); d.Active() != bluegreen.Green {
			t.Error("traffic went to a pool that is down")
		}
	})
}

func TestController_AnotherOperatorEndsABake(t *testing.T) {
	for name, plan := range map[string]func(*bluegreen.Deployment) (bluegreen.Plan, error){
		"promote": bluegreen.PlanPromote,
		"rollback": func(d *bluegreen.Deployment) (bluegreen.Plan, error) {
			return bluegreen.PlanRollback(d, bluegreen.RollbackOptions{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.gauge.Say(bluegreen.Verdict{Requests: 100, Enough: true})
				begin := time.Now()
				time.AfterFunc(time.Minute, func() {
					d := b.observe(t)
					p, err := plan(&d)
					if err == nil {
						_, err = b.Execute(t.Context(), p, nil)
					}
					if err != nil {
						t.Error(err)
					}
				})
				_, err := b.deploy(t, "shop:v2", bakeFor())
				if took := time.Since(begin); took > time.Minute+10*time.Second {
					t.Errorf("the bake went on for %s", took)
				}
				back, rolled := errors.AsType[*bluegreen.RolledBackError](err)
				switch {
				case name == "promote" && err != nil:
					t.Errorf("err = %v", err)
				case name == "rollback" && (!rolled || !strings.Contains(back.Reason, "another operator")):
					t.Errorf("err = %v, want it to say who", err)
				}
				active := map[string]bluegreen.Pool{"promote": bluegreen.Green, "rollback": bluegreen.Blue}[name]
				b.check(t, active, "v1", "v2")
				if d := b.observe(t); d.Router.Bake != nil {
					t.Errorf("the bake's record is left: %+v", d.Router.Bake)
				}
			})
		})
	}
}

func TestController_InterruptedBakeKeepsTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		d := b.observe(t)
		p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, bakeFor())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = b.Execute(ctx, p, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "its release stays; undo: bgctl rollback") {
			t.Errorf("err = %v", err)
		}
		b.check(t, bluegreen.Green, "v1", "v2")
		if d := b.observe(t); d.Router.Bake != nil {
			t.Error("the bake's record is left")
		}
	})
}
