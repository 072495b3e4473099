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

// hold puts releases into the pools: v1 takes traffic in blue, v0 stands in green.
func hold(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
	for pool, id := range map[bluegreen.Pool]string{bluegreen.Blue: "v1", bluegreen.Green: "v0"} {
		c := &d.Pool(pool).Containers[0]
		c.Image, c.ImageID, c.Release = "shop:"+id, "sha256:shop:"+id, id
	}
}

func TestPlanDeploy_StepsInOrder(t *testing.T) {
	d := world(t, bluegreen.Blue, hold)
	p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{
		Bake: bluegreen.BakeSpec{For: 10 * time.Minute, Threshold: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `check ok    active pool: blue is healthy; it must carry all traffic alone meanwhile
check ok    no fault: no injected fault on green
 1. lock     take the deployment's lock
 2. recheck  refuse unless blue still takes traffic and is ready
 3. image    make sure the engine has shop:v2, pull it if not
 4. journal  write the operation to the journal
 5. solo     keep green out of the failover until it is verified; blue has no backup meanwhile
 6. drain    wait until the last requests on green have ended, at most 10s
 7. install  replace v0 (shop:v0) in green by v2 (shop:v2)
 8. ready    wait until green is ready, at most 2m0s; else v0 (shop:v0) comes back
 9. probe    ask green for /healthz through nginx, 3 times
10. keep     record what stands in green, keep GREEN_IMAGE and RELEASE_ID_GREEN in .env in step
11. admit    let green take over again when blue fails
12. meter    start clients that hold connections across the switch
13. route    rename active/blue to active/green in the proxy (no reload)
14. verify   verify on fresh connections that green answers
15. env      keep ACTIVE_POOL in .env in step
16. receipt  count what the switch cost the clients
17. close    close the journal entry
18. bake     watch green for 10m0s; back to blue when more than 2 % of its requests fail
undo: bgctl rollback
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Error(diff)
	}
	if p.Command != "bgctl deploy shop:v2 --bake 10m0s" {
		t.Errorf("command = %q", p.Command)
	}
}

func TestPlanDeploy_StagedMovesNoTraffic(t *testing.T) {
	d := world(t, bluegreen.Green, hold)
	p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, bluegreen.DeployOptions{
		Staged: true, Pull: bluegreen.PullAlways, Bake: bluegreen.BakeSpec{For: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	for _, no := range []string{"route", "verify", "ACTIVE_POOL", "bake"} {
		if strings.Contains(text, no) {
			t.Errorf("a staged deploy has a step %q:\n%s", no, text)
		}
	}
	if p.To != bluegreen.Blue || !strings.Contains(text, "pull shop:v2") || p.Undo != "bgctl deploy shop:v1 --release v1 --no-switch" {
		t.Errorf("to %s, undo %q:\n%s", p.To, p.Undo, text)
	}
}

func TestPlanDeploy_Refusals(t *testing.T) {
	type change = func(*bluegreentest.Engine, *bluegreen.Deployment)
	baking := func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
		d.Router.Bake = &bluegreen.Bake{Pool: bluegreen.Blue, From: bluegreen.Green, Live: true}
	}
	fault := func(pool bluegreen.Pool) change {
		return func(_ *bluegreentest.Engine, d *bluegreen.Deployment) {
			d.Pool(pool).Fault = &bluegreen.Fault{Pool: pool, Mode: bluegreen.FaultPause}
		}
	}
	for _, tt := range []struct {
		name   string
		change change
		to     bluegreen.Pool
		says   string
		forced bool // force overcomes it
	}{
		{"to the active pool", hold, bluegreen.Blue, "blue takes all traffic", false},
		{"the active pool is down", container(bluegreen.Blue, "exited", ""), bluegreen.NoPool, "blue is exited", true},
		{"the active pool is paused", container(bluegreen.Blue, "paused", "healthy"), bluegreen.NoPool, "blue is paused", true},
		{"a fault on the standby", fault(bluegreen.Green), bluegreen.NoPool, "bgctl heal green", true},
		{"a fault on the active pool", fault(bluegreen.Blue), bluegreen.NoPool, "must carry all traffic", true},
		{"a bake", baking, bluegreen.NoPool, "is watched until", false},
		{"no proxy", func(_ *bluegreentest.Engine, d *bluegreen.Deployment) { d.Proxy = nil }, bluegreen.NoPool, "no proxy", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := world(t, bluegreen.Blue, tt.change)
			opts := bluegreen.DeployOptions{To: tt.to}
			_, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, opts)
			if !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("err = %v, want a refusal with %q", err, tt.says)
			}
			opts.Force = true
			p, err := bluegreen.PlanDeploy(&d, bluegreen.Release{Image: "shop:v2"}, opts)
			if tt.forced && (err != nil || len(p.Forced) == 0 || !p.Severe) || !tt.forced && !errors.Is(err, bluegreen.ErrRefused) {
				t.Errorf("with force: %v, %+v", err, p.Forced)
			}
		})
	}
}

func TestReleaseOf(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for image, want := range map[string]string{
		"shop":                          "latest",
		"shop:1.5.0":                    "1.5.0",
		"registry.example:5000/shop":    "latest",
		"registry.example:5000/shop:v2": "v2",
		"shop@" + digest:                "abababababab",
		"shop:v2@" + digest:             "v2",
		digest:                          "abababababab",
	} {
		if got := bluegreen.ReleaseOf(image); got != want {
			t.Errorf("ReleaseOf(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestParseImage_RefusesWhatIsNone(t *testing.T) {
	for _, bad := range []string{"", ".", "..", "/", "a//b", "a b", "$(id)", "--force", "two words", "Shop:v2", "shop:", "shop:v 2", "shop@sha256:12", "shop:v2\n", "shop:" + strings.Repeat("v", 129), "shop@sha256:" + strings.Repeat("0", 65)} {
		if _, err := bluegreen.ParseImage(bad); err == nil {
			t.Errorf("ParseImage(%q) succeeded", bad)
		}
	}
	for _, good := range []string{"shop", "shop:v2", "registry.example:5000/team/shop:V2", "shop@sha256:" + strings.Repeat("0", 64), "shop:" + strings.Repeat("v", 128)} {
		if _, err := bluegreen.ParseImage(good); err != nil {
			t.Errorf("ParseImage(%q): %v", good, err)
		}
	}
}

// moved is a journal entry of traffic that moved.
func moved(kind bluegreen.Action, from, to bluegreen.Pool, old, now string) bluegreen.Operation {
	rel := func(id string) *bluegreen.Release {
		return &bluegreen.Release{ID: id, Image: "shop:" + id, ImageID: "sha256:shop:" + id}
	}
	return bluegreen.Operation{
		ID: old + now, Kind: kind, From: from, To: to, Old: rel(old), New: rel(now), Ending: bluegreen.EndDone, Result: "done", Finished: time.Unix(1, 0),
	}
}

func TestPlanRollback_GoesBackThroughTheJournal(t *testing.T) {
	blue, green := bluegreen.Blue, bluegreen.Green
	deploy, back, sw := bluegreen.ActDeploy, bluegreen.ActRollback, bluegreen.ActSwitch
	staged := moved(deploy, green, blue, "v2", "v3")
	staged.Staged, staged.Ending = true, bluegreen.EndStaged
	failed := moved(deploy, green, blue, "v2", "v3")
	failed.Ending, failed.Result = bluegreen.EndFailed, "failed: it was sick"
	for _, tt := range []struct {
		name  string
		moves []bluegreen.Operation
		want  string // release it goes back to; "" is a refusal
		how   string
	}{
		{"never moved", nil, "", ""},
		{"a deploy", []bluegreen.Operation{moved(deploy, green, blue, "v0", "v1")}, "v0", "switch"},
		{"a switch", []bluegreen.Operation{moved(sw, green, blue, "v0", "v1")}, "v0", "switch"},
		{"what was rolled back already", []bluegreen.Operation{moved(deploy, blue, green, "v1", "v0"), moved(back, green, blue, "v0", "v1")}, "", ""},
		{
			"two deploys, one rollback",
			[]bluegreen.Operation{moved(deploy, green, blue, "v7", "v1"), moved(deploy, blue, green, "v1", "v0"), moved(back, green, blue, "v0", "v1")},
			"v7", "deploy",
		},
		{"a staged deploy is no move", []bluegreen.Operation{moved(deploy, green, blue, "v0", "v1"), staged}, "v0", "switch"},
		{"a failed deploy is no move", []bluegreen.Operation{moved(deploy, green, blue, "v0", "v1"), failed}, "v0", "switch"},
		{"the standby holds something else", []bluegreen.Operation{moved(deploy, green, blue, "v9", "v1")}, "v9", "deploy"},
		{"the journal begins with a rollback", []bluegreen.Operation{moved(back, green, blue, "v0", "v1")}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := world(t, blue, hold)
			d.Router.Moves = tt.moves
			p, err := bluegreen.PlanRollback(&d, bluegreen.RollbackOptions{})
			if tt.want == "" {
				if !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), "bgctl switch green") {
					t.Errorf("err = %v, want a refusal that says what else to do", err)
				}
				return
			}
			if err != nil || p.To != green || !strings.Contains(p.Checks[0].Text, tt.want+" (shop:"+tt.want+")") {
				t.Fatalf("%v\n%s", err, p.String())
			}
			if installs := p.Deploy != nil; installs != (tt.how == "deploy") {
				t.Errorf("want a %s:\n%s", tt.how, p.String())
			}
			if p.Deploy != nil && p.Deploy.Release.ImageID != "sha256:shop:"+tt.want {
				t.Errorf("goes back to %+v, want that very image", p.Deploy.Release)
			}
		})
	}
}

func TestPlanRollback_KeepsTheGates(t *testing.T) {
	d := world(t, bluegreen.Blue, hold, container(bluegreen.Green, "exited", ""))
	d.Router.Moves = []bluegreen.Operation{moved(bluegreen.ActDeploy, bluegreen.Green, bluegreen.Blue, "v0", "v1")}
	if _, err := bluegreen.PlanRollback(&d, bluegreen.RollbackOptions{}); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("err = %v, want a refusal", err)
	}
	p, err := bluegreen.PlanRollback(&d, bluegreen.RollbackOptions{Force: true})
	if err != nil || len(p.Forced) != 1 || strings.Contains(p.String(), "probe ") {
		t.Errorf("with force: %v\n%s", err, p.String())
	}
}

func TestPlanRestart(t *testing.T) {
	d := world(t, bluegreen.Blue)
	p, err := bluegreen.PlanRestart(&d, bluegreen.Green, "", bluegreen.RollbackOptions{})
	if err != nil || len(p.Steps) != 6 || p.Severe {
		t.Errorf("restart of the standby: %v\n%s", err, p.String())
	}
	d = world(t, bluegreen.Blue, container(bluegreen.Green, "exited", ""))
	if _, err := bluegreen.PlanRestart(&d, bluegreen.Blue, "", bluegreen.RollbackOptions{}); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("restart of the only pool that answers: %v, want a refusal", err)
	}
	if _, err := bluegreen.PlanRestart(&d, bluegreen.Blue, "nobody", bluegreen.RollbackOptions{}); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("restart of a container that is not there: %v, want a refusal", err)
	}
}

func TestDeployment_ConditionOfADeploy(t *testing.T) {
	me := &bluegreen.Holder{User: "ana"}
	for _, tt := range []struct {
		name   string
		router bluegreen.RouterStatus
		want   bluegreen.Condition
	}{
		{"draining", bluegreen.RouterStatus{Lock: me, Current: &bluegreen.Operation{Phase: bluegreen.OpDrain}}, bluegreen.Draining},
		{"installing", bluegreen.RouterStatus{Lock: me, Current: &bluegreen.Operation{Phase: bluegreen.OpInstall}, Solo: &bluegreen.Solo{}}, bluegreen.Switching},
		{"baking", bluegreen.RouterStatus{Bake: &bluegreen.Bake{Live: true}}, bluegreen.Baking},
		{"a bake that was cut off", bluegreen.RouterStatus{Bake: &bluegreen.Bake{}}, bluegreen.Degraded},
		{"kept out by a command that is gone", bluegreen.RouterStatus{Solo: &bluegreen.Solo{}}, bluegreen.Degraded},
	} {
		d := world(t, bluegreen.Blue)
		tt.router.Active = bluegreen.Blue
		d.Router = &tt.router
		if got := d.Condition(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
