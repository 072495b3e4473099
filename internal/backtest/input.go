package backtest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/logstream"
)

// Errors a caller may want to tell apart.
var (
	ErrEmpty         = errors.New("no lines")
	ErrNotUnderstood = errors.New("not an access log")
	ErrDirectory     = errors.New("is a directory")
	ErrDamaged       = errors.New("damaged")
)

// Input is one log, or one file of a rotated log.
type Input struct {
	Name string
	// Open opens it; it is called again for a file that was looked into before.
	Open func() (io.ReadCloser, error)
	Size int64 // bytes as stored, 0 when unknown
	Once bool  // a pipe: it can be opened only once
}

// File returns the input of a file, packed by gzip or not.
func File(path string) (Input, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Input{}, fmt.Errorf("read the log: %w", err)
	case info.IsDir():
		return Input{}, fmt.Errorf("%s %w; name the files in it: %s/access.log*", path, ErrDirectory, strings.TrimRight(path, "/"))
	}
	in := Input{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }} //nolint:gosec // the user's own choice
	if in.Once = !info.Mode().IsRegular(); !in.Once {
		in.Size = info.Size()
	}
	return in, nil
}

// Stdin returns the input of a stream.
func Stdin(r io.Reader) Input {
	return Input{Name: "standard input", Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }, Once: true}
}

// source is an input with what is known of its beginning.
type source struct {
	Input

	first  time.Time // of the first line with a time
	file   io.ReadCloser
	peeked []byte // of a pipe: what was read to find first
}

const peekSize = 256 << 10

// inOrder sorts the inputs by the time of their first lines. Files without one are
// sorted by the number that rotation gave them, the highest first.
func inOrder(inputs []Input, format logstream.Format) ([]*source, error) {
	sources := make([]*source, 0, len(inputs))
	for _, in := range inputs {
		s := &source{Input: in}
		sources = append(sources, s)
		if len(inputs) == 1 {
			break // nothing to compare with
		}
		if err := s.peek(format); err != nil {
			return sources, fmt.Errorf("%s: %w", in.Name, err)
		}
	}
	slices.SortStableFunc(sources, func(a, b *source) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(rotation(b.Name), rotation(a.Name)))
	})
	return sources, nil
}

// peek looks for the first time in the input.
func (s *source) peek(format logstream.Format) error {
	file, err := s.Open()
	if err != nil {
		return err
	}
	raw := make([]byte, peekSize)
	n, err := io.ReadFull(file, raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(err, file.Close())
	}
	raw = raw[:n]
	if s.Once {
		s.file, s.peeked = file, raw
	} else if err := file.Close(); err != nil {
		return err
	}
	text, err := unpack(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	block := logstream.Block{Data: make([]byte, peekSize)}
	n, _ = io.ReadFull(text, block.Data) // the end is cut off: what can be read will do
	block.Data = block.Data[:n]
	logstream.NewDecoder(format).Decode(&block)
	for i := range block.Records {
		if t := block.Records[i].Time; !t.IsZero() {
			s.first = t
			break
		}
	}
	return nil
}

// open begins to read the input. Bytes as stored are counted by count.
func (s *source) open(count func(n int)) (io.Reader, error) {
	if s.file == nil {
		file, err := s.Open()
		if err != nil {
			return nil, err
		}
		s.file = file
	}
	return unpack(&counter{r: io.MultiReader(bytes.NewReader(s.peeked), s.file), count: count})
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close() // it was only read
		s.file = nil
	}
}

func closeAll(sources []*source) {
	for _, s := range sources {
		s.close()
	}
}

func names(sources []*source) []string {
	var out []string
	for _, s := range sources {
		out = append(out, s.Name)
	}
	return out
}

// counter counts the bytes that pass.
type counter struct {
	r     io.Reader
	count func(n int)
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count(n)
	return n, err
}

var rotated = regexp.MustCompile(`\.(\d+)(\.gz)?$`)

// rotation is the number that logrotate and bgctl append, 0 for the newest file.
func rotation(name string) int {
	m := rotated.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}
