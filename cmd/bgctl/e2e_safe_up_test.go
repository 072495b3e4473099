//go:build e2e

package main_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Intent: a setting of the pools is a release like any other: the standby gets it
// first, and users lose nothing.
func TestSafe_UpPoolSetting(t *testing.T) {
	s := atBase(t)
	upPoolSetting(t, s)
}

// Intent: the same with an application that listens only after 8 s.
func TestSafe_UpPoolSettingSlowStart(t *testing.T) {
	t.Parallel()
	upPoolSetting(t, ownShop(t, "safe-late", "late"))
}

// upPoolSetting changes a setting of both pools under load.
func upPoolSetting(t *testing.T, s *stack) {
	t.Helper()
	active := s.active(t)
	past := s.history(t)
	proxy := s.container(t, "nginx")
	s.setEnv(t, "APP_READ_ONLY=false")
	c := s.crowd(t)
	r := s.run("up")
	time.Sleep(time.Second)
	c.lostNothing(t)
	if r.code != 0 {
		t.Errorf("up: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	first, second := s.inspect(t, "app_"+other(active)), s.inspect(t, "app_"+active)
	for service, got := range map[string]inspected{"app_" + other(active): first, "app_" + active: second} {
		if got.HostConfig.ReadonlyRootfs {
			t.Errorf("%s: got a read-only root, want the new configuration", service)
		}
	}
	if !first.Created.Before(second.Created) {
		t.Errorf("the standby's container was made at %s, the active one's at %s; want the standby first", first.Created, second.Created)
	}
	if gap := second.Created.Sub(first.Created); gap < 500*time.Millisecond {
		t.Errorf("the active pool was replaced %s after the standby; want the standby verified before", gap)
	}
	if got := s.container(t, "nginx"); got != proxy {
		t.Errorf("proxy: got container %s, want %s as before", got, proxy)
	}
	if fresh := since(s.history(t), past); len(fresh) == 0 || fresh[0].Kind != "up" || !strings.HasPrefix(fresh[len(fresh)-1].Result, "done") {
		t.Errorf("history: got %+v, want the up as done", fresh)
	}
	s.atRest(t, 5*time.Second)
	if again := s.run("up"); again.code != 0 || !strings.Contains(again.out, "nothing to do") {
		t.Errorf("a second up: got exit %d, %s%s; want nothing to do", again.code, again.out, again.err)
	}
}

// Intent: a setting of the proxy is tested and loaded in the running proxy; it is in
// force, and stays in force.
func TestSafe_UpProxySetting(t *testing.T) {
	s := atBase(t)
	sizes := func(when string, want map[int]int) {
		t.Helper()
		for megabytes, status := range want {
			if got := upload(t, s.url(), megabytes); got != status {
				t.Errorf("%s: POST of %d MB: got %d, want %d", when, megabytes, got, status)
			}
		}
	}
	sizes("before", map[int]int{15: 200, 17: 413})
	before, past := s.containers(t), s.history(t)
	s.setEnv(t, "CLIENT_MAX_BODY_SIZE=20m")
	c := s.crowd(t)
	r := s.run("up")
	time.Sleep(time.Second)
	c.lostNothing(t)
	if r.code != 0 {
		t.Errorf("up: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	s.sameContainers(t, before)
	sizes("after up", map[int]int{17: 200, 21: 413})
	if fresh := since(s.history(t), past); len(fresh) != 1 || fresh[0].Kind != "up" {
		t.Errorf("history: got %+v, want one up", fresh)
	}
	docker(t, "restart", "-t", "5", s.container(t, "nginx"))
	s.atRest(t, 15*time.Second)
	sizes("after a restart of the proxy", map[int]int{17: 200, 21: 413})
	if again := s.run("up"); again.code != 0 || !strings.Contains(again.out, "nothing to do") {
		t.Errorf("a second up: got exit %d, %s%s; want nothing to do", again.code, again.out, again.err)
	}
	s.sameContainers(t, before)
}

// upload posts a body that is sent only when the proxy does not refuse its length.
func upload(t *testing.T, url string, megabytes int) int {
	t.Helper()
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 10 * time.Second}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", bytes.NewReader(make([]byte, megabytes<<20)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Expect", "100-continue")
	resp, err := c.Do(req)
	if err != nil {
		t.Errorf("POST of %d MB: %v", megabytes, err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// Intent: a value that our own pattern accepts and nginx does not is refused before
// anything is changed, and a mended one works.
func TestSafe_UpRefusesWhatNginxRefuses(t *testing.T) {
	for name, v := range map[string]struct{ setting, value string }{
		"twice the same prefix": {"RETRY_NON_IDEMPOTENT", "/search,/search"},
		"root prefix":           {"RETRY_NON_IDEMPOTENT", "/"},
		// fail_timeout counts in seconds: nginx knows no milliseconds there.
		"unit": {"FAIL_TIMEOUT", "500ms"},
	} {
		t.Run(name, func(t *testing.T) {
			s := atBase(t)
			before, past, proxy := s.containers(t), s.history(t), s.inspect(t, "nginx")
			good := s.envText(t)
			s.setEnv(t, v.setting+"="+v.value)
			c := s.crowd(t)
			r := s.run("up")
			time.Sleep(time.Second)
			c.lostNothing(t)
			if r.code != 2 || !oneLine(r.err, v.setting, v.value) {
				t.Errorf("up: got exit %d and %q, want exit 2 and one line that names %s and %s", r.code, r.err, v.setting, v.value)
			}
			s.sameContainers(t, before)
			if now := s.inspect(t, "nginx"); now.State != proxy.State || now.RestartCount != proxy.RestartCount {
				t.Errorf("proxy: got %+v, %d restarts; want the old one serving: %+v, %d restarts", now.State, now.RestartCount, proxy.State, proxy.RestartCount)
			}
			if fresh := since(s.history(t), past); len(fresh) != 0 {
				t.Errorf("history: got %+v, want nothing new", fresh)
			}
			s.writeEnv(t, good)
			if r := s.run("up"); r.code != 0 {
				t.Errorf("up with the mended .env: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
			}
			s.sameContainers(t, before)
			s.atRest(t, 5*time.Second)
		})
	}
}

// Intent: a second checkout whose .env is a day old takes nothing back. It tells which
// release is live, since when, by whom, and how to bring in what its .env says.
func TestSafe_UpFromAStaleCheckout(t *testing.T) {
	s := atBase(t)
	stale := s.checkout(t)
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(stale.dir, ".env"), yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	s.must(t, "deploy", shop("v2"))
	s.must(t, "deploy", shop("v3"))
	past := s.history(t)
	before := s.containers(t)
	c, l := s.crowd(t), s.lookout(t)
	r := stale.run("up")
	time.Sleep(time.Second)
	c.lostNothing(t)
	if seen := l.stop(); len(seen) != 1 || !strings.HasPrefix(seen[0], "shop v3 ") {
		t.Errorf("users got %q, want v3 alone", seen)
	}
	s.sameContainers(t, before)
	who := past[0].By.User + "@" + past[0].By.Host
	if r.code != 0 || !strings.Contains(r.err, "v3") || !strings.Contains(r.err, who) || !timeRE.MatchString(r.err) ||
		!strings.Contains(r.err, "up --release-from-env") {
		t.Errorf("up: got exit %d and %q; want exit 0 and a line with v3, %s, a time and bgctl up --release-from-env", r.code, r.err, who)
	}
	if fresh := since(s.history(t), past); len(fresh) != 0 {
		t.Errorf("history: got %+v, want nothing new", fresh)
	}
	s.atRest(t, 5*time.Second)

	c = s.crowd(t)
	r = stale.run("up", "--release-from-env")
	time.Sleep(time.Second)
	c.lostNothing(t)
	if r.code != 0 {
		t.Errorf("up --release-from-env: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	if text, err := ask(t.Context(), s.url()); err != nil || !strings.HasPrefix(text, "shop v1 ") {
		t.Errorf("users get %q, %v; want v1", text, err)
	}
	s.atRest(t, 5*time.Second)
}

// timeRE finds a time of the day.
var timeRE = regexp.MustCompile(`\b\d{1,2}:\d{2}\b`)

// Intent: a proxy that must be replaced is a severe plan: it is asked for, and it tells
// how long nothing answered.
func TestSafe_UpReplacesTheProxy(t *testing.T) {
	s := atBase(t)
	s.must(t, "switch", "green") // the new proxy must not start with what .env says
	changed := s.checkout(t)
	changed.must(t, "init")
	path := filepath.Join(changed.dir, "compose.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := bytes.Replace(text, []byte("size=256m"), []byte("size=200m"), 1)
	if bytes.Equal(text, edited) {
		t.Fatal("the proxy has no tmpfs of 256m to change")
	}
	if err := os.WriteFile(path, edited, 0o600); err != nil {
		t.Fatal(err)
	}

	before, past := s.containers(t), s.history(t)
	c := s.crowd(t)
	r := changed.run("up")
	time.Sleep(500 * time.Millisecond)
	c.lostNothing(t)
	if r.code != 2 && r.code != 4 || !oneLine(r.err, "--yes") {
		t.Errorf("up: got exit %d and %q; want exit 2 or 4 and one line that names --yes", r.code, r.err)
	}
	s.sameContainers(t, before)
	if fresh := since(s.history(t), past); len(fresh) != 0 {
		t.Errorf("history: got %+v, want nothing new", fresh)
	}

	before = s.containers(t)
	c = s.crowd(t)
	r = changed.run("up", "--yes")
	time.Sleep(time.Second)
	seen := c.stop()
	t.Logf("up --yes: %s; %s", r.took.Round(time.Millisecond), seen)
	if r.code != 0 {
		t.Fatalf("up --yes: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	now := s.containers(t)
	if now["nginx"] == before["nginx"] || now["app_blue"] != before["app_blue"] || now["app_green"] != before["app_green"] {
		t.Errorf("containers: got %v, before %v; want a new proxy and nothing else", now, before)
	}
	if seen.gap > 500*time.Millisecond {
		t.Errorf("nothing answered for %s, want at most 500ms; %s", seen.gap, seen)
	}
	told, ok := toldGap(r.out + r.err)
	if diff := (told - seen.gap).Abs(); !ok || diff > 200*time.Millisecond {
		t.Errorf("told gap: got %s (found: %v), users saw %s; want them within 200ms\n%s%s", told, ok, seen.gap, r.out, r.err)
	}
	if got := s.active(t); got != "green" {
		t.Errorf("active: got %s, want green as before", got)
	}
	s.atRest(t, 5*time.Second)
}

// gapRE finds the line that tells for how long nothing answered.
var gapRE = regexp.MustCompile(`(?im)^.*\b(?:nothing answered|gap)\b\D*(\d+(?:\.\d+)?)\s?(µs|ms|s)\b`)

// toldGap reads from the output of a command for how long nothing answered.
func toldGap(text string) (time.Duration, bool) {
	m := gapRE.FindAllStringSubmatch(text, -1)
	if len(m) == 0 {
		return 0, false
	}
	last := m[len(m)-1]
	d, err := time.ParseDuration(last[1] + last[2])
	return d, err == nil
}
