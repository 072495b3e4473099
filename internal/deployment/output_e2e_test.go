//go:build e2e

package deployment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
)

// writer prints lines numbered from $1 on, $2 of them, in bursts of $3 with a pause
// of $4 seconds in between.
const writer = `i=$1; end=$(($1+$2)); while [ $i -lt $end ]; do
  printf '{"msec":"1761837814.123","request":"GET /%d HTTP/1.1","status":"200","pad":"0123456789012345678901234567890123456789"}\n' $i
  i=$((i+1)); [ $((i % $3)) -eq 0 ] && sleep $4; done`

// box is a container on the real engine that a test owns.
type box struct {
	t      *testing.T
	client *compose.Client
	name   string
}

func newBox(t *testing.T) *box {
	t.Helper()
	c, err := compose.Connect(t.Context(), compose.ConnectOptions{Env: os.Getenv})
	if err != nil {
		t.Fatalf("the engine tests need a Docker engine: %v", err)
	}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	b := &box{t: t, client: c, name: fmt.Sprintf("bgctl-e2e-%d-%.40s", os.Getpid(), name)}
	t.Cleanup(func() { _ = c.Close() })
	t.Cleanup(func() { _ = exec.Command("docker", "rm", "-f", b.name).Run() })
	return b
}

func (b *box) docker(args ...string) string {
	b.t.Helper()
	for tries := 10; ; tries-- {
		var out, errs bytes.Buffer
		cmd := exec.Command("docker", args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		switch {
		case err == nil:
			return strings.TrimSpace(out.String())
		case tries == 0 || !strings.Contains(errs.String(), "id already in use"):
			b.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, errs.String())
		}
		time.Sleep(200 * time.Millisecond) // a busy engine still holds the last run
	}
}

func (b *box) run(script string, opts ...string) {
	b.t.Helper()
	image := os.Getenv("NGINX_IMAGE")
	if image == "" {
		b.t.Fatal("NGINX_IMAGE is not set: run make e2e")
	}
	args := append([]string{"run", "-d", "--init", "--network", "none", "--name", b.name, "--stop-timeout", "1"}, opts...)
	b.docker(append(args, "--entrypoint", "sh", image, "-c", script)...)
}

// collector follows the box's output and keeps the numbers that came.
type collector struct {
	t       *testing.T
	mu      sync.Mutex
	got     []string
	counts  logstream.Counts
	cursor  logstream.Cursor
	states  []string
	notices []string
	stop    context.CancelFunc
	done    chan error
}

func (b *box) follow(start logstream.Start) *collector {
	ctx, cancel := context.WithCancel(b.t.Context())
	c := &collector{t: b.t, stop: cancel, done: make(chan error, 1)}
	src := logstream.NewContainerSource(logstream.ContainerConfig{
		Engine: &deployment.Output{Client: b.client, Project: "bgctl-e2e-none", Name: b.name}, Start: start,
		StopWait: 50 * time.Millisecond,
		OnState: func(s logstream.State) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.states = append(c.states, fmt.Sprint(s.Connected, " ", s.Err))
		},
		OnNotice: func(text string) { c.mu.Lock(); defer c.mu.Unlock(); c.notices = append(c.notices, text) },
	})
	go func() { c.done <- src.Run(ctx, c.deliver) }()
	b.t.Cleanup(cancel)
	return c
}

func (c *collector) deliver(b logstream.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range b.Records {
		c.got = append(c.got, b.Records[i].Path)
	}
	c.counts, c.cursor = b.Counts, b.Cursor
	return nil
}

func (c *collector) quit() {
	c.stop()
	if err := <-c.done; !errors.Is(err, context.Canceled) {
		c.t.Errorf("Run: %v", err)
	}
}

func (c *collector) len() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.got) }

func (c *collector) until(n int, limit time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(limit); c.len() < n && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
}

// missing returns how many of /1 … /n never came and how many came more than once.
func missing(n int, got []string) (lost, twice int) {
	seen := map[string]int{}
	for _, p := range got {
		seen[p]++
	}
	for i := range n {
		switch k := seen[fmt.Sprintf("/%d", i+1)]; {
		case k == 0:
			lost++
		case k > 1:
			twice += k - 1
		}
	}
	return lost, twice
}

func script(first, n, burst int, pause string) string {
	return fmt.Sprintf("set -- %d %d %d %s; %s", first, n, burst, pause, writer)
}

// TestE2E_OutputSurvivesRotation is D6: the engine's own rotation must not repeat a
// line. What the engine itself loses is told.
func TestE2E_OutputSurvivesRotation(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]string{
		"20k x 3": {"--log-opt", "max-size=20k", "--log-opt", "max-file=3"},
		"20k x 1": {"--log-opt", "max-size=20k", "--log-opt", "max-file=1"},
		"local":   {"--log-driver", "local", "--log-opt", "max-size=400k", "--log-opt", "max-file=5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBox(t)
			const n = 4000
			b.run(script(1, n, 5, "0.01")+"; sleep 60", opts...)
			c := b.follow(logstream.AtBeginning())
			c.until(n, 40*time.Second)
			time.Sleep(time.Second)
			c.quit()
			lost, twice := missing(n, c.got)
			t.Logf("%d lines: %d lost, %d twice, %d repeats dropped, %d gaps, notices %d, states %q", n, lost, twice, c.counts.Repeated, c.counts.Gaps, len(c.notices), c.states)
			if twice != 0 {
				t.Errorf("%d lines came twice", twice)
			}
			if !slices.IsSortedFunc(c.got, func(a, b string) int { return len(a) - len(b) }) {
				t.Error("out of order")
			}
			if name != "20k x 1" && lost != 0 {
				t.Errorf("%d lines lost", lost)
			}
		})
	}
}

// TestE2E_OutputSurvivesTheContainersLife is D4: restart, stop and start, kill, rename,
// pause, and a new container of the same name. Nothing may be lost or repeated.
func TestE2E_OutputSurvivesTheContainersLife(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	// Every life writes 200 lines whose numbers go on where the last one ended.
	life := `n=$(cat /n 2>/dev/null || echo 1); echo $((n+200)) >/n; set -- $n 200 20 0.01; ` + writer + `; sleep 60`
	b.run(life)
	c := b.follow(logstream.AtBeginning())
	lives := 1
	next := func(what string, do func()) {
		c.until(lives*200, 20*time.Second)
		do()
		lives++
		c.until(lives*200, 20*time.Second)
		lost, twice := missing(lives*200, c.snapshot())
		t.Logf("%s: %d lost, %d twice", what, lost, twice)
		if lost+twice > 0 {
			t.Errorf("%s: %d lost, %d twice", what, lost, twice)
		}
	}
	for range 20 {
		next("restart", func() { b.docker("restart", "-t", "0", b.name) })
	}
	next("stop and start", func() { b.docker("stop", "-t", "0", b.name); time.Sleep(time.Second); b.docker("start", b.name) })
	next("kill and start", func() { b.docker("kill", b.name); b.docker("start", b.name) })
	next("rename and pause", func() {
		b.docker("rename", b.name, b.name+"-x")
		b.docker("rename", b.name+"-x", b.name)
		b.docker("pause", b.name)
		time.Sleep(300 * time.Millisecond)
		b.docker("unpause", b.name)
		b.docker("restart", "-t", "0", b.name)
	})
	next("recreate", func() {
		b.docker("rm", "-f", b.name)
		b.run(script(lives*200+1, 200, 20, "0.01") + "; sleep 60")
	})
	c.quit()
	if c.counts.Gaps != 0 {
		t.Errorf("%d gaps", c.counts.Gaps)
	}
}

func (c *collector) snapshot() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// TestE2E_OutputReassemblesLines is D2 and D14: a line of 40,000 bytes is one line, and
// what a process left unfinished does not spoil the first line of the next one.
func TestE2E_OutputReassemblesLines(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	long := `printf '{"msec":"1","request":"GET /'; i=0; while [ $i -lt 4000 ]; do printf 0123456789; i=$((i+1)); done; printf ' HTTP/1.1","status":"200"}\n'; `
	b.run(long + script(1, 1, 9, "0") + `; printf '{"msec":"17'; sleep 60`)
	c := b.follow(logstream.AtBeginning())
	c.until(2, 20*time.Second)
	b.docker("restart", "-t", "0", b.name)
	c.until(4, 20*time.Second)
	c.quit()
	if len(c.got) != 4 || len(c.got[0]) != 40_001 || c.got[1] != "/1" || c.got[2] != c.got[0] || c.got[3] != "/1" {
		t.Errorf("%d lines came: %.60q", len(c.got), c.got)
	}
	if c.counts.Cut != 1 || c.counts.Bad != 0 {
		t.Errorf("counts %+v", c.counts)
	}
}

// TestE2E_OutputResumes stops the reader at its cursor, and reads on from there.
func TestE2E_OutputResumes(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.run(script(1, 1000, 10, "0.01") + "; sleep 60")
	start, got := logstream.AtBeginning(), []string(nil)
	for range 5 {
		c := b.follow(start)
		c.until(150, 10*time.Second)
		c.quit()
		got, start = append(got, c.got...), logstream.AtCursor(c.cursor)
	}
	c := b.follow(start)
	c.until(1000-len(got), 20*time.Second)
	c.quit()
	if lost, twice := missing(1000, append(got, c.got...)); lost+twice > 0 {
		t.Errorf("%d lost, %d twice", lost, twice)
	}
}

// TestE2E_OutputOfADriverThatKeepsNone ends with the reason and what to do.
func TestE2E_OutputOfADriverThatKeepsNone(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.run("sleep 60", "--log-driver", "none")
	err := logstream.NewContainerSource(logstream.ContainerConfig{
		Engine: &deployment.Output{Client: b.client, Project: "bgctl-e2e-none", Name: b.name},
	}).Run(t.Context(), nil)
	if !errors.Is(err, logstream.ErrNoOutput) || !strings.Contains(err.Error(), "log driver") {
		t.Errorf("Run: %v", err)
	}
}
