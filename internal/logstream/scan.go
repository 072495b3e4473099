package logstream

import (
	"encoding/json"
	"errors"
)

// ErrBadLine is returned by [Parser.Parse] for a line that is not one of an access log.
var ErrBadLine = errors.New("not an access log line")

// field numbers the keys the parser understands.
type field uint8

const (
	fieldNone field = iota
	fieldTimeLocal
	fieldMsec
	fieldRemoteAddr
	fieldRequest
	fieldStatus
	fieldUpstreamStatus
	fieldUpstreamAddr
	fieldRequestTime
	fieldUpstreamTime
	fieldPool
	fieldRelease
	fieldActive
	fieldRequestID
	fieldBytesSent
	fieldUpstreamPool
	fieldCount
)

// fieldOf returns the field of a key. Keys match exactly: encoding/json also
// accepts "STATUS", but nginx never writes it, so it is a forged or foreign key.
func fieldOf(key []byte) field {
	switch string(key) {
	case "time_local":
		return fieldTimeLocal
	case "msec":
		return fieldMsec
	case "remote_addr":
		return fieldRemoteAddr
	case "request":
		return fieldRequest
	case "status":
		return fieldStatus
	case "upstream_status":
		return fieldUpstreamStatus
	case "upstream_addr":
		return fieldUpstreamAddr
	case "request_time":
		return fieldRequestTime
	}
	return rareFieldOf(key)
}

func rareFieldOf(key []byte) field {
	switch string(key) {
	case "upstream_response_time":
		return fieldUpstreamTime
	case "pool":
		return fieldPool
	case "release":
		return fieldRelease
	case "active":
		return fieldActive
	case "request_id":
		return fieldRequestID
	case "bytes_sent":
		return fieldBytesSent
	case "upstream_pool":
		return fieldUpstreamPool
	}
	return fieldNone
}

// value is the raw text of one JSON value: for a string what stands between the quotes.
type value struct {
	raw   []byte
	coded bool // has escapes or bytes above ASCII: decode before use
	set   bool
}

// fields is one scanned line.
type fields [fieldCount]value

// maxDepth bounds the nesting of an unknown key's value.
const maxDepth = 1000

// scanner walks one flat JSON object. It keeps no copy of the line.
type scanner struct {
	data []byte
	pos  int
}

// object scans the line into out. The last of duplicate keys wins, as in encoding/json.
func (s *scanner) object(out *fields, scratch []byte) bool {
	s.space()
	if !s.byte('{') {
		return false
	}
	s.space()
	if s.byte('}') {
		return s.end()
	}
	for {
		key, ok := s.str()
		if !ok {
			return false
		}
		s.space()
		if !s.byte(':') {
			return false
		}
		s.space()
		v, ok := s.value()
		if !ok {
			return false
		}
		name := key.raw
		if key.coded {
			name = decode(scratch[:0], key.raw)
		}
		if f := fieldOf(name); f != fieldNone {
			out[f] = v
		}
		s.space()
		if s.byte('}') {
			return s.end()
		}
		if !s.byte(',') {
			return false
		}
		s.space()
	}
}

func (s *scanner) end() bool {
	s.space()
	return s.pos == len(s.data)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) byte(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// str scans a string and checks it as strictly as encoding/json does.
func (s *scanner) str() (value, bool) {
	if !s.byte('"') {
		return value{}, false
	}
	start, coded := s.pos, false
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		switch {
		case c == '"':
			raw := s.data[start:s.pos]
			s.pos++
			return value{raw: raw, coded: coded, set: true}, true
		case c == '\\':
			coded = true
			n := escapeLen(s.data[s.pos:])
			if n == 0 {
				return value{}, false
			}
			s.pos += n
		case c < 0x20:
			return value{}, false
		default:
			coded = coded || c >= 0x80
			s.pos++
		}
	}
	return value{}, false
}

// escapeLen returns the length of the escape that b starts with, 0 when it is not one.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b[2:]); ok {
			return 6
		}
	}
	return 0
}

// value scans any JSON value. A null counts as a missing key.
func (s *scanner) value() (value, bool) {
	if s.pos >= len(s.data) {
		return value{}, false
	}
	switch c := s.data[s.pos]; {
	case c == '"':
		return s.str()
	case c == '{' || c == '[':
		return value{}, s.nested()
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if end := s.pos + len(word); end <= len(s.data) && string(s.data[s.pos:end]) == word {
			s.pos = end
			return value{}, true
		}
	}
	return value{}, false
}

// number scans a number by the grammar of JSON: no leading zero, no bare dot.
func (s *scanner) number() (value, bool) {
	start := s.pos
	s.byte('-')
	first := s.pos
	if n := s.digits(); n == 0 || n > 1 && s.data[first] == '0' {
		return value{}, false
	}
	if s.byte('.') && s.digits() == 0 {
		return value{}, false
	}
	if s.byte('e') || s.byte('E') {
		if !s.byte('+') {
			s.byte('-')
		}
		if s.digits() == 0 {
			return value{}, false
		}
	}
	return value{raw: s.data[start:s.pos], set: true}, true
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// nested steps over an object or an array: no key of ours holds one. It finds the
// closing bracket and leaves the judgement to the standard library, off the hot path.
func (s *scanner) nested() bool {
	start, depth := s.pos, 0
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.pos++
		if depth > maxDepth {
			return false
		}
		if depth == 0 {
			return json.Valid(s.data[start:s.pos])
		}
	}
	return false
}
