package deployment

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
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
