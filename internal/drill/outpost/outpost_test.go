package outpost_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/logstream"
	"bgctl/internal/watch"
)

// log is a source that delivers what the test sends.
type log chan logstream.Batch

func (l log) Run(ctx context.Context, deliver func(logstream.Batch) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b := <-l:
			if err := deliver(b); err != nil {
				return err
			}
		}
	}
}

// deployed runs a real watcher and returns its state directory and its address.
func deployed(t *testing.T) (lines log, dir, health string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines, dir = make(log), t.TempDir()
	det := alert.NewDetector(alert.DefaultConfig())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- watch.Run(ctx, watch.Config{
			Source: lines, Detector: watch.Keep(det, det.State, det.Restore), StateDir: dir, Listener: l,
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return lines, dir, "http://" + l.Addr().String() + "/healthz"
}

// dial runs an outpost on a pipe, as an exec does.
func dial(t *testing.T, o *outpost.Outpost, told func(outpost.Message)) (*outpost.Client, net.Conn, <-chan error) {
	t.Helper()
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(o.Run(t.Context(), theirs, theirs), theirs.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := outpost.Dial(ctx, ours, told)
	if err != nil {
		t.Fatal(err)
	}
	return c, ours, ended
}

// failing are requests that make the error rate fire.
func failing() logstream.Batch {
	var b logstream.Batch
	for range 60 {
		b.Records = append(b.Records, logstream.Record{
			Time: time.Now(), Method: "POST", Path: "/", Status: 500,
			Active: bluegreen.Blue, Served: bluegreen.Blue, Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Status: 500}},
		})
	}
	return b
}

func leased(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, watch.LeaseFile))
	return err == nil
}

func TestOutpost_ReceivesWhatTheRealWatcherPosts(t *testing.T) {
	lines, dir, health := deployed(t)
	arrived := make(chan outpost.Message, 8)
	c, _, ended := dial(t, &outpost.Outpost{StateDir: dir, Health: health, Mode: outpost.Receive}, func(m outpost.Message) { arrived <- m })
	lines <- failing()
	select {
	case m := <-arrived:
		if !strings.HasPrefix(m.ID, "error_rate-") || m.Status != 200 || !strings.Contains(m.Text, "error rate") {
			t.Errorf("%+v", m)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no message")
	}
	h, err := c.Health(t.Context())
	if err != nil || len(h.Receivers) != 1 || h.Receivers[0].Receiver != watch.DrillReceiver || len(h.Alerts) == 0 {
		t.Errorf("%+v, %v", h, err)
	}
	if err := c.End(t.Context()); err != nil || len(c.Messages()) == 0 {
		t.Errorf("end: %v, %d messages", err, len(c.Messages()))
	}
	if err := <-ended; err != nil || leased(dir) {
		t.Errorf("after the end: %v, lease %v", err, leased(dir))
	}
}

func TestOutpost_DiesWithItsDrill(t *testing.T) {
	_, dir, health := deployed(t)
	_, conn, ended := dial(t, &outpost.Outpost{StateDir: dir, Health: health, Mode: outpost.Receive}, func(outpost.Message) {})
	if !leased(dir) {
		t.Fatal("no lease")
	}
	_ = conn.Close() // kill -9 of the drill
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("it outlives its drill")
	}
	if leased(dir) {
		t.Error("the lease is still there")
	}
}

func TestOutpost_ObservesWithoutTouchingAnything(t *testing.T) {
	_, dir, health := deployed(t)
	c, _, ended := dial(t, &outpost.Outpost{StateDir: dir, Health: health, Mode: outpost.Observe}, func(outpost.Message) {})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" || len(h.Receivers) != 0 {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
	wg.Wait()
	if leased(dir) {
		t.Error("it took a lease")
	}
	if err := c.End(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestDial_SaysWhyThereIsNoOutpost(t *testing.T) {
	for name, tt := range map[string]struct{ says, want string }{
		"another image": {"unknown command\n", outpost.ErrGone.Error()},
		"no receiver":   {`{"kind":"ready","error":"the watcher does not take a drill's receiver"}` + "\n", "does not take a drill's receiver"},
		"nothing":       {"", outpost.ErrGone.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.WriteString(theirs, tt.says); _ = theirs.Close() }()
			_, err := outpost.Dial(t.Context(), ours, func(outpost.Message) {})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
