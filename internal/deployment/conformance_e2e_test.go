//go:build e2e

package deployment_test

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// pipe is a process that prints what comes through a named pipe, byte by byte as it comes.
const pipe = `[ -p /pipe ] || mkfifo /pipe; exec 3<>/pipe; exec cat <&3`

// engineRig is the output of a container of the real engine, with the driver that most
// engines use.
type engineRig struct {
	*box
	in   io.WriteCloser // to the pipe
	feed *exec.Cmd
	part string // what is written of a line

	mu   sync.Mutex
	open []logstream.Output
}

func newEngineRig(t *testing.T) *engineRig {
	t.Helper()
	r := &engineRig{box: newBox(t)}
	r.run(pipe, "--log-driver", "json-file", "--log-opt", "max-size=2m", "--log-opt", "max-file=10")
	r.connect()
	t.Cleanup(r.hangUp)
	return r
}

func (r *engineRig) connect() {
	r.t.Helper()
	r.feed = exec.Command("docker", "exec", "-i", r.name, "sh", "-c", "while [ ! -p /pipe ]; do sleep 0.01; done; echo on; exec cat >/pipe")
	in, err := r.feed.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := r.feed.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.feed.Start(); err != nil {
		r.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "on\n" {
		r.t.Fatalf("the way into the container: %q, %v", line, err)
	}
	r.in = in
}

func (r *engineRig) hangUp() {
	_ = r.in.Close()
	_ = r.feed.Wait()
}

// Write returns when the engine has what it wrote: what a file has at once, an engine
// has a moment later.
func (r *engineRig) Write(t *testing.T, text string) {
	t.Helper()
	begun := time.Now().Add(-time.Second)
	if _, err := io.WriteString(r.in, text); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(r.part+text, "\n")
	r.part = lines[len(lines)-1]
	if !strings.Contains(text, "\n") {
		time.Sleep(20 * time.Millisecond) // nothing tells how far half a line has come
		return
	}
	last := lines[len(lines)-2]
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		// Of a line that fills several records the engine counts each as one.
		if got := r.newest(begun); strings.HasSuffix(last, got) && (got == "") == (last == "") {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the engine has %.80q, not yet %.80q", r.newest(begun), last)
		}
	}
}

// newest is the last line that the engine has since a moment. The last lines would be those
// of both streams.
func (r *engineRig) newest(since time.Time) string {
	out, err := r.client.Logs(r.t.Context(), r.name, compose.LogsOptions{Since: since, Stdout: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = out.Close() }() // only read
	text := ""
	for {
		line, err := out.Next()
		if err != nil {
			return text
		}
		text = string(line.Text)
	}
}

// Rotate writes to the other stream until the engine turns to a new file: a line of this
// one may be half there.
func (r *engineRig) Rotate(t *testing.T) {
	t.Helper()
	r.docker("exec", r.name, "sh", "-c", "head -c 2200000 /dev/zero | tr '\\0' x | fold -w 4000 >/proc/1/fd/2")
}

// Sever ends every connection.
func (r *engineRig) Sever(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, out := range r.open {
		_ = out.Close()
	}
	r.open = nil
}

func (r *engineRig) RestartWriter(t *testing.T) {
	t.Helper()
	r.docker("restart", "-t", "0", r.name)
	r.part = ""
	r.hangUp()
	r.connect()
}

func (r *engineRig) Source(start logstream.Start) logstreamtest.Source {
	return logstream.NewContainerSource(logstream.ContainerConfig{
		Engine: severable{&deployment.Output{Client: r.client, Project: "bgctl-e2e-none", Name: r.name}, r}, Start: start,
		MinWait: 20 * time.Millisecond, MaxWait: 500 * time.Millisecond, StopWait: 50 * time.Millisecond,
	})
}

// severable is an engine whose connections the rig can end.
type severable struct {
	logstream.Engine
	rig *engineRig
}

func (s severable) Output(ctx context.Context, req logstream.OutputRequest) (logstream.Output, error) {
	out, err := s.Engine.Output(ctx, req)
	if err == nil {
		s.rig.mu.Lock()
		s.rig.open = append(s.rig.open, out)
		s.rig.mu.Unlock()
	}
	return out, err
}

// TestE2E_OutputConforms is the contract of all sources, on the real engine.
func TestE2E_OutputConforms(t *testing.T) {
	t.Parallel()
	logstreamtest.Conformance(t, func(t *testing.T) logstreamtest.Rig { t.Helper(); return newEngineRig(t) })
}
