package bluegreen

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// patience fails when the user gave up and what runs may be given up.
func (r *run) patience() error {
	if r.ending {
		return nil
	}
	return r.user.Err()
}

// wait pauses between two looks. It fails as patience does.
func (r *run) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	gone := r.user.Done()
	if r.ending {
		gone = nil
	}
	select {
	case <-timer.C:
		return nil
	case <-gone:
		return r.user.Err()
	}
}

// errTooLong marks what was waited for in vain.
var errTooLong = errors.New("waited in vain")

// until looks again and again until look returns nil, and tells each new reason. It fails
// with [errTooLong] and the last reason when limit is over, at once when look says that
// the reason is final, and as patience does. The limit never cuts a look off: a look that
// is cut off breaks the connection to the proxy.
func (r *run) until(ctx context.Context, limit time.Duration, look func() (final bool, err error)) error {
	end, told := r.Now().Add(limit), ""
	for {
		final, err := look()
		if err == nil || final {
			return err
		}
		if r.Now().After(end) {
			return &tooLongError{err, limit}
		}
		if text := err.Error(); text != told {
			told = text
			r.tell(text)
		}
		if _, err := r.mend(ctx); err != nil {
			return err
		}
		if err := r.wait(poll); err != nil {
			return err
		}
	}
}

// tooLongError is what was waited for in vain.
type tooLongError struct {
	reason error
	limit  time.Duration
}

// Error implements error.
func (e *tooLongError) Error() string { return fmt.Sprintf("%v, after %s", e.reason, e.limit) }

// Unwrap makes the reason visible.
func (e *tooLongError) Unwrap() []error { return []error{errTooLong, e.reason} }

// insist does something over the connection to the proxy, and does it again when it failed
// because the connection broke. What the steps say to the proxy may be said twice.
func (r *run) insist(ctx context.Context, do func() error) error {
	err := do()
	if err == nil {
		return nil
	}
	if mended, merr := r.mend(ctx); merr != nil || !mended {
		return err
	}
	return do()
}

// mend opens a new connection when the one there is broke in the middle of an operation,
// and reports whether it did. It fails when the operation is no longer this command's.
func (r *run) mend(ctx context.Context) (bool, error) {
	if !r.open {
		return false, nil
	}
	if _, err := r.router.Status(ctx); err == nil {
		return false, nil
	}
	if err := r.reopen(ctx); err != nil {
		return false, err
	}
	st, err := r.router.Status(ctx)
	if err != nil {
		return false, err
	}
	if st.Unfinished == nil || st.Unfinished.ID != r.op.ID {
		return false, fmt.Errorf("%w: another command has taken over", ErrChanged)
	}
	return true, nil
}

// reopen replaces a connection that broke by a new one that has the lock. An agent whose
// client is gone lets go of the lock in a moment.
func (r *run) reopen(ctx context.Context) error {
	_ = r.router.Close() // it broke
	for end := r.Now().Add(reopenLimit); ; {
		router, err := r.Open(ctx)
		if err == nil {
			if err = router.Lock(ctx, r.holder()); err == nil {
				r.router = router
				return nil
			}
			_ = router.Close() // it has no use without the lock
		}
		if r.Now().After(end) {
			return fmt.Errorf("reach the proxy again: %w", err)
		}
		if err := r.wait(poll); err != nil {
			return err
		}
	}
}
