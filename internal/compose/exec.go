package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
)

const (
	execTimeout   = 60 * time.Second // when the caller's context has no deadline
	execOutputMax = 4 << 20
	execExitWait  = 5 * time.Second // between the end of the output and a known exit code
)

// ExecOptions is one command to run in a container. Cmd is an argument list;
// no shell is involved unless it names one.
type ExecOptions struct {
	Cmd   []string
	User  string
	Env   []string
	Stdin io.Reader // [Client.Exec] copies it; [Client.ExecStream] ignores it
}

// ExecResult is the outcome of [Client.Exec]. The outputs are foreign.
type ExecResult struct {
	ExitCode  int
	Stdout    []byte
	Stderr    []byte // its end, when it was long
	Truncated bool   // stdout was longer than 4 MiB; the rest was read and dropped
}

// Exec runs a command to its end. An exit code other than 0 is a result, not
// an error. A paused container refuses ([ErrConflict]). When ctx ends, Exec
// returns, but the engine has no way to end the command: it runs on.
func (c *Client) Exec(ctx context.Context, id string, opts ExecOptions) (ExecResult, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = within(ctx, execTimeout)
		defer cancel()
	}
	request := opts.request()
	request.AttachStdin = opts.Stdin != nil
	stream, err := c.openExec(ctx, id, request)
	if err != nil {
		return ExecResult{}, err
	}
	defer func() { _ = stream.Close() }()
	if opts.Stdin != nil {
		go func() {
			// A command may end without reading all of it; the copy then
			// fails, and the exit code says what matters.
			_, _ = io.Copy(stream.Stdin, opts.Stdin)
			_ = stream.Stdin.Close()
		}()
	}
	out, err := io.ReadAll(io.LimitReader(stream.Stdout, execOutputMax+1))
	if err != nil {
		return ExecResult{}, err
	}
	result := ExecResult{Stdout: out, Truncated: len(out) > execOutputMax}
	if result.Truncated {
		result.Stdout = out[:execOutputMax]
	}
	result.ExitCode, err = stream.Wait() //nolint:contextcheck // the stream carries ctx
	result.Stderr = stream.Stderr()
	return result, err
}

// Stream is a command running in a container with its ends attached. It has to
// be closed. Stdout has one reader at a time.
//
// Closing the stream, or ending the context that opened it, closes the
// connection: the command reads EOF on its stdin. The engine does not end it;
// a command that reads no stdin (tail -F) has to be run so that EOF ends it.
type Stream struct {
	Stdin  io.WriteCloser // Close is a half-close: output still arrives
	Stdout io.Reader      // reads the context's error after cancellation

	client *Client
	ctx    context.Context // the stream lives as long as it does
	id     string
	doing  string
	stderr *tail
	conn   *types.HijackedResponse
	stop   func() bool
	once   sync.Once
}

// ExecStream starts a command with stdin, stdout and stderr attached.
func (c *Client) ExecStream(ctx context.Context, id string, opts ExecOptions) (*Stream, error) {
	request := opts.request()
	request.AttachStdin = true
	return c.openExec(ctx, id, request)
}

func (o ExecOptions) request() container.ExecOptions {
	return container.ExecOptions{
		Cmd: o.Cmd, User: o.User, Env: o.Env, AttachStdout: true, AttachStderr: true,
	}
}

func (c *Client) openExec(ctx context.Context, id string, request container.ExecOptions) (*Stream, error) {
	doing := "exec in container " + shortID(id)
	callCtx, cancel := within(ctx, actTimeout)
	defer cancel()
	created, err := c.api.ContainerExecCreate(callCtx, id, request)
	if err != nil {
		return nil, c.wrap(doing, err)
	}
	// The attach uses callCtx for the dial and the answer only: the client
	// gives the connection away and forgets the context.
	conn, err := c.api.ContainerExecAttach(callCtx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, c.wrap(doing, err)
	}
	s := &Stream{client: c, ctx: ctx, id: created.ID, doing: doing, stderr: &tail{limit: stderrTailLen}, conn: &conn}
	s.Stdin = execStdin{s}
	s.Stdout = execStdout{s, newFrameReader(conn.Conn, s.stderr)}
	s.stop = context.AfterFunc(ctx, func() { _ = conn.Conn.Close() })
	return s, nil
}

// Stderr returns the end of what the command wrote to stderr so far. It grows
// while Stdout is read. Foreign.
func (s *Stream) Stderr() []byte { return s.stderr.Bytes() }

// Close closes the connection. Calling it again does nothing.
func (s *Stream) Close() error {
	var err error
	s.once.Do(func() {
		s.stop()
		err = s.conn.Conn.Close()
	})
	return err
}

// Wait reads what is left of Stdout and drops it, then returns the exit code.
func (s *Stream) Wait() (int, error) {
	if _, err := io.Copy(io.Discard, s.Stdout); err != nil {
		return -1, err
	}
	ctx, cancel := within(s.ctx, execExitWait)
	defer cancel()
	// The output ends a moment before the engine has noted the exit code.
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		state, err := s.client.api.ContainerExecInspect(ctx, s.id)
		if err != nil {
			return -1, s.client.wrap(s.doing, err)
		}
		if !state.Running {
			return state.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return -1, fmt.Errorf("%s: the output ended but the command runs on: %w", s.doing, ctx.Err())
		case <-time.After(pause):
		}
	}
}

type execStdin struct{ s *Stream }

func (w execStdin) Write(p []byte) (int, error) {
	n, err := w.s.conn.Conn.Write(p)
	return n, w.s.explain(err)
}

func (w execStdin) Close() error { return w.s.conn.CloseWrite() }

type execStdout struct {
	s      *Stream
	frames *frameReader
}

func (r execStdout) Read(p []byte) (int, error) {
	n, err := r.frames.Read(p)
	return n, r.s.explain(err)
}

// explain replaces "use of closed network connection" by the reason for it.
func (s *Stream) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", s.doing, s.ctx.Err())
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("%s: %w", s.doing, err)
}
