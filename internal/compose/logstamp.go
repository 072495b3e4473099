package compose

import (
	"bytes"
	"time"
)

// stampParser reads the timestamps that the engine puts in front of lines. Most of
// them have the same second as the one before, and all of them the same form.
type stampParser struct {
	second [stampSecond]byte // text up to the whole seconds
	base   int64             // the same in nanoseconds since 1970
	valid  bool
}

const (
	stampSecond = len("2006-01-02T15:04:05")
	stampLen    = len("2006-01-02T15:04:05.000000000Z ")
)

// parse returns the timestamp at the start of p in nanoseconds since 1970 and its
// length with the blank behind it; both are 0 when there is none.
func (s *stampParser) parse(p []byte) (at int64, n int) {
	if len(p) < stampLen || p[stampSecond] != '.' || p[stampLen-2] != 'Z' || p[stampLen-1] != ' ' {
		return s.parseAny(p)
	}
	var nanos int64
	for _, c := range p[stampSecond+1 : stampLen-2] {
		if c < '0' || c > '9' {
			return 0, 0
		}
		nanos = nanos*10 + int64(c-'0')
	}
	if !s.valid || !bytes.Equal(s.second[:], p[:stampSecond]) {
		t, err := time.Parse("2006-01-02T15:04:05", string(p[:stampSecond]))
		if err != nil {
			return 0, 0
		}
		copy(s.second[:], p)
		s.base, s.valid = t.UnixNano(), true
	}
	return s.base + nanos, stampLen
}

// parseAny takes every form of RFC 3339: Podman writes the local offset and leaves
// out trailing zeros.
func (*stampParser) parseAny(p []byte) (at int64, n int) {
	end := bytes.IndexByte(p[:min(len(p), len(time.RFC3339Nano)+1)], ' ')
	if end < len("2006-01-02T15:04:05Z") || p[4] != '-' || p[10] != 'T' {
		return 0, 0
	}
	t, err := time.Parse(time.RFC3339Nano, string(p[:end]))
	if err != nil {
		return 0, 0
	}
	return t.UnixNano(), end + 1
}
