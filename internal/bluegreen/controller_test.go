package bluegreen_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
)

func controller(p *bluegreentest.Proxy) (*bluegreen.Controller, *bluegreentest.Engine) {
	e := bluegreentest.NewEngine(p)
	return &bluegreen.Controller{
		Observe: e.Observe, Open: p.Open, Engine: e, Now: time.Now,
		Holder: bluegreen.Holder{User: "ana", Host: "desk", PID: 1},
	}, e
}

func planSwitch(t *testing.T, e *bluegreentest.Engine, to bluegreen.Pool) bluegreen.Plan {
	t.Helper()
	d, err := e.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := bluegreen.PlanSwitch(&d, to, bluegreen.SwitchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func active(t *testing.T, e *bluegreentest.Engine) bluegreen.Pool {
	t.Helper()
	d, err := e.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d.Active()
}

func TestController_SwitchMovesTrafficAndClosesTheJournal(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	var saved bluegreen.Pool
	c.SaveEnv = func(_ context.Context, pool bluegreen.Pool) error { saved = pool; return nil }
	out, err := c.Execute(t.Context(), planSwitch(t, e, bluegreen.Green), nil)
	if err != nil {
		t.Fatal(err)
	}
	if active(t, e) != bluegreen.Green || saved != bluegreen.Green {
		t.Errorf("active %s, .env %s; want green", active(t, e), saved)
	}
	if len(proxy.Journal) != 1 || proxy.Journal[0].Result != "done" {
		t.Errorf("journal = %+v", proxy.Journal)
	}
	if out.Undo != "bgctl switch blue" {
		t.Errorf("undo = %q", out.Undo)
	}
}

func TestController_FailedProbeChangesNothing(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	for name, probe := range map[string]bluegreen.ProbeResult{
		"/healthz answered 503":     {Status: 503, Pool: bluegreen.Green},
		"connection refused":        {Err: "connection refused"},
		"the answer came from blue": {Status: 200, Pool: bluegreen.Blue},
	} {
		delete(proxy.Probes, bluegreen.Green)
		c, e := controller(proxy)
		plan := planSwitch(t, e, bluegreen.Green)
		proxy.Probes[bluegreen.Green] = probe
		_, err := c.Execute(t.Context(), plan, nil)
		if !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), name) {
			t.Errorf("err = %v, want a refusal with %q", err, name)
		}
		if active(t, e) != bluegreen.Blue || len(proxy.Journal) != 0 {
			t.Errorf("after a refusal: active %s, journal %+v", active(t, e), proxy.Journal)
		}
	}
}

func TestController_RefusesAPlanWhoseWorldChanged(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	plan := planSwitch(t, e, bluegreen.Green)
	if _, err := c.Execute(t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(t.Context(), plan, nil); !errors.Is(err, bluegreen.ErrChanged) {
		t.Errorf("err = %v, want ErrChanged", err)
	}
}

func TestController_LockedByAnother(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	other, _ := proxy.Open(t.Context())
	if err := other.Lock(t.Context(), bluegreen.Holder{User: "bob", Host: "lap", PID: 9}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Execute(t.Context(), planSwitch(t, e, bluegreen.Green), nil)
	if !errors.Is(err, bluegreen.ErrLocked) || !strings.Contains(err.Error(), "bob@lap") {
		t.Errorf("err = %v, want ErrLocked naming bob@lap", err)
	}
	if active(t, e) != bluegreen.Blue {
		t.Error("a locked-out command moved traffic")
	}
}

func TestController_SettlesAnOperationThatWasCutOff(t *testing.T) {
	for name, tt := range map[string]struct {
		active bluegreen.Pool
		want   string
	}{
		"before the rename": {bluegreen.Blue, "undone"},
		"after the rename":  {bluegreen.Green, "done"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := bluegreentest.NewProxy(tt.active)
			proxy.CutOff(bluegreen.Operation{ID: "old", Kind: bluegreen.ActSwitch, From: bluegreen.Blue, To: bluegreen.Green})
			c, e := controller(proxy)
			out, err := c.Execute(t.Context(), planSwitch(t, e, tt.active.Other()), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(proxy.Journal[0].Result, tt.want) || proxy.Journal[0].ID != "old" {
				t.Errorf("journal[0] = %+v, want the old operation %s", proxy.Journal[0], tt.want)
			}
			if !strings.Contains(out.Recovered, "was cut off") {
				t.Errorf("recovered = %q", out.Recovered)
			}
		})
	}
}

func TestController_FailedRenameClosesTheJournal(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	proxy.FailRoute = errors.New("no space left")
	c, e := controller(proxy)
	_, err := c.Execute(t.Context(), planSwitch(t, e, bluegreen.Green), nil)
	if err == nil || !strings.Contains(err.Error(), "traffic stays on blue") {
		t.Errorf("err = %v, want it to say where traffic is", err)
	}
	if len(proxy.Journal) != 1 || !strings.HasPrefix(proxy.Journal[0].Result, "failed") {
		t.Errorf("journal = %+v", proxy.Journal)
	}
}

func TestController_ChaosRecordsTheUndoBeforeActing(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	d, _ := e.Observe(t.Context())
	plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
	if err != nil {
		t.Fatal(err)
	}
	died := errors.New("died here")
	c.Failpoint = func(name string) {
		if name == "before-break" {
			panic(died)
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("the failpoint was not reached")
			}
		}()
		_, _ = c.Execute(t.Context(), plan, nil)
	}()
	d, _ = e.Observe(t.Context())
	if d.Blue.Fault == nil || d.Blue.Fault.Mode != bluegreen.FaultKill || len(e.Calls) != 0 {
		t.Errorf("fault %+v, calls %v; want the record and no act yet", d.Blue.Fault, e.Calls)
	}
}

func TestController_AFaultTheAppCannotPlayLeavesNoRecord(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	proxy.NoChaos = true
	c, e := controller(proxy)
	d, _ := e.Observe(t.Context())
	plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultError})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(t.Context(), plan, nil); !errors.Is(err, bluegreen.ErrNoChaos) {
		t.Errorf("chaos: %v", err)
	}
	if d, _ = e.Observe(t.Context()); d.Blue.Fault != nil {
		t.Errorf("left a record of a fault that is not there: %+v", d.Blue.Fault)
	}
}

// A record left by a command that was killed before the application refused.
func TestController_HealClearsAFaultTheAppCannotPlay(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	c, e := controller(proxy)
	d, _ := e.Observe(t.Context())
	chaos, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultError})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(t.Context(), chaos, nil); err != nil {
		t.Fatal(err)
	}
	proxy.NoChaos = true
	d, _ = e.Observe(t.Context())
	heal, err := bluegreen.PlanHeal(&d, bluegreen.Blue)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Execute(t.Context(), heal, nil); err != nil {
		t.Errorf("heal: %v", err)
	}
	if d, _ = e.Observe(t.Context()); d.Blue.Fault != nil {
		t.Errorf("still there: %+v", d.Blue.Fault)
	}
}

func TestController_ChaosForATimeUndoesItself(t *testing.T) {
	for name, interrupt := range map[string]time.Duration{"held to the end": 0, "interrupted": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				proxy := bluegreentest.NewProxy(bluegreen.Blue)
				c, e := controller(proxy)
				d, _ := e.Observe(t.Context())
				plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultPause, For: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if interrupt > 0 {
					time.AfterFunc(interrupt, cancel)
				}
				begin := time.Now()
				if _, err := c.Execute(ctx, plan, nil); err != nil {
					t.Fatal(err)
				}
				want := time.Minute
				if interrupt > 0 {
					want = interrupt
				}
				if took := time.Since(begin); took < want || took > want+time.Second {
					t.Errorf("the fault stood for %s, want %s", took, want)
				}
				if diff := cmp.Diff([]string{"pause blue", "unpause blue"}, e.Calls); diff != "" {
					t.Error(diff)
				}
				if d, _ := e.Observe(t.Context()); d.Blue.Fault != nil {
					t.Error("the fault's record is still there")
				}
			})
		})
	}
}

func TestController_HealUndoesEveryFault(t *testing.T) {
	for _, mode := range []bluegreen.FaultMode{
		bluegreen.FaultKill, bluegreen.FaultStop, bluegreen.FaultPause,
		bluegreen.FaultError, bluegreen.FaultTimeout, bluegreen.FaultSlow,
	} {
		t.Run(string(mode), func(t *testing.T) {
			proxy := bluegreentest.NewProxy(bluegreen.Blue)
			c, e := controller(proxy)
			d, _ := e.Observe(t.Context())
			plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Execute(t.Context(), plan, nil); err != nil {
				t.Fatal(err)
			}
			d, _ = e.Observe(t.Context())
			heal, err := bluegreen.PlanHeal(&d, bluegreen.Blue)
			if err != nil || heal.Empty() {
				t.Fatalf("heal plan: %s, %v", heal.String(), err)
			}
			if _, err := c.Execute(t.Context(), heal, nil); err != nil {
				t.Fatal(err)
			}
			d, _ = e.Observe(t.Context())
			if !d.Blue.Ready() || d.Blue.Fault != nil || proxy.AppFaults[bluegreen.Blue] != "" {
				t.Errorf("after heal: %+v, app fault %q", d.Blue, proxy.AppFaults[bluegreen.Blue])
			}
		})
	}
}

func TestFakeRouter_Contract(t *testing.T) {
	proxy := bluegreentest.NewProxy(bluegreen.Blue)
	bluegreentest.RouterContract(t, func(t *testing.T) bluegreen.Router {
		t.Helper()
		r, err := proxy.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

// A user who gives up on a heal is not kept: what it waits for is nobody's undo.
func TestController_AHealCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		proxy := bluegreentest.NewProxy(bluegreen.Blue)
		c, e := controller(proxy)
		e.Set("green", "exited", "")
		proxy.Probes[bluegreen.Green] = bluegreen.ProbeResult{Err: "connection refused"}
		d, _ := e.Observe(t.Context())
		heal, err := bluegreen.PlanHeal(&d, bluegreen.Green)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := c.Execute(ctx, heal, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want the caller's", err)
		}
		if took := time.Since(begin); took > 6*time.Second {
			t.Errorf("it went on for %s", took)
		}
		if d, _ = e.Observe(t.Context()); d.Router.Unfinished != nil || proxy.Journal[0].Ending != bluegreen.EndFailed {
			t.Errorf("unfinished %+v, journal %+v", d.Router.Unfinished, proxy.Journal)
		}
	})
}
