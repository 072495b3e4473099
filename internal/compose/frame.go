package compose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The engine multiplexes the output of a container without a terminal:
//
//	[stream 0 0 0][size, big endian] payload   stream 1 = stdout, 2 = stderr, 3 = the engine's own error
//
// With a terminal the bytes come raw.

const (
	frameHeaderLen = 8
	frameMaxLen    = 1 << 20  // the engine writes at most 32 KiB (exec) or 16 KiB and a timestamp (logs)
	frameBufferLen = 64 << 10 // two of the engine's largest frames
	stderrTailLen  = 16 << 10

	streamStdout = 1
	streamStderr = 2
	streamEngine = 3
)

// errFrame is matched by every malformed frame.
var errFrame = errors.New("malformed output stream from the engine")

// parseFrameHeader checks all eight bytes: a stream that got out of step must
// not be taken for output.
func parseFrameHeader(header []byte) (stream byte, size int, err error) {
	if header[1] != 0 || header[2] != 0 || header[3] != 0 {
		return 0, 0, fmt.Errorf("%w: padding % x", errFrame, header[1:4])
	}
	length := binary.BigEndian.Uint32(header[4:frameHeaderLen])
	if length > frameMaxLen {
		return 0, 0, fmt.Errorf("%w: a frame of %d bytes", errFrame, length)
	}
	switch stream = header[0]; stream {
	case streamStdout, streamStderr, streamEngine:
		return stream, int(length), nil
	}
	return 0, 0, fmt.Errorf("%w: stream type %d", errFrame, stream)
}

// frameReader is the stdout of a multiplexed stream. Headers are dropped and
// stderr goes to a bounded tail while reading, in the caller's goroutine: no
// pipe and no hand-over per frame.
type frameReader struct {
	src    io.Reader
	stderr io.Writer
	buf    []byte
	start  int // buf[start:end] is read but not consumed
	end    int
	left   int // payload bytes of the current frame still to come
	stream byte
	err    error // sticky
}

func newFrameReader(src io.Reader, stderr io.Writer) *frameReader {
	return &frameReader{src: src, stderr: stderr, buf: make([]byte, frameBufferLen)}
}

// Read returns stdout. It fills p from as many frames as are buffered and
// blocks only when it has nothing to return.
func (r *frameReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	for n < len(p) && r.err == nil {
		if n > 0 && r.mustBlock() {
			return n, nil
		}
		r.err = r.step(p, &n)
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// mustBlock reports whether the next step would have to read from the source.
func (r *frameReader) mustBlock() bool {
	buffered := r.end - r.start
	return buffered == 0 || r.left == 0 && buffered < frameHeaderLen
}

// step consumes one header or one piece of payload.
func (r *frameReader) step(p []byte, n *int) error {
	if r.left == 0 {
		return r.nextFrame()
	}
	if r.start == r.end {
		// A large destination takes the payload without the detour.
		if r.stream == streamStdout && len(p)-*n >= len(r.buf)/2 && r.left >= len(r.buf)/2 {
			return r.direct(p[*n:], n)
		}
		if err := r.fill(); err != nil {
			return truncated(err)
		}
	}
	piece := r.buf[r.start:min(r.end, r.start+r.left)]
	if r.stream == streamStdout {
		piece = piece[:min(len(piece), len(p)-*n)]
		copy(p[*n:], piece)
		*n += len(piece)
	} else if _, err := r.stderr.Write(piece); err != nil {
		return err
	}
	r.start += len(piece)
	r.left -= len(piece)
	return nil
}

func (r *frameReader) direct(p []byte, n *int) error {
	got, err := r.src.Read(p[:min(len(p), r.left)])
	*n += got
	r.left -= got
	if err != nil && (got == 0 || r.left > 0) {
		return truncated(err)
	}
	return nil // an EOF right at the end of the frame shows again at the next read
}

func (r *frameReader) nextFrame() error {
	for r.end-r.start < frameHeaderLen {
		if err := r.fill(); err != nil {
			if r.end > r.start {
				return truncated(err)
			}
			return err
		}
	}
	stream, size, err := parseFrameHeader(r.buf[r.start : r.start+frameHeaderLen])
	if err != nil {
		return err
	}
	r.start += frameHeaderLen
	r.stream, r.left = stream, size
	if stream == streamEngine {
		return r.engineError()
	}
	return nil
}

// engineError reads a type 3 frame: the engine's own words, in band.
func (r *frameReader) engineError() error {
	text := make([]byte, 0, min(r.left, 4096))
	for r.left > 0 {
		if r.start == r.end {
			if err := r.fill(); err != nil {
				return truncated(err)
			}
		}
		piece := r.buf[r.start:min(r.end, r.start+r.left)]
		text = append(text, piece[:min(len(piece), cap(text)-len(text))]...)
		r.start += len(piece)
		r.left -= len(piece)
	}
	return fmt.Errorf("the engine reports: %w", plainText(text))
}

// fill reads at least one byte behind buf[end].
func (r *frameReader) fill() error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	} else if r.start > 0 && len(r.buf)-r.end < frameHeaderLen {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			return nil // an error that came with data shows again at the next read
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// plainText makes an error of foreign text.
func plainText(text []byte) error {
	return errors.New(plainReason(errors.New(string(text))))
}

// tail keeps the last bytes written to it.
type tail struct {
	mu    sync.Mutex
	limit int
	data  []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p[max(0, len(p)-t.limit):]...)
	if over := len(t.data) - t.limit; over > t.limit {
		// Moved only when twice the limit is held: amortised constant.
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

// Bytes returns a copy of the tail.
func (t *tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.data[max(0, len(t.data)-t.limit):]
	return append([]byte(nil), kept...)
}
