package logstream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

// Past is the end of a log as it stands, its rotated files included. Reading it
// yields whole lines, oldest first, up to where the log ended when it was opened.
type Past struct {
	io.Reader

	// Whole is when nothing before the wanted time is missing: the files reach
	// further back than that, and the bound let them.
	Whole bool

	files []*os.File
}

// Close gives the files back.
func (p *Past) Close() error {
	var errs []error
	for _, f := range p.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// OpenPast opens what a log has told since a time, at most the newest limit bytes.
// It looks for the place by halves: the log is nearly in the order of its times.
func OpenPast(path string, since time.Time, limit int64) (*Past, error) {
	names := []string{path}
	for _, x := range slices.Backward(siblings(path)) {
		names = append(names, x.path)
	}
	p := &Past{}
	seen := map[fileID]bool{}
	var parts []io.Reader
	for _, name := range names {
		f, info, err := openLog(name)
		if err != nil && name == path {
			return nil, err
		}
		if err != nil {
			continue // rotated away since it was listed
		}
		p.files = append(p.files, f)
		id, _ := identify(info)
		if seen[id] {
			continue // it was rotated while the files were opened
		}
		seen[id] = true
		size := info.Size()
		from := lineOf(f, size, since)
		p.Whole = from > 0
		if size-from > limit {
			from, p.Whole = afterNewline(f, size-limit, size), false
		}
		parts = append(parts, io.NewSectionReader(f, from, size-from))
		if limit -= size - from; from > 0 || limit <= 0 {
			break
		}
	}
	slices.Reverse(parts)
	p.Reader = io.MultiReader(parts...)
	return p, nil
}

// lineOf is where the first line that is not older than since begins: 0 when the
// file begins with it.
func lineOf(f io.ReaderAt, size int64, since time.Time) int64 {
	if at := timeAt(f, 0, size); !at.Before(since) {
		return 0
	}
	low, high := int64(0), size // a line at low is older, none at high
	for high-low > readChunk {
		mid := low + (high-low)/2
		if timeAt(f, afterNewline(f, mid, size), size).Before(since) {
			low = mid
		} else {
			high = mid
		}
	}
	return max(1, afterNewline(f, low, size))
}

// timeAt is the time of the first line from off on that has one. What has none is
// taken for new: it is read, and counts for nothing.
func timeAt(f io.ReaderAt, off, size int64) time.Time {
	buf := make([]byte, min(readChunk, size-off))
	n, _ := f.ReadAt(buf, off)
	parser := NewParser(nil)
	for line := range bytes.Lines(buf[:n]) {
		var rec Record
		if line[len(line)-1] == '\n' && parser.Parse(line[:len(line)-1], &rec) == nil && !rec.Time.IsZero() {
			return rec.Time
		}
	}
	return time.Unix(1<<40, 0)
}

// afterNewline is the beginning of the first line behind off.
func afterNewline(f io.ReaderAt, off, size int64) int64 {
	buf := make([]byte, readChunk)
	for off < size {
		n, _ := f.ReadAt(buf[:min(readChunk, size-off)], off)
		if n == 0 {
			break
		}
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			return off + int64(i) + 1
		}
		off += int64(n)
	}
	return size
}
