package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
)

// TailMode says whether a tail ends at the end of the log.
type TailMode string

// The tail modes.
const (
	TailOnce   TailMode = "once"
	TailFollow TailMode = "follow"
)

// followScript runs tail beside a reader of the standard input. An exec outlives
// a client that dies; its input does not, so the reader's end ends the tail.
const followScript = `tail -n "$1" -F "$2" 2>/dev/null & cat >/dev/null; kill $!`

// AccessLog reads the proxy's access log from inside its container, beginning
// lines before the end. Closing it leaves no process behind.
func (s *Stack) AccessLog(ctx context.Context, lines int, mode TailMode) (io.ReadCloser, error) {
	id, err := s.proxyID(ctx)
	if err != nil {
		return nil, err
	}
	cmd := []string{"tail", "-n", strconv.Itoa(lines), proxy.AccessLog}
	if mode == TailFollow {
		cmd = []string{"sh", "-c", followScript, "bgctl-tail", strconv.Itoa(lines), proxy.AccessLog}
	}
	stream, err := s.Client.ExecStream(ctx, id, compose.ExecOptions{Cmd: cmd})
	if err != nil {
		return nil, fmt.Errorf("read the access log: %w", err)
	}
	return &logStream{stream}, nil
}

// source is what follows a log.
type source interface {
	Run(ctx context.Context, deliver func(logstream.Batch) error) error
}

// AccessLogSource follows the proxy's access log from outside its container.
type AccessLogSource struct {
	remote *logstream.RemoteSource
	other  source // for a proxy without an agent
}

// FollowAccessLog returns a source that is run once; cfg needs no Dial. The agent in
// the proxy's container serves the log by cursor: no line is lost or repeated over
// a reconnect, a rotation, or a new proxy on the same volume. A proxy without an
// agent is read with tail, which finds its place again among the last 2,000 lines.
func (s *Stack) FollowAccessLog(cfg logstream.RemoteConfig) *AccessLogSource {
	return s.followAgent(cfg, logstream.NewStreamSource(logstream.StreamConfig{
		Open: func(ctx context.Context, lines int) (io.ReadCloser, error) {
			return s.AccessLog(ctx, lines, TailFollow)
		},
		Tail: cfg.Start.Tail(), Addrs: cfg.Addrs, Format: cfg.Format, OnState: cfg.OnState,
	}))
}

// FollowProxy is [Stack.FollowAccessLog] for any proxy: one without an agent is taken
// to log to its standard output.
func (s *Stack) FollowProxy(cfg logstream.RemoteConfig, notice func(text string)) *AccessLogSource {
	return s.followAgent(cfg, logstream.NewContainerSource(logstream.ContainerConfig{
		Engine: &Output{Client: s.Client, Project: s.Project},
		Start:  cfg.Start, Addrs: cfg.Addrs, Format: cfg.Format, OnState: cfg.OnState, OnNotice: notice,
	}))
}

func (s *Stack) followAgent(cfg logstream.RemoteConfig, other source) *AccessLogSource {
	cfg.Dial = s.dialAccessLog
	return &AccessLogSource{remote: logstream.NewRemoteSource(cfg), other: other}
}

// Run follows until ctx ends or deliver fails.
func (a *AccessLogSource) Run(ctx context.Context, deliver func(logstream.Batch) error) error {
	err := a.remote.Run(ctx, deliver)
	if errors.Is(err, logstream.ErrNoServer) {
		return a.other.Run(ctx, deliver)
	}
	return err
}

// dialAccessLog starts an agent that serves the log.
func (s *Stack) dialAccessLog(ctx context.Context) (io.ReadWriteCloser, error) {
	id, err := s.proxyID(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := s.Client.ExecStream(ctx, id, compose.ExecOptions{Cmd: []string{"bgctl", "agent", "tail", proxy.AccessLog}})
	if err != nil {
		return nil, fmt.Errorf("read the access log: %w", err)
	}
	return &agentConn{stream}, nil
}

// InProxy runs bgctl with args in the proxy's container and returns what it printed.
func (s *Stack) InProxy(ctx context.Context, args ...string) ([]byte, error) {
	id, err := s.proxyID(ctx)
	if err != nil {
		return nil, err
	}
	out, err := s.Client.Exec(ctx, id, compose.ExecOptions{Cmd: append([]string{"bgctl"}, args...)})
	switch {
	case err != nil:
		return nil, err
	case out.ExitCode != 0:
		return nil, fmt.Errorf("in the proxy's container: %s", bytes.TrimPrefix(bytes.TrimSpace(out.Stderr), []byte("bgctl: ")))
	case out.Truncated:
		return nil, errors.New("in the proxy's container: the answer is too long")
	}
	return out.Stdout, nil
}

// proxyID finds the running proxy.
func (s *Stack) proxyID(ctx context.Context) (string, error) {
	containers, err := s.Client.Containers(ctx, s.Project)
	if err != nil {
		return "", err
	}
	for i := range containers {
		if role(&containers[i]) == bluegreen.RoleProxy && containers[i].State == "running" {
			return containers[i].ID, nil
		}
	}
	return "", fmt.Errorf("%w: project %q has no running proxy", ErrNoStack, s.Project)
}

// logStream is the output of an exec.
type logStream struct{ stream *compose.Stream }

// Read implements io.Reader.
func (l *logStream) Read(p []byte) (int, error) { return l.stream.Stdout.Read(p) }

// Close implements io.Closer.
func (l *logStream) Close() error { return l.stream.Close() }
