package drill

import (
	"errors"
	"strings"
	"testing"

	"bgctl/internal/bluegreen"
)

// healthy is a deployment that may be drilled.
func healthy() bluegreen.Deployment {
	run := func(name string) bluegreen.Container {
		return bluegreen.Container{ID: name, Name: name, State: "running", Health: "healthy"}
	}
	proxy, watcher := run("nginx"), run("watcher")
	return bluegreen.Deployment{
		Project: "shop", Proxy: &proxy, Watcher: &watcher, Router: &bluegreen.RouterStatus{Active: bluegreen.Blue},
		Blue:  bluegreen.PoolState{Pool: bluegreen.Blue, Containers: []bluegreen.Container{run("blue")}},
		Green: bluegreen.PoolState{Pool: bluegreen.Green, Containers: []bluegreen.Container{run("green")}},
	}
}

func TestPlanDrill(t *testing.T) {
	dead := func(bluegreen.Fault) bool { return false }
	fault := func(what string) *bluegreen.Fault {
		return &bluegreen.Fault{Pool: bluegreen.Blue, Mode: bluegreen.FaultKill, By: bluegreen.Holder{User: "ana", Host: "desk", PID: 7, What: what}}
	}
	for name, tt := range map[string]struct {
		change  func(*bluegreen.Deployment)
		opts    Options
		running func(bluegreen.Fault) bool
		err     error
		want    string // in the plan or in the error
	}{
		"healthy":         {change: func(*bluegreen.Deployment) {}, want: "kill blue under the same traffic"},
		"one phase":       {change: func(*bluegreen.Deployment) {}, opts: Options{Phases: []Phase{Baseline}}, want: "3. restore"},
		"maintenance":     {change: func(*bluegreen.Deployment) {}, want: "MAINTENANCE_MODE is on"},
		"no watcher":      {change: func(d *bluegreen.Deployment) { d.Watcher = nil }, want: "alerts are not judged"},
		"watcher stopped": {change: func(d *bluegreen.Deployment) { d.Watcher.State = "exited" }, err: bluegreen.ErrRefused, want: "the watcher is exited"},
		"forced":          {change: func(d *bluegreen.Deployment) { d.Watcher.State = "exited" }, opts: Options{Force: true}, want: "forced: the watcher is exited"},
		"standby down":    {change: func(d *bluegreen.Deployment) { d.Green.Containers[0].State = "exited" }, err: bluegreen.ErrRefused, want: "bgctl heal green"},
		"under a fault":   {change: func(d *bluegreen.Deployment) { d.Blue.Fault = fault("bgctl chaos blue") }, err: bluegreen.ErrRefused, want: "bgctl heal blue"},
		"locked":          {change: func(d *bluegreen.Deployment) { d.Router.Lock = &bluegreen.Holder{User: "bob", Host: "lap", PID: 4} }, err: bluegreen.ErrLocked, want: "bob@lap"},
		"proxy is silent": {change: func(d *bluegreen.Deployment) { d.Router, d.RouterErr = nil, "exec refused" }, opts: Options{Force: true}, err: bluegreen.ErrRefused, want: "exec refused"},
		"a drill runs":    {change: func(d *bluegreen.Deployment) { d.Blue.Fault = fault("bgctl drill (failover)") }, running: func(bluegreen.Fault) bool { return true }, err: bluegreen.ErrLocked, want: "ana@desk"},
		"a drill was shot": {change: func(d *bluegreen.Deployment) {
			d.Blue.Fault, d.Blue.Containers[0].State = fault("bgctl drill (failover)"), "exited"
		}, want: "that is undone first"},
		"cut off switch": {change: func(d *bluegreen.Deployment) {
			d.Router.Unfinished = &bluegreen.Operation{Kind: bluegreen.ActSwitch, From: bluegreen.Green, To: bluegreen.Blue}
		}, want: "was cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			d, s := healthy(), settings()
			s.Maintenance = name == "maintenance"
			tt.change(&d)
			if tt.running == nil {
				tt.running = dead
			}
			p, err := PlanDrill(&d, &s, tt.opts, tt.running)
			text := p.String()
			if err != nil {
				text = err.Error()
			}
			if !errors.Is(err, tt.err) || !strings.Contains(text, tt.want) {
				t.Errorf("err %v, want %v with %q in\n%s", err, tt.err, tt.want, text)
			}
		})
	}
}
