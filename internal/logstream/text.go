package logstream

import (
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// decode appends the text that the inside of a JSON string stands for. Bytes that
// are not UTF-8 and lone surrogates become U+FFFD, as in encoding/json: nginx with
// escape=json passes every byte from 0x80 on as it came.
func decode(dst []byte, raw string) []byte {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\':
			r, n := unescape(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, n := utf8.DecodeRuneInString(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
		}
	}
	return dst
}

// unescape reads one escape, already known to be well formed, and a second one
// when both make a surrogate pair.
func unescape(b string) (rune, int) {
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, _ := hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if low, ok := hex4(b[8:]); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return pair, 12
				}
			}
		}
		return utf8.RuneError, 6
	}
	return rune(b[1]), 2
}

func hex4(b string) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		d, ok := hexDigit(b[i])
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// rewriteHexEscapes turns the \xHH of nginx's default escaping into the \u00HH of
// JSON. It reports whether there was one.
func rewriteHexEscapes(dst []byte, line string) ([]byte, bool) {
	found := false
	for i := 0; i < len(line); i++ {
		if line[i] != '\\' || i+1 >= len(line) {
			dst = append(dst, line[i])
			continue
		}
		if line[i+1] == 'x' && i+3 < len(line) {
			if _, ok := hexPair(line[i+2:]); ok {
				dst = append(dst, '\\', 'u', '0', '0', line[i+2], line[i+3])
				i, found = i+3, true
				continue
			}
		}
		dst = append(dst, line[i], line[i+1])
		i++
	}
	return dst, found
}

func hexPair(b string) (byte, bool) {
	hi, ok1 := hexDigit(b[0])
	lo, ok2 := hexDigit(b[1])
	return hi<<4 | lo, ok1 && ok2
}

// arena hands out strings cut from large chunks: one allocation for some hundred
// lines instead of one each. A chunk lives as long as the last string cut from it.
type arena struct{ chunk strings.Builder }

const arenaChunk = 64 << 10

// text returns a copy of b.
func (a *arena) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > arenaChunk/8 {
		return string(b)
	}
	if a.chunk.Cap()-a.chunk.Len() < len(b) {
		a.chunk = strings.Builder{}
		a.chunk.Grow(arenaChunk)
	}
	start := a.chunk.Len()
	a.chunk.Write(b)
	return a.chunk.String()[start:]
}

// parseSeconds reads "0.012" or "1761837814.123" exactly, where a float would
// round. It reports false for anything else, a sign included.
func parseSeconds(b string) (sec int64, nsec int64, ok bool) {
	dot := strings.IndexByte(b, '.')
	if dot < 0 {
		dot = len(b)
	}
	if dot == 0 || dot > 12 { // year 33658: not a time
		return 0, 0, false
	}
	for i := range dot {
		c := b[i] - '0'
		if c > 9 {
			return 0, 0, false
		}
		sec = sec*10 + int64(c)
	}
	if dot == len(b) {
		return sec, 0, true
	}
	if dot+1 == len(b) {
		return 0, 0, false
	}
	scale := int64(time.Second)
	for i := dot + 1; i < len(b); i++ {
		c := b[i] - '0'
		if c > 9 {
			return 0, 0, false
		}
		scale /= 10
		nsec += int64(c) * scale
	}
	return sec, nsec, true
}

// parseMillis reads what nginx writes for a time, seconds with three decimals, and
// reports false for everything else.
func parseMillis(b string) (ms int64, ok bool) {
	dot := len(b) - 4
	if dot < 1 || dot > 12 || b[dot] != '.' {
		return 0, false
	}
	bad := false
	for i := range dot {
		c := b[i] - '0'
		bad = bad || c > 9
		ms = ms*10 + int64(c)
	}
	x, y, z := b[dot+1]-'0', b[dot+2]-'0', b[dot+3]-'0'
	if bad || x > 9 || y > 9 || z > 9 {
		return 0, false
	}
	return ms*1000 + int64(x)*100 + int64(y)*10 + int64(z), true
}

// maxSeconds keeps a duration far from overflow; nginx logs no longer request.
const maxSeconds = 1 << 30

// parseDuration returns -1 for a time nginx did not know ("-", "").
func parseDuration(b string) time.Duration {
	if ms, ok := parseMillis(b); ok && ms < maxSeconds*1000 {
		return time.Duration(ms) * time.Millisecond
	}
	sec, nsec, ok := parseSeconds(b)
	if !ok || sec > maxSeconds {
		return -1
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec)
}

// parseStatus returns 0 for what is not a status code.
func parseStatus(b string) int {
	if len(b) != 3 || b[0] < '1' || b[0] > '9' {
		return 0
	}
	n := 0
	for i := range 3 {
		c := b[i]
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// parseCount returns 0 for what is not a count. What stands behind a dot does not
// count: a few writers have all numbers as floats.
func parseCount(b string) int64 {
	n := int64(0)
	for i := range len(b) {
		c := b[i] - '0'
		if c > 9 || i >= 12 {
			sec, _, _ := parseSeconds(b)
			return sec
		}
		n = n*10 + int64(c)
	}
	return n
}
