//go:build e2e

package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
	"bgctl/internal/proxy"
)

// box is a proxy's container with two pools of the demo application beside it.
type box struct {
	t    *testing.T
	name string
	url  string
}

// docker runs the client and returns its output.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// startBox runs what the stack runs, with the state on the host so that it survives.
func startBox(t *testing.T, environ ...string) *box {
	t.Helper()
	image, bin := os.Getenv("NGINX_IMAGE"), os.Getenv("BGCTL_BIN")
	if image == "" || bin == "" {
		t.Fatal("NGINX_IMAGE or BGCTL_BIN is not set: run make e2e")
	}
	name := fmt.Sprintf("bgctl-proxy-test-%d", time.Now().UnixNano())
	docker(t, "network", "create", name)
	t.Cleanup(func() { _ = exec.Command("docker", "network", "rm", name).Run() })
	run := func(container string, args ...string) {
		docker(t, append([]string{
			"run", "-d", "--name", container, "--network", name, "--cap-drop", "ALL",
			"-v", bin + ":/usr/local/bin/bgctl:ro", "--entrypoint", "bgctl",
		}, args...)...)
		t.Cleanup(func() {
			if t.Failed() {
				said, _ := exec.Command("docker", "logs", "--tail", "30", container).CombinedOutput()
				t.Logf("%s: %s", container, said)
			}
			_ = exec.Command("docker", "rm", "-fv", container).Run()
		})
	}
	for _, pool := range bluegreen.Pools() {
		run(name+"-"+pool.String(), "--network-alias", "app_"+pool.String(), "-e", "APP_POOL="+pool.String(),
			"-e", "RELEASE_ID=v1", "-e", "PORT=3000", image, "demo-app")
	}
	args := []string{"--user", "101:101", "--read-only", "--tmpfs", "/tmp:mode=1777", "--stop-signal", "QUIT", "-p", "127.0.0.1::8080"}
	for _, dir := range []string{"/var/lib/bgctl", "/var/log/bgctl"} {
		host := t.TempDir()
		if err := os.Chmod(host, 0o777); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-v", host+":"+dir)
	}
	for _, e := range environ {
		args = append(args, "-e", e)
	}
	run(name, append(args, image, "agent", "run")...)
	b := &box{t: t, name: name}
	b.find()
	return b
}

// find looks the published port up and waits until nginx and both pools answer.
func (b *box) find() {
	b.t.Helper()
	b.url = "http://" + docker(b.t, "port", b.name, "8080/tcp")
	s := b.dial()
	defer s.Close()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		good := 0
		for _, pool := range bluegreen.Pools() {
			res, err := s.Probe(b.t.Context(), bluegreen.Probes{Pool: pool, Count: 1})
			if err == nil && res[0].Status == http.StatusOK {
				good++
			}
		}
		if good == 2 {
			return
		}
		if time.Now().After(end) {
			b.t.Fatal("the pools do not answer")
		}
	}
}

// execConn is an agent's standard streams.
type execConn struct {
	io.Reader
	io.WriteCloser
}

// dial opens a session in the container.
func (b *box) dial() *proxy.Session {
	b.t.Helper()
	cmd := exec.Command("docker", "exec", "-i", b.name, "bgctl", "agent", "session")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	s, err := proxy.NewSession(b.t.Context(), execConn{out, in})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = s.Close()
		_ = cmd.Wait()
	})
	return s
}

// inside runs a shell command in the container.
func (b *box) inside(script string) string {
	b.t.Helper()
	return docker(b.t, "exec", b.name, "sh", "-c", script)
}

// traffic sends requests on keep-alive connections until the returned function is
// called, which returns how many were sent and what failed.
func (b *box) traffic() func() (sent int64, failed []string) {
	ctx, stop := context.WithCancel(b.t.Context())
	var sent atomic.Int64
	var mu sync.Mutex
	var failed []string
	var running sync.WaitGroup
	for i := range 12 {
		method := map[bool]string{true: http.MethodPost, false: http.MethodGet}[i%3 == 0]
		running.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}
			for ctx.Err() == nil {
				req, _ := http.NewRequestWithContext(context.WithoutCancel(ctx), method, b.url+"/", strings.NewReader("order"))
				req.GetBody = nil // a client that never retries
				resp, err := client.Do(req)
				sent.Add(1)
				text := ""
				if err != nil {
					text = err.Error()
				} else {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if err != nil || resp.StatusCode != http.StatusOK {
						text = fmt.Sprintf("%d %v", resp.StatusCode, err)
					}
				}
				if text != "" {
					mu.Lock()
					failed = append(failed, method+": "+text)
					mu.Unlock()
				}
			}
		})
	}
	return func() (int64, []string) {
		stop()
		running.Wait()
		return sent.Load(), failed
	}
}

// TestE2E_SessionContract: the real agent with the real nginx owes what the fake does.
func TestE2E_SessionContract(t *testing.T) {
	b := startBox(t)
	bluegreentest.RouterContract(t, func(t *testing.T) bluegreen.Router {
		t.Helper()
		return (&box{t: t, name: b.name}).dial()
	})
}

// TestE2E_AnswersNameWhoGaveThem: nginx's own 502 and 504 are nobody's.
func TestE2E_AnswersNameWhoGaveThem(t *testing.T) {
	b := startBox(t)
	s := b.dial()
	ctx := t.Context()
	addr := docker(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", b.name+"-blue")
	res, err := s.Probe(ctx, bluegreen.Probes{Pool: bluegreen.Blue, Count: 2})
	if err != nil || len(res) != 2 || res[1].Addr != addr || res[1].Pool != bluegreen.Blue || res[1].Release != "v1" {
		t.Errorf("Probe = %+v, %v; want answers of %s", res, err, addr)
	}
	if got, err := s.Verify(ctx); err != nil || got.Active != bluegreen.Blue || got.Answer == nil || got.Answer.Addr != addr {
		t.Errorf("Verify = %+v, %v; want an answer of %s", got, err, addr)
	}
	docker(t, "pause", b.name+"-blue")
	begin := time.Now()
	res, err = s.Probe(ctx, bluegreen.Probes{Pool: bluegreen.Blue, Count: 2, Timeout: 300 * time.Millisecond})
	if took := time.Since(begin); err != nil || res[0].Answers() || res[1].Err == "" || took > 2*time.Second {
		t.Errorf("Probe of a paused pool = %+v, %v after %s", res, err, took)
	}
	if got, err := s.Verify(ctx); err != nil || got.Active != bluegreen.Blue || got.Answer.Answers() {
		t.Errorf("Verify of a paused pool = %+v, %v; want blue and no answer", got, err)
	}
	docker(t, "unpause", b.name+"-blue")
	docker(t, "kill", b.name+"-blue")
	time.Sleep(3 * time.Second) // the name goes
	res, err = s.Probe(ctx, bluegreen.Probes{Pool: bluegreen.Blue, Count: 1})
	if err != nil || res[0].Status != http.StatusBadGateway || res[0].Addr != "" || res[0].Answers() {
		t.Errorf("Probe of a dead pool = %+v, %v; want nginx's own 502", res, err)
	}
	// Users go to the other pool; to verify the active one is to ask it alone.
	if status, _ := ask(t, http.MethodGet, b.url+"/"); status != http.StatusOK {
		t.Errorf("a user got %d", status)
	}
	if got, err := s.Verify(ctx); err != nil || got.Answer.Answers() {
		t.Errorf("Verify of a dead pool = %+v, %v", got.Answer, err)
	}
}

// TestE2E_SettingsAreAppliedUnderTraffic: tested, reloaded, kept over a restart, and
// nothing is lost. A bad one changes nothing.
func TestE2E_SettingsAreAppliedUnderTraffic(t *testing.T) {
	b := startBox(t, "CLIENT_MAX_BODY_SIZE=1k")
	s := b.dial()
	ctx := t.Context()
	if err := s.Lock(ctx, bluegreen.Holder{User: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Route(ctx, bluegreen.Green); err != nil {
		t.Fatal(err)
	}
	large := func() int {
		resp, err := http.Post(b.url+"/", "text/plain", strings.NewReader(strings.Repeat("x", 20<<10)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := large(); got != http.StatusRequestEntityTooLarge {
		t.Errorf("20 KB answered %d before", got)
	}
	stop := b.traffic()
	begin := time.Now()
	want := map[string]string{"CLIENT_MAX_BODY_SIZE": "20m", "LOG_MAX_SIZE": "64k", "RETRY_NON_IDEMPOTENT": "/c,/_"}
	changed, err := s.Configure(ctx, bluegreen.Configuration{Settings: want})
	t.Logf("configured in %s", time.Since(begin))
	if err != nil || len(changed) != 3 || large() != http.StatusOK {
		t.Errorf("Configure = %v, %v", changed, err)
	}
	for _, path := range []string{"/chaos", "/chaos/start", "/_bgctl/stub", "/_bgctl", "/%63haos/start", "//chaos/stop"} {
		if status, _ := ask(t, http.MethodPost, b.url+path); status != http.StatusNotFound {
			t.Errorf("POST %s reached the application: %d", path, status)
		}
	}
	_, err = s.Configure(ctx, bluegreen.Configuration{Settings: map[string]string{"RETRY_NON_IDEMPOTENT": "/search,/search"}})
	var bad *bluegreen.SettingError
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "RETRY_NON_IDEMPOTENT") || !strings.Contains(err.Error(), "/search,/search") {
		t.Errorf("a bad setting: %v", err)
	}
	time.Sleep(2 * time.Second)
	if sent, failed := stop(); len(failed) > 0 || sent < 100 {
		t.Errorf("%d of %d requests failed: %v", len(failed), sent, failed)
	} else {
		t.Logf("%d requests, none failed", sent)
	}
	if got := b.inside("ls /var/log/bgctl"); !strings.Contains(got, "access.log.1") {
		t.Errorf("the rotation does not follow LOG_MAX_SIZE: %s", got)
	}
	st, err := s.Status(ctx)
	if err != nil || st.Settings["CLIENT_MAX_BODY_SIZE"] != "20m" || len(st.Trouble) > 0 {
		t.Errorf("status = %+v, %v", st, err)
	}
	docker(t, "restart", b.name)
	b.find()
	if got := large(); got != http.StatusOK {
		t.Errorf("20 KB answered %d after a restart", got)
	}
	if got, err := b.dial().Verify(ctx); err != nil || got.Active != bluegreen.Green {
		t.Errorf("after a restart %s is active, %v", got.Active, err)
	}
}

// TestE2E_TheFirstProcess is bgctl: it passes signals on and ends as nginx ends.
func TestE2E_TheFirstProcess(t *testing.T) {
	b := startBox(t)
	state := func() string { return docker(t, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", b.name) }
	wait := func() {
		t.Helper()
		for end := time.Now().Add(15 * time.Second); strings.HasPrefix(state(), "running"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the container still runs")
			}
		}
	}
	t.Logf("memory: %s", b.inside("grep -E 'VmRSS|RssAnon|Threads' /proc/1/status | tr '\\n' ' '"))
	b.inside("mv /var/log/bgctl/access.log /var/log/bgctl/moved")
	docker(t, "kill", "-s", "USR1", b.name)
	b.inside("i=0; while [ ! -f /var/log/bgctl/access.log ]; do i=$((i+1)); [ $i -lt 50 ] || exit 1; sleep 0.1; done")
	b.inside("nginx -s reload -c /tmp/nginx.conf")
	// A child that lost its parent is collected.
	b.inside("(sleep 0.2 &) ; exit 0")
	time.Sleep(time.Second)
	if got := b.inside("cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.Z' || true"); got != "0" {
		t.Errorf("%s dead processes are left", got)
	}
	// A stop lets requests end.
	docker(t, "exec", b.name+"-blue", "bgctl", "healthcheck") // it answers
	slow := make(chan int, 1)
	if status, _ := ask(t, http.MethodPost, "http://"+docker(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", b.name+"-blue")+":3000/chaos/start?mode=slow&delay=2s"); status != http.StatusOK {
		t.Logf("the demo app does not play slow: %d", status)
	}
	go func() {
		status, _ := ask(t, http.MethodGet, b.url+"/")
		slow <- status
	}()
	time.Sleep(300 * time.Millisecond)
	docker(t, "stop", "-t", "12", b.name)
	if got := <-slow; got != http.StatusOK {
		t.Errorf("a request under way got %d at the stop", got)
	}
	if got := state(); got != "exited 0" {
		t.Errorf("after a stop: %s", got)
	}
	docker(t, "start", b.name)
	b.find()
	b.inside("kill -9 $(cat /tmp/nginx.pid)")
	wait()
	if got := state(); got != "exited 137" {
		t.Errorf("after nginx was killed: %s", got)
	}
}

// TestE2E_AgentCheck tests settings before there is a proxy.
func TestE2E_AgentCheck(t *testing.T) {
	image, bin := os.Getenv("NGINX_IMAGE"), os.Getenv("BGCTL_BIN")
	for setting, want := range map[string]int{"PORT=3000": 0, "RETRY_NON_IDEMPOTENT=/search,/search": 2, "FAIL_TIMEOUT=500ms": 2} {
		out, err := exec.Command("docker", "run", "--rm", "--network", "none", "--user", "101:101", "--read-only",
			"--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL", "-e", setting, "-v", filepath.Clean(bin)+":/usr/local/bin/bgctl:ro",
			"--entrypoint", "bgctl", image, "agent", "check").CombinedOutput()
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		}
		if name, _, _ := strings.Cut(setting, "="); code != want || want != 0 && !strings.Contains(string(out), name) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", setting, code, out)
		}
	}
}
