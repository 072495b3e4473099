package logstream

import (
	"encoding/json"
	"errors"
)

// ErrBadLine is returned by [Parser.Parse] for a line that is not one of an access log.
var ErrBadLine = errors.New("not an access log line")

const (
	// maxDepth bounds the nesting of a value that is stepped over.
	maxDepth = 1000
	// maxFlat is how deep members of objects are looked for.
	maxFlat = 4
)

// leaf is one string or number of a scanned line.
type leaf struct {
	start, end int // what stands between the quotes, or the digits
	rule       rule
	bare       bool // a number
	coded      bool // has escapes or bytes above ASCII: decode before use
}

// scanner walks one JSON object and notes its leaves. It keeps no copy of the line.
type scanner struct {
	data   string
	pos    int
	keys   map[string]rule
	strict bool // the keys are at the top and written exactly so
	path   []byte
	joined []byte
	leaves []leaf
}

// line scans the whole line.
func (s *scanner) line(data string) bool {
	s.data, s.pos, s.path, s.leaves = data, 0, s.path[:0], s.leaves[:0]
	s.space()
	return s.object(1) && s.end()
}

// object scans an object whose members' keys follow s.path.
func (s *scanner) object(depth int) bool {
	if !s.byte('{') {
		return false
	}
	s.space()
	if s.byte('}') {
		return true
	}
	prefix := len(s.path)
	for {
		if !s.key(depth) {
			return false
		}
		if !s.member(depth) {
			return false
		}
		s.path = s.path[:prefix]
		s.space()
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
		s.space()
	}
}

// key scans a key with its colon and appends it to the path.
func (s *scanner) key(depth int) bool {
	start, coded, ok := s.str()
	if !ok {
		return false
	}
	if depth > 1 {
		s.path = append(s.path, '.')
	}
	if raw := s.data[start : s.pos-1]; coded {
		s.path = decode(s.path, raw)
	} else {
		s.path = append(s.path, raw...)
	}
	s.space()
	if !s.byte(':') {
		return false
	}
	s.space()
	return true
}

// member scans the value of the key in s.path.
func (s *scanner) member(depth int) bool {
	if s.pos >= len(s.data) {
		return false
	}
	switch c := s.data[s.pos]; {
	case c == '"':
		start, coded, ok := s.str()
		if ok {
			s.leaves = append(s.leaves, leaf{start: start, end: s.pos - 1, coded: coded, rule: s.rule()})
		}
		return ok
	case c == '{' && depth < maxFlat && !s.strict:
		return s.object(depth + 1)
	case c == '{' || c == '[':
		return s.nested()
	case c == '-' || c >= '0' && c <= '9':
		start := s.pos
		if !s.number() {
			return false
		}
		s.leaves = append(s.leaves, leaf{start: start, end: s.pos, bare: true, rule: s.rule()})
		return true
	}
	// A null counts as a missing key.
	return s.word("null") || s.word("true") || s.word("false")
}

// rule looks up the key in s.path.
func (s *scanner) rule() rule {
	if r, ok := s.keys[string(s.path)]; ok || s.strict {
		return r
	}
	s.joined = s.joined[:0]
	for _, c := range s.path {
		if c == '.' || c == '-' {
			c = '_'
		}
		s.joined = append(s.joined, c)
	}
	return s.keys[string(s.joined)]
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

func (s *scanner) word(w string) bool {
	if end := s.pos + len(w); end <= len(s.data) && s.data[s.pos:end] == w {
		s.pos = end
		return true
	}
	return false
}

// str scans a string and returns where its inside begins; it ends before the quote
// that is now behind s.pos.
func (s *scanner) str() (start int, coded, ok bool) {
	if !s.byte('"') {
		return 0, false, false
	}
	start = s.pos
	end, coded := stringEnd(s.data, start)
	if end < 0 {
		return 0, false, false
	}
	s.pos = end + 1
	return start, coded, true
}

// number scans a number by the grammar of JSON: no leading zero, no bare dot.
func (s *scanner) number() bool {
	s.byte('-')
	first := s.pos
	if n := s.digits(); n == 0 || n > 1 && s.data[first] == '0' {
		return false
	}
	if s.byte('.') && s.digits() == 0 {
		return false
	}
	if s.byte('e') || s.byte('E') {
		if !s.byte('+') {
			s.byte('-')
		}
		return s.digits() > 0
	}
	return true
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
			if _, _, ok := s.str(); !ok {
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
			return json.Valid([]byte(s.data[start:s.pos]))
		}
	}
	return false
}
