package logstream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// answers is a server that says text to whoever connects and hangs up, or goes on
// in silence.
func answers(text string, hangUp bool) func(context.Context) (io.ReadWriteCloser, error) {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		near, far := net.Pipe()
		context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })
		go func() { _, _ = io.Copy(io.Discard, far) }()
		go func() {
			_, _ = io.WriteString(far, text)
			if hangUp {
				_ = far.Close()
			}
		}()
		return near, nil
	}
}

func TestRemoteSource_SaysThatThereIsNoServer(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "OCI runtime exec failed: exec failed: executable file not found in $PATH\r\n",
		"bgctl: unknown command \"tail\" for \"bgctl agent\"\n", `{"protocol":99}` + "\n", strings.Repeat("x", 1<<18),
	} {
		err := logstream.NewRemoteSource(logstream.RemoteConfig{Dial: answers(text, true)}).Run(t.Context(), nil)
		if !errors.Is(err, logstream.ErrNoServer) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestRemoteSource_PassesOnThatTheFileIsNone(t *testing.T) {
	t.Parallel()
	r := &agentRig{fileRig: newFileRig(t), t: t}
	r.path = t.TempDir()
	err := r.Source(logstream.AtBeginning()).Run(t.Context(), nil)
	if !errors.Is(err, logstream.ErrNotRegular) || !strings.Contains(err.Error(), "directory") {
		t.Errorf("Run: %v", err)
	}
}

// TestRemoteSource_LeavesADeadConnection: a peer that vanished says nothing, not even
// that it is there.
func TestRemoteSource_LeavesADeadConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		greeting := `{"protocol":1}` + "\n" + `{"cursor":{"path":"/a","ino":1,"offset":0}}` + "\n"
		dials := 0
		var states []logstream.State
		ctx, cancel := context.WithCancel(t.Context())
		src := logstream.NewRemoteSource(logstream.RemoteConfig{
			Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
				dials++
				return answers(greeting, false)(ctx)
			},
			OnState: func(s logstream.State) { states = append(states, s) },
		})
		done := make(chan error)
		go func() { done <- src.Run(ctx, func(logstream.Batch) error { return nil }) }()
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if dials < 4 || dials > 6 {
			t.Errorf("%d connections in 3 minutes of silence", dials)
		}
		if len(states) < 2 || states[1].Err == nil || !strings.Contains(states[1].Err.Error(), "dead") {
			t.Errorf("states %v", states)
		}
	})
}

// TestRemoteSource_TellsTheStateOfTheFile: a log that is not there is no connection.
func TestRemoteSource_TellsTheStateOfTheFile(t *testing.T) {
	t.Parallel()
	r := &agentRig{fileRig: &fileRig{path: filepath.Join(t.TempDir(), "access.log")}, t: t}
	states := make(chan logstream.State, 10)
	stop := errors.New("stop")
	src := logstream.NewRemoteSource(logstream.RemoteConfig{Dial: r.dial, OnState: func(s logstream.State) { states <- s }})
	done := make(chan error, 1)
	go func() {
		done <- src.Run(t.Context(), func(b logstream.Batch) error {
			if len(b.Records) > 0 {
				return stop
			}
			return nil
		})
	}()
	for s := range states {
		if s.Err != nil && strings.Contains(s.Err.Error(), "no such file") {
			break
		}
	}
	if err := os.WriteFile(r.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for s := range states {
		if s.Connected {
			break
		}
	}
	r.RestartWriter(t)
	r.Write(t, logstreamtest.Line("/a"))
	if err := <-done; !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestServeFile_EndsWithItsInput although nobody reads what it writes.
func TestServeFile_EndsWithItsInput(t *testing.T) {
	t.Parallel()
	r := newFileRig(t)
	r.Write(t, accessLog(5000))
	in, client := io.Pipe()
	_, out := io.Pipe() // a write into it hangs for ever
	done := make(chan error, 1)
	go func() { done <- logstream.ServeFile(t.Context(), r.config(logstream.Start{}), in, out) }()
	if _, err := io.WriteString(client, `{"protocol":1}`+"\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	_ = client.Close()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it serves a client that has gone")
	}
}
