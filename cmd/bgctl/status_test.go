//go:build !e2e

package main

import (
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// deploymentOf is a healthy deployment, as change leaves it.
func deploymentOf(change func(*bluegreen.Deployment)) *bluegreen.Deployment {
	one := func(name string) bluegreen.Container {
		return bluegreen.Container{ID: name, Name: name, Service: name, State: "running", Health: "healthy", Image: "shop:1", ImageID: "sha256:one", Release: "r1"}
	}
	nginx := one("nginx")
	d := &bluegreen.Deployment{
		Project: "shop", At: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), Proxy: &nginx,
		Router: &bluegreen.RouterStatus{Active: bluegreen.Blue, Agent: version()},
		Blue:   bluegreen.PoolState{Pool: bluegreen.Blue, Containers: []bluegreen.Container{one("app_blue")}},
		Green:  bluegreen.PoolState{Pool: bluegreen.Green, Containers: []bluegreen.Container{one("app_green")}},
	}
	for _, pool := range bluegreen.Pools() {
		d.Router.Standing = append(d.Router.Standing, bluegreen.Standing{
			Pool: pool, Release: bluegreen.Release{ID: "r1", Image: "shop:1", ImageID: "sha256:one"}, By: bluegreen.Holder{User: "ana", Host: "desk"},
		})
		d.Pool(pool).Answer = &bluegreen.ProbeResult{Status: 200, Addr: "172.20.0.2"}
	}
	if change != nil {
		change(d)
	}
	return d
}

// TestPrintStatus_SaysWhatIsNotAsItShouldBe: each fact has a line, in the list of changes
// too where it may change by itself, and a healthy deployment has none.
func TestPrintStatus_SaysWhatIsNotAsItShouldBe(t *testing.T) {
	for _, tt := range []struct {
		name, want, line string
		make             func(*bluegreen.Deployment)
	}{
		{"nothing", "", "ok, active blue", nil},
		{"trouble", "trouble: the log rotation does not work", "trouble: the log rotation", func(d *bluegreen.Deployment) {
			d.Router.Trouble = []string{"the log rotation does not work"}
		}},
		{"other release", "green is not what the deployment put there: ana@desk put r9 (shop:9)", "", func(d *bluegreen.Deployment) {
			d.Router.Standing[1].Release = bluegreen.Release{ID: "r9", Image: "shop:9", ImageID: "sha256:nine"}
		}},
		{"another agent", "the proxy runs v0.0.1, this is " + version(), "", func(d *bluegreen.Deployment) { d.Router.Agent = "v0.0.1" }},
		{"older agent", "the proxy runs an older bgctl, this is", "", func(d *bluegreen.Deployment) { d.Router.Agent = "" }},
		{"silent pool", "green does not answer the proxy: no answer within 1s; look at it: bgctl logs app_green", "(does not answer)", func(d *bluegreen.Deployment) {
			d.Green.Answer = &bluegreen.ProbeResult{Err: "no answer within 1s"}
		}},
		{"stand-in answer", "green does not answer the proxy: nginx says 502 in its place", "(does not answer)", func(d *bluegreen.Deployment) {
			d.Green.Answer = &bluegreen.ProbeResult{Status: 502}
		}},
		{"outage", "no request is answered", "outage", func(d *bluegreen.Deployment) {
			d.Green.Answer, d.Blue.Answer = &bluegreen.ProbeResult{Err: "refused"}, &bluegreen.ProbeResult{Err: "refused"}
		}},
		{"no proxy", "no request is answered", "outage", func(d *bluegreen.Deployment) { d.Proxy.State = "exited" }},
		{"what up does", "up: at the step converge", "(converge)", func(d *bluegreen.Deployment) {
			d.Router.Lock = &bluegreen.Holder{User: "ana"}
			d.Router.Current = &bluegreen.Operation{Kind: bluegreen.ActUp, From: bluegreen.Blue, To: bluegreen.Blue, Phase: bluegreen.OpConverge}
		}},
		{"what deploy does", "deploy of r9 (shop:9) to green: at the step install", "(install)", func(d *bluegreen.Deployment) {
			d.Router.Lock = &bluegreen.Holder{User: "ana"}
			d.Router.Current = &bluegreen.Operation{Kind: bluegreen.ActDeploy, From: bluegreen.Blue, To: bluegreen.Green, Phase: bluegreen.OpInstall, New: &bluegreen.Release{ID: "r9", Image: "shop:9"}}
		}},
		{"down", "shop: down", "down", func(d *bluegreen.Deployment) {
			d.Proxy.State, d.Blue.Containers, d.Green.Containers = "exited", nil, nil
		}},
	} {
		d := deploymentOf(tt.make)
		s := (&app{}).summary(&target{}, d)
		var b strings.Builder
		if err := printStatus(&b, &s, d); err != nil {
			t.Fatal(err)
		}
		_, notes, _ := strings.Cut(b.String(), "\nPOOL")
		_, notes, _ = strings.Cut(notes, "\n\n")
		switch {
		case tt.want == "" && notes != "":
			t.Errorf("%s: there is something to say:\n%s", tt.name, b.String())
		case !strings.Contains(b.String(), tt.want):
			t.Errorf("%s: no %q in:\n%s", tt.name, tt.want, b.String())
		}
		if line := changeLine(&s); !strings.Contains(line, tt.line) {
			t.Errorf("%s: no %q in %q", tt.name, tt.line, line)
		}
	}
}
