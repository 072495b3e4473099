// Package sanitize makes foreign text safe to print on a terminal. Log lines,
// container and image names, error texts and answers of other services pass
// through it before they reach a screen.
//
// What comes out is one line of valid UTF-8 without control characters, escape
// sequences, and characters that reorder, hide or join their neighbours. What a
// terminal would show is kept; a sequence without an end hides nothing after it.
package sanitize

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// MaxLine is the number of runes that [Line] keeps.
const MaxLine = 4096

const (
	esc = 0x1b
	bel = 0x07
	del = 0x7f
	// The C1 controls that begin a sequence, and the one that ends a string.
	c1DCS, c1SOS, c1CSI, c1ST, c1OSC, c1PM, c1APC = 0x90, 0x98, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f

	ellipsis = "…"
)

// Line returns s as one safe line of at most [MaxLine] runes.
func Line(s string) string {
	if len(s) <= MaxLine && isPlain(s) {
		return s
	}
	return string(AppendLine(nil, []byte(s), MaxLine))
}

// AppendLine appends s as one safe line to dst. At most limit runes are appended,
// the last of them … when s has more; a limit of 0 or less means none.
func AppendLine(dst, s []byte, limit int) []byte {
	if (limit <= 0 || len(s) <= limit) && isPlain(s) {
		return append(dst, s...)
	}
	c := cleaner{in: s}
	cut, runes := len(dst), 0
	for len(c.in) > 0 {
		r, ok := c.next()
		if !ok {
			continue
		}
		runes++
		if limit > 0 && runes > limit {
			return append(dst[:cut], ellipsis...)
		}
		if runes == limit {
			cut = len(dst)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// isPlain reports whether s is printable ASCII only, as most lines are.
func isPlain[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= del {
			return false
		}
	}
	return true
}

// cleaner takes input apart, rune by rune and sequence by sequence.
type cleaner struct {
	in      []byte // what is left
	endless bool   // no string terminator is left in it
}

// next takes one rune or one sequence off the input. It returns the rune to print,
// or false when what it took is not to be printed.
func (c *cleaner) next() (rune, bool) {
	r, n := decode(c.in)
	c.in = c.in[n:]
	switch {
	case r == esc:
		c.escape()
		return 0, false
	case r < ' ' || r >= del && r <= c1APC:
		c.sequence(r)
		return ' ', r == '\t' || r == '\n'
	case unicode.In(r, unicode.Zl, unicode.Zp):
		return ' ', true
	}
	return r, !hidden(r)
}

// decode returns the first rune of s and its length. A byte that is not UTF-8 is
// the C1 control it may be meant as, or else U+FFFD.
func decode(s []byte) (rune, int) {
	r, n := utf8.DecodeRune(s)
	if r == utf8.RuneError && n == 1 && s[0] >= 0x80 && s[0] <= c1APC {
		return rune(s[0]), 1
	}
	return r, n
}

// hidden reports whether r shows nothing itself but changes how its neighbours are
// shown: format characters (bidi controls, zero-width spaces and joiners, tags)
// and variation selectors.
func hidden(r rune) bool {
	if r < 0xad {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector) || r >= 0xe0000 && r <= 0xe0fff
}

// escape takes off what follows an ESC. Each C1 control is also ESC and the
// character 0x40 below it.
func (c *cleaner) escape() {
	if len(c.in) == 0 {
		return
	}
	if b := c.in[0]; b >= '@' && b <= '_' {
		c.in = c.in[1:]
		c.sequence(rune(b) + 0x40)
		return
	}
	// ESC, intermediates, one final: selects a character set, resets, and so on.
	c.skip(' ', '/')
	c.skipOne('0', '~')
}

// sequence takes off what belongs to the control character r.
func (c *cleaner) sequence(r rune) {
	switch r {
	case c1CSI:
		c.skip('0', '?')
		c.skip(' ', '/')
		c.skipOne('@', '~')
	case c1DCS, c1SOS, c1OSC, c1PM, c1APC:
		c.str()
	}
}

// str takes off a control string with its terminator. A string that never ends is
// left in place as text: dropping it would let a sender hide the rest of a line.
func (c *cleaner) str() {
	if c.endless {
		return
	}
	for rest := c.in; len(rest) > 0; {
		r, n := decode(rest)
		rest = rest[n:]
		switch {
		case r == bel || r == c1ST:
			c.in = rest
			return
		case r == esc && bytes.HasPrefix(rest, []byte{'\\'}):
			c.in = rest[1:]
			return
		}
	}
	c.endless = true
}

// skip takes off leading bytes between low and high.
func (c *cleaner) skip(low, high byte) {
	for len(c.in) > 0 && c.in[0] >= low && c.in[0] <= high {
		c.in = c.in[1:]
	}
}

// skipOne takes off the first byte if it is between low and high.
func (c *cleaner) skipOne(low, high byte) {
	if len(c.in) > 0 && c.in[0] >= low && c.in[0] <= high {
		c.in = c.in[1:]
	}
}
