package backtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"bgctl/internal/logstream"
)

// blockSize is how many bytes of a log are decoded in one go: enough to make the
// handing over cheap, little enough to stay in a processor's own cache.
const blockSize = 256 << 10

// cutter cuts a stream into blocks of whole lines.
type cutter struct {
	r        io.Reader
	carry    []byte // the unfinished line
	skipping bool   // of a line that is too long
	counts   logstream.Counts
}

// fill reads the next lines into b. It returns io.EOF when there are none left.
func (c *cutter) fill(b *block) error {
	buf := b.buf
	for {
		n := copy(buf, c.carry)
		c.carry = c.carry[:0]
		more, err := readFull(c.r, buf[n:])
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ended, data := err != nil, buf[:n+more]
		data = c.skip(data)
		if ended {
			if len(data) == 0 {
				return io.EOF
			}
			b.Data = data
			return nil
		}
		if end := bytes.LastIndexByte(data, '\n') + 1; end > 0 {
			c.keep(data[end:])
			b.Data = data[:end]
			return nil
		}
		c.keep(data)
	}
}

// readFull is io.ReadFull with the reader's own error: a packed stream that is cut
// off ends with io.ErrUnexpectedEOF, one that is whole with io.EOF.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var more int
		more, err = r.Read(buf[n:])
		n += more
	}
	return n, err
}

// keep carries an unfinished line over to the next block. The NULs that a writer
// without O_APPEND leaves at the head of a truncated file are not kept.
func (c *cutter) keep(part []byte) {
	part = bytes.TrimLeft(part, "\x00")
	if len(part) > logstream.MaxLine {
		c.skipping = true
		c.counts.Lines++
		c.counts.TooLong++
		return
	}
	c.carry = append(c.carry, part...)
}

// skip drops the rest of a line that is too long.
func (c *cutter) skip(data []byte) []byte {
	if !c.skipping {
		return data
	}
	_, rest, found := bytes.Cut(data, []byte{'\n'})
	c.skipping = !found
	return rest
}

// readError says what is wrong with an input.
func readError(name string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: the packed data ends early", ErrDamaged)
	}
	return fmt.Errorf("%s: %w", name, err)
}
