//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scorecard is `bgctl drill --json`.
type scorecard struct {
	Result string
	Score  struct{ Passed, Failed, Skipped int }
	Took   float64 `json:"took_ms"`
	Phases []struct {
		Phase      string
		State      string
		Judgements []struct{ Name, Verdict, Measured, Why string }
	}
	Requests struct{ Sent, Lost int }
	Timings  struct {
		Failover  float64 `json:"failover_ms"`
		Detection float64 `json:"detection_ms"`
		Alert     float64 `json:"alert_ms"`
		Recovery  float64 `json:"recovery_ms"`
	}
	Alerts struct {
		Receivers []string
		StandIn   bool                  `json:"stand_in"`
		Received  []struct{ ID string } `json:"received"`
	}
}

// failed are the judgements that failed.
func (c *scorecard) failed() []string {
	var out []string
	for _, p := range c.Phases {
		for _, j := range p.Judgements {
			if j.Verdict == "fail" {
				out = append(out, p.Phase+"/"+j.Name+": "+j.Measured+" "+j.Why)
			}
		}
	}
	return out
}

// drill runs a drill and reads its scorecard.
func (s *stack) drill(t *testing.T, args ...string) (result, scorecard) {
	t.Helper()
	r := s.run(append([]string{"drill", "--yes", "--json"}, args...)...)
	var c scorecard
	if err := json.Unmarshal([]byte(r.out), &c); err != nil {
		t.Fatalf("drill --json: exit %d, %v\n%s%s", r.code, err, r.out, r.err)
	}
	return r, c
}

// intact checks that a drill left everything as it was: pools, active pool, faults, no
// process in a container that was not there before, no lease.
func (s *stack) intact(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "status is ok", func() bool { return s.run("status").code == 0 })
	if active := s.active(t); active != "blue" {
		t.Errorf("active is %s", active)
	}
	eventually(t, 30*time.Second, "no helper process is left", func() bool { return s.helpers(t) == "" })
	if exec.Command("docker", "cp", s.container(t, "alert_watcher")+":/var/lib/bgctl/drill-receiver.json", "-").Run() == nil {
		t.Error("the lease is still there")
	}
}

// helpers are the processes of a drill in the containers, one a line.
func (s *stack) helpers(t *testing.T) string {
	t.Helper()
	var out []string
	for _, service := range []string{"nginx", "alert_watcher"} {
		for line := range strings.Lines(docker(t, "top", s.container(t, service), "-eo", "pid,args")) {
			if strings.Contains(line, "drill") || strings.Contains(line, "tail -n") || strings.Contains(line, "grep") {
				out = append(out, line)
			}
		}
	}
	return strings.Join(out, "")
}

// drillStack is a deployment without a webhook, whose cooldown does not outlast a test.
func drillStack(t *testing.T, name string, env ...string) *stack {
	t.Helper()
	s := own(t, name)
	s.setEnv(t, env...)
	s.must(t, "up")
	return s
}

// Intent: a full drill of a healthy deployment passes within a minute, with the
// receiver that the drill brings, and leaves nothing behind; a second one right after
// it is judged by what the cooldown allows and passes as well.
func TestDrill_PassesOnAHealthyDeployment(t *testing.T) {
	s := drillStack(t, "drill", "ALERT_COOLDOWN_SEC=300")
	r, c := s.drill(t)
	t.Logf("%s: %+v, %+v, %+v", r.took.Round(time.Millisecond), c.Score, c.Timings, c.Requests)
	if r.code != 0 || c.Result != "pass" || c.Score.Skipped != 0 || r.took > time.Minute {
		t.Errorf("exit %d after %s: %s %v\n%s", r.code, r.took, c.Result, c.failed(), r.err)
	}
	if !c.Alerts.StandIn || len(c.Alerts.Received) != 2 || c.Timings.Detection <= 0 || c.Timings.Alert <= 0 {
		t.Errorf("%+v, %+v", c.Alerts, c.Timings)
	}
	s.intact(t)
	r, c = s.drill(t, "--duration", "2s")
	t.Logf("second: %s: %+v, %+v", r.took.Round(time.Millisecond), c.Score, c.Timings)
	// Two failovers within minutes are flapping, which is told instead of them.
	muted := strings.Contains(r.out, `"muted":"cooldown until`) || strings.Contains(r.out, `"muted":"inhibited by flapping"`)
	if r.code != 0 || c.Result != "pass" || !muted {
		t.Errorf("the second: exit %d, %v\n%s", r.code, c.failed(), r.out)
	}
	s.intact(t)
}

// Intent: a drill that is cut off leaves nothing behind that it, heal or the next drill
// does not undo; one without a watcher fails for what the watcher would do, no more.
func TestDrill_CutOff(t *testing.T) {
	t.Parallel()
	s := drillStack(t, "drill-cut", "ALERT_COOLDOWN_SEC=300")
	t.Run("interrupted", func(t *testing.T) { drillInterrupted(t, s) })
	t.Run("killed", func(t *testing.T) { drillKilled(t, s) })
	t.Run("watcher stopped", func(t *testing.T) { drillWithoutWatcher(t, s) })
}

// drillInterrupted sends SIGINT at each phase: exit 130, everything as before.
func drillInterrupted(t *testing.T, s *stack) {
	t.Helper()
	for phase, delay := range map[string]time.Duration{
		"health": 0, "baseline": time.Second, "failover": 1800 * time.Millisecond,
	} {
		t.Run(phase, func(t *testing.T) { s.interrupt(t, phase, delay) })
	}
}

// interrupt sends SIGINT to a drill some time into a phase.
func (s *stack) interrupt(t *testing.T, phase string, delay time.Duration, args ...string) {
	t.Helper()
	cmd := exec.Command(bin(), append([]string{"-p", s.project, "drill", "--yes", "--duration", "3s"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	told, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var card strings.Builder
	cmd.Stdout = &card
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	readUntil(t, told, "· "+phase)
	time.Sleep(delay)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	go func() { readUntil(t, told, "\x00never") }() // keep it writing
	_ = cmd.Wait()                                  // the code says it
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d\n%s", code, card.String())
	}
	s.intact(t)
}

// readUntil reads until text appears or the stream ends.
func readUntil(t *testing.T, r interface{ Read([]byte) (int, error) }, text string) {
	t.Helper()
	var all strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(all.String(), text) {
		n, err := r.Read(buf)
		all.Write(buf[:n])
		if err != nil {
			return
		}
	}
}

// drillKilled kills the drill where it hurts most: what is left is undone by heal, or by the
// next drill.
func drillKilled(t *testing.T, s *stack) {
	t.Helper()
	for _, point := range []string{"drill-baseline", "after-record", "drill-broken", "drill-log", "drill-slack", "drill-restore"} {
		t.Run(point, func(t *testing.T) {
			if r := s.runEnv([]string{"BGCTL_FAILPOINT=" + point}, "drill", "--yes", "--duration", "1s"); r.code != -1 {
				t.Fatalf("exit %d, want it killed\n%s%s", r.code, r.out, r.err)
			}
			if point == "drill-broken" { // the next drill undoes it
				r, c := s.drill(t, "--phase", "baseline")
				if r.code != 0 || !strings.Contains(r.out, "that is undone first") {
					t.Errorf("the next drill: exit %d, %v\n%s", r.code, c.failed(), r.err)
				}
			} else {
				eventually(t, 5*time.Second, "heal works", func() bool { return s.run("heal", "blue").code == 0 })
			}
			s.intact(t)
		})
	}
}

// drillWithoutWatcher judges a deployment whose watcher is stopped.
func drillWithoutWatcher(t *testing.T, s *stack) {
	t.Helper()
	watcher := s.container(t, "alert_watcher")
	docker(t, "stop", watcher)
	if r := s.run("drill", "--yes"); r.code != 4 || !strings.Contains(r.err, "the watcher is exited") {
		t.Errorf("without --force: exit %d, %s", r.code, r.err)
	}
	r, c := s.drill(t, "--force", "--duration", "2s")
	got := strings.Join(c.failed(), "\n")
	for _, name := range []string{"health/the watcher reads the log", "failover/the watcher tells it", "failover/the receiver has the alert", "errors/the error rate fires", "slack/alerts as expected"} {
		if !strings.Contains(got, name) {
			t.Errorf("%s did not fail", name)
		}
	}
	for _, name := range []string{"baseline/", "no GET lost", "the other pool answers", "log/", "restore/"} {
		if strings.Contains(got, name) {
			t.Errorf("%s failed although only the watcher is down", name)
		}
	}
	if r.code != 3 || c.Result != "fail" {
		t.Errorf("exit %d, %s\n%s", r.code, c.Result, got)
	}
	docker(t, "start", watcher)
	s.intact(t)
}

// Intent: with a webhook that refuses, the drill says that alerts were not delivered,
// and nothing else; the secret is in none of its output.
func TestDrill_SaysThatAWebhookRefuses(t *testing.T) {
	t.Parallel()
	s := own(t, "hook")
	s.must(t, "up", "--demo")
	t.Run("interrupted in errors", func(t *testing.T) { s.interrupt(t, "errors", 0, "--phase", "errors") })
	resp, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/fault?status=404&body=no_service", s.ports["STANDIN_PORT"]), "", http.NoBody)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if r := s.run("drill", "--dry-run"); r.code != 0 || !strings.Contains(r.out, "kill blue") {
		t.Errorf("dry run: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := s.run("drill"); r.code != 2 || !strings.Contains(r.err, "--yes") {
		t.Errorf("without --yes: exit %d, %s", r.code, r.err)
	}
	r, c := s.drill(t, "--duration", "2s", "--slack")
	got := strings.Join(c.failed(), "\n")
	t.Logf("exit %d\n%s", r.code, got)
	if r.code != 3 || !strings.Contains(got, "failover/the receiver has the alert: not delivered") || !strings.Contains(got, "slack/posted alerts delivered to slack") {
		t.Errorf("exit %d\n%s", r.code, got)
	}
	if strings.Contains(r.out+r.err, "services/T0") {
		t.Error("the secret is in the output")
	}
	eventually(t, 30*time.Second, "no helper process is left", func() bool { return s.helpers(t) == "" })
	if active := s.active(t); active != "blue" {
		t.Errorf("active is %s", active)
	}
}
