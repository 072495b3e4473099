package logstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// fileID tells one file from another as long as it is open or linked.
type fileID struct{ dev, ino uint64 }

// tail reads one open file to its end, again and again.
type tail struct {
	file  *os.File
	id    fileID
	begun int64 // where reading began
	read  int64 // bytes read
	line  int64 // end of the last complete line
	split splitter
	mark  []byte    // the bytes before read, to notice a file cut and grown again
	mtime time.Time // at the last look
	grown time.Time // when there last was something to read
}

func newTail(f *os.File, id fileID, offset int64, counts *Counts) *tail {
	t := &tail{file: f, id: id, begun: offset, read: offset, line: offset, grown: time.Now()}
	t.split.counts = counts
	t.remember()
	return t
}

// remember keeps the bytes before the read position.
func (t *tail) remember() {
	t.mark = before(t.file, t.read, int(min(t.read, markerLen)))
}

// cut reports whether the file was truncated since the last look, even when it
// has grown beyond the old place again.
func (t *tail) cut(info os.FileInfo) bool {
	if info.Size() < t.read {
		return true
	}
	if info.Size() == t.read && info.ModTime().Equal(t.mtime) {
		return false
	}
	return !bytes.Equal(t.mark, before(t.file, t.read, len(t.mark)))
}

// restart goes back to the head of a truncated file.
func (t *tail) restart() {
	if t.split.drop() {
		t.split.counts.Cut++
	}
	t.split.counts.Truncated++
	t.begun, t.read, t.line, t.mark = 0, 0, 0, nil
}

// drain reads to the end and hands every complete line to add.
func (t *tail) drain(ctx context.Context, buf []byte, add func(line []byte) error) error {
	emit := func(line []byte, size int64) error {
		t.line += size
		return add(line)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, readErr := t.file.ReadAt(buf, t.read)
		if n > 0 {
			t.read += int64(n)
			t.grown = time.Now()
			keep := min(n, markerLen)
			t.mark = append(t.mark, buf[n-keep:n]...)
			t.mark = t.mark[max(0, len(t.mark)-markerLen):]
			if err := t.split.feed(buf[:n], emit); err != nil {
				return err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			// EIO, ESTALE: the next poll tries again.
			t.split.counts.ReadErrors++
			return nil //nolint:nilerr // counted and retried: a flaky volume must not end the watch
		}
	}
}

// finish returns the unfinished last line of a file that will not grow any more.
func (t *tail) finish() []byte {
	if t.split.skipping || len(t.split.part) == 0 {
		return nil
	}
	return t.split.part
}

func (t *tail) cursor(path string) Cursor {
	c := Cursor{Path: path, Dev: t.id.dev, Ino: t.id.ino, Offset: t.line}
	c.Marker, c.MarkerLen = marker(t.file, t.line)
	return c
}
