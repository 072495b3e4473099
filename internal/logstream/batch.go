package logstream

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// maxBatch keeps a batch small enough to be worked off between two frames of a screen.
const maxBatch = 512

// batcher gathers records until a batch is due.
type batcher struct {
	parser  *Parser
	records []Record
	told    Counts // counts of the last batch delivered
	deliver func(Batch) error
	filter  func(line []byte) bool // nil: every line is new
}

// add parses line; nil stands for a line that only moves the position.
func (b *batcher) add(line []byte) {
	if line == nil || b.filter != nil && !b.filter(line) {
		return
	}
	b.records = append(b.records, Record{})
	if b.parser.Parse(line, &b.records[len(b.records)-1]) != nil {
		b.records = b.records[:len(b.records)-1]
	}
}

// addOpen takes a line whose newline never came, when it is whole all the same; it
// is counted as cut otherwise.
func (b *batcher) addOpen(line []byte) bool {
	before := b.parser.counts
	b.add(line)
	whole := b.parser.counts.Parsed > before.Parsed
	if !whole {
		b.parser.counts = before // damage of a known cause, no bad line
		b.parser.counts.Cut++
	}
	b.parser.counts.Lines++
	return whole
}

func (b *batcher) full() bool { return len(b.records) >= maxBatch }

// flush delivers what there is; a change of the counts alone is news as well.
func (b *batcher) flush(cursor Cursor) error {
	if len(b.records) == 0 && b.told == b.parser.counts {
		return nil
	}
	return b.send(cursor)
}

func (b *batcher) send(cursor Cursor) error {
	batch := Batch{Records: b.records, Counts: b.parser.counts, Cursor: cursor}
	b.told = b.parser.counts
	b.records = nil
	return b.deliver(batch)
}

// State says whether a source reads its log. A source reports changes only.
type State struct {
	Connected bool
	Err       error // why not; nil when the log simply ended
}

// stateTeller passes on changes of the state.
type stateTeller struct {
	tell func(State)
	last string
}

func (t *stateTeller) set(s State) {
	key := fmt.Sprint(s.Connected, s.Err)
	if key == t.last {
		return
	}
	t.last = key
	if t.tell != nil {
		t.tell(s)
	}
}

// Read delivers a whole log from r and returns at its end. A last line without a
// newline counts. addrs may be nil.
func Read(ctx context.Context, r io.Reader, addrs *AddrMap, deliver func(Batch) error) error {
	b := &batcher{parser: NewParser(addrs), deliver: deliver}
	split := splitter{counts: &b.parser.counts}
	if err := pump(ctx, r, &split, b); !errors.Is(err, io.EOF) {
		return err
	}
	// A newline of our own ends a last line without one; after a whole line it is blank.
	err := split.feed([]byte{'\n'}, func(line []byte, _ int64) error {
		b.add(line)
		return nil
	})
	return errors.Join(err, b.flush(Cursor{}))
}

// pump moves r into b until r or ctx ends. It delivers after every read: a read
// blocks when nothing is there, so no record waits for the next one.
func pump(ctx context.Context, r io.Reader, split *splitter, b *batcher) error {
	buf := make([]byte, readChunk)
	for {
		n, readErr := r.Read(buf)
		err := split.feed(buf[:n], func(line []byte, _ int64) error {
			b.add(line)
			if b.full() {
				return b.flush(Cursor{})
			}
			return nil
		})
		if err == nil {
			err = b.flush(Cursor{})
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if readErr != nil {
			return readErr
		}
	}
}

const readChunk = 64 << 10
