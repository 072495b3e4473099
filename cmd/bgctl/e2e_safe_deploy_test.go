//go:build e2e

package main_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Intent: a deploy that fails, in whichever way, gives the standby back as it was, with
// its image, environment and labels, and that standby takes over when the active pool
// dies.
func TestSafe_DeployThatFails(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-deploy", "v1")
	for variant, timeout := range map[string]string{"hang": "10s", "deaf": "3s", "exits": "10s", "crash": "10s"} {
		t.Run(variant, func(t *testing.T) {
			f := s.beforeFailure(t)
			f.judge(t, s.run("deploy", shop(variant), "--timeout", timeout), 20*time.Second)
		})
	}
	// What is put back does not get what somebody wrote into .env meanwhile.
	t.Run("broken .env", func(t *testing.T) {
		f := s.beforeFailure(t)
		s.setEnv(t, "PORT=3001")
		f.judge(t, s.run("deploy", shop("v2"), "--timeout", "4s"), 20*time.Second)
	})
}

// Intent: the same when the command is told to end, or dies, while it waits for the new
// release.
func TestSafe_DeployThatIsCut(t *testing.T) {
	t.Parallel()
	s := ownShop(t, "safe-cut", "v1")
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			f := s.beforeFailure(t)
			cmd := s.launchHanging(t)
			if err := cmd.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			told := time.Now()
			r := cmd.wait(30 * time.Second)
			if took := time.Since(told); took > 15*time.Second {
				t.Errorf("the command ended %s after %s, want at most 15s", took.Round(time.Millisecond), name)
			}
			f.judge(t, r, time.Minute)
		})
	}
	t.Run("SIGKILL", func(t *testing.T) {
		f := s.beforeFailure(t)
		cmd := s.launchHanging(t)
		if err := cmd.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if r := cmd.wait(5 * time.Second); r.code != -1 {
			t.Fatalf("got exit %d, want it killed", r.code)
		}
		if s.afterKill(t).Unfinished == "" {
			t.Error("status: got nothing unfinished, want the deploy that was cut off")
		}
		next := []string{"heal", other(f.active)}
		if dry := s.run(append(next, "--dry-run")...); dry.code != 0 || !recoveryRE.MatchString(firstStep(dry.out)) {
			t.Errorf("%v --dry-run: got exit %d and %q%s, want the recovery as its first step", next, dry.code, dry.out, dry.err)
		}
		r := s.patiently(next...)
		if r.code != 0 {
			t.Errorf("%v: got exit %d, want 0\n%s%s", next, r.code, r.out, r.err)
		}
		f.judgeState(t)
	})
}

// launchHanging starts a deploy of the release that hangs on its health check, and
// returns in the middle of the wait for it.
func (s *stack) launchHanging(t *testing.T) *running {
	t.Helper()
	standby := "app_" + other(s.active(t))
	id := strings.TrimSpace(docker(t, "inspect", "-f", "{{.Id}}", shop("hang")))
	cmd := s.launch(t, "deploy", shop("hang"), "--timeout", "60s")
	eventually(t, 20*time.Second, "the standby runs the new release", func() bool {
		out, err := exec.Command("docker", "ps", "-q", "--filter", "status=running", "--filter", "ancestor="+id,
			"--filter", "label=com.docker.compose.project="+s.project, "--filter", "label=com.docker.compose.service="+standby).Output()
		return err == nil && len(out) > 0
	})
	time.Sleep(1500 * time.Millisecond) // into the probe
	return cmd
}

// failure is a deployment before a deploy that must fail.
type failure struct {
	s       *stack
	active  string
	env     string
	standby inspected
	crowd   *crowd
}

// beforeFailure notes what must be as before afterwards, and lets users come.
func (s *stack) beforeFailure(t *testing.T) *failure {
	t.Helper()
	s.rebase(t, s.baseEnv())
	active := s.active(t)
	f := &failure{s: s, active: active, env: s.envText(t), standby: s.inspect(t, "app_"+other(active)), crowd: s.crowd(t)}
	t.Cleanup(func() { s.writeEnv(t, f.env) })
	return f
}

// judge judges how the command ended and what it left.
func (f *failure) judge(t *testing.T, r result, limit time.Duration) {
	t.Helper()
	if r.code <= 0 {
		t.Errorf("deploy: got exit %d, want a failure\n%s%s", r.code, r.out, r.err)
	}
	if r.took > limit {
		t.Errorf("deploy: took %s, want at most %s", r.took.Round(time.Millisecond), limit)
	}
	t.Logf("exit %d after %s: %s", r.code, r.took.Round(time.Millisecond), lastLine(r.err))
	f.judgeState(t)
}

// judgeState judges the deployment: the old release in the standby, nobody lost a
// request, and the standby takes over.
func (f *failure) judgeState(t *testing.T) {
	t.Helper()
	s := f.s
	f.crowd.lostNothing(t)
	if now := s.active(t); now != f.active {
		t.Errorf("active: got %s, want %s", now, f.active)
	}
	s.sameRelease(t, "app_"+other(f.active), &f.standby)
	for _, line := range []string{"BLUE_IMAGE=" + shop("v1"), "GREEN_IMAGE=" + shop("v1"), "ACTIVE_POOL=" + f.active} {
		if now := s.envText(t); !strings.Contains(now, line+"\n") {
			t.Errorf(".env lacks %s, which it had:\n%s", line, now)
		}
	}
	s.atRest(t, 5*time.Second)
	s.takesOver(t, f.active)
}

// takesOver kills the active pool and fails the test for every GET that is lost. It
// brings the pool back.
func (s *stack) takesOver(t *testing.T, active string) {
	t.Helper()
	c := s.getCrowd(t)
	id := s.container(t, "app_"+active)
	docker(t, "kill", id)
	time.Sleep(1500 * time.Millisecond)
	c.lostNothing(t)
	if text, err := ask(t.Context(), s.url()); err != nil || text != "shop v1 in "+other(active)+"\n" {
		t.Errorf("users get %q, %v; want v1 of %s", text, err, other(active))
	}
	docker(t, "start", id)
	// nginx leaves a pool that failed alone for fail_timeout.
	eventually(t, 10*time.Second, "the active pool answers again", func() bool {
		text, err := ask(t.Context(), s.url())
		return err == nil && strings.HasSuffix(text, " in "+active+"\n")
	})
}
