//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Intent: an up in a loop and a deploy do not undo each other: each waits or is told who
// acts, and what the deploy announced runs at the end.
func TestSafe_UpDuringADeploy(t *testing.T) {
	s := atBase(t)
	peer := s.checkout(t)
	past := s.history(t)
	c := s.crowd(t)
	var ups []result
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				ups = append(ups, peer.run("up"))
			}
		}
	}()
	r := s.run("deploy", shop("v3"))
	for begin := time.Now(); r.code == 6 && time.Since(begin) < 20*time.Second; r = s.run("deploy", shop("v3")) {
		if !holderRE.MatchString(r.err) {
			t.Errorf("deploy: got exit 6 and %q, want the holder in it", r.err)
		}
	}
	time.Sleep(2 * time.Second) // for an up that began before the deploy's end, and the next one
	close(stop)
	<-done
	c.lostNothing(t)
	if r.code != 0 {
		t.Errorf("deploy: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	codes := map[int]int{}
	for _, up := range ups {
		codes[up.code]++
		if up.code != 0 && (up.code != 6 || !holderRE.MatchString(up.err)) {
			t.Errorf("up: got exit %d and %q, want 0, or 6 and the holder", up.code, up.err)
		}
	}
	t.Logf("%d ups by exit code: %v", len(ups), codes)
	if text, err := ask(t.Context(), s.url()); err != nil || !strings.HasPrefix(text, "shop v3 ") {
		t.Errorf("users get %q, %v; want what the deploy announced, v3: %s", text, err, r.out)
	}
	if _, release := s.holds(t, s.active(t)); release != "v3" {
		t.Errorf("status: got release %s in the active pool, want v3", release)
	}
	if fresh := since(s.history(t), past); len(fresh) != 1 || fresh[0].Kind != "deploy" {
		t.Errorf("history: got %v, want the deploy alone", kinds(fresh))
	}
	s.atRest(t, 5*time.Second)
}

// Intent: a folder whose .env does not know of the last switch does not move traffic:
// not by up alone, not with a changed setting beside it, and not when the proxy's
// container has gone. It says so.
func TestSafe_UpAfterASwitchFromElsewhere(t *testing.T) {
	touch := func(t *testing.T, s *stack, by time.Duration) {
		t.Helper()
		at := time.Now().Add(by)
		if err := os.Chtimes(filepath.Join(s.dir, ".env"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for name, before := range map[string]func(t *testing.T, s *stack){
		"up alone": func(*testing.T, *stack) {},
		// The line is as old as before: what a file's clock says is no intent.
		"newer .env":             func(t *testing.T, s *stack) { touch(t, s, time.Hour) },
		"a setting of the proxy": func(t *testing.T, s *stack) { s.setEnv(t, "CLIENT_MAX_BODY_SIZE=20m"); touch(t, s, -time.Hour) },
		"no proxy": func(t *testing.T, s *stack) {
			docker(t, "rm", "-f", s.container(t, "nginx"))
			touch(t, s, -time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := atBase(t)
			peer := s.checkout(t)
			past := s.history(t)
			s.must(t, "switch", "green")
			peer.must(t, "switch", "blue")
			before(t, s)
			l := s.lookout(t)
			r := s.run("up", "--yes")
			if r.code == 2 && strings.Contains(r.err, "unknown flag") {
				r = s.run("up") // so that the fault shows, not the flag
			}
			if r.code != 0 || !strings.Contains(r.err, "ACTIVE_POOL") || !strings.Contains(r.err, "blue") {
				t.Errorf("up: got exit %d and %q; want exit 0 and a line on ACTIVE_POOL and blue", r.code, r.err)
			}
			s.atRest(t, 10*time.Second)
			for _, text := range l.stop() {
				if text != "shop v1 in blue\n" && (text != "no answer" || name != "no proxy") {
					t.Errorf("users got %q, want v1 in blue alone", text)
				}
			}
			if got := s.active(t); got != "blue" {
				t.Errorf("active: got %s, want blue as before", got)
			}
			var moves []string
			for _, op := range since(s.history(t), past) {
				if op.Kind != "up" {
					moves = append(moves, op.Kind+" "+op.To)
				}
			}
			if !slices.Equal(moves, []string{"switch green", "switch blue"}) {
				t.Errorf("history: got the moves %q, want the two switches", moves)
			}
		})
	}
}

// peerRounds is how often two operators meet: every command meets every other one, in
// both folders.
const peerRounds = 20

// Intent: of two operators' commands at once exactly one acts, the other is told who
// does, or comes afterwards; what acted is in the journal, and each round ends legal.
func TestSafe_TwoOperators(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-peers", "v1")
	folders := []*stack{s, s.checkout(t)}
	now, past := s.atRest(t, 5*time.Second), s.history(t)
	acted, size := 0, 20
	for round := range peerRounds {
		s.agree(t, folders, &now, size)
		args := [][]string{conflict(round%5, round, now.Active), conflict((round+1+round/5)%5, round, now.Active)}
		for i, a := range args {
			if a[0] == "up" {
				size++
				folders[i].setEnv(t, fmt.Sprintf("CLIENT_MAX_BODY_SIZE=%dm", size))
			}
		}
		results := make([]result, 2)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = folders[i].run(args[i]...) })
		}
		wg.Wait()
		did := 0
		for i := range results {
			did += judgePeer(t, round, args[i], &results[i])
		}
		acted += did
		all := s.history(t)
		fresh := since(all, past)
		past = all
		if did == 0 || len(fresh) != did {
			t.Errorf("round %d, %q: %d commands acted, the journal has %q; want each of them in it", round, args, did, kinds(fresh))
		}
		oneAtATime(t, round, fresh)
		now = s.atRest(t, 15*time.Second)
		if t.Failed() {
			break // the next round would start from no legal state
		}
	}
	t.Logf("%d commands acted", acted)
}

// oneAtATime fails the test when the later of two operations ended sooner after the
// earlier one than it can have taken alone. A fault that stands for a time lets others
// act, so chaos may overlap.
func oneAtATime(t *testing.T, round int, ops []entry) {
	t.Helper()
	if len(ops) != 2 || ops[0].Kind == "chaos" || ops[1].Kind == "chaos" {
		return
	}
	slices.SortFunc(ops, func(a, b entry) int { return a.Finished.Compare(b.Finished) })
	least := 200 * time.Millisecond
	if ops[1].Kind == "deploy" {
		least = 800 * time.Millisecond // a container is made and becomes ready
	}
	if apart := ops[1].Finished.Sub(ops[0].Finished); apart < least {
		t.Errorf("round %d: %s ended %s after %s, want at least %s: they acted at the same time", round, ops[1].Kind, apart, ops[0].Kind, least)
	}
}

// judgePeer judges the end of one of two commands at once, and returns 1 when it acted.
func judgePeer(t *testing.T, round int, args []string, r *result) int {
	t.Helper()
	switch {
	case r.code == 0 && strings.Contains(r.out, "nothing to do"):
		return 0
	case r.code == 0:
		return 1
	case r.code == 6 && holderRE.MatchString(r.err):
		return 0
	case r.code == 4 && (strings.Contains(r.err, "refused") || strings.Contains(r.err, "changed")): // the other one was first and changed what this one needs
		return 0
	}
	t.Errorf("round %d, %q: got exit %d, %s%s; want it to act, or exit 6 and the holder, or a gate that refuses", round, args, r.code, r.out, r.err)
	return 0
}

// conflict is one of five commands that change the deployment.
func conflict(which, round int, active string) []string {
	return [][]string{
		{"switch", other(active)},
		{"up"},
		{"restart", other(active)},
		{"chaos", other(active), "--for", "1s"},
		{"deploy", shop([]string{"v2", "v3"}[round%2])},
	}[which]
}

// agree writes into each folder's .env what is live, as operators do who talk to each
// other, and one size, which the proxy has already.
func (s *stack) agree(t *testing.T, folders []*stack, now *snapshot, size int) {
	t.Helper()
	env := s.envFor(now.Active, now.Pools["blue"].Image, now.Pools["green"].Image)
	if size > 20 {
		env += fmt.Sprintf("CLIENT_MAX_BODY_SIZE=%dm\n", size)
	}
	for _, f := range folders {
		f.writeEnv(t, env)
	}
}
