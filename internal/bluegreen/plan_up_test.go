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
)

func TestPlanUp_OnePoolAfterTheOther(t *testing.T) {
	d := world(t, bluegreen.Blue, hold)
	p, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{
		Command: "bgctl up",
		Images:  []string{"pull image watch:2: missing"},
		Changes: []string{"recreate container shop-alert_watcher-1: configuration changed"},
		Changed: []string{"CLIENT_MAX_BODY_SIZE"}, Settings: map[string]string{"CLIENT_MAX_BODY_SIZE": "20m"},
		Pools: map[bluegreen.Pool]bluegreen.PoolWant{
			bluegreen.Blue: {Release: release("v1")}, bluegreen.Green: {Release: release("v0")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `check ok    active pool: blue is healthy; it must carry all traffic alone meanwhile
check ok    no fault: no injected fault on green
 1. lock      take the deployment's lock
 2. recheck   refuse unless blue still takes traffic, and the pools hold what they held
 3. check     test with nginx: CLIENT_MAX_BODY_SIZE
 4. fetch     get the images
              pull image watch:2: missing
 5. journal   write the operation to the journal
 6. converge  change what takes no traffic
              recreate container shop-alert_watcher-1: configuration changed
 7. configure put in force by a reload: CLIENT_MAX_BODY_SIZE
 8. close     close the journal entry
 9. image     make sure the engine has shop:v1, pull it if not
10. journal   write the operation to the journal
11. solo      keep green out of the failover until it is verified; blue has no backup meanwhile
12. drain     wait until the last requests on green have ended, at most 10s
13. install   replace v0 (shop:v0) in green by v1 (shop:v1)
14. ready     wait until green is ready, at most 2m0s; else v0 (shop:v0) comes back
15. probe     ask green for /healthz through nginx, 3 times
16. keep      record what stands in green, keep GREEN_IMAGE and RELEASE_ID_GREEN in .env in step
17. admit     let green take over again when blue fails
18. meter     start clients that hold connections across the switch
19. route     rename active/blue to active/green in the proxy (no reload)
20. verify    verify on fresh connections that green answers
21. env       keep ACTIVE_POOL in .env in step
22. receipt   count what the switch cost the clients
23. close     close the journal entry
24. image     make sure the engine has shop:v0, pull it if not
25. journal   write the operation to the journal
26. solo      keep blue out of the failover until it is verified; green has no backup meanwhile
27. drain     wait until the last requests on blue have ended, at most 10s
28. install   replace v1 (shop:v1) in blue by v0 (shop:v0)
29. ready     wait until blue is ready, at most 2m0s; else v1 (shop:v1) comes back
30. probe     ask blue for /healthz through nginx, 3 times
31. keep      record what stands in blue, keep BLUE_IMAGE and RELEASE_ID_BLUE in .env in step
32. admit     let blue take over again when green fails
33. close     close the journal entry
`
	if diff := cmp.Diff(want, p.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPlanUp_WhatTakesTrafficAfterwards holds which release users see, and what a
// rollback goes to: never another one than the file asks for.
func TestPlanUp_WhatTakesTrafficAfterwards(t *testing.T) {
	want := func(id string) bluegreen.PoolWant { return bluegreen.PoolWant{Release: release(id)} }
	newer := func(id string) bluegreen.PoolWant {
		return bluegreen.PoolWant{Release: release(id), Intent: true}
	}
	for name, tt := range map[string]struct {
		pools    map[bluegreen.Pool]bluegreen.PoolWant
		installs string // pool=release in their order
		routes   string
	}{
		"both configurations":        {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: want("v1"), bluegreen.Green: want("v0")}, "green=v1 blue=v0", "green"},
		"the standby's alone":        {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Green: want("v0")}, "green=v0", ""},
		"the active one's alone":     {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: want("v1")}, "green=v1 blue=v0", "green"},
		"a new release for traffic":  {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: newer("v2")}, "green=v2", "green"},
		"one new release for both":   {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: newer("v2"), bluegreen.Green: newer("v2")}, "green=v2 blue=v2", "green"},
		"a new one for the standby":  {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Green: newer("v2")}, "green=v2", ""},
		"a new one, and its setting": {map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: newer("v2"), bluegreen.Green: want("v0")}, "green=v2", "green"},
	} {
		t.Run(name, func(t *testing.T) {
			d := world(t, bluegreen.Blue, hold)
			p, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Pools: tt.pools})
			if err != nil {
				t.Fatal(err)
			}
			var installs, routes []string
			for _, s := range p.Steps {
				switch s.Op { //nolint:exhaustive // these two say it all
				case bluegreen.OpInstall:
					_, rel, _ := strings.Cut(s.Text, " by ")
					installs = append(installs, s.Pool.String()+"="+strings.Fields(rel)[0])
				case bluegreen.OpRoute:
					routes = append(routes, s.Pool.String())
				}
			}
			if got := strings.Join(installs, " "); got != tt.installs {
				t.Errorf("installs %s, want %s", got, tt.installs)
			}
			if got := strings.Join(routes, " "); got != tt.routes {
				t.Errorf("moves traffic to %q, want %q", got, tt.routes)
			}
		})
	}
}

func TestPlanUp_Refusals(t *testing.T) {
	pools := map[bluegreen.Pool]bluegreen.PoolWant{bluegreen.Blue: {Release: release("v1")}}
	d := world(t, bluegreen.Blue, hold, container(bluegreen.Blue, "running", "unhealthy"))
	if _, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Pools: pools}); !errors.Is(err, bluegreen.ErrRefused) || !strings.Contains(err.Error(), "blue is unhealthy") {
		t.Errorf("a pool that would carry all traffic is unhealthy: %v, want a refusal", err)
	}
	d = world(t, bluegreen.Blue, hold)
	d.Router.Bake = &bluegreen.Bake{Pool: bluegreen.Blue, From: bluegreen.Green, Live: true}
	if _, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Pools: pools}); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("during a bake: %v, want a refusal", err)
	}
	d = world(t, bluegreen.Blue, hold, container(bluegreen.Green, "exited", ""))
	if _, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Active: bluegreen.Green}); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("the file names a pool that is down: %v, want a refusal", err)
	}
}

func TestPlanUp_ReplacingTheProxyIsSevere(t *testing.T) {
	d := world(t, bluegreen.Blue, hold)
	p, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Replace: "its ports changed", LastGap: 312 * time.Millisecond})
	if err != nil || !p.Severe || !strings.Contains(p.String(), "its ports changed") || !strings.Contains(p.String(), "312ms the last time") {
		t.Errorf("%v, severe %t:\n%s", err, p.Severe, p.String())
	}
}

func TestPlanUp_WithNothingToDoIsEmpty(t *testing.T) {
	d := world(t, bluegreen.Blue, hold)
	p, err := bluegreen.PlanUp(&d, &bluegreen.UpSpec{Notes: []string{"the file is old"}})
	if err != nil || !p.Empty() || len(p.Notes) != 1 {
		t.Errorf("%v\n%s", err, p.String())
	}
}

// meter is a [bluegreen.Meter] whose every measurement counts ten requests.
type meter struct{}

func (meter) Start(context.Context, bluegreen.Pool, bluegreen.Pool) bluegreen.Measurement {
	return meter{}
}
func (meter) Ready(context.Context) {}
func (meter) Finish(context.Context, time.Time) bluegreen.Receipt {
	return bluegreen.Receipt{Sent: 10}
}

// A receipt belongs to the entry that moved traffic, and to no other of the same command.
func TestController_AReceiptStandsInItsOwnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newWorld()
		b.Meter = meter{}
		d := b.observe(t)
		p, err := planners()["up of both pools"](&d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Execute(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		if j := b.proxy.Journal; len(j) != 2 || j[0].Receipt == nil || j[0].Receipt.Sent != 10 || j[1].Receipt != nil {
			t.Errorf("journal = %+v", j)
		}
	})
}
