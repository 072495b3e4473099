//go:build e2e

package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// Intent: a switch moves every request, keeps .env in step and prints its undo.
func TestSwitch_MovesTrafficAndKeepsEnvInStep(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	r := shared.must(t, "switch", "green")
	if !strings.Contains(r.out, "undo: bgctl switch blue") || !strings.Contains(r.out, " 0 failed") {
		t.Errorf("output:\n%s", r.out)
	}
	if status, pool, _ := get(t, shared.url()); status != 200 || pool != "green" {
		t.Errorf("after the switch: %d from %q", status, pool)
	}
	env, err := os.ReadFile(filepath.Join(shared.dir, ".env"))
	if err != nil || !strings.Contains(string(env), "ACTIVE_POOL=green\n") {
		t.Errorf(".env = %q, %v", env, err)
	}
	if r := shared.run("switch", "green"); r.code != 0 || !strings.Contains(r.out, "nothing to do") {
		t.Errorf("switching to the active pool: exit %d, %s", r.code, r.out)
	}
	// .env was changed by the switch itself: up has nothing to do.
	if r := shared.must(t, "up", "--demo"); strings.Contains(r.err+r.out, "recreate") {
		t.Errorf("up after a switch:\n%s%s", r.out, r.err)
	}
	if got := shared.active(t); got != "green" {
		t.Errorf("up moved traffic to %s", got)
	}
}

// Intent: the whole command is fast enough to be pressed like a light switch.
func TestSwitch_IsFast(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	var slowest time.Duration
	for _, pool := range []string{"green", "blue", "green", "blue"} {
		r := shared.must(t, "switch", pool, "--json")
		var out bluegreen.Outcome
		if err := json.Unmarshal([]byte(r.out), &out); err != nil || out.Receipt == nil {
			t.Fatalf("%v in %s", err, r.out)
		}
		t.Logf("switch to %s: command %s, %s", pool, r.took.Round(time.Millisecond), out.Receipt)
		if out.Receipt.Failed != 0 || out.Receipt.Late != 0 {
			t.Errorf("receipt: %+v", out.Receipt)
		}
		slowest = max(slowest, r.took)
	}
	if slowest > 2*time.Second {
		t.Errorf("the slowest switch took %s", slowest)
	}
}

// Intent: what a gate refuses changes nothing and has an exit code of its own.
func TestSwitch_RefusedByTheGate(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	docker(t, "pause", shared.container(t, "app_green"))
	for _, args := range [][]string{{"switch", "green"}, {"switch", "green", "--dry-run"}} {
		if r := shared.run(args...); r.code != 4 || !strings.Contains(r.err, "green is paused") || strings.Count(r.err, "\n") > 1 {
			t.Errorf("%v: exit %d, %q", args, r.code, r.err)
		}
	}
	if got := shared.active(t); got != "blue" {
		t.Errorf("active = %s", got)
	}
	if r := shared.run("status"); r.code != 3 {
		t.Errorf("status with a paused standby: exit %d, want 3", r.code)
	}
}

// Intent: --dry-run shows the plan and changes nothing.
func TestSwitch_DryRun(t *testing.T) {
	r := shared.must(t, "switch", "green", "--dry-run")
	if !strings.Contains(r.out, "rename active/blue to active/green") || shared.active(t) != "blue" {
		t.Errorf("dry run:\n%s", r.out)
	}
}

// Intent: of several commands at once exactly one acts at a time; the others are
// told who does, and nothing is half-changed.
func TestSwitch_Concurrent(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	var wg sync.WaitGroup
	codes := make([]int, 6)
	for i := range codes {
		wg.Go(func() {
			r := shared.run("switch", "green")
			codes[i] = r.code
			if r.code != 0 && r.code != 4 && r.code != 6 {
				t.Errorf("exit %d: %s", r.code, r.err)
			}
		})
	}
	wg.Wait()
	if got := shared.active(t); got != "green" {
		t.Errorf("codes %v, active = %s", codes, got)
	}
}

// Intent: a command killed at any point leaves the active pool what it was or
// what was asked; status says which, and the next command settles it.
func TestSwitch_KilledAtEveryStep(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	points := []string{
		"before-lock", "after-lock", "after-recheck", "after-probe", "before-journal", "after-journal",
		"before-route", "after-route", "after-verify", "after-env", "before-close", "after-close",
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			before := shared.active(t)
			to := map[string]string{"blue": "green", "green": "blue"}[before]
			r := shared.runEnv([]string{"BGCTL_FAILPOINT=" + point}, "switch", to)
			if r.code != -1 {
				t.Fatalf("exit %d, want it killed: %s", r.code, r.err)
			}
			now := shared.active(t)
			if now != before && now != to {
				t.Fatalf("active = %q", now)
			}
			if _, pool, _ := get(t, shared.url()); pool != now {
				t.Errorf("status says %s, users get %s", now, pool)
			}
			cut, _ := shared.status(t)["unfinished"].(string)
			journaled := point == "after-journal" || point == "before-route" || point == "after-route" ||
				point == "after-verify" || point == "after-env" || point == "before-close"
			if (cut != "") != journaled {
				t.Errorf("unfinished = %q", cut)
			}
			eventually(t, 5*time.Second, "the next command works", func() bool {
				r = shared.run("switch", map[string]string{"blue": "green", "green": "blue"}[now])
				return r.code == 0
			})
			if journaled && !strings.Contains(r.err, "was cut off") {
				t.Errorf("the next command does not say what happened: %s", r.err)
			}
			if cut, _ := shared.status(t)["unfinished"].(string); cut != "" {
				t.Errorf("still unfinished: %s", cut)
			}
		})
	}
}

// Intent: the active pool survives every way to lose the proxy.
func TestProxy_KeepsTheActivePool(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	shared.must(t, "switch", "green")
	for name, act := range map[string]func(){
		"restart": func() { docker(t, "restart", "-t", "5", shared.container(t, "nginx")) },
		"kill and up": func() {
			docker(t, "kill", shared.container(t, "nginx"))
			shared.must(t, "up", "--demo")
		},
		"remove and up": func() {
			docker(t, "rm", "-f", shared.container(t, "nginx"))
			shared.must(t, "up", "--demo")
		},
	} {
		t.Run(name, func(t *testing.T) {
			act()
			eventually(t, 10*time.Second, "the proxy answers", func() bool { return shared.active(t) != "" })
			if _, pool, _ := get(t, shared.url()); pool != "green" || shared.active(t) != "green" {
				t.Errorf("active = %s, users get %s", shared.active(t), pool)
			}
		})
	}
}

// Intent: an operator who edits ACTIVE_POOL in .env, as with the hand-made kit, gets that
// pool, without a new container; once traffic was moved by a command, when asked for.
func TestUp_CarriesOutAnEditedActivePool(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	before := shared.container(t, "nginx")
	path := filepath.Join(shared.dir, ".env")
	env, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(env), "ACTIVE_POOL=blue", "ACTIVE_POOL=green", 1)
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := shared.must(t, "up", "--demo"); shared.active(t) != "blue" || !strings.Contains(r.err, "bgctl switch green") {
		t.Errorf("active = %s, want blue and a word on it:\n%s", shared.active(t), r.err)
	}
	shared.must(t, "up", "--demo", "--release-from-env")
	if got := shared.active(t); got != "green" {
		t.Errorf("active = %s, want green", got)
	}
	if shared.container(t, "nginx") != before {
		t.Error("the proxy was recreated for it")
	}
}
