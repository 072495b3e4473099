package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
	"bgctl/internal/proxy"
)

// asker stands for nginx: it sends traffic where the flag file says.
type asker struct{ dir *proxy.Dir }

func (a asker) Active(context.Context) (bluegreen.Pool, error) { return a.dir.Active() }

func (a asker) Stub(context.Context) (int, uint64, error)                        { return 1, 2, nil }
func (a asker) Chaos(context.Context, bluegreen.Pool, bluegreen.FaultMode) error { return nil }
func (a asker) InFlight(addrs []string) (int, error)                             { return len(addrs), nil }

func (a asker) Probe(_ context.Context, pool bluegreen.Pool) bluegreen.ProbeResult {
	return bluegreen.ProbeResult{Status: 200, Pool: pool}
}

// dial starts an agent on a pipe, as an exec in the container does.
func dial(t *testing.T, path string) *proxy.Session {
	t.Helper()
	near, far := net.Pipe()
	dir := &proxy.Dir{Path: path}
	go func() {
		agent := &proxy.Agent{Dir: dir, HTTP: asker{dir}, Version: "test"}
		if err := agent.Serve(t.Context(), far, far); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Serve: %v", err)
		}
		_ = far.Close()
	}()
	s, err := proxy.NewSession(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSession_Contract(t *testing.T) {
	path := t.TempDir()
	if _, err := (&proxy.Dir{Path: path}).Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	bluegreentest.RouterContract(t, func(t *testing.T) bluegreen.Router {
		t.Helper()
		return dial(t, path)
	})
}

func TestNewSession_RefusesAnotherProtocol(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, `{"protocol":99,"version":"v9"}`+"\n") }()
	_, err := proxy.NewSession(t.Context(), near)
	var version *proxy.VersionError
	if !errors.As(err, &version) || !strings.Contains(err.Error(), "bgctl up") {
		t.Errorf("err = %v, want a VersionError that says what to do", err)
	}
}

func TestSession_GivesUpWithItsContext(t *testing.T) {
	near, far := net.Pipe()
	go func() {
		_, _ = io.WriteString(far, `{"protocol":1}`+"\n")
		_, _ = io.Copy(io.Discard, far) // hears everything, answers nothing
	}()
	s, err := proxy.NewSession(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want it cancelled", err)
	}
	if _, err := s.Status(t.Context()); err == nil {
		t.Error("a session that is out of step answered")
	}
}
