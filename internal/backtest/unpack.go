package backtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// unpack returns what r holds, unpacked when it begins as gzip does: the name of a
// file proves nothing.
func unpack(r io.Reader) (io.Reader, error) {
	const size = 128 << 10
	buffered := bufio.NewReaderSize(r, size)
	head, _ := buffered.Peek(6) // what is wrong shows at the first read
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("%w gzip data: %w", ErrDamaged, err)
		}
		return z, nil
	case bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return nil, packed("zstd")
	case bytes.HasPrefix(head, []byte("BZh")):
		return nil, packed("bzip2")
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		return nil, packed("xz")
	}
	// Large reads go past the buffer, so that nothing is copied twice.
	return buffered, nil
}

func packed(by string) error {
	return fmt.Errorf("%w: it is packed by %s; run: %s -dc FILE | bgctl backtest -", ErrNotUnderstood, by, by)
}
