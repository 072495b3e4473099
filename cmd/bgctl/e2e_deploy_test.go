//go:build e2e

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/load"
)

// releases are images for a deploy: the same application under other names, and
// ones that do not work.
type releases struct {
	base string
	repo string
}

// checkOften keeps the image's check and shortens the wait for the first one.
const checkOften = `HEALTHCHECK --interval=1s --timeout=3s --start-period=10s --retries=3 CMD ["/bgctl","healthcheck"]`

// newReleases makes the images that the tests of deploys share.
func newReleases(t *testing.T, s *stack) releases {
	t.Helper()
	r := releases{
		base: strings.TrimSpace(docker(t, "inspect", "-f", "{{.Config.Image}}", s.container(t, "app_green"))),
		repo: s.project,
	}
	for tag, text := range map[string]string{
		"v2":   "LABEL release=v2\n" + checkOften,
		"v3":   "LABEL release=v3\n" + checkOften,
		"dies": `CMD ["demo-app","--no-such-flag"]`,
		"sick": `HEALTHCHECK --interval=1s --timeout=5s --start-period=1s --retries=2 CMD ["/bgctl","healthcheck","http://127.0.0.1:1/"]`,
		// Healthy by its own word, but nothing listens where nginx asks.
		"deaf": "HEALTHCHECK NONE\n" + `CMD ["slack-standin"]`,
	} {
		cmd := exec.Command("docker", "build", "-q", "-t", r.ref(tag), "-")
		cmd.Stdin = strings.NewReader("FROM " + r.base + "\n" + text + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", tag, err, out)
		}
	}
	return r
}

// ref is the reference of one of the images.
func (r releases) ref(tag string) string { return r.repo + ":" + tag }

// holds is the image and the release of a pool, as status tells them.
func (s *stack) holds(t *testing.T, pool string) (image, release string) {
	t.Helper()
	pools, _ := s.status(t)["pools"].(map[string]any)
	p, _ := pools[pool].(map[string]any)
	image, _ = p["image"].(string)
	release, _ = p["release"].(string)
	return image, release
}

// other is the other pool.
func other(pool string) string {
	return map[string]string{"blue": "green", "green": "blue"}[pool]
}

// env is the text of the stack's .env.
func (s *stack) envText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// deployStack is a stack of its own, because deploys change what the pools hold, with
// the releases for it.
func deployStack(t *testing.T, name string, env ...string) (*stack, releases) {
	t.Helper()
	var repo string
	// Registered first, so that it runs when the containers are gone.
	t.Cleanup(func() {
		// By their names: the same releases of another stack are the same images.
		out, err := exec.Command("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference="+repo+":*").Output()
		if refs := strings.Fields(string(out)); err == nil && len(refs) > 0 {
			_ = exec.Command("docker", append([]string{"rmi", "-f"}, refs...)...).Run()
		}
	})
	s := own(t, name)
	repo = s.project
	s.setEnv(t, env...)
	s.must(t, "up")
	return s, newReleases(t, s)
}

// TestDeploy_UnderLoad has the machine to itself: it measures.
func TestDeploy_UnderLoad(t *testing.T) {
	s, r := deployStack(t, "deploy-load")
	t.Run("deploy", func(t *testing.T) { deployUnderLoad(t, s, r) })
	t.Run("rollback", func(t *testing.T) { deployRollback(t, s) })
}

// impatient lets a deploy wait a second, not four, for connections that were just used.
const impatient = "UPSTREAM_KEEPALIVE=1s"

// TestDeploy goes through the life of a deployment, one deploy after the other.
func TestDeploy(t *testing.T) {
	t.Parallel()
	s, r := deployStack(t, "deploy", impatient)
	t.Run("goes back two releases", func(t *testing.T) { deployBackTwice(t, s, r) })
	t.Run("no image", func(t *testing.T) { deployNoImage(t, s) })
	t.Run("never ready", func(t *testing.T) { deployNeverReady(t, s, r) })
	t.Run("staged", func(t *testing.T) { deployStaged(t, s, r) })
	t.Run("concurrent", func(t *testing.T) { deployConcurrent(t, s, r) })
	t.Run("bake", func(t *testing.T) { deployBake(t, s, r) })
	t.Run("promote", func(t *testing.T) { deployPromote(t, s, r) })
	t.Run("status --watch", func(t *testing.T) { statusWatch(t, s) })
	t.Run("history", func(t *testing.T) { deployHistory(t, s) })
}

// Intent: a deploy under 32 keep-alive clients that never retry loses no request,
// and no user sees the new release before traffic is moved to it.
func deployUnderLoad(t *testing.T, s *stack, r releases) {
	tr := s.start(t, load.Config{Clients: 32, Methods: []string{"GET", "POST"}})
	time.Sleep(300 * time.Millisecond)
	res := s.must(t, "deploy", r.ref("v2"), "--json")
	time.Sleep(500 * time.Millisecond)
	rep := tr.stop()
	t.Logf("deploy: %s; %s", res.took.Round(time.Millisecond), rep.String())
	if rep.Failed != 0 || rep.Sent < 2000 {
		t.Errorf("%s", rep.String())
	}
	var out bluegreen.Outcome
	if err := json.Unmarshal([]byte(res.out), &out); err != nil || out.Receipt == nil || out.Receipt.Failed != 0 || out.Receipt.Late != 0 {
		t.Errorf("%v in %s", err, res.out)
	}
	// The first answer of the new release ends the old one's: both at once would
	// mean that users saw it before the switch.
	var firstNew, lastOld time.Time
	early := tr.count(func(q *load.Result) bool {
		switch q.Release {
		case "v2":
			if firstNew.IsZero() || q.End.Before(firstNew) {
				firstNew = q.End
			}
		default:
			if q.Start.After(lastOld) {
				lastOld = q.Start
			}
		}
		return q.Release == "v2" && q.Pool != "green"
	})
	if early != 0 || firstNew.IsZero() || lastOld.Sub(firstNew) > 50*time.Millisecond {
		t.Errorf("%d early; first answer of v2 at %s, last request answered by the old release sent at %s", early, firstNew, lastOld)
	}
	if image, release := s.holds(t, "green"); s.active(t) != "green" || image != r.ref("v2") || release != "v2" {
		t.Errorf("active %s, green holds %s %s", s.active(t), image, release)
	}
	for _, line := range []string{"GREEN_IMAGE=" + r.ref("v2"), "RELEASE_ID_GREEN=v2", "ACTIVE_POOL=green"} {
		if !strings.Contains(s.envText(t), line+"\n") {
			t.Errorf(".env lacks %s:\n%s", line, s.envText(t))
		}
	}
	// The deploy converged as up does: nothing is left to do.
	if up := s.must(t, "up"); !strings.Contains(up.out, "nothing to do") {
		t.Errorf("up after a deploy:\n%s%s", up.out, up.err)
	}
}

// Intent: rollback is a switch while the old release still stands there, says what
// it goes back to, and refuses when there is nothing before it.
func deployRollback(t *testing.T, s *stack) {
	if dry := s.must(t, "rollback", "--dry-run"); !strings.Contains(dry.out, "goes back to: v1.0.0") || strings.Contains(dry.out, "install") {
		t.Errorf("dry run:\n%s", dry.out)
	}
	tr := s.start(t, load.Config{Clients: 32, Methods: []string{"GET", "POST"}})
	time.Sleep(300 * time.Millisecond)
	res := s.must(t, "rollback")
	time.Sleep(300 * time.Millisecond)
	rep := tr.stop()
	t.Logf("rollback: %s; %s", res.took.Round(time.Millisecond), rep.String())
	if rep.Failed != 0 || res.took > 5*time.Second || s.active(t) != "blue" {
		t.Errorf("rollback took %s, active %s, %s", res.took, s.active(t), rep.String())
	}
	if again := s.run("rollback"); again.code != 4 || !strings.Contains(again.err, "no release that took traffic before") {
		t.Errorf("rollback with nothing before: exit %d, %s", again.code, again.err)
	}
	s.must(t, "switch", "green")
}

// Intent: two releases back is not in the standby any more; its very image is put
// there again, although its tag means another one by now.
func deployBackTwice(t *testing.T, s *stack, r releases) {
	moving := r.ref("moving")
	docker(t, "tag", r.ref("v2"), moving)
	id := strings.TrimSpace(docker(t, "inspect", "-f", "{{.Id}}", moving))
	s.must(t, "deploy", moving, "--release", "m1")
	pool := s.active(t)
	s.must(t, "deploy", r.ref("v3"), "--release", "m2")
	s.must(t, "deploy", r.ref("v2"), "--release", "m3")
	docker(t, "tag", r.ref("dies"), moving)
	s.must(t, "rollback") // to m2, which still stands in the standby
	if _, release := s.holds(t, s.active(t)); s.active(t) != other(pool) || release != "m2" {
		t.Fatalf("after one rollback %s is active and holds %s", s.active(t), release)
	}
	res := s.must(t, "rollback") // to m1: m3 stands in its place
	image, release := s.holds(t, pool)
	if s.active(t) != pool || release != "m1" || image != id || !strings.Contains(res.err, "back to m1") {
		t.Errorf("after two rollbacks %s is active; %s holds %s %s; %s", s.active(t), pool, image, release, res.err)
	}
	if status, from, body := get(t, s.url()+"/version"); status != 200 || from != pool || !strings.Contains(body, "m1") {
		t.Errorf("users get %d from %s: %s", status, from, body)
	}
	if up := s.must(t, "up"); !strings.Contains(up.out, "nothing to do") {
		t.Errorf("up after a rollback:\n%s%s", up.out, up.err)
	}
}

// Intent: an image that cannot be had changes nothing and says so.
func deployNoImage(t *testing.T, s *stack) {
	standby := other(s.active(t))
	before := s.container(t, "app_"+standby)
	for _, args := range [][]string{
		{"deploy", "bgctl-e2e/none:1", "--pull", "never"},
		{"deploy", "registry.invalid/none:1"},
	} {
		if r := s.run(args...); r.code != 4 || !strings.Contains(r.err, "no image") || !strings.Contains(r.err, "nothing was changed") {
			t.Errorf("%v: exit %d, %s", args, r.code, r.err)
		}
	}
	if s.container(t, "app_"+standby) != before {
		t.Error("the standby was touched")
	}
	if r := s.run("status"); r.code != 0 {
		t.Errorf("status: exit %d\n%s", r.code, r.out)
	}
}

// Intent: a release that does not become ready leaves traffic where it is, explains
// itself, and gives its place back to the one before it; users notice nothing.
func deployNeverReady(t *testing.T, s *stack, r releases) {
	for tag, says := range map[string]string{"dies": "no-such-flag", "sick": "connection refused", "deaf": "did not become ready"} {
		t.Run(tag, func(t *testing.T) {
			active := s.active(t)
			image, release := s.holds(t, other(active))
			tr := s.start(t, load.Config{Clients: 8, Methods: []string{"GET", "POST"}, Rate: 200})
			res := s.run("deploy", r.ref(tag), "--timeout", "8s")
			rep := tr.stop()
			t.Logf("exit %d after %s: %s", res.code, res.took.Round(time.Millisecond), res.err[strings.LastIndex(strings.TrimSpace(res.err), "\n")+1:])
			if res.code != 1 || !strings.Contains(res.err, says) || !strings.Contains(res.err, "traffic stays on "+active) {
				t.Errorf("exit %d: %s", res.code, res.err)
			}
			if i, rel := s.holds(t, other(active)); s.active(t) != active || i != image || rel != release {
				t.Errorf("active %s, %s holds %s %s, want %s %s", s.active(t), other(active), i, rel, image, release)
			}
			if rep.Failed != 0 || rep.ByPool[other(active)] != 0 {
				t.Errorf("users: %s", rep.String())
			}
			if st := s.run("status"); st.code != 0 {
				t.Errorf("status: exit %d\n%s", st.code, st.out)
			}
			if strings.Contains(s.envText(t), r.ref(tag)) {
				t.Errorf(".env names the release that failed:\n%s", s.envText(t))
			}
		})
	}
}

// Intent: --no-switch leaves traffic alone; a switch promotes what was staged.
func deployStaged(t *testing.T, s *stack, r releases) {
	active := s.active(t)
	res := s.must(t, "deploy", r.ref("v3"), "--no-switch")
	if _, release := s.holds(t, other(active)); s.active(t) != active || release != "v3" || !strings.Contains(res.out, "bgctl switch "+other(active)) {
		t.Errorf("active %s, %s holds %s\n%s", s.active(t), other(active), release, res.out)
	}
	s.must(t, "switch", other(active))
	if status, _, body := get(t, s.url()+"/version"); status != 200 || !strings.Contains(body, "v3") {
		t.Errorf("users get %d: %s", status, body)
	}
	if res := s.run("deploy", r.ref("v2"), "--to", other(active)); res.code != 4 || !strings.Contains(res.err, "takes all traffic") {
		t.Errorf("deploy to the active pool: exit %d, %s", res.code, res.err)
	}
}

// Intent: of several deploys at once one acts and the others are told who does.
func deployConcurrent(t *testing.T, s *stack, r releases) {
	standby := other(s.active(t))
	var wg sync.WaitGroup
	codes := make([]int, 4)
	for i := range codes {
		wg.Go(func() {
			res := s.run("deploy", r.ref("v2"), "--no-switch", "--release", fmt.Sprintf("race-%d", i))
			codes[i] = res.code
			if res.code == 6 && !strings.Contains(res.err, "locked by") {
				t.Errorf("exit 6 without a holder: %s", res.err)
			}
		})
	}
	wg.Wait()
	won := -1
	for i, code := range codes {
		switch {
		case code == 0 && won < 0:
			won = i
		case code != 6:
			t.Errorf("codes %v: want one 0 and the rest 6", codes)
		}
	}
	if _, release := s.holds(t, standby); won < 0 || release != fmt.Sprintf("race-%d", won) {
		t.Errorf("codes %v, %s holds %s", codes, standby, release)
	}
}

// Intent: status --watch prints a line a change and ends when what it waits for
// holds; it outlives the proxy.
func statusWatch(t *testing.T, s *stack) {
	active := s.active(t)
	if res := s.must(t, "status", "--watch", "--until", "healthy", "--timeout", "20s"); strings.Count(res.out, "\n") != 1 {
		t.Errorf("healthy already:\n%s", res.out)
	}
	if res := s.run("status", "--watch", "--until", "state=down", "--timeout", "1s", "--interval", "200ms"); res.code != 124 || strings.Count(res.out, "\n") != 1 {
		t.Errorf("exit %d:\n%s%s", res.code, res.out, res.err)
	}
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin(), "-p", s.project, "status", "--watch", "--json", "--until", "healthy,active="+other(active), "--timeout", "60s")
	cmd.Dir, cmd.Env, cmd.Stdout = s.dir, s.env, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written := func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	eventually(t, 10*time.Second, "it prints the state", func() bool { return strings.Contains(written(), "\n") })
	docker(t, "restart", "-t", "2", s.container(t, "nginx"))
	eventually(t, 20*time.Second, "the proxy is back", func() bool { return s.active(t) == active })
	s.must(t, "switch", other(active))
	ended := cmd.Wait()
	var states []string
	for line := range strings.Lines(written()) {
		var v struct{ State, Active string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		states = append(states, v.State+" "+v.Active)
	}
	if ended != nil || states[0] != "ok "+active || states[len(states)-1] != "ok "+other(active) || len(states) < 3 {
		t.Errorf("%v, states %q", ended, states)
	}
}

// Intent: the journal tells who did what, newest first, with what it cost.
func deployHistory(t *testing.T, s *stack) {
	var v struct{ Operations []bluegreen.Operation }
	if err := json.Unmarshal([]byte(s.must(t, "history", "--json", "-n", "200").out), &v); err != nil {
		t.Fatal(err)
	}
	kinds := map[bluegreen.Action]int{}
	for i, op := range v.Operations {
		kinds[op.Kind]++
		if op.By.User == "" || op.Result == "" || i > 0 && op.Started.After(v.Operations[i-1].Started) {
			t.Errorf("entry %d: %+v", i, op)
		}
	}
	if kinds[bluegreen.ActDeploy] < 4 || kinds[bluegreen.ActRollback] < 1 || kinds[bluegreen.ActSwitch] < 2 {
		t.Errorf("kinds = %v", kinds)
	}
	if text := s.must(t, "history").out; !strings.Contains(text, "v1.0.0") && strings.Count(text, "\n") != 21 {
		t.Errorf("history:\n%s", text)
	}
}
