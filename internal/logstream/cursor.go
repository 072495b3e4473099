package logstream

import (
	"bytes"
	"hash/fnv"
	"io"
	"math"
	"strconv"
)

// Cursor is a place in a followed log that survives a restart: after the last line
// delivered. It names a file by device and inode, and proves that it is still the
// same file by the bytes before the place, because inodes are reused and files are
// cut in place. In a container's output it is the time of the last line, and how
// many lines of that very time were delivered.
type Cursor struct {
	Path      string   `json:"path,omitempty"`
	Dev       uint64   `json:"dev,omitempty"`
	Ino       uint64   `json:"ino,omitempty"`
	Offset    int64    `json:"offset"`
	Marker    string   `json:"marker,omitempty"`     // hash of the bytes before Offset
	MarkerLen int      `json:"marker_len,omitempty"` // how many bytes
	Older     []Cursor `json:"older,omitempty"`      // rotated files not yet at their end
	Known     []Known  `json:"known,omitempty"`      // files beside the log that are done with

	Container string `json:"container,omitempty"` // its ID
	Time      int64  `json:"time,omitempty"`      // of the last line, nanoseconds since 1970
	Lines     int    `json:"lines,omitempty"`     // that have this time
}

// Known is a file beside the log, recognised by the hash of its first bytes too:
// the inode of a deleted one is soon used again. One that was followed and closed
// has the place up to which it was read.
type Known struct {
	Dev     uint64 `json:"dev,omitempty"`
	Ino     uint64 `json:"ino"`
	Head    string `json:"head"`
	HeadLen int    `json:"head_len"`

	Closed    bool   `json:"closed,omitempty"`
	Read      int64  `json:"read,omitempty"`
	Size      int64  `json:"size,omitempty"` // when it was closed
	Marker    string `json:"marker,omitempty"`
	MarkerLen int    `json:"marker_len,omitempty"`
}

func (p neighbour) known(id fileID) Known {
	return Known{
		Dev: id.dev, Ino: id.ino, Head: p.head, HeadLen: p.headLen,
		Closed: p.closed, Read: p.read, Size: p.size, Marker: p.mark, MarkerLen: p.markLen,
	}
}

func (k Known) place() (fileID, neighbour) {
	return fileID{dev: k.Dev, ino: k.Ino}, neighbour{
		head: k.Head, headLen: k.HeadLen,
		closed: k.Closed, read: k.Read, size: k.Size, mark: k.Marker, markLen: k.MarkerLen,
	}
}

// IsZero reports whether the cursor points nowhere.
func (c Cursor) IsZero() bool { return !c.OfFile() && c.Container == "" }

// OfFile reports whether the cursor points into a file.
func (c Cursor) OfFile() bool { return c.Path != "" || c.Ino != 0 }

// startKind is where a source begins.
type startKind uint8

const (
	fromEnd startKind = iota
	fromBeginning
	fromLast
	fromCursor
)

// Start says where in the log a source begins. The zero value is [AtEnd].
type Start struct {
	kind   startKind
	lines  int
	cursor Cursor
	behind int // lines behind the end from which a cursor is given up for later ones; 0: never
}

// AtEnd starts with the next line written.
func AtEnd() Start { return Start{} }

// AtBeginning starts with the first line.
func AtBeginning() Start { return Start{kind: fromBeginning} }

// AtLast starts with the last n lines.
func AtLast(n int) Start { return Start{kind: fromLast, lines: n} }

// AtCursor goes on where a cursor points. When its file is gone, it starts with
// the first line and counts a gap. The zero cursor means [AtBeginning].
func AtCursor(c Cursor) Start { return Start{kind: fromCursor, cursor: c} }

// Within bounds how far behind the end a source goes on at a cursor: when more than n
// lines were written meanwhile, it passes over all but the last n of them and counts
// those in [Counts.Skipped]. A container's output does not tell how many they were: it
// counts a gap.
func (s Start) Within(n int) Start {
	s.behind = n
	return s
}

// Tail is how many lines before the end of the log it begins, for readers that know
// nothing better: those of a cursor cannot be told.
func (s Start) Tail() int {
	if s.kind == fromBeginning {
		return math.MaxInt32
	}
	return s.lines
}

const markerLen = 256

// marker hashes the bytes before offset.
func marker(r io.ReaderAt, offset int64) (sum string, n int) {
	buf := before(r, offset, int(min(offset, markerLen)))
	if len(buf) == 0 {
		return "", 0
	}
	return hash(buf), len(buf)
}

func hash(b []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(b) // a hash takes everything
	return strconv.FormatUint(h.Sum64(), 16)
}

// before returns the n bytes before offset, nil when they cannot be read.
func before(r io.ReaderAt, offset int64, n int) []byte {
	if n <= 0 || int64(n) > offset {
		return nil
	}
	buf := make([]byte, n)
	if got, _ := r.ReadAt(buf, offset-int64(n)); got != n {
		return nil
	}
	return buf
}

// matches reports whether the bytes before the cursor are still the same.
func (c Cursor) matches(r io.ReaderAt) bool {
	if c.Offset == 0 {
		return true
	}
	sum, n := marker(r, c.Offset)
	return n == c.MarkerLen && n > 0 && sum == c.Marker
}

// lastLines returns the offset of the last n complete lines of the first size bytes.
func lastLines(r io.ReaderAt, size int64, n int) (int64, error) {
	buf := make([]byte, readChunk)
	for end := size; end > 0; {
		chunk := buf[:min(end, readChunk)]
		start := end - int64(len(chunk))
		if got, err := r.ReadAt(chunk, start); got < len(chunk) && err != nil {
			return 0, err
		}
		for i := len(chunk); ; {
			i = bytes.LastIndexByte(chunk[:i], '\n')
			if i < 0 {
				break
			}
			// The newline that ends the line before the n wanted ones.
			if n == 0 {
				return start + int64(i) + 1, nil
			}
			n--
		}
		end = start
	}
	return 0, nil
}
