package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

var (
	// ErrUnreachable is matched by every error that says that there is no
	// engine to talk to; the error itself is an [UnreachableError].
	ErrUnreachable = errors.New("docker engine unreachable")
	// ErrNotFound is matched when a container, image or network does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict is matched when the engine refuses because of the state the
	// object is in: a name in use, a paused container, a removal under way.
	ErrConflict = errors.New("conflict")
	// ErrUnreadable is matched when the engine cannot give what it was asked for,
	// now or later: the log of a driver that keeps none.
	ErrUnreadable = errors.New("unreadable")
)

// UnreachableError says in one line why there is no engine and what to do.
type UnreachableError struct {
	Host   string
	Reason string
	Hint   string
	Cause  error // foreign; for --debug
}

// Error returns reason and hint on one line.
func (e *UnreachableError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.Hint
}

// Unwrap makes [ErrUnreachable] and the cause visible to errors.Is.
func (e *UnreachableError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrUnreachable}
	}
	return []error{ErrUnreachable, e.Cause}
}

// engineError is a refusal by the engine: our words, then the engine's reason.
type engineError struct {
	doing  string
	reason string
	kind   error
	cause  error
}

func (e *engineError) Error() string { return e.doing + ": " + e.reason }

func (e *engineError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// wrap turns an error of the Docker client into one line that callers can
// branch on with errors.Is.
func (c *Client) wrap(doing string, err error) error {
	err = c.lost(err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: the engine gave no answer in time: %w", doing, err)
	case errors.Is(err, context.Canceled), errors.Is(err, ErrUnreachable):
		return fmt.Errorf("%s: %w", doing, err)
	}
	wrapped := &engineError{doing: doing, reason: plainReason(err), cause: err}
	switch {
	case errdefs.IsNotFound(err):
		wrapped.kind = ErrNotFound
	case errdefs.IsConflict(err):
		wrapped.kind = ErrConflict
	case errdefs.IsNotImplemented(err), errdefs.IsInvalidArgument(err):
		wrapped.kind = ErrUnreadable
	}
	return wrapped
}

// lost turns the error of a connection that broke into an [UnreachableError]: while it
// was made, while an answer was waited for, or in the middle of an answer. It returns
// any other error as it is.
func (c *Client) lost(err error) error {
	var broken *net.OpError
	if err == nil || errors.Is(err, ErrUnreachable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		(!client.IsErrConnectionFailed(err) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &broken)) {
		return err
	}
	return &UnreachableError{
		Host:   c.info.Host,
		Reason: "the connection to the Docker engine at " + c.info.Host + " is lost",
		Hint:   "check that the engine is running",
		Cause:  err,
	}
}

// plainReason is the first line of an error without the client's own preamble.
func plainReason(err error) string { return firstLine(err.Error()) }

// firstLine drops the client's own preamble and everything after the first
// line: daemon errors may carry a whole stack of them.
func firstLine(text string) string {
	text = strings.TrimPrefix(strings.TrimSpace(text), "Error response from daemon: ")
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}
