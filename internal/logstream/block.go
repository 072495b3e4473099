package logstream

import (
	"bytes"
	"unsafe"
)

// Block is a piece of a log and what was decoded from it. It is made to be used
// again: records, their strings and their attempts are pieces of the block, valid
// until it is decoded the next time. Clone what is to be kept.
type Block struct {
	Data    []byte   // whole lines; the last one may lack its newline
	Records []Record // one for each line understood, in order
	Counts  Counts   // of this block alone

	attempts []Attempt
}

// Decode fills b from b.Data.
func (d *Decoder) Decode(b *Block) {
	d.counts = Counts{}
	d.slab, d.spilled = b.attempts, false
	b.Records = b.Records[:0]
	rest := b.Data
	for len(rest) > 0 {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if line = trimLine(line, &d.counts); line == nil {
			continue
		}
		n := len(b.Records)
		if n == cap(b.Records) {
			b.Records = append(b.Records, Record{})
		} else {
			b.Records = b.Records[:n+1]
		}
		if !d.decode(borrow(line), &b.Records[n]) {
			b.Records = b.Records[:n]
		}
	}
	b.Counts = d.counts
	if d.spilled {
		b.attempts = make([]Attempt, 2*max(len(b.attempts), slabSize))
	}
}

// borrow returns a string of the very bytes of b: no copy of a log is made to read
// it. Whoever fills b anew has to know that the strings change with it, which is
// what [Block] says.
func borrow(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
