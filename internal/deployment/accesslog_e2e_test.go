//go:build e2e

package deployment_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
)

// logWriter writes $2 lines from $1 on to the access log, and renames it every $3.
const logWriter = `mkdir -p /var/log/bgctl; f=/var/log/bgctl/access.log; i=$1; end=$(($1+$2)); while [ $i -lt $end ]; do
  printf '{"msec":"1761837814.123","request":"GET /%d HTTP/1.1","status":"200"}\n' $i >>$f
  i=$((i+1)); [ $((i % $3)) -eq 0 ] && mv $f $f.$((i / $3)); [ $((i % 20)) -eq 0 ] && sleep 0.01; done`

// proxyBox is a container that passes for a project's proxy; with an agent in it
// unless the test wants none.
func proxyBox(t *testing.T, script, agent string, opts ...string) (*box, *deployment.Stack) {
	t.Helper()
	b := newBox(t)
	b.run("while [ ! -e /go ]; do sleep 0.05; done; "+script+"; sleep 120", append(opts,
		"--label", "com.docker.compose.project="+b.name, "--label", "com.docker.compose.service=nginx")...)
	if agent != "" {
		b.docker("cp", agent, b.name+":/usr/local/bin/bgctl")
	}
	b.docker("exec", b.name, "touch", "/go")
	return b, &deployment.Stack{Client: b.client, Project: b.name, Now: time.Now}
}

func agentBinary(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("BGCTL_BIN")
	if bin == "" {
		t.Fatal("BGCTL_BIN is not set: run make e2e")
	}
	return bin
}

func followStack(t *testing.T, s *deployment.Stack) *collector {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := &collector{t: t, stop: cancel, done: make(chan error, 1)}
	src := s.FollowAccessLog(logstream.RemoteConfig{Start: logstream.AtBeginning()})
	go func() { c.done <- src.Run(ctx, c.deliver) }()
	t.Cleanup(cancel)
	return c
}

// readers returns the processes in the box that read its log.
func (b *box) readers() []string {
	b.t.Helper()
	var out []string
	for line := range strings.Lines(b.docker("top", b.name, "-eo", "pid,args")) {
		if strings.Contains(line, "agent tail") || strings.Contains(line, "tail -n") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func (b *box) nobodyReads() {
	b.t.Helper()
	var left []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if left = b.readers(); len(left) == 0 {
			return
		}
	}
	b.t.Errorf("left behind: %q", left)
}

// TestE2E_AccessLogGoesOnWhereItWas kills the agent again and again while lines are
// written and the log is rotated: every line comes once.
func TestE2E_AccessLogGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	const n = 20_000
	b, s := proxyBox(t, fmt.Sprintf("set -- 1 %d 2500; ", n)+logWriter, agentBinary(t))
	c := followStack(t, s)
	kills := 0
	for end := time.Now().Add(60 * time.Second); c.len() < n && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		if kills < 10 && c.len() < n*9/10 && exec.Command("docker", "exec", b.name, "sh", "-c", "kill -9 $(pidof bgctl)").Run() == nil {
			kills++
		}
	}
	time.Sleep(500 * time.Millisecond)
	c.quit()
	lost, twice := missing(n, c.got)
	t.Logf("%d lines, agent killed %d times: %d lost, %d twice; counts %+v", n, kills, lost, twice, c.counts)
	if lost+twice > 0 || kills == 0 {
		t.Errorf("%d lost, %d twice after %d kills", lost, twice, kills)
	}
	b.nobodyReads()
}

// TestE2E_AccessLogWithoutAnAgent is read with tail.
func TestE2E_AccessLogWithoutAnAgent(t *testing.T) {
	t.Parallel()
	b, s := proxyBox(t, "set -- 1 500 100000; "+logWriter, "")
	c := followStack(t, s)
	c.until(500, 20*time.Second)
	c.quit()
	if lost, twice := missing(500, c.got); lost+twice > 0 {
		t.Errorf("%d lost, %d twice", lost, twice)
	}
	b.nobodyReads()
}

// TestE2E_AccessLogOfAClientThatIsKilled leaves no process behind, although the agent
// was in the middle of a write.
func TestE2E_AccessLogOfAClientThatIsKilled(t *testing.T) {
	bin := agentBinary(t)
	b, _ := proxyBox(t, "mkdir -p /var/log/bgctl; set -- 1 200000 200000 0; ("+writer+") >/var/log/bgctl/access.log", bin)
	dir := t.TempDir()
	cmd := exec.Command(bin, "-p", b.name, "watch", "--source", "docker", "--state", filepath.Join(dir, "state"), "--listen", "127.0.0.1:0")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "SLACK_WEBHOOK_URL=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); len(b.readers()) == 0 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if len(b.readers()) == 0 {
		t.Error("the watcher never began to read")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	b.nobodyReads()
}

// TestE2E_AccessLogRate measures a large log through the agent and the engine.
func TestE2E_AccessLogRate(t *testing.T) {
	const n = 300_000
	text := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(text, containerLines(n), 0o644); err != nil {
		t.Fatal(err)
	}
	b, s := proxyBox(t, "true", agentBinary(t))
	b.docker("exec", b.name, "mkdir", "-p", "/var/log/bgctl")
	b.docker("cp", text, b.name+":/var/log/bgctl/access.log")
	begun := time.Now()
	c := followStack(t, s)
	c.until(n, 60*time.Second)
	took := time.Since(begun)
	c.quit()
	t.Logf("%d lines in %v: %.0f lines/s", c.len(), took, float64(c.len())/took.Seconds())
	if c.len() != n {
		t.Errorf("%d lines came, want %d", c.len(), n)
	}
}
