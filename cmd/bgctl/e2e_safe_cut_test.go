//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cutRounds is how often every step is cut: once, or SAFE_ROUNDS times. With more than
// one round the points after a step are cut too, which differ from those before the
// next step by nothing that lasts.
func cutRounds(t *testing.T) int {
	t.Helper()
	v := os.Getenv("SAFE_ROUNDS")
	if v == "" {
		return 1
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 100 {
		t.Fatalf("SAFE_ROUNDS=%q: want a number from 1 to 100", v)
	}
	return n
}

// cut is a command that is killed at each of its steps.
type cut struct {
	s     *stack
	args  func(active string, n int) []string // the n-th time it is called, ready to act
	next  func(active string) []string        // the command that comes after it
	crowd *crowd
	lost  int // requests that were lost until now
}

// Intent: kill -9 at any step of a switch leaves a legal state, the next command's dry
// run shows the recovery, the next command works, and readers lose nothing.
func TestSafe_CutSwitch(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-cut-switch", "v1")
	toStandby := func(active string, _ int) []string { return []string{"switch", other(active)} }
	cutEverywhere(t, &cut{s: s, args: toStandby, next: switchOver})
}

// Intent: the same for a rollback.
func TestSafe_CutRollback(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-cut-rollback", "v1")
	s.must(t, "switch", "green")
	back := func(string, int) []string { return []string{"rollback"} }
	cutEverywhere(t, &cut{s: s, args: back, next: switchOver})
}

// Intent: the same for a deploy.
func TestSafe_CutDeploy(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-cut-deploy", "v1")
	deploy := func(_ string, n int) []string {
		return []string{"deploy", shop([]string{"v2", "v3"}[n%2]), "--release", fmt.Sprintf("k%d", n)}
	}
	cutEverywhere(t, &cut{s: s, args: deploy, next: switchOver})
}

// Intent: the same for an up with a changed setting of the proxy and of the standby's
// container; with more than one round also with one of both pools.
func TestSafe_CutUp(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-cut-up", "v1")
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	ports := []int{port, s.ports["GREEN_PORT"]}
	up := func(_ string, n int) []string {
		s.ports["GREEN_PORT"] = ports[n%2]
		env := s.baseEnv() + fmt.Sprintf("CLIENT_MAX_BODY_SIZE=%dm\n", 20+n)
		if cutRounds(t) > 1 {
			env += fmt.Sprintf("APP_READ_ONLY=%t\n", n%2 == 1)
		}
		s.writeEnv(t, env)
		return []string{"up"}
	}
	cutEverywhere(t, &cut{s: s, args: up, next: func(string) []string { return []string{"up"} }})
}

// switchOver is the switch to the pool that takes no traffic.
func switchOver(active string) []string { return []string{"switch", other(active), "--no-receipt"} }

// cutEverywhere kills a command at each step that its own dry run names.
func cutEverywhere(t *testing.T, c *cut) {
	t.Helper()
	rounds := cutRounds(t)
	points := c.points(t, rounds)
	c.crowd = c.s.getCrowd(t)
	for round := range rounds {
		for i, point := range points {
			t.Run(point, func(t *testing.T) { c.at(t, point, 1+round*len(points)+i) })
		}
	}
	t.Log(c.crowd.stop())
}

// points are the places to kill the command at.
func (c *cut) points(t *testing.T, rounds int) []string {
	t.Helper()
	args := append(c.args(c.s.active(t), 0), "--dry-run", "--json")
	r := c.s.run(args...)
	var plan struct{ Steps []struct{ Op string } }
	if err := json.Unmarshal([]byte(r.out), &plan); err != nil || r.code != 0 || len(plan.Steps) == 0 {
		t.Fatalf("%q: got exit %d, %v, %d steps; want exit 0 and a plan with the op of each step\n%s%s", args, r.code, err, len(plan.Steps), r.out, r.err)
	}
	var points []string
	for _, step := range plan.Steps {
		for _, point := range []string{"before-" + step.Op, "after-" + step.Op} {
			if (rounds > 1 || strings.HasPrefix(point, "before-")) && !slices.Contains(points, point) {
				points = append(points, point)
			}
		}
	}
	if last := "after-" + plan.Steps[len(plan.Steps)-1].Op; !slices.Contains(points, last) {
		points = append(points, last)
	}
	return points
}

// at kills the command at point and judges what it leaves, and the next command.
func (c *cut) at(t *testing.T, point string, n int) {
	t.Helper()
	s := c.s
	before := s.active(t)
	args := c.args(before, n)
	if r := s.runEnv([]string{"BGCTL_FAILPOINT=" + point}, args...); r.code != -1 {
		t.Fatalf("%q: got exit %d, want it killed at %s\n%s%s", args, r.code, point, r.out, r.err)
	}
	left := s.afterKill(t)
	now, cutOff := left.Active, left.Unfinished
	if strings.HasPrefix(point, "after-journal") && cutOff == "" {
		t.Error("status: got nothing unfinished, want the operation that the journal holds")
	}
	if now != before && now != other(before) {
		t.Fatalf("active: got %q, want %s or %s", now, before, other(before))
	}
	if text, err := ask(t.Context(), s.url()); err != nil || !strings.HasSuffix(text, " in "+now+"\n") {
		t.Errorf("status says %s, users get %q, %v", now, text, err)
	}
	next := c.next(now)
	dry := s.run(append(next, "--dry-run")...)
	if dry.code != 0 {
		t.Errorf("%q --dry-run: got exit %d, want 0\n%s%s", next, dry.code, dry.out, dry.err)
	}
	if cutOff != "" && !recoveryRE.MatchString(firstStep(dry.out)) {
		t.Errorf("unfinished: %q; %q --dry-run: got %q as its first step, want the recovery\n%s", cutOff, next, firstStep(dry.out), dry.out)
	}
	if r := s.patiently(next...); r.code != 0 {
		t.Errorf("%q: got exit %d, want 0\n%s%s", next, r.code, r.out, r.err)
	}
	s.atRest(t, 10*time.Second)
	lost := c.crowd.count()
	if lost.failed > c.lost {
		t.Errorf("readers: got %d failed requests, want 0; of all points %v", lost.failed-c.lost, lost.bad)
	}
	c.lost = lost.failed
	if t.Failed() { // what comes next starts from a legal state
		s.rebaseQuietly(t)
		c.lost = c.crowd.count().failed
	}
}

// rebaseQuietly makes the deployment anew when it is not legal.
func (s *stack) rebaseQuietly(t *testing.T) {
	t.Helper()
	if _, why := s.look(t); why == "" {
		return
	}
	t.Log("the deployment is made anew")
	if err := s.wipe(); err != nil {
		t.Fatal(err)
	}
	s.writeEnv(t, s.baseEnv())
	s.bringUp(t)
	s.must(t, "switch", "green")
}
