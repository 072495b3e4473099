package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// wrong is one thing that is wrong, and what has to be said of it.
type wrong struct {
	id      string
	verdict Verdict
	seen    string // in the evidence
	do      string // in the remedy
	make    func(w *world)
}

// wrongs has at least one fault for each check.
func wrongs() []wrong {
	return []wrong{
		{"compose-file", Failed, "services.web", "bgctl config", func(w *world) { w.loadErr = errors.New("services.web: no such thing") }},
		{"compose-file", Failed, "line 3", "quote", func(w *world) {
			w.loadErr = errors.New(`read the environment file: line 3: unterminated quoted value "https://hooks.example/services/T0/B0/s3cr3tpiece`)
		}},
		{"proxy-settings", Failed, `LOG_KEEP="x"`, "bgctl up --dry-run", func(w *world) { w.env["LOG_KEEP"], w.env["FAIL_TIMEOUT"] = "x", "soon" }},
		{"proxy-settings", Failed, `PROXY_READ_TIMEOUT="0"`, "bgctl up --dry-run", func(w *world) { w.env["PROXY_READ_TIMEOUT"] = "0" }},
		{"proxy-settings", Warning, "no limit", "8s", func(w *world) { w.env["RETRY_TIMEOUT"] = "0" }},
		{"proxy-settings", Failed, "/search is there twice", "bgctl up --dry-run", func(w *world) { w.env["RETRY_NON_IDEMPOTENT"] = "/search,/search" }},
		{"proxy-settings", Failed, "on instead of the prefix /", "bgctl up --dry-run", func(w *world) { w.env["RETRY_NON_IDEMPOTENT"] = "/" }},
		{"proxy-settings", Failed, "/c comes before", "longer path", func(w *world) { w.env["RETRY_NON_IDEMPOTENT"] = "/c" }},
		{"proxy-settings", Failed, "rotated so often", "LOG_MAX_SIZE=64m", func(w *world) { w.env["LOG_MAX_SIZE"] = "100k" }},
		{"proxy-settings", Failed, "rotated all the time", "bgctl up --dry-run", func(w *world) { w.env["LOG_MAX_SIZE"] = "0" }},
		{"nginx-test", Failed, "duplicate location", "bgctl doctor", func(w *world) { w.exam.Conf = &proxy.ConfTest{Output: `[emerg] duplicate location "/a"`} }},
		{"env-mode", Failed, "mode 0666", "chmod 600", func(w *world) { w.dotEnv(0o666, "PORT=3000\n") }},
		{"env-mode", Warning, "SLACK_WEBHOOK_URL", "chmod 600", func(w *world) { w.dotEnv(0o644, "SLACK_WEBHOOK_URL=https://hooks.example/x\n") }},
		{"env-names", Warning, "ERROR_RATE_THRESHOLD is spelt", "ERROR_RATE_THRESHOLD", func(w *world) { w.dotEnv(0o600, "ERROR_RATE_TRESHOLD=3\n") }},
		{"engine", Failed, "no socket", "start Docker", func(w *world) { w.connectErr = &compose.UnreachableError{Reason: "no socket", Hint: "start Docker"} }},
		{"engine", Warning, "Podman", "Docker", func(w *world) { w.info.Podman = true }},
		{"engine", Failed, "windows", "Linux containers", func(w *world) { w.info.OSType = "windows" }},
		{"clock", Failed, "1m0s behind", "timedatectl", func(w *world) { w.system.Off = -time.Minute }},
		{"clock", Warning, "ahead of the proxy's clock", "stepped", func(w *world) { w.exam.Now = time.Unix(1777636700, 0) }},
		{"disk", Failed, "10.0 MiB of 500.0 GiB", "docker system df", func(w *world) { w.exam.Disks[0].Free = 10 << 20 }},
		{"roles", Failed, "no container on this engine", "bgctl up", func(w *world) { w.containers = nil }},
		{"roles", Warning, "nobody looks", "bgctl up", func(w *world) {
			w.container("alert_watcher").Labels, w.container("alert_watcher").Service = nil, "other"
		}},
		{"stopped", Failed, "switches the policy off", "bgctl heal green", func(w *world) { c := w.container("app_green"); c.State, c.ExitCode = "exited", 137 }},
		{"stopped", Failed, "port is taken", "bgctl up", func(w *world) { c := w.container("nginx"); c.State, c.Error = "created", "port is taken" }},
		{"paused", Failed, "never answers", "bgctl heal blue", func(w *world) { w.container("app_blue").State = "paused" }},
		{"restarts", Failed, "after every start", "bgctl logs app_blue", func(w *world) { c := w.container("app_blue"); c.State, c.RestartCount = "restarting", 9 }},
		{"restarts", Warning, "restarted 3 times", "bgctl logs nginx", func(w *world) { c := w.container("nginx"); c.RestartCount, c.StartedAt = 3, w.now.Add(-time.Minute) }},
		{"health", Failed, "receiver is broken", "bgctl logs alert_watcher", func(w *world) {
			c := w.container("alert_watcher")
			c.Health, c.HealthOutput = "unhealthy", "receiver is broken\n"
		}},
		{"active-pool", Warning, "the files say green, and blue has the traffic", "bgctl switch green", func(w *world) { w.env["ACTIVE_POOL"] = "green" }},
		{"memory", Failed, "2 times", "mem_limit of app_blue", func(w *world) {
			ev := compose.Event{Name: "shop-app_blue-1", Service: "app_blue", At: w.now}
			w.oom = []compose.Event{ev, ev}
		}},
		{"memory", Failed, "1 times", "mem_limit of app_green", func(w *world) { w.container("app_green").OOMKilled = true }},
		{"environment", Warning, "values than the files have now for: WINDOW_SIZE", "bgctl up --dry-run", func(w *world) { w.container("alert_watcher").Env["WINDOW_SIZE"] = "7" }},
		{"environment", Warning, "values than the files have now for: FAIL_TIMEOUT", "bgctl up --dry-run", func(w *world) { w.deployment.Router.Settings["FAIL_TIMEOUT"] = "7s" }},
		{"environment", Warning, "values than the files have now for: RETRY_NON_IDEMPOTENT", "bgctl up --dry-run", func(w *world) { w.env["RETRY_NON_IDEMPOTENT"] = "/a,/a" }},
		{"environment", Warning, "values than the files have now for: GREETING", "bgctl up --dry-run", func(w *world) {
			w.change = func(p *compose.Project) { greeting := "hello"; p.Services["nginx"].Environment["GREETING"] = &greeting }
		}},
		{"images", Warning, "means newimage", "bgctl up --dry-run", func(w *world) { w.observed.Images["bgctl:local"] = compose.ObservedImage{ID: "sha256:newimage"} }},
		{"images", Warning, "which ana@host put there; the files say shop:2, which is not on this engine", "bgctl up --dry-run", func(w *world) { w.env["BLUE_IMAGE"] = "shop:2" }},
		{"images", Warning, "no longer on this engine", "docker pull", func(w *world) { delete(w.observed.Images, "bgctl-proxy:local") }},
		{"releases", Warning, "ana@host put r9 (shop:9) (image nine) there", "bgctl history", func(w *world) {
			w.deployment.Router.Standing[1].Release = bluegreen.Release{ID: "r9", Image: "shop:9", ImageID: "sha256:nine"}
		}},
		{"service", Failed, "nothing of it runs", "bgctl up", func(w *world) {
			w.deployment.Proxy.State, w.deployment.Blue.Containers, w.deployment.Green.Containers = "exited", nil, nil
		}},
		{"service", Failed, "the proxy's container is exited", "bgctl up", func(w *world) { w.deployment.Proxy.State = "exited" }},
		{"service", Failed, "neither pool is ready", "bgctl heal blue", func(w *world) {
			w.answer(bluegreen.Blue, &bluegreen.ProbeResult{Err: "no answer within 1s"})
			w.deployment.Green.Containers[0].State = "exited"
		}},
		{"trouble", Failed, "the log rotation does not work", "docker restart shop-nginx-1", func(w *world) {
			w.deployment.Router.Trouble = []string{"the log rotation does not work: 900 MiB"}
		}},
		{"ports", Warning, "without the proxy", "127.0.0.1", func(w *world) { w.container("app_blue").Ports = []compose.Port{{HostIP: "0.0.0.0", HostPort: 8081}} }},
		{"proxy", Failed, "gone mad", "bgctl logs nginx", func(w *world) { w.deployment.Router, w.deployment.RouterErr = nil, "gone mad" }},
		{"state", Failed, "no flag file", "bgctl switch blue", func(w *world) { w.exam.Flags = nil }},
		{"state", Failed, "blue, green", "but one", func(w *world) { w.exam.Flags = []string{"blue", "green"} }},
		{"state", Failed, "switch has no effect", "docker restart shop-nginx-1", func(w *world) { w.exam.Seed = false }},
		{"volumes", Failed, "nothing is mounted at /var/lib/bgctl", "bgctl up", func(w *world) {
			w.observed.Containers[w.at("nginx")].Mounts = w.observed.Containers[w.at("nginx")].Mounts[1:]
		}},
		{"volumes", Failed, "different volumes", "same volume", func(w *world) { w.observed.Containers[w.at("alert_watcher")].Mounts[0].Name = "shop_other" }},
		{"versions", Warning, "runs bgctl v0.9.0", "bgctl up", func(w *world) { w.version = "v0.9.0" }},
		{"versions", Warning, "runs bgctl v0.8.0", "bgctl up --upgrade", func(w *world) { w.deployment.Router.Agent = "v0.8.0" }},
		{"versions", Warning, "runs bgctl v0.7.0", "bgctl up --upgrade", func(w *world) { w.deployment.Router.Agent, w.version = "", "v0.7.0" }},
		{"foreign-conf", Skipped, "bgctl's own", "", func(*world) {}},
		{"log-file", Failed, "a symbolic link to /dev/stdout", "docker restart shop-nginx-1", func(w *world) { w.exam.Log.Kind = "a symbolic link to /dev/stdout" }},
		{"log-file", Failed, "(deleted)", "docker restart shop-nginx-1", func(w *world) { w.exam.Log.Elsewhere = proxy.AccessLog + " (deleted)" }},
		{"log-growth", Failed, "100 requests", "docker restart shop-nginx-1", func(w *world) { w.exam.Traffic.Grown = false }},
		{"log-format", Failed, "1 of the last 1 lines", "bgctl watch --help", func(w *world) { w.exam.Log.Last = []string{"hello /x?token=abcdefgh"} }},
		{"log-format", Warning, "1 of the last 2 lines", "bgctl logs --access", func(w *world) { w.exam.Log.Last = append(w.exam.Log.Last, "torn") }},
		{"log-rotation", Failed, "no process rotates", "docker restart", func(w *world) { w.exam.Rotation = false }},
		{"log-rotation", Warning, "9 rotated files", "log volume", func(w *world) { w.exam.Log.Rotated = 9 }},
		{"log-room", Warning, "it fills up", "LOG_MAX_SIZE", func(w *world) { w.exam.Disks[1].Free = 50 << 20 }},
		{"log-room", Warning, "8.0 GiB", "LOG_MAX_SIZE", func(w *world) {
			w.deployment.Router.Settings["LOG_MAX_SIZE"], w.deployment.Router.Settings["LOG_KEEP"] = "2g", "3"
			w.exam.Disks[1].Free = 5 << 30
		}},
		{"pool-health", Failed, "no database", "bgctl logs app_blue", func(w *world) {
			c := &w.deployment.Blue.Containers[0]
			c.Health, c.HealthLog = "unhealthy", "no database"
		}},
		{"pool-health", Warning, "exited", "bgctl heal green", func(w *world) { w.deployment.Green.Containers[0].State = "exited" }},
		{"pool-answers", Failed, "answers 404 to GET /healthz", "2xx", func(w *world) { w.answer(bluegreen.Green, &bluegreen.ProbeResult{Status: 404}) }},
		{"pool-answers", Failed, "no answer within 1s", "bgctl logs app_green", func(w *world) {
			w.answer(bluegreen.Green, &bluegreen.ProbeResult{Err: "no answer within 1s"})
		}},
		{"pool-answers", Failed, "listen at 127.0.0.1:3000", "0.0.0.0", func(w *world) {
			w.exam.Pools[bluegreen.Blue] = proxy.PoolExam{Status: 502, Dials: []proxy.Dial{{Addr: "172.20.0.1:3000", Refused: true}}}
			w.tables = "  sl  local_address rem_address   st\n   0: 0100007F:0BB8 00000000:0000 0A\n   1: 0B00007F:A1B2 00000000:0000 0A\n"
		}},
		{"pool-answers", Failed, "answered with 504", "bgctl logs app_blue", func(w *world) { w.answer(bluegreen.Blue, &bluegreen.ProbeResult{Status: 504}) }},
		{"pool-answers", Failed, "answered with 503", "bgctl logs app_blue", func(w *world) { // the agent is an older one
			w.answer(bluegreen.Blue, nil)
			w.exam.Pools[bluegreen.Blue] = proxy.PoolExam{Status: 503, Health: "/healthz"}
		}},
		{"pool-headers", Failed, "X-App-Pool: green", "APP_POOL", func(w *world) { w.answer(bluegreen.Blue, &bluegreen.ProbeResult{Status: 200, Pool: bluegreen.Green}) }},
		{"keep-alive", Failed, "after 2s", "UPSTREAM_KEEPALIVE=1000ms", func(w *world) { w.idle.Idle[bluegreen.Blue][0].Closed = 2 * time.Second }},
		{"interrupted", Failed, "ana@host", "bgctl heal green", func(w *world) {
			w.deployment.Router.Unfinished = &bluegreen.Operation{Kind: bluegreen.ActSwitch, From: bluegreen.Blue, To: bluegreen.Green, By: bluegreen.Holder{User: "ana", Host: "host"}}
		}},
		{"faults", Failed, "with no end", "bgctl heal green", func(w *world) {
			w.deployment.Router.Faults = []bluegreen.Fault{{Pool: bluegreen.Green, Mode: bluegreen.FaultPause}}
		}},
		{"faults", Warning, "until 2026", "bgctl heal green", func(w *world) {
			w.deployment.Router.Faults = []bluegreen.Fault{{Pool: bluegreen.Green, Mode: bluegreen.FaultPause, Until: w.now.Add(time.Minute)}}
		}},
		{"solo", Failed, "no backup", "bgctl heal green", func(w *world) { w.deployment.Router.Solo = &bluegreen.Solo{Pool: bluegreen.Green} }},
		{"bake", Failed, "watched by nobody", "bgctl rollback", func(w *world) { w.deployment.Router.Bake = &bluegreen.Bake{Pool: bluegreen.Green} }},
		{"lock", Warning, "1h0m0s", "End that command", func(w *world) {
			w.deployment.Router.Lock = &bluegreen.Holder{User: "ana", What: "bgctl chaos blue", Since: w.now.Add(-time.Hour)}
		}},
		{"alert-settings", Failed, "threshold must be", "bgctl up", func(w *world) { w.env["ERROR_RATE_THRESHOLD"] = "120" }},
		{"threshold", Failed, "5 errors in a row", "ALERT_PRESET=reference", func(w *world) { w.env["WINDOW_SIZE"], w.env["ERROR_RATE_THRESHOLD"] = "5", "0.05" }},
		{"threshold", Failed, "only when every request fails", "MIN_ERRORS", func(w *world) { w.env["WINDOW_SIZE"], w.env["ERROR_RATE_THRESHOLD"] = "200", "99.9" }},
		{"threshold", Failed, "more than the window holds", "ERROR_RATE_PENDING", func(w *world) { w.env["ERROR_RATE_PENDING"] = "300" }},
		{"threshold", Warning, "more than half of the window", "MIN_ERRORS", func(w *world) { w.env["WINDOW_SIZE"], w.env["MIN_ERRORS"] = "20", "15" }},
		{"threshold", Warning, "percentage", "Write 5", func(w *world) { w.env["ERROR_RATE_THRESHOLD"] = "0.05" }},
		{"threshold", Warning, "switched off", "ALERTS_OFF", func(w *world) { w.env["ALERTS_OFF"] = "error_rate" }},
		{"receiver", Warning, "neither", ".env", func(w *world) { delete(w.env, "SLACK_WEBHOOK_URL") }},
		{"receiver", Failed, "https://", ".env", func(w *world) { w.env["SLACK_WEBHOOK_URL"] = "http://hooks.example/services/T0/B0/s3cr3tpiece" }},
		{"receiver", Failed, "nothing is mounted at /srv/hook", "secret", func(w *world) { w.change = hookFile("/srv/hook") }},
		{"receiver", Failed, "nothing is mounted at /run/secrets/hook", "secret", func(w *world) { w.change = hookFile("/run/secrets/hook") }},
		{"receiver", Failed, "no such file", "its path into .env", func(w *world) { w.env["SLACK_WEBHOOK_URL_FILE"] = w.dir + "/hook" }},
		{"receiver", Warning, "mode", "chmod 600", func(w *world) {
			w.env["SLACK_WEBHOOK_URL_FILE"] = w.dir + "/hook"
			if err := os.WriteFile(w.dir+"/hook", []byte(w.env["SLACK_WEBHOOK_URL"]), 0o644); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"receiver-reach", Warning, "certificate has expired", "bgctl watch --test-alert", func(w *world) { w.dialErr = errors.New("certificate has expired") }},
	}
}

// hookFile has the watcher read its webhook from a file in its container.
func hookFile(path string) func(p *compose.Project) {
	return func(p *compose.Project) { p.Services["alert_watcher"].Environment["SLACK_WEBHOOK_URL_FILE"] = &path }
}

// at is the place of a service in the observed containers.
func (w *world) at(service string) int {
	return slices.IndexFunc(w.observed.Containers, func(c compose.ObservedContainer) bool { return c.Service == service })
}

// Intent: every check has an input with which it fails, says where, and names a remedy;
// no other check takes the blame for it in error. No secret is printed.
func TestRun_FindsWhatIsWrong(t *testing.T) {
	for _, tt := range wrongs() {
		t.Run(tt.id+"/"+tt.seen, func(t *testing.T) {
			w := newWorld(t)
			tt.make(w)
			r := Run(t.Context(), w.sources(), nil)
			text, err := json.Marshal(r)
			if err != nil || strings.Contains(string(text), "s3cr3tpiece") {
				t.Errorf("the secret is printed, or %v:\n%s", err, text)
			}
			for _, e := range find(&r, tt.id) {
				if e.Verdict == tt.verdict && strings.Contains(e.Evidence, tt.seen) && strings.Contains(e.Remedy, tt.do) {
					return
				}
			}
			t.Errorf("no %s with %q and %q in:\n%+v", tt.verdict, tt.seen, tt.do, find(&r, tt.id))
		})
	}
}

// Intent: the table above leaves no check out.
func TestRun_EveryCheckHasAFault(t *testing.T) {
	have := map[string]bool{}
	for _, tt := range wrongs() {
		have[tt.id] = true
	}
	for _, id := range IDs() {
		if !have[id] {
			t.Errorf("%s: no input with which it fails", id)
		}
		delete(have, id)
	}
	for id := range have {
		t.Errorf("%s is no check", id)
	}
}

// Intent: a healthy deployment passes every check that applies to it.
func TestRun_FindsNothingInAHealthyDeployment(t *testing.T) {
	w := newWorld(t)
	w.dotEnv(0o600, "# comment\nexport BLUE_PORT=8081\nDB_PASSWORD=abcdefgh\n")
	r := Run(t.Context(), w.sources(), nil)
	for _, e := range r.Checks {
		if e.Verdict != OK && e.ID != "foreign-conf" {
			t.Errorf("%+v", e)
		}
	}
	if r.Sick() || r.Unreachable || r.Project != "shop" || r.Counts.OK < len(IDs())-1 {
		t.Errorf("%+v", r.Counts)
	}
	if len(w.acted) > 0 {
		t.Errorf("it ran: %q", w.acted)
	}
	if len(w.asked) != 1 || !strings.Contains(w.asked[0].Conf, "upstream blue_only") || w.asked[0].Pools[bluegreen.Green][0] != "172.20.0.2:3000" {
		t.Errorf("the agent was asked %d times: %+v", len(w.asked), w.asked)
	}
}

// Intent: without an engine the checks that need none are made all the same.
func TestRun_WithoutAnEngine(t *testing.T) {
	w := newWorld(t)
	w.dotEnv(0o666, "ERROR_RATE_TRESHOLD=3\n")
	w.connectErr = &compose.UnreachableError{Reason: "no socket"}
	r := Run(t.Context(), w.sources(), nil)
	if !r.Unreachable {
		t.Error("not unreachable")
	}
	got := map[Verdict][]string{}
	for _, e := range r.Checks {
		got[e.Verdict] = append(got[e.Verdict], e.ID)
	}
	if want := "[env-mode engine]"; fmt.Sprint(got[Failed]) != want || fmt.Sprint(got[Warning]) != "[env-names]" {
		t.Errorf("failed %v, warnings %v", got[Failed], got[Warning])
	}
	for _, id := range []string{"compose-file", "proxy-settings", "alert-settings", "threshold", "receiver", "receiver-reach"} {
		if !slices.Contains(got[OK], id) {
			t.Errorf("%s was not made: %+v", id, find(&r, id))
		}
	}
}

// Intent: a proxy of an older bgctl, or of somebody else, is told from a broken one.
func TestRun_WithAnotherAgent(t *testing.T) {
	for stderr, want := range map[string]string{
		`bgctl: unknown command "examine" for "bgctl agent"`: "older bgctl",
		"": "older bgctl",
		`exec: "bgctl": executable file not found in $PATH`: "no bgctl in the proxy",
		"bgctl: boom": "boom",
	} {
		w := newWorld(t)
		w.agent = &compose.ExecResult{ExitCode: 1, Stderr: []byte(stderr)}
		if stderr == "" {
			w.agent = &compose.ExecResult{Stdout: []byte("Work inside the proxy's container\n\nUsage:\n")}
		}
		r := Run(t.Context(), w.sources(), nil)
		if e := find(&r, "log-file")[0]; e.Verdict != Skipped || !strings.Contains(e.Evidence, want) {
			t.Errorf("%q: %+v", stderr, e)
		}
	}
}

// Intent: an engine that hangs is waited for within the limit, and so is everything.
func TestRun_EndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hang = true
		begun := time.Now()
		r := Run(t.Context(), w.sources(), nil)
		if took := time.Since(begun); took > 10*time.Second || took < time.Second {
			t.Errorf("it took %s", took)
		}
		if e := find(&r, "stopped")[0]; e.Verdict != Skipped || !strings.Contains(e.Evidence, "no answer within 6s") {
			t.Errorf("%+v", e)
		}
		time.Sleep(runLimit) // what was asked for ends by itself
	})
}

// Intent: a check that is accepted is left out, and an interrupted run ends at once.
func TestRun_SkipsAndStops(t *testing.T) {
	w := newWorld(t)
	w.container("app_blue").State = "paused"
	if r := Run(t.Context(), w.sources(), []string{"paused"}); r.Sick() || len(find(&r, "paused")) > 0 {
		t.Errorf("%+v", r.Counts)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	Run(ctx, w.sources(), nil)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("an interrupted run took %s", took)
	}
}

// Intent: connections are not watched while a command may wait for them to end.
func TestRun_LeavesAChangeAlone(t *testing.T) {
	w := newWorld(t)
	w.idle.Idle[bluegreen.Blue][0].Closed = time.Second
	w.deployment.Router.Lock = &bluegreen.Holder{Since: w.now}
	r := Run(t.Context(), w.sources(), nil)
	if e := find(&r, "keep-alive")[0]; e.Verdict != Skipped || !strings.Contains(e.Evidence, "changing the deployment") {
		t.Errorf("%+v", e)
	}
}

// Intent: a receiver is connected to and asked nothing; a certificate that nobody vouches
// for is told.
func TestDial_PostsNothing(t *testing.T) {
	asked := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it sent a request") })
	plain, secure := httptest.NewServer(asked), httptest.NewTLSServer(asked)
	defer plain.Close()
	defer secure.Close()
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	if err := Dial(t.Context(), plain.Listener.Addr().String(), HTTP); err != nil {
		t.Error(err)
	}
	if err := Dial(t.Context(), secure.Listener.Addr().String(), HTTPS); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	gone := plain.Listener.Addr().String()
	plain.Close()
	if err := Dial(t.Context(), gone, HTTP); err == nil {
		t.Error("a closed port is reached")
	}
}

// Intent: remarks are told and are no findings.
func TestRun_Remarks(t *testing.T) {
	for _, tt := range []struct {
		id, seen string
		make     func(w *world)
	}{
		{"ports", "past ufw", func(w *world) { w.container("nginx").Ports = []compose.Port{{HostIP: "0.0.0.0", HostPort: 8080}} }},
		{"pool-headers", "no X-App-Pool and no X-Release-Id", func(w *world) { w.answer(bluegreen.Blue, &bluegreen.ProbeResult{Status: 204}) }},
		{"images", "the name means another image by now", func(w *world) {
			w.env["BLUE_IMAGE"] = "shop:1"
			w.populate()
			w.observed.Images["shop:1"] = compose.ObservedImage{ID: "sha256:moved"}
		}},
		{"keep-alive", "ends every connection", func(w *world) { w.idle.Idle[bluegreen.Blue][0].Closes = true }},
		{"releases", "a rollback would change nothing", func(w *world) {
			w.deployment.Green.Containers[0].Release = w.deployment.Blue.Containers[0].Release
			w.deployment.Router.Standing[1].Release.ID = w.deployment.Blue.Containers[0].Release
		}},
		{"lock", "bgctl deploy", func(w *world) { w.deployment.Router.Lock = &bluegreen.Holder{What: "bgctl deploy x", Since: w.now} }},
		{"engine", "up to 28", func(w *world) { w.info.ServerVersion = "99.0" }},
	} {
		w := newWorld(t)
		tt.make(w)
		r := Run(t.Context(), w.sources(), nil)
		if e := find(&r, tt.id)[0]; e.Verdict != OK || !strings.Contains(e.Evidence, tt.seen) {
			t.Errorf("%s: %+v", tt.id, e)
		}
	}
}

// Intent: findings come first, each with evidence and remedy, and no foreign text
// reaches the terminal raw.
func TestReport_Print(t *testing.T) {
	w := newWorld(t)
	c := w.container("app_green")
	c.State, c.Error, c.Name = "created", "port taken \x1b[31m", "evil\x1b]0;x\x07"
	w.container("alert_watcher").Env["WINDOW_SIZE"] = "7"
	r := Run(t.Context(), w.sources(), nil)
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.ContainsAny(text, "\x1b\x07") {
		t.Errorf("raw control characters:\n%q", text)
	}
	failed, warning, ok := strings.Index(text, "FAILED   stopped"), strings.Index(text, "WARNING  environment"), strings.Index(text, "\nok ")
	if failed < 0 || warning < failed || ok < warning || !strings.Contains(text, "do:        bgctl up\n") {
		t.Errorf("the order is wrong:\n%s", text)
	}
	if lines := strings.Count(text, "\n"); lines > 40 {
		t.Errorf("%d lines:\n%s", lines, text)
	}
}

// Intent: names that are near are found, names that only look alike are not.
func TestJudgeEnvNames(t *testing.T) {
	known := []string{"PORT", "HTTP_PORT", "BLUE_IMAGE", "GREEN_IMAGE", "MIN_ERRORS", "ALERT_COOLDOWN_SEC"}
	for name, want := range map[string]string{
		"BLUE_IMAGES": "BLUE_IMAGE", "BULE_IMAGE": "BLUE_IMAGE", "ALERT_COOLDOWN_SECS": "ALERT_COOLDOWN_SEC", "blue_image": "BLUE_IMAGE",
		"POTR": "PORT", "HOST": "", "DATABASE_URL": "", "BLUE_IMAGE": "", "RED_IMAGE": "",
	} {
		got := ""
		if f := judgeEnvNames([]assignment{{name: name}}, known); len(f) > 0 {
			got = f[0].evidence
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestEnvMode_OfAFileThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	src := w.sources()
	src.EnvFile = w.dir + "/none"
	r := Run(t.Context(), src, nil)
	if e := find(&r, "env-mode")[0]; e.Verdict != Skipped || !strings.Contains(e.Evidence, "there is no") {
		t.Errorf("%+v", e)
	}
	if _, err := os.Stat(src.EnvFile); err == nil {
		t.Error("it was made")
	}
}
