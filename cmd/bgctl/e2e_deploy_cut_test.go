//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/load"
)

// Intent: a release that fails its users goes back by itself, although the old
// release saved every one of them; everybody sees that it bakes, and why it ended.
func deployBake(t *testing.T, s *stack, r releases) {
	active := s.active(t)
	_, before := s.holds(t, active)
	tr := s.start(t, load.Config{Clients: 4, Rate: 200})
	done := make(chan result, 1)
	go func() { done <- s.run("deploy", r.ref("v3"), "--release", "bad", "--bake", "1m", "--json") }()
	eventually(t, 30*time.Second, "it bakes", func() bool { return s.status(t)["state"] == "baking" })
	if res := s.run("deploy", r.ref("v2")); res.code != 4 || !strings.Contains(res.err, "is watched until") {
		t.Errorf("deploy during a bake: exit %d, %s", res.code, res.err)
	}
	time.Sleep(2 * time.Second) // answers that are good, so that it is the bad ones that count
	s.must(t, "chaos", other(active), "--mode", "error")
	broken := time.Now()
	res := <-done
	t.Logf("rolled back %s after it began to fail: %s", time.Since(broken).Round(time.Millisecond), res.err)
	rep := tr.stop()
	var out bluegreen.Outcome
	if err := json.Unmarshal([]byte(res.out), &out); err != nil || out.Bake == nil || out.Bake.Verdict.Saved == 0 || out.Bake.Verdict.Breach == "" {
		t.Errorf("%v in %s", err, res.out)
	}
	if res.code != 7 || !strings.Contains(res.err, "% of the last") || time.Since(broken) > 10*time.Second {
		t.Errorf("exit %d after %s: %s", res.code, time.Since(broken), res.err)
	}
	if _, release := s.holds(t, active); s.active(t) != active || release != before || rep.Failed != 0 {
		t.Errorf("active %s holding %s, users: %s", s.active(t), release, rep.String())
	}
	s.must(t, "heal", other(active))
	if st := s.run("status"); st.code != 0 {
		t.Errorf("status afterwards: exit %d\n%s", st.code, st.out)
	}
}

// Intent: a bake that another operator ends leaves the release; one whose command
// dies is named by status and settled by the next command.
func deployPromote(t *testing.T, s *stack, r releases) {
	standby := other(s.active(t))
	done := make(chan result, 1)
	go func() { done <- s.run("deploy", r.ref("v2"), "--bake", "1m") }()
	eventually(t, 30*time.Second, "it bakes", func() bool { return s.status(t)["state"] == "baking" })
	s.must(t, "promote")
	if res := <-done; res.code != 0 || !strings.Contains(res.out, "its bake was ended") || s.active(t) != standby {
		t.Errorf("exit %d, active %s: %s%s", res.code, s.active(t), res.out, res.err)
	}
	if res := s.must(t, "promote"); !strings.Contains(res.out, "nothing to do") {
		t.Errorf("promote without a bake: %s", res.out)
	}
	cmd := exec.Command(bin(), "-p", s.project, "deploy", r.ref("v3"), "--bake", "1m")
	cmd.Dir, cmd.Env = s.dir, s.env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "it bakes", func() bool { return s.status(t)["state"] == "baking" })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	eventually(t, 5*time.Second, "status says that it was cut off", func() bool {
		st := s.run("status")
		return st.code == 3 && strings.Contains(st.out, "was cut off")
	})
	res := s.must(t, "rollback")
	if !strings.Contains(res.err, "the bake of") || s.run("status").code != 0 {
		t.Errorf("the next command does not say what happened: %s", res.err)
	}
}

// Intent: a deploy killed at any step leaves traffic on a pool that works, and the
// next command says what happened and finishes or undoes it.
func TestDeploy_KilledAtEveryStep(t *testing.T) {
	t.Parallel()
	s, r := deployStack(t, "deploy-cut", impatient)
	s.must(t, "deploy", r.ref("v2"), "--release", "k")
	points := []string{
		"after-image", "after-journal", "after-solo", "before-install", "after-install", "after-ready", "after-probe", "after-keep",
		"before-admit", "after-admit", "before-route", "after-route", "after-verify", "after-env", "after-close",
	}
	for i, point := range points {
		t.Run(point, func(t *testing.T) {
			active := s.active(t)
			image, release := s.holds(t, other(active))
			tag := []string{"v2", "v3"}[i%2]
			res := s.runEnv([]string{"BGCTL_FAILPOINT=" + point}, "deploy", r.ref(tag), "--release", fmt.Sprintf("k%d", i))
			if res.code != -1 {
				t.Fatalf("exit %d, want it killed: %s", res.code, res.err)
			}
			now := s.active(t)
			moved := point == "after-route" || point == "after-verify" || point == "after-env" || strings.HasSuffix(point, "-close")
			if (now != active) != moved {
				t.Fatalf("active = %q, was %q", now, active)
			}
			if status, pool, _ := get(t, s.url()); status != 200 || pool != now {
				t.Errorf("status says %s, users get %d from %s", now, status, pool)
			}
			cut, _ := s.status(t)["unfinished"].(string)
			journaled := point != "after-image" && point != "after-close"
			if (cut != "") != journaled {
				t.Errorf("unfinished = %q", cut)
			}
			// heal is the next command: it settles whatever was left open.
			eventually(t, 10*time.Second, "the next command works", func() bool {
				res = s.run("heal", other(active))
				return res.code == 0
			})
			if journaled && !moved && !strings.Contains(res.err, "was cut off") {
				t.Errorf("the next command does not say what happened: %s%s", res.out, res.err)
			}
			if moved { // nothing to heal: a switch there and back settles it
				s.must(t, "rollback")
			}
			st := s.status(t)
			if cut, _ := st["unfinished"].(string); cut != "" || st["solo"] != nil || st["state"] != "ok" {
				t.Errorf("not settled: state %v, unfinished %q, solo %v", st["state"], cut, st["solo"])
			}
			gotImage, gotRelease := s.holds(t, other(active))
			staged := point == "before-admit" || point == "after-admit" || point == "before-route" || moved
			if staged {
				image, release = r.ref(tag), fmt.Sprintf("k%d", i)
			}
			if gotImage != image || gotRelease != release {
				t.Errorf("%s holds %s %s, want %s %s", other(active), gotImage, gotRelease, image, release)
			}
		})
	}
	if up := s.must(t, "up"); !strings.Contains(up.out, "nothing to do") {
		t.Errorf("up finds something to do:\n%s%s", up.out, up.err)
	}
}
