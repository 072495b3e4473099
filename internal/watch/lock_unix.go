//go:build unix

package watch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked says that another watcher uses the state directory.
var ErrLocked = errors.New("another watcher uses this state directory")

// lockDir takes the lock of a state directory. The kernel frees it with the
// process, so a kill leaves no stale lock.
func lockDir(path string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open watcher lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s", ErrLocked, filepath.Dir(path))
	}
	return func() { _ = f.Close() }, nil
}
