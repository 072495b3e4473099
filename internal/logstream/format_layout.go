package logstream

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// layout is what all lines of one log_format have in common: the text between the
// values. It is learned from a line that was scanned in full. A line that has the
// very same text around its values needs no scanning, and means what that line
// meant with other values; at the first difference the scanner takes over.
type layout struct {
	slots   []slot
	tail    string
	set     uint32 // bit by field
	foreign bool   // not the proxy's own log_format
}

// slot is one value with the text in front of it.
type slot struct {
	lit   string
	field field // fieldNone for a value that is not used
	bare  bool  // a number
}

const (
	maxLayouts = 4
	maxSlots   = 64
	maxLiteral = 4 << 10 // bytes of text worth learning
	// relearnMisses lines that fit no layout one is given up for a new one.
	relearnMisses = 256
)

// fields are the values of one line, as places in it: a field that is not there is
// the empty place. Places instead of strings spare the collector on every line.
type fields struct {
	line    string
	at      [fieldSlots]place
	leaf    [fieldSlots]uint16 // where each came from
	set     uint32             // bit by field
	coded   uint32             // bit by field: has escapes or bytes above ASCII
	foreign bool
}

type place struct{ from, to uint32 }

// fieldSlots is a power of two above fieldCount: an index cut to it needs no check.
const fieldSlots = 32

func (f *fields) has(x field) bool { return f.set>>x&1 != 0 }

// raw returns the value of a field as it stands in the line.
func (f *fields) raw(x field) string {
	at := f.at[x&(fieldSlots-1)]
	return f.line[at.from:at.to]
}

func (f *fields) put(x field, from, to int) {
	f.at[x&(fieldSlots-1)] = place{uint32(from), uint32(to)} //nolint:gosec // a line is at most MaxLine long
	f.set |= 1 << x
}

// take fills f from scanned leaves. Of several keys of one field the one with the
// least rank counts, and the last of those, as in encoding/json.
func (f *fields) take(line string, leaves []leaf) {
	*f = fields{line: line}
	var ranks [fieldSlots]uint8
	for i := range leaves {
		l := &leaves[i]
		x := l.rule.field
		if x == fieldNone || f.has(x) && l.rule.rank > ranks[x] {
			continue
		}
		f.put(x, l.start, l.end)
		ranks[x], f.leaf[x] = l.rule.rank, uint16(min(i, maxSlots))
		f.coded &^= 1 << x
		if l.coded {
			f.coded |= 1 << x
		}
		f.foreign = f.foreign || l.rule.foreign
	}
}

// learn returns the layout of a scanned line whose fields were taken.
func learn(data string, leaves []leaf, f *fields) (layout, bool) {
	if len(leaves) == 0 || len(leaves) > maxSlots {
		return layout{}, false
	}
	l := layout{slots: make([]slot, len(leaves)), set: f.set, foreign: f.foreign}
	from, size := 0, 0
	for i := range leaves {
		leaf := &leaves[i]
		l.slots[i] = slot{lit: strings.Clone(data[from:leaf.start]), field: leaf.rule.field, bare: leaf.bare}
		from, size = leaf.end, size+leaf.start-from
		if x := leaf.rule.field; x != fieldNone && int(f.leaf[x]) != i {
			l.slots[i].field = fieldNone // another key of the field counts
		}
	}
	l.tail = strings.Clone(data[from:])
	return l, size+len(l.tail) <= maxLiteral
}

// match reports whether line has this layout, and fills f when it does. Only the
// places of the layout's own fields are written.
func (l *layout) match(line string, f *fields) bool {
	f.line, f.coded = line, 0
	pos := 0
	for i := range l.slots {
		s := &l.slots[i]
		if len(line)-pos < len(s.lit) || line[pos:pos+len(s.lit)] != s.lit {
			return false
		}
		pos += len(s.lit)
		end, coded := 0, false
		if s.bare {
			end = numberEnd(line, pos)
		} else {
			end, coded = stringEnd(line, pos)
		}
		if end < 0 {
			return false
		}
		f.at[s.field&(fieldSlots-1)] = place{uint32(pos), uint32(end)} //nolint:gosec // a line is at most MaxLine long
		if coded {
			f.coded |= 1 << s.field
		}
		pos = end
	}
	f.set, f.foreign = l.set, l.foreign
	return line[pos:] == l.tail
}

// numberEnd returns where the number at pos ends, -1 when there is none.
func numberEnd(data string, pos int) int {
	s := scanner{data: data, pos: pos}
	if !s.number() {
		return -1
	}
	return s.pos
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stringEnd returns where the inside of the JSON string at pos ends, that is at its
// closing quote, and whether it has to be decoded. It returns -1 for what
// encoding/json does not take for a string. Eight bytes are looked at in one go.
func stringEnd(data string, pos int) (end int, coded bool) {
	for len(data)-pos >= 8 {
		w := word(data[pos:])
		q := w ^ ones*'"'
		quote := (q - ones) &^ q & highs
		b := w ^ ones*'\\'
		other := (w - ones*' ' | w | (b - ones)) & highs
		// Only the lowest marked byte of each is sure; the lower of the two decides.
		if quote != 0 {
			if other&(quote&-quote-1) != 0 {
				break
			}
			return pos + bits.TrailingZeros64(quote)>>3, false
		}
		if other != 0 {
			break
		}
		pos += 8
	}
	return stringRest(data, pos)
}

func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// stringRest is stringEnd byte by byte.
func stringRest(data string, pos int) (end int, coded bool) {
	for pos < len(data) {
		switch c := data[pos]; {
		case c == '"':
			return pos, coded
		case c == '\\':
			coded = true
			n := escapeLen(data[pos:])
			if n == 0 {
				return -1, false
			}
			pos += n
		case c < ' ':
			return -1, false
		default:
			coded = coded || c >= utf8.RuneSelf
			pos++
		}
	}
	return -1, false
}

// escapeLen returns the length of the escape that s starts with, 0 when it is not one.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(s[2:]); ok {
			return 6
		}
	}
	return 0
}
