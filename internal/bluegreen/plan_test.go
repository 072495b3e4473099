package bluegreen_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
)

// world is a deployment after some changes to a healthy one.
func world(t *testing.T, active bluegreen.Pool, change ...func(*bluegreentest.Engine, *bluegreen.Deployment)) bluegreen.Deployment {
	t.Helper()
	e := bluegreentest.NewEngine(bluegreentest.NewProxy(active))
	d, err := e.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(e, &d)
	}
	return d
}

func container(pool bluegreen.Pool, state, health string) func(*bluegreentest.Engine, *bluegreen.Deployment) {
	return func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
		d.Pool(pool).Containers[0].State, d.Pool(pool).Containers[0].Health = state, health
	}
}

func TestPlanSwitch_StepsInOrder(t *testing.T) {
	d := world(t, bluegreen.Blue)
	p, err := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `check ok    containers: green is healthy
check ok    no fault: no injected fault on green
 1. lock     take the deployment's lock
 2. meter    start clients that hold connections across the switch
 3. recheck  refuse if blue is no longer active, or green holds another release
 4. probe    ask green for /healthz through nginx, 3 times
 5. journal  write the operation to the journal
 6. route    rename active/blue to active/green in the proxy (no reload)
 7. verify   verify on fresh connections that green answers
 8. env      keep ACTIVE_POOL in .env in step
 9. receipt  count what the switch cost the clients
10. close    close the journal entry
undo: bgctl switch blue
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPlanSwitch_ToTheActivePoolIsEmpty(t *testing.T) {
	d := world(t, bluegreen.Green, container(bluegreen.Green, "exited", ""))
	p, err := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
	if err != nil || !p.Empty() {
		t.Errorf("plan = %s, %v; want nothing to do", p.String(), err)
	}
}

func TestPlanSwitch_Refusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bluegreentest.Engine, *bluegreen.Deployment)
		want   string
	}{
		{"stopped", container(bluegreen.Green, "exited", ""), "green is exited (code 0)"},
		{"unhealthy", container(bluegreen.Green, "running", "unhealthy"), "green is unhealthy"},
		{"starting and silent", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
			d.Green.Containers[0].Health, d.Green.Answer = "starting", &bluegreen.ProbeResult{Err: "connection refused"}
		}, "green is starting, but does not answer the proxy: connection refused"},
		{"paused although healthy", container(bluegreen.Green, "paused", "healthy"), "green is paused"},
		{"missing", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Green.Containers = nil }, "green is missing"},
		{"under a fault", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
			d.Green.Fault = &bluegreen.Fault{Pool: bluegreen.Green, Mode: bluegreen.FaultError}
		}, "bgctl heal green"},
		{"no proxy", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Proxy, d.Router = nil, nil }, "no proxy container"},
		{"silent proxy", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
			d.Router, d.RouterErr = nil, "connection refused"
		}, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := world(t, bluegreen.Blue, tt.change)
			p, err := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
			if !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v, want a refusal with %q", err, tt.want)
			}
			if !p.Empty() {
				t.Errorf("a refused plan has steps:\n%s", p.String())
			}
		})
	}
}

func TestPlanSwitch_ForceNamesWhatItSkips(t *testing.T) {
	d := world(t, bluegreen.Blue, container(bluegreen.Green, "running", "unhealthy"))
	p, err := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"green is unhealthy"}, p.Forced); diff != "" || !p.Severe {
		t.Errorf("forced %v, severe %v", p.Forced, p.Severe)
	}
	if strings.Contains(p.String(), "probe") {
		t.Errorf("a forced switch must not be stopped by a probe:\n%s", p.String())
	}
}

func TestPlanChaos_NeverTheLastHealthyPool(t *testing.T) {
	d := world(t, bluegreen.Blue, container(bluegreen.Green, "paused", "healthy"))
	_, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
	if !errors.Is(err, bluegreen.ErrRefused) {
		t.Fatalf("err = %v, want a refusal", err)
	}
	p, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill, Force: true})
	if err != nil || len(p.Forced) != 1 {
		t.Errorf("forced plan: %v, %v", p.Forced, err)
	}
}

func TestPlanChaos_ReleasesTheLockWhileTheFaultStands(t *testing.T) {
	d := world(t, bluegreen.Blue)
	p, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultPause, For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	var ops []bluegreen.StepOp
	for _, s := range p.Steps {
		ops = append(ops, s.Op)
	}
	want := []bluegreen.StepOp{
		bluegreen.OpLock, bluegreen.OpRecheck, bluegreen.OpProbe, bluegreen.OpRecord, bluegreen.OpJournal, bluegreen.OpBreak, bluegreen.OpClose,
		bluegreen.OpUnlock, bluegreen.OpHold, bluegreen.OpRelock, bluegreen.OpRepair, bluegreen.OpReady,
	}
	if diff := cmp.Diff(want, ops); diff != "" {
		t.Error(diff)
	}
}

func TestDeployment_Condition(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bluegreentest.Engine, *bluegreen.Deployment)
		want   bluegreen.Condition
	}{
		{"healthy", func(*bluegreentest.Engine, *bluegreen.Deployment) {}, bluegreen.OK},
		{"standby stopped", container(bluegreen.Green, "exited", ""), bluegreen.Degraded},
		{"active stopped", container(bluegreen.Blue, "exited", ""), bluegreen.FailedOver},
		{"no proxy", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Proxy = nil }, bluegreen.Outage},
		{"silent proxy", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Router = nil }, bluegreen.Unknown},
		{"locked", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Router.Lock = &bluegreen.Holder{} }, bluegreen.Switching},
		{"watcher ill", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Watcher.Health = "unhealthy" }, bluegreen.Degraded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := world(t, bluegreen.Blue, tt.change)
			if got := d.Condition(); got != tt.want {
				t.Errorf("Condition() = %s, want %s", got, tt.want)
			}
		})
	}
}
