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
	var out, errs bytes.Buffer
	cmd := exec.Command("docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String())
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
	for name, opts := range map[string][]string{
		"20k x 3": {"--log-opt", "max-size=20k", "--log-opt", "max-file=3"},
		"20k x 1": {"--log-opt", "max-size=20k", "--log-opt", "max-file=1"},
		"local":   {"--log-driver", "local", "--log-opt", "max-size=400k", "--log-opt", "max-file=5"},
	} {
		t.Run(name, func(t *testing.T) {
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
