//go:build e2e

package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/load"
)

// traffic is load that runs until it is stopped.
type traffic struct {
	stop func() load.Report
	mu   sync.Mutex
	all  []load.Result
}

// start sends traffic through the proxy.
func (s *stack) start(t *testing.T, cfg load.Config) *traffic {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	tr := &traffic{}
	cfg.URL, cfg.Body = s.url()+"/", "hello"
	cfg.OnResult = func(r load.Result) {
		tr.mu.Lock()
		tr.all = append(tr.all, r)
		tr.mu.Unlock()
	}
	done := make(chan load.Report, 1)
	go func() {
		rep, err := load.Run(ctx, cfg)
		if err != nil {
			t.Error(err)
		}
		done <- rep
	}()
	var once sync.Once
	var rep load.Report
	tr.stop = func() load.Report {
		once.Do(func() { cancel(); rep = <-done })
		return rep
	}
	t.Cleanup(func() { tr.stop() })
	return tr
}

// count counts the results for which f holds.
func (tr *traffic) count(f func(*load.Result) bool) int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for i := range tr.all {
		if f(&tr.all[i]) {
			n++
		}
	}
	return n
}

// Intent: switching back and forth under keep-alive clients that never retry
// loses no request, and nothing is answered by the old pool once the command has
// returned. The bench does the same with 100 switches.
func TestSwitch_UnderLoad(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	tr := shared.start(t, load.Config{Clients: 32, Methods: []string{"GET", "POST"}})
	pool := "blue"
	for range 10 {
		to := map[string]string{"blue": "green", "green": "blue"}[pool]
		shared.must(t, "switch", to)
		returned := time.Now()
		time.Sleep(200 * time.Millisecond)
		if late := tr.count(func(r *load.Result) bool { return r.Start.After(returned) && r.Pool == pool }); late != 0 {
			t.Errorf("%d answers of %s to requests sent after the command had returned", late, pool)
		}
		pool = to
	}
	rep := tr.stop()
	t.Log(rep.String())
	if rep.Failed != 0 || rep.Sent < 5000 || rep.ByPool["green"] == 0 {
		t.Errorf("%s", rep.String())
	}
}

// Intent: the reference task's own bar. While the active pool answers errors, or
// not at all, users see only 200, nearly all from the standby, and nobody waits
// longer than 10 s.
func TestFailover_ErrorsAndTimeouts(t *testing.T) {
	for mode, length := range map[string]time.Duration{"error": 6 * time.Second, "timeout": 12 * time.Second} {
		t.Run(mode, func(t *testing.T) {
			t.Cleanup(func() { shared.reset(t) })
			shared.must(t, "chaos", "blue", "--mode", mode)
			tr := shared.start(t, load.Config{Clients: 4, Rate: 40})
			time.Sleep(length)
			rep := tr.stop()
			t.Log(rep.String())
			ok := rep.ByStatus[200]
			if ok != rep.Sent || rep.ByPool["green"] < rep.Sent*95/100 || rep.Longest > 10*time.Second {
				t.Errorf("%s", rep.String())
			}
		})
	}
}

// Intent: killing the active pool costs GET clients nothing and POST clients at
// most what was in flight.
func TestFailover_Kill(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			t.Cleanup(func() { shared.reset(t) })
			tr := shared.start(t, load.Config{Clients: 16, Methods: []string{method}})
			time.Sleep(500 * time.Millisecond)
			shared.must(t, "chaos", "blue")
			time.Sleep(3 * time.Second)
			rep := tr.stop()
			t.Log(rep.String())
			allowed := 0
			if method == "POST" {
				allowed = 16
			}
			if rep.Failed > allowed || rep.ByPool["green"] == 0 || rep.ByPool["blue"] == 0 {
				t.Errorf("%s", rep.String())
			}
		})
	}
}

// Intent: after both pools were away and are back, users wait no longer.
func TestFailover_BothPoolsBack(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	tr := shared.start(t, load.Config{Clients: 2, Rate: 100, Fresh: true})
	time.Sleep(500 * time.Millisecond)
	blue, green := shared.container(t, "app_blue"), shared.container(t, "app_green")
	docker(t, "kill", blue, green)
	time.Sleep(2 * time.Second)
	docker(t, "start", blue, green)
	back := time.Now()
	eventually(t, 10*time.Second, "the pools themselves answer", func() bool {
		for _, name := range []string{"BLUE_PORT", "GREEN_PORT"} {
			resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", shared.ports[name]))
			if err != nil {
				return false
			}
			resp.Body.Close()
		}
		return true
	})
	up := time.Now()
	time.Sleep(3 * time.Second)
	rep := tr.stop()
	var last time.Time
	tr.count(func(r *load.Result) bool {
		if !r.OK() && r.End.After(last) {
			last = r.End
		}
		return false
	})
	t.Logf("pools answered %s after their start, the last error came %s after that; %s", up.Sub(back), last.Sub(up), rep.String())
	if last.Sub(up) > 1500*time.Millisecond {
		t.Errorf("errors for %s after both pools were back", last.Sub(up))
	}
}

// Intent: a container that takes over the address of a recreated pool never gets
// a user's request.
func TestFailover_NeverToAStranger(t *testing.T) {
	t.Parallel()
	s := own(t, "stranger")
	// Only a network with a subnet of its own lets a container ask for an address.
	s.must(t, "init")
	path := filepath.Join(s.dir, "compose.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	subnet := strings.Replace(string(text), "  app: {}", "  app: {ipam: {config: [{subnet: 172.29.241.0/24}]}}", 1)
	if err := os.WriteFile(path, []byte(subnet), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must(t, "up")
	old := address(t, s.container(t, "app_green"))
	docker(t, "rm", "-f", s.container(t, "app_green"))
	stranger := s.project + "-stranger"
	docker(t, "run", "-d", "--name", stranger, "--network", s.project+"_app", "--ip", old,
		"-e", "APP_POOL=stranger", "-e", "RELEASE_ID=none", "bgctl:local", "demo-app")
	t.Cleanup(func() { docker(t, "rm", "-f", stranger) })
	s.must(t, "up")
	if now := address(t, s.container(t, "app_green")); now == old {
		t.Fatal("the new container got the old address")
	}
	tr := s.start(t, load.Config{Clients: 16})
	time.Sleep(time.Second)
	s.must(t, "chaos", "blue")
	time.Sleep(3 * time.Second)
	rep := tr.stop()
	t.Log(rep.String())
	if rep.ByPool["stranger"] != 0 || rep.Failed != 0 || rep.ByPool["green"] == 0 {
		t.Errorf("%s", rep.String())
	}
}

// own is a deployment for one test.
func own(t *testing.T, name string) *stack {
	t.Helper()
	s, err := newStack(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.destroy(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// address is a container's address on its first network.
func address(t *testing.T, id string) string {
	t.Helper()
	return strings.TrimSpace(docker(t, "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id))
}

// message is one that the stand-in for Slack received.
type message struct {
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

// messages are those that the stand-in received.
func (s *stack) messages(t *testing.T) []message {
	t.Helper()
	_, _, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/messages", s.ports["STANDIN_PORT"]))
	var out []message
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return out
}

// Intent: a killed pool is told within a second on the watcher's output and
// within two in Slack, its recovery too; and errors that users see fire the
// error-rate alert. The deployment is its own: alerts remember what was before.
func TestAlert_ReachesSlack(t *testing.T) {
	s := own(t, "alerts")
	s.must(t, "up", "--demo")
	t.Run("failover and recovery", func(t *testing.T) { alertFailover(t, s) })
	t.Run("error rate", func(t *testing.T) { alertErrorRate(t, s) })
}

func alertFailover(t *testing.T, s *stack) {
	t.Helper()
	tr := s.start(t, load.Config{Clients: 2, Rate: 20})
	defer tr.stop()
	time.Sleep(2 * time.Second)
	watcher := s.container(t, "alert_watcher")
	killed := time.Now()
	docker(t, "kill", s.container(t, "app_blue"))
	inLog := eventually(t, 3*time.Second, "the watcher's line", func() bool {
		return strings.Contains(docker(t, "logs", watcher), `"type":"failover","status":"firing"`)
	})
	eventually(t, 3*time.Second, "Slack's message", func() bool { return len(s.messages(t)) > 0 })
	got := s.messages(t)[0]
	t.Logf("watcher's line after %s, Slack accepted after %s: %s", inLog, got.Time.Sub(killed), got.Text)
	if inLog > time.Second || got.Time.Sub(killed) > 2*time.Second || !strings.Contains(got.Text, "failover") {
		t.Errorf("line after %s, message after %s: %s", inLog, got.Time.Sub(killed), got.Text)
	}
	s.must(t, "heal", "blue")
	healed := time.Now()
	eventually(t, 30*time.Second, "the recovery's message", func() bool {
		all := s.messages(t)
		return strings.Contains(all[len(all)-1].Text, "recovered")
	})
	t.Logf("recovery told %s after heal", time.Since(healed).Round(time.Millisecond))
}

func alertErrorRate(t *testing.T, s *stack) {
	t.Helper()
	before := len(s.messages(t))
	s.must(t, "chaos", "blue", "--mode", "error")
	tr := s.start(t, load.Config{Clients: 4, Rate: 60, Methods: []string{"POST"}}) // nginx repeats no POST
	eventually(t, 15*time.Second, "the error-rate alert", func() bool {
		for _, m := range s.messages(t)[before:] {
			if strings.Contains(m.Text, "error rate") {
				t.Log(m.Text)
				return true
			}
		}
		return false
	})
	if rep := tr.stop(); rep.ByStatus[500] == 0 {
		t.Errorf("POST to a broken pool gave no error: %s", rep.String())
	}
}
