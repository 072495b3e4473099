package logstream_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// fileRig is a log file with a writer that has it open, as nginx has.
type fileRig struct {
	path string
	w    *os.File
	old  *os.File // has the beginning of the line that is being written
	open bool     // the last line has no newline yet
	n    int
}

func newFileRig(t *testing.T) *fileRig {
	t.Helper()
	r := &fileRig{path: filepath.Join(t.TempDir(), "access.log")}
	r.RestartWriter(t)
	return r
}

// Write writes the end of a line to the file that has its beginning.
func (r *fileRig) Write(t *testing.T, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if r.old != nil {
		end := strings.IndexByte(text, '\n') + 1
		if _, err := r.old.WriteString(text[:end]); err != nil {
			t.Fatal(err)
		}
		r.old, text = nil, text[end:]
	}
	r.open = text != "" && !strings.HasSuffix(text, "\n")
	if _, err := r.w.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func (r *fileRig) Rotate(t *testing.T) {
	t.Helper()
	r.n++
	if err := os.Rename(r.path, fmt.Sprintf("%s-%05d", r.path, 20_000+r.n)); err != nil {
		t.Fatal(err)
	}
	if r.open {
		r.old = r.w
	}
	r.RestartWriter(t)
	r.open = false
}

// Sever takes the log's name away for a moment.
func (r *fileRig) Sever(t *testing.T) {
	t.Helper()
	if err := os.Rename(r.path, r.path+".away"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Millisecond)
	if err := os.Rename(r.path+".away", r.path); err != nil {
		t.Fatal(err)
	}
}

func (r *fileRig) RestartWriter(t *testing.T) {
	t.Helper()
	w, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	r.w = w
}

func (r *fileRig) config(start logstream.Start) logstream.FileConfig {
	return logstream.FileConfig{Path: r.path, Start: start, Poll: 10 * time.Millisecond, DrainIdle: 100 * time.Millisecond, RotateWait: time.Second}
}

func (r *fileRig) Source(start logstream.Start) logstreamtest.Source {
	return logstream.NewFileSource(r.config(start))
}

// pollRig is a file on a system that tells of no change.
type pollRig struct{ *fileRig }

func (r pollRig) Source(start logstream.Start) logstreamtest.Source {
	cfg := r.config(start)
	cfg.PollOnly = true
	return logstream.NewFileSource(cfg)
}

// agentRig is a file that is served through a connection, as by bgctl agent tail.
type agentRig struct {
	*fileRig
	t     *testing.T
	mu    sync.Mutex
	conns []net.Conn
}

func (r *agentRig) Sever(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.conns = nil
}

func (r *agentRig) dial(ctx context.Context) (io.ReadWriteCloser, error) {
	near, far := net.Pipe()
	go func() {
		_ = logstream.ServeFile(context.WithoutCancel(ctx), r.config(logstream.Start{}), far, far)
		_ = far.Close()
	}()
	context.AfterFunc(ctx, func() { _ = near.Close() })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, near)
	return near, nil
}

func (r *agentRig) Source(start logstream.Start) logstreamtest.Source {
	return logstream.NewRemoteSource(logstream.RemoteConfig{
		Dial: r.dial, Start: start, MinWait: 5 * time.Millisecond, MaxWait: 50 * time.Millisecond,
	})
}

func TestFileSource_Conforms(t *testing.T) {
	t.Parallel()
	logstreamtest.Conformance(t, func(t *testing.T) logstreamtest.Rig { t.Helper(); return newFileRig(t) })
}

func TestFileSource_ConformsWithoutHints(t *testing.T) {
	t.Parallel()
	logstreamtest.Conformance(t, func(t *testing.T) logstreamtest.Rig { t.Helper(); return pollRig{newFileRig(t)} })
}

func TestRemoteSource_Conforms(t *testing.T) {
	t.Parallel()
	logstreamtest.Conformance(t, func(t *testing.T) logstreamtest.Rig {
		t.Helper()
		return &agentRig{fileRig: newFileRig(t), t: t}
	})
}

func TestContainerSource_Conforms(t *testing.T) {
	t.Parallel()
	logstreamtest.Conformance(t, func(t *testing.T) logstreamtest.Rig { t.Helper(); return newFakeEngine() })
}
