package bluegreen_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
)

// bench is a deployment whose releases can be replaced: v1 takes traffic in blue,
// v0 stands in green.
type bench struct {
	proxy   *bluegreentest.Proxy
	engine  *bluegreentest.Engine
	install *bluegreentest.Installer
	gauge   *bluegreentest.Gauge
	*bluegreen.Controller
}

func newBench() *bench {
	b := &bench{proxy: bluegreentest.NewProxy(bluegreen.Blue), gauge: &bluegreentest.Gauge{}}
	b.Controller, b.engine = controller(b.proxy)
	b.install = bluegreentest.NewInstaller(b.engine, "shop:v2", "shop:v3")
	b.Install, b.Gauge = b.install, b.gauge
	for pool, id := range map[bluegreen.Pool]string{bluegreen.Blue: "v1", bluegreen.Green: "v0"} {
		b.engine.Hold(pool, bluegreen.Release{ID: id, Image: "shop:" + id, ImageID: "sha256:shop:" + id}, "healthy")
	}
	return b
}

func (b *bench) observe(t *testing.T) bluegreen.Deployment {
	t.Helper()
	d, err := b.engine.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deploy plans and executes a deploy.
func (b *bench) deploy(t *testing.T, image string, opts bluegreen.DeployOptions) (bluegreen.Outcome, error) {
	t.Helper()
	d := b.observe(t)
	p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: image}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return b.Execute(t.Context(), p, nil)
}

// check compares where traffic is and what stands where.
func (b *bench) check(t *testing.T, active bluegreen.Pool, blue, green string) {
	t.Helper()
	d := b.observe(t)
	got := []string{d.Active().String(), d.Blue.Release(), d.Green.Release()}
	if diff := cmp.Diff([]string{active.String(), blue, green}, got); diff != "" {
		t.Errorf("active, blue, green: %s", diff)
	}
	if d.Router.Solo != nil || d.Router.Unfinished != nil {
		t.Errorf("left behind: solo %+v, unfinished %+v", d.Router.Solo, d.Router.Unfinished)
	}
}

func TestController_DeployPutsTheReleaseInPlaceAndMovesTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		out, err := b.deploy(t, "shop:v2", bluegreen.DeployOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.check(t, bluegreen.Green, "v1", "v2")
		if diff := cmp.Diff([]string{"resolve shop:v2 missing", "install v2 in green", "keep v2 for green"}, b.install.Calls); diff != "" {
			t.Error(diff)
		}
		op := b.proxy.Journal[0]
		if op.Result != "done" || op.Before.ID != "v0" || op.Old.ID != "v1" || op.New.ImageID != "sha256:shop:v2" || out.Undo != "bgctl rollback" {
			t.Errorf("journal %+v, undo %q", op, out.Undo)
		}
		want := []bluegreen.StepOp{"journal", "solo", "drain", "install", "ready", "probe", "keep", "admit", "meter", "route", "verify", "env", "receipt", "close"}
		if diff := cmp.Diff(want, b.proxy.Phases); diff != "" {
			t.Errorf("phases in the journal: %s", diff)
		}
	})
}

func TestController_DeployKeepsTheNewReleaseOutUntilItIsVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		var solo []string
		b.Failpoint = func(point string) {
			op, ok := strings.CutPrefix(point, "before-")
			if ok && b.observe(t).Router.Solo != nil {
				solo = append(solo, op)
			}
		}
		if _, err := b.deploy(t, "shop:v2", bluegreen.DeployOptions{}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"drain", "install", "ready", "probe", "keep", "admit"}, solo); diff != "" {
			t.Errorf("steps with green kept out: %s", diff)
		}
	})
}

func TestController_DeployWithoutAnImageTouchesNothing(t *testing.T) {
	b := newBench()
	_, err := b.deploy(t, "shop:none", bluegreen.DeployOptions{})
	if !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), "green still holds v0") {
		t.Errorf("err = %v, want a refusal that says what still stands there", err)
	}
	b.check(t, bluegreen.Blue, "v1", "v0")
	if len(b.proxy.Journal) != 0 {
		t.Errorf("journal = %+v", b.proxy.Journal)
	}
}

func TestController_DeployGivesThePlaceBack(t *testing.T) {
	for name, breakIt := range map[string]func(*bench){
		"unhealthy": func(b *bench) { b.install.Health["shop:v2"] = "unhealthy" },
		"never healthy": func(b *bench) {
			b.install.Health["shop:v2"] = "starting"
			b.engine.Checks = map[string]error{"green": errors.New("exit 1")}
		},
		"cannot be installed":   func(b *bench) { b.install.FailInstall["v2"] = errors.New("port taken") },
		"no answer on the port": func(b *bench) { b.proxy.Probes[bluegreen.Green] = bluegreen.ProbeResult{Err: "connection refused"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				breakIt(b)
				begin := time.Now()
				_, err := b.deploy(t, "shop:v2", bluegreen.DeployOptions{Timeout: 30 * time.Second})
				if err == nil || !strings.Contains(err.Error(), "traffic stays on blue, and green holds v0") {
					t.Errorf("err = %v, want it to say what stands where", err)
				}
				ill, ok := errors.AsType[*bluegreen.UnreadyError](err)
				if name != "cannot be installed" && (!ok || ill.Log != "last words of green\n") {
					t.Errorf("err = %#v, want the end of the log", err)
				}
				b.check(t, bluegreen.Blue, "v1", "v0")
				if took := time.Since(begin); took > 31*time.Second+45*time.Second {
					t.Errorf("it took %s", took)
				}
				if !strings.HasPrefix(b.proxy.Journal[0].Result, "failed: ") || b.install.Kept[bluegreen.Green].ID == "v2" {
					t.Errorf("journal %+v, kept %+v", b.proxy.Journal[0], b.install.Kept)
				}
			})
		})
	}
}

func TestController_DeployWaitsForTheLastRequests(t *testing.T) {
	for name, tt := range map[string]struct{ open, want time.Duration }{
		"short requests": {3 * time.Second, 3 * time.Second},
		"a websocket":    {time.Hour, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.engine.Address("green", "10.0.0.9")
				b.proxy.Connect("10.0.0.9", 4)
				begin := time.Now()
				time.AfterFunc(tt.open, func() { b.proxy.Connect("10.0.0.9", 0) })
				var drained time.Duration
				seen := make(chan bluegreen.Condition, 1)
				b.Failpoint = func(point string) {
					if point == "after-drain" {
						drained = time.Since(begin)
					}
				}
				time.AfterFunc(time.Second, func() { d := b.observe(t); seen <- d.Condition() })
				if _, err := b.deploy(t, "shop:v2", bluegreen.DeployOptions{}); err != nil {
					t.Fatal(err)
				}
				others := <-seen
				if drained < tt.want || drained > tt.want+time.Second || others != bluegreen.Draining {
					t.Errorf("drained after %s, want %s; others saw %q", drained, tt.want, others)
				}
			})
		})
	}
}

// die is what the failpoints of these tests panic with.
type die struct{}

// kill executes a deploy and dies at a point, as kill -9 does: nothing is cleaned up
// but what the kernel cleans up.
func (b *bench) kill(t *testing.T, point string) {
	t.Helper()
	var open []bluegreen.Router
	victim := *b.Controller
	victim.Open = func(ctx context.Context) (bluegreen.Router, error) {
		r, err := b.proxy.Open(ctx)
		open = append(open, r)
		return r, err
	}
	victim.Failpoint = func(name string) {
		if name == point {
			panic(die{})
		}
	}
	d := b.observe(t)
	p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if _, ok := recover().(die); !ok {
				t.Fatalf("%s was not reached", point)
			}
		}()
		_, _ = victim.Execute(t.Context(), p, nil)
	}()
	for _, r := range open {
		_ = r.Close()
	}
}

func TestController_DeployKilledAtEveryStep(t *testing.T) {
	d := world(t, bluegreen.Blue)
	p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{})
	if err != nil {
		t.Fatal(err)
	}
	verifiedAt := slices.IndexFunc(p.Steps, func(s bluegreen.Step) bool { return s.Op == bluegreen.OpAdmit })
	routeAt := slices.IndexFunc(p.Steps, func(s bluegreen.Step) bool { return s.Op == bluegreen.OpRoute })
	for i, step := range p.Steps {
		for _, when := range []string{"before-", "after-"} {
			point := when + string(step.Op)
			t.Run(point, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newBench()
					b.kill(t, point)
					d := b.observe(t)
					heal, err := bluegreen.PlanHeal(&d, bluegreen.Green)
					if err != nil {
						t.Fatal(err)
					}
					unfinished := d.Router.Unfinished != nil
					if unfinished != !heal.Empty() {
						t.Fatalf("unfinished %+v, heal plan:\n%s", d.Router.Unfinished, heal.String())
					}
					out, err := b.Execute(t.Context(), heal, nil)
					if err != nil || unfinished && !strings.Contains(out.Recovered, "was cut off") {
						t.Fatalf("heal: %v, %+v", err, out)
					}
					active, green := bluegreen.Blue, "v0"
					if i > routeAt || i == routeAt && when == "after-" {
						active = bluegreen.Green
					}
					if i >= verifiedAt {
						green = "v2"
					}
					b.check(t, active, "v1", green)
				})
			})
		}
	}
}

func TestController_NextDeployReplacesOneThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.kill(t, "after-install")
		b.install.Calls = nil
		b.install.Health["shop:v3"] = "unhealthy"
		_, err := b.deploy(t, "shop:v3", bluegreen.DeployOptions{})
		if err == nil || !strings.Contains(err.Error(), "green holds v0") {
			t.Errorf("err = %v, want v0 back: what the cut-off deploy left was never verified", err)
		}
		want := []string{"resolve shop:v3 missing", "install v3 in green", "put v0 back into green"}
		if diff := cmp.Diff(want, b.install.Calls); diff != "" {
			t.Error(diff)
		}
		b.check(t, bluegreen.Blue, "v1", "v0")
	})
}

// TestController_NothingIsSaidToBePutBackThatIsNot: what a cut-off deploy left is named as
// what is ahead, and after the next deploy as what that did with it.
func TestController_NothingIsSaidToBePutBackThatIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.kill(t, "after-ready")
		d := b.observe(t)
		if ahead := bluegreen.Describe(*d.Router.Unfinished, bluegreen.Blue); strings.Contains(ahead, "was put back") || !strings.Contains(ahead, "v0 (shop:v0) goes back into green") {
			t.Errorf("before: %s", ahead)
		}
		out, err := b.deploy(t, "shop:v3", bluegreen.DeployOptions{})
		if err != nil || strings.Contains(out.Recovered, "back into") || !strings.Contains(out.Recovered, "took its place") {
			t.Errorf("%v, recovered %q", err, out.Recovered)
		}
	})
}

// A switch after a deploy that was cut off moves traffic to what stood there before, and
// its plan says so.
func TestController_SwitchToAPoolThatIsPutBackFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.kill(t, "after-ready")
		d := b.observe(t)
		p, err := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p.New.ID != "v0" || len(p.Recovers) != 1 || !strings.Contains(p.String(), "recovers: deploy of v2") {
			t.Errorf("moves to %s:\n%s", p.New, p.String())
		}
		if _, err = b.Execute(t.Context(), p, nil); err != nil {
			t.Error(err)
		}
		b.check(t, bluegreen.Green, "v1", "v0")
	})
}

func TestController_RollbackPutsBackWhatTheStandbyNoLongerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for _, image := range []string{"shop:v2", "shop:v3"} {
			if _, err := b.deploy(t, image, bluegreen.DeployOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		b.check(t, bluegreen.Blue, "v3", "v2")
		for _, want := range []struct {
			active      bluegreen.Pool
			blue, green string
		}{{bluegreen.Green, "v3", "v2"}, {bluegreen.Blue, "v1", "v2"}} {
			d := b.observe(t)
			p, err := bluegreen.PlanRollback(&d, bluegreen.RollbackOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Execute(t.Context(), p, nil); err != nil {
				t.Fatal(err)
			}
			b.check(t, want.active, want.blue, want.green)
		}
	})
}
