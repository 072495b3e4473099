package logstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrNotRegular is returned for a log that is no regular file and cannot be followed.
var ErrNotRegular = errors.New("not a regular file")

// openLog opens path, refusing what would never yield a line or would block.
func openLog(path string) (*os.File, os.FileInfo, error) {
	if err := refuseStream(path); err != nil {
		return nil, nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if err := refuseIrregular(path, info); err != nil {
		return nil, nil, err
	}
	// O_NONBLOCK: should a FIFO take the name in between, the open must not hang.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the log's path is configuration
	if err != nil {
		return nil, nil, err
	}
	info, err = f.Stat()
	if err == nil {
		err = refuseIrregular(path, info)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

func refuseIrregular(path string, info os.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	kind := "a device"
	switch {
	case info.IsDir():
		kind = "a directory"
	case info.Mode()&os.ModeNamedPipe != 0:
		kind = "a named pipe"
	case info.Mode()&os.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("follow %s: it is %s: %w", path, kind, ErrNotRegular)
}

const maxLinks = 16

// refuseStream follows the symbolic links of path by hand. The official nginx image
// links its logs to /dev/stdout, a new named volume inherits the link, and a reader
// in another container would then open its own standard output.
func refuseStream(path string) error {
	for range maxLinks {
		target, err := os.Readlink(path)
		if err != nil {
			return nil //nolint:nilerr // not a link, or not there: the open says what is wrong
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		if strings.HasPrefix(target, "/dev/") || strings.HasPrefix(target, "/proc/") {
			return fmt.Errorf("follow %s: it is a link to %s, which is the reader's own stream, not nginx's log; "+
				"a new named volume on /var/log/nginx inherits that link from the image: "+
				"let nginx log to another directory: %w", path, target, ErrNotRegular)
		}
		path = target
	}
	return nil
}
