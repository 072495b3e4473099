package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// rotateEvery is how often the size of the log is looked at.
const rotateEvery = time.Second

// Rotator keeps an access log within bounds: it renames the file when it has
// grown over the limit and makes nginx open a new one.
type Rotator struct {
	Path string
	// Limits returns the size in bytes at which the log is rotated, and how many rotated
	// files are kept: path.1 is the newest.
	Limits func() (maxSize int64, keep int)
	// Reopen tells nginx to open its log files again. It is never done through
	// the Docker API: any signal sent by it marks the container as stopped by
	// hand and switches its restart policy off.
	Reopen func() error
}

// Run rotates when needed until ctx ends. A failure is tried again; it goes to report
// when it is another one than the last.
func (r *Rotator) Run(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(rotateEvery)
	defer ticker.Stop()
	last := ""
	for {
		text := ""
		if err := r.Once(); err != nil {
			text = err.Error()
			if text != last {
				report(err)
			}
		}
		last = text
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Once rotates if the file is over the limit.
func (r *Rotator) Once() error {
	fi, err := os.Stat(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return r.Reopen() // somebody removed it: nginx would write into the void
	}
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	size, keep := r.Limits()
	if fi.Size() < size {
		return nil
	}
	for i := keep; i >= 1; i-- {
		if err := os.Rename(r.old(i-1), r.old(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate: %w", err)
		}
	}
	return r.Reopen()
}

// old names the i-th rotated file; the 0th is the log itself.
func (r *Rotator) old(i int) string {
	if i == 0 {
		return r.Path
	}
	return fmt.Sprintf("%s.%d", r.Path, i)
}

// RegularLog makes sure that path is a file of its own. The official image links
// its log files to the standard streams, and a fresh volume inherits the links.
func RegularLog(path string) error {
	fi, err := os.Lstat(path)
	if err == nil && !fi.Mode().IsRegular() {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("replace %s, which is not a regular file: %w", path, err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644) //nolint:gosec // the watcher reads it as another user
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	return f.Close()
}
