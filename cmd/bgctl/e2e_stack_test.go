//go:build e2e

package main_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Intent: a second up changes nothing, quickly.
func TestUp_IsIdempotent(t *testing.T) {
	shared.must(t, "up", "--demo") // waits for what an earlier test left starting
	before := docker(t, "ps", "-aq", "--no-trunc", "--filter", "label=com.docker.compose.project="+shared.project)
	r := shared.must(t, "up", "--demo")
	t.Logf("second up: %s", r.took.Round(time.Millisecond))
	if r.took > time.Second {
		t.Errorf("a second up took %s", r.took)
	}
	if after := docker(t, "ps", "-aq", "--no-trunc", "--filter", "label=com.docker.compose.project="+shared.project); after != before {
		t.Errorf("containers changed:\n%s\n%s", before, after)
	}
}

// Intent: the containers are hardened as the compose file promises.
func TestUp_HardensTheContainers(t *testing.T) {
	for _, service := range []string{"nginx", "app_blue", "app_green", "alert_watcher"} {
		var got []struct {
			Config     struct{ User string }
			HostConfig struct {
				CapDrop        []string
				ReadonlyRootfs bool
				SecurityOpt    []string
				Privileged     bool
				Binds          []string
			}
			NetworkSettings struct {
				Ports map[string][]struct{ HostIp string }
			}
		}
		if err := json.Unmarshal([]byte(docker(t, "inspect", shared.container(t, service))), &got); err != nil {
			t.Fatal(err)
		}
		h := got[0].HostConfig
		if len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL" || !h.ReadonlyRootfs || h.Privileged ||
			!strings.Contains(strings.Join(h.SecurityOpt, " "), "no-new-privileges") {
			t.Errorf("%s: %+v", service, h)
		}
		if got[0].Config.User == "" || strings.HasPrefix(got[0].Config.User, "0") {
			t.Errorf("%s runs as %q", service, got[0].Config.User)
		}
		for _, bind := range h.Binds {
			if strings.HasPrefix(bind, "/") {
				t.Errorf("%s has a host bind: %s", service, bind)
			}
		}
		for port, hosts := range got[0].NetworkSettings.Ports {
			for _, host := range hosts {
				if host.HostIp != "127.0.0.1" {
					t.Errorf("%s publishes %s on %s", service, port, host.HostIp)
				}
			}
		}
	}
}

// Intent: faults are injected from the inside only.
func TestProxy_HidesChaosAndItsOwnPaths(t *testing.T) {
	for _, path := range []string{"/chaos/start?mode=error", "/chaos/stop", "/%63haos/start", "//chaos/start", "/x/../chaos/start", "/_bgctl/active", "/_bgctl/green/chaos/start"} {
		resp, err := http.Post(shared.url()+path, "text/plain", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("POST %s through the proxy: %d", path, resp.StatusCode)
		}
	}
	if status, _, _ := get(t, shared.url()+"/nginx-health"); status != 200 {
		t.Errorf("/nginx-health: %d", status)
	}
}

// Intent: the last healthy pool is not broken unless forced, and heal undoes
// every fault, also one whose command was killed.
func TestChaos_GuardAndHeal(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	for _, mode := range []string{"kill", "stop", "pause", "error", "timeout"} {
		t.Run(mode, func(t *testing.T) {
			shared.must(t, "chaos", "green", "--mode", mode)
			if r := shared.run("chaos", "blue"); r.code != 4 {
				t.Errorf("chaos on the last healthy pool: exit %d, want 4", r.code)
			}
			if r := shared.run("status"); r.code != 3 || !strings.Contains(r.out, "bgctl heal green") {
				t.Errorf("status: exit %d\n%s", r.code, r.out)
			}
			r := shared.must(t, "heal", "green")
			if !strings.Contains(r.out, "healthy again") {
				t.Errorf("heal: %s", r.out)
			}
			if r := shared.run("status"); r.code != 0 {
				t.Errorf("status after heal: exit %d\n%s%s", r.code, r.out, r.err)
			}
		})
	}
	for _, point := range []string{"after-record", "before-break", "after-break"} {
		t.Run("killed "+point, func(t *testing.T) {
			if r := shared.runEnv([]string{"BGCTL_FAILPOINT=" + point}, "chaos", "green", "--mode", "pause"); r.code != -1 {
				t.Fatalf("exit %d, want it killed", r.code)
			}
			eventually(t, 5*time.Second, "heal works", func() bool { return shared.run("heal", "green").code == 0 })
			if r := shared.run("status"); r.code != 0 {
				t.Errorf("status after heal: exit %d\n%s%s", r.code, r.out, r.err)
			}
		})
	}
}

// Intent: a drill for a time undoes itself and lets others act meanwhile.
func TestChaos_ForATime(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	done := make(chan result, 1)
	go func() { done <- shared.run("chaos", "blue", "--mode", "pause", "--for", "3s") }()
	eventually(t, 5*time.Second, "blue is paused", func() bool { return shared.run("status").code == 3 })
	if r := shared.run("switch", "green"); r.code != 0 {
		t.Errorf("switching away during a drill: exit %d, %s", r.code, r.err)
	}
	if r := <-done; r.code != 0 {
		t.Errorf("chaos --for: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := shared.run("status"); r.code != 0 {
		t.Errorf("status after the drill: exit %d\n%s", r.code, r.out)
	}
}

// Intent: docker's own tools see the stack as a compose project.
func TestLabels_AreThoseOfCompose(t *testing.T) {
	var got []struct {
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal([]byte(docker(t, "inspect", shared.container(t, "nginx"))), &got); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"project", "service", "config-hash", "container-number", "oneoff", "image", "project.config_files", "project.working_dir", "version"} {
		if got[0].Config.Labels["com.docker.compose."+label] == "" {
			t.Errorf("label %s is missing", label)
		}
	}
}
