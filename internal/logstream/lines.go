package logstream

import "bytes"

// MaxLine is the longest line taken. nginx caps a request head at 4×8 KiB, so a
// longer line is damage; memory stays bounded whatever is written.
const MaxLine = 64 << 10

// splitter cuts a stream of chunks into lines. It keeps an unfinished line until
// its newline comes, however many chunks that takes.
type splitter struct {
	part     []byte // the unfinished line
	open     int64  // bytes since the last newline, dropped ones included
	skipping bool   // the unfinished line is over the limit
	counts   *Counts
}

// feed calls emit for each complete line with the number of bytes that line took
// from the stream, its newline and anything skipped included. The line is valid
// during the call. An empty or oversize line is emitted as nil: it moves the
// position, but there is nothing to parse.
func (s *splitter) feed(chunk []byte, emit func(line []byte, size int64) error) error {
	for len(chunk) > 0 {
		i := bytes.IndexByte(chunk, '\n')
		if i < 0 {
			s.open += int64(len(chunk))
			s.keep(chunk)
			return nil
		}
		size := s.open + int64(i) + 1
		line := chunk[:i]
		if len(s.part) > 0 || s.skipping {
			s.keep(line)
			line = s.part
		}
		line = s.finish(line)
		s.part, s.open, s.skipping = s.part[:0], 0, false
		if err := emit(line, size); err != nil {
			return err
		}
		chunk = chunk[i+1:]
	}
	return nil
}

// keep adds to the unfinished line until it is over the limit. The NULs that a
// writer without O_APPEND leaves at the head of a truncated file are not kept.
func (s *splitter) keep(b []byte) {
	if len(s.part) == 0 && !s.skipping {
		b = bytes.TrimLeft(b, "\x00")
	}
	if s.skipping || len(s.part)+len(b) > MaxLine {
		s.part, s.skipping = s.part[:0], true
		return
	}
	s.part = append(s.part, b...)
}

// finish returns the line to parse, nil when there is none.
func (s *splitter) finish(line []byte) []byte {
	if s.skipping {
		s.counts.Lines++
		s.counts.TooLong++
		return nil
	}
	return trimLine(line, s.counts)
}

// trimLine counts a line and returns what there is to parse of it, nil for a blank
// or an oversize one.
func trimLine(line []byte, counts *Counts) []byte {
	n := len(line)
	if n > 0 && (line[0] <= ' ' || line[n-1] <= ' ') {
		line = bytes.Trim(line, "\x00\r")
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
	}
	if len(line) > MaxLine {
		counts.Lines++
		counts.TooLong++
		return nil
	}
	if n == 0 {
		return nil
	}
	counts.Lines++
	return line
}

// drop forgets the unfinished line and reports whether there was one.
func (s *splitter) drop() bool {
	had := len(s.part) > 0 || s.skipping
	s.part, s.open, s.skipping = s.part[:0], 0, false
	return had
}
