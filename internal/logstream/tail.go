package logstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// fileID tells one file from another as long as it is open or linked.
type fileID struct{ dev, ino uint64 }

// logFile is what a tail reads from.
type logFile interface {
	io.ReaderAt
	io.Closer
	Stat() (os.FileInfo, error)
}

// errCut says that the file is not the one that was read: it was truncated, even
// if it has grown beyond the old place again.
var errCut = errors.New("the file was cut")

// tail reads one open file to its end, again and again.
type tail struct {
	file  logFile
	id    fileID
	begun int64 // where reading began
	read  int64 // bytes read
	line  int64 // end of the last complete line
	split splitter
	grown time.Time // when there last was something to read
	stale bool      // the handle is of no use any more

	head     []byte // the first bytes of the file, to tell a shortened file from a new one
	mark     []byte // the bytes before read, to notice a file that was cut
	lineMark []byte // the bytes before line, as of the last chunk
	chunk    []byte // mark and the bytes behind it while their lines are handed out
}

const headLen = 1 << 10

func newTail(f logFile, id fileID, offset int64, counts *Counts) *tail {
	t := &tail{file: f, id: id, grown: time.Now()}
	t.split.counts = counts
	t.moveTo(offset)
	return t
}

// moveTo makes offset, the beginning of a line, the place to read from.
func (t *tail) moveTo(offset int64) {
	t.begun, t.read, t.line = offset, offset, offset
	t.head = before(t.file, min(offset, headLen), int(min(offset, headLen)))
	t.mark = before(t.file, offset, int(min(offset, markerLen)))
	t.lineMark = bytes.Clone(t.mark)
}

// restart goes back to the head of a file that was cut, or goes on behind the cut
// when what is left was read already.
func (t *tail) restart() {
	if t.split.drop() {
		t.split.counts.Cut++
	}
	t.split.counts.Truncated++
	offset := int64(0)
	if info, err := t.file.Stat(); err == nil && info.Size() < t.read && info.Size() >= markerLen {
		n := int(min(info.Size(), int64(len(t.head))))
		if n > 0 && bytes.Equal(t.head[:n], before(t.file, int64(n), n)) {
			offset = info.Size()
		}
	}
	t.moveTo(offset)
}

// drain reads to the end and hands every complete line to add. Each read begins
// with the bytes that were read last: when they are no longer there, it fails with
// [errCut] before anything wrong is taken for a line.
func (t *tail) drain(ctx context.Context, buf []byte, add func(line []byte) error) error {
	emit := func(line []byte, size int64) error {
		t.line += size
		return add(line)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		known := len(t.mark)
		n, readErr := t.file.ReadAt(buf, t.read-int64(known))
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			// EIO, ESTALE: the next poll tries again.
			t.split.counts.ReadErrors++
			t.stale = t.stale || errors.Is(readErr, syscall.ESTALE)
			return nil // counted and retried: a flaky volume must not end the watch
		}
		if n < known || !bytes.Equal(buf[:known], t.mark) {
			return errCut
		}
		if n > known {
			if err := t.take(buf[:n], emit); err != nil {
				return err
			}
		}
		if readErr != nil {
			return nil //nolint:nilerr // the end of the file, for now
		}
	}
}

// take splits what stands in chunk behind the mark.
func (t *tail) take(chunk []byte, emit func(line []byte, size int64) error) error {
	fresh, line := chunk[len(t.mark):], t.line
	if int64(len(t.head)) == t.read && t.read < headLen {
		t.head = append(t.head, fresh[:min(len(fresh), headLen-len(t.head))]...)
	}
	t.read += int64(len(fresh))
	t.grown = time.Now()
	t.chunk = chunk
	err := t.split.feed(fresh, emit)
	if t.line != line {
		t.lineMark = append(t.lineMark[:0], t.beforeLine()...)
	}
	t.chunk = nil
	t.mark = append(t.mark[:0], chunk[max(0, len(chunk)-markerLen):]...)
	return err
}

// beforeLine returns the bytes before the end of the last complete line.
func (t *tail) beforeLine() []byte {
	if end := len(t.chunk) - int(t.read-t.line); end > len(t.mark) {
		return t.chunk[max(0, end-markerLen):end]
	}
	return t.lineMark
}

// finish returns the unfinished last line of a file that will not grow any more.
func (t *tail) finish() []byte {
	if t.split.skipping || len(t.split.part) == 0 {
		return nil
	}
	return t.split.part
}

// consume takes the unfinished line for a whole one.
func (t *tail) consume() {
	t.split.drop()
	t.line = t.read
	t.lineMark = append(t.lineMark[:0], t.mark...)
}

func (t *tail) marker() (sum string, n int) {
	b := t.beforeLine()
	if len(b) == 0 {
		return "", 0
	}
	return hash(b), len(b)
}

func (t *tail) cursor(path string) Cursor {
	c := Cursor{Path: path, Dev: t.id.dev, Ino: t.id.ino, Offset: t.line}
	c.Marker, c.MarkerLen = t.marker()
	return c
}
