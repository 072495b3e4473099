package watch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// followEvery is how often a followed history is looked at.
const followEvery = 200 * time.Millisecond

// FollowHistory hands every whole line of the history in a state directory to emit,
// oldest first, and goes on with new ones until ctx ends, which is no error. It
// goes on across rotations, a watcher that restarts and a file that is not there
// yet.
func FollowHistory(ctx context.Context, dir string, emit func(line []byte) error) error {
	names := HistoryFiles()
	f := &follower{path: filepath.Join(dir, names[1]), emit: emit}
	defer f.close()
	if err := f.whole(filepath.Join(dir, names[0])); err != nil {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := f.poll(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// follower reads one file that grows and is replaced now and then.
type follower struct {
	path string
	emit func([]byte) error
	file *os.File
	info fs.FileInfo
	in   *bufio.Reader
	half []byte // of a line whose end is not written yet
}

// whole reads the file before the current one.
func (f *follower) whole(path string) error {
	file, err := os.Open(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	f.in = bufio.NewReaderSize(file, 64<<10)
	err = f.drain()
	f.half = nil
	return err
}

// poll reads what there is, the rest of a replaced file first.
func (f *follower) poll() error {
	info, err := os.Stat(f.path)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return err
	}
	if f.file != nil {
		if err := f.drain(); err != nil {
			return err
		}
		if !gone && os.SameFile(info, f.info) {
			return nil
		}
	}
	if gone {
		return nil // its rest may still be written
	}
	f.close()
	return f.open()
}

// open begins to read the file that has the name now. One that is gone again is no
// error: the next look finds what took its place.
func (f *follower) open() error {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.file, f.in = file, bufio.NewReaderSize(file, 64<<10)
	if f.info, err = file.Stat(); err != nil {
		return err
	}
	return f.drain()
}

// drain emits the whole lines up to the end of the file as it is now.
func (f *follower) drain() error {
	for {
		part, err := f.in.ReadSlice('\n')
		if len(f.half) < maxHistoryLine {
			f.half = append(f.half, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		line := bytes.TrimSpace(f.half)
		if len(line) > 0 && len(line) < maxHistoryLine {
			if err := f.emit(line); err != nil {
				return err
			}
		}
		f.half = f.half[:0]
	}
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
		f.file, f.half = nil, nil
	}
}
