package compose

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
)

const (
	logPieceLen = 16 << 10 // the engine cuts longer lines into pieces of this size
	logLineMax  = 1 << 20
)

// LogsOptions selects what [Client.Logs] reads. With neither Stdout nor Stderr
// both are read.
type LogsOptions struct {
	Follow     bool
	Tail       string    // "all" (the default) or a number of lines
	Since      time.Time // zero: from the beginning
	Timestamps bool      // fill LogLine.Time
	Stdout     bool
	Stderr     bool
}

// LineEnd says what ended a line.
type LineEnd uint8

// The ends of a line.
const (
	EndNewline LineEnd = iota
	// EndRestamped: the process ended in mid-line, and what it wrote after its
	// restart carries another timestamp. The engine glues the two together.
	EndRestamped
	// EndStream: the stream ended first. The rest may still come with another one.
	EndStream
)

// LogLine is one line of a container's output. Text has no line end and is
// foreign; it is valid until the next call of [LogReader.Next].
type LogLine struct {
	Time   time.Time // zero without LogsOptions.Timestamps
	Stream string    // stdout or stderr; a terminal has only stdout
	Text   []byte
	Cut    bool // longer than 1 MiB; the rest of the line was dropped
	End    LineEnd
}

// LogReader yields the lines of one container. It has to be closed.
type LogReader struct {
	body io.Closer
	src  *bufio.Reader
	logFormat
	pending [3]pendingLine // by stream number
	frame   []byte         // what is left of the current frame
	held    int            // bytes of src that frame stands in
	own     []byte         // for frames that do not fit in src
	at      int64          // the frame's timestamp, nanoseconds since 1970; 0 without one
	stream  byte
	stamps  stampParser
	err     error
}

// pendingLine is a line whose end has not come yet.
type pendingLine struct {
	text []byte
	at   int64
	open bool
	cut  bool
}

// Logs opens a container's log. Not every log driver can be read; the engine then
// says so in the error, which matches [ErrUnreadable]. The log ends with ctx.
func (c *Client) Logs(ctx context.Context, id string, opts LogsOptions) (*LogReader, error) {
	one, err := c.Container(ctx, id)
	if err != nil {
		return nil, err
	}
	request := container.LogsOptions{
		ShowStdout: opts.Stdout || !opts.Stderr,
		ShowStderr: opts.Stderr || !opts.Stdout,
		Follow:     opts.Follow, Tail: opts.Tail, Timestamps: opts.Timestamps,
	}
	if request.Tail == "" {
		request.Tail = "all"
	}
	if !opts.Since.IsZero() {
		request.Since = fmt.Sprintf("%d.%09d", opts.Since.Unix(), opts.Since.Nanosecond())
	}
	doing := "read the log of container " + shortID(id)
	// The engine answers at once, before there is a line; only the lines may take
	// any time, so the deadline ends with the answer.
	ctx, cancel := context.WithCancelCause(ctx)
	deadline := time.AfterFunc(readTimeout, func() { cancel(context.DeadlineExceeded) })
	body, err := c.api.ContainerLogs(ctx, id, request)
	if !deadline.Stop() || err != nil {
		if body != nil {
			_ = body.Close()
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, c.wrap(doing, err)
	}
	return newLogReader(&logBody{body, cancel}, logFormat{tty: one.Tty, stamped: opts.Timestamps}), nil
}

// logBody gives back the context of its request when it is closed.
type logBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (b *logBody) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// logFormat says what the bytes look like. Whether there is a terminal comes
// from an inspect: before API 1.42 the answer itself does not tell.
type logFormat struct {
	tty     bool
	stamped bool
}

func newLogReader(body io.ReadCloser, format logFormat) *LogReader {
	return &LogReader{body: body, src: bufio.NewReaderSize(body, frameBufferLen), logFormat: format}
}

// Close ends the stream; a blocked Next returns.
func (r *LogReader) Close() error { return r.body.Close() }

// Next returns the next line, or io.EOF after the last one. A line whose end
// never came is returned as a line.
func (r *LogReader) Next() (LogLine, error) {
	for {
		if line, ok := r.split(); ok {
			return line, nil
		}
		if r.err == nil {
			r.err = r.read()
			continue
		}
		if line, ok := r.flush(); ok {
			return line, nil
		}
		return LogLine{}, r.err
	}
}

// Ready reports whether the next line is here already: [LogReader.Next] will not
// wait for the engine.
func (r *LogReader) Ready() bool {
	if bytes.IndexByte(r.frame, '\n') >= 0 {
		return true
	}
	rest, _ := r.src.Peek(r.src.Buffered())
	rest = rest[min(r.held, len(rest)):]
	if r.tty {
		return bytes.IndexByte(rest, '\n') >= 0
	}
	for len(rest) >= frameHeaderLen {
		_, size, err := parseFrameHeader(rest[:frameHeaderLen])
		if err != nil {
			return true // Next says so
		}
		if len(rest) < frameHeaderLen+size {
			return false
		}
		if bytes.IndexByte(rest[frameHeaderLen:frameHeaderLen+size], '\n') >= 0 {
			return true
		}
		rest = rest[frameHeaderLen+size:]
	}
	return false
}

// read gets one frame, or one line or piece of a line from a terminal.
func (r *LogReader) read() error {
	// A buffered reader cannot fail to drop what it holds.
	_, _ = r.src.Discard(r.held)
	r.held, r.frame, r.at = 0, nil, 0
	if r.tty {
		return r.readRaw()
	}
	header, err := r.src.Peek(frameHeaderLen)
	if err != nil {
		if len(header) > 0 {
			return truncated(err)
		}
		return err
	}
	stream, size, err := parseFrameHeader(header)
	if err != nil {
		return err
	}
	payload, err := r.payload(size)
	if err != nil {
		return truncated(err)
	}
	if stream == streamEngine {
		return fmt.Errorf("the engine reports: %w", plainText(payload))
	}
	r.stream, r.frame = stream, payload
	r.takeStamp()
	return nil
}

// payload returns the frame at the head of src, without copying it when it fits.
func (r *LogReader) payload(size int) ([]byte, error) {
	if whole := frameHeaderLen + size; whole <= r.src.Size() {
		frame, err := r.src.Peek(whole)
		if err != nil {
			return nil, err
		}
		r.held = whole
		return frame[frameHeaderLen:], nil
	}
	_, _ = r.src.Discard(frameHeaderLen)
	if cap(r.own) < size {
		r.own = make([]byte, size)
	}
	_, err := io.ReadFull(r.src, r.own[:size])
	return r.own[:size], err
}

// readRaw makes a frame of what a terminal wrote. A long line comes in pieces
// of 16 KiB, each with the line's timestamp in front and nothing between them.
func (r *LogReader) readRaw() error {
	r.stream = streamStdout
	limit := logPieceLen
	r.own = r.own[:0]
	for len(r.own) < limit {
		b, err := r.src.ReadByte()
		if err != nil {
			r.frame = r.own
			r.takeStamp()
			return err
		}
		r.own = append(r.own, b)
		if b == '\n' {
			break
		}
		if b == ' ' && r.stamped && limit == logPieceLen {
			_, n := r.stamps.parse(r.own)
			limit += n // the piece is counted without its timestamp
		}
	}
	r.frame = r.own
	r.takeStamp()
	return nil
}

// takeStamp takes the timestamp off the frame. A frame that starts without one is
// left whole.
func (r *LogReader) takeStamp() {
	if !r.stamped {
		return
	}
	at, n := r.stamps.parse(r.frame)
	r.at, r.frame = at, r.frame[n:]
}

// split returns the next line that ends in the frame, and keeps what does not end.
func (r *LogReader) split() (LogLine, bool) {
	if len(r.frame) == 0 {
		return LogLine{}, false
	}
	line := &r.pending[r.stream]
	if line.open && line.at != r.at {
		return r.finish(r.stream, EndRestamped), true
	}
	end := bytes.IndexByte(r.frame, '\n')
	if end < 0 {
		line.at = r.at
		line.add(r.frame)
		r.frame = nil
		return LogLine{}, false
	}
	text := r.frame[:end]
	r.frame = r.frame[end+1:]
	if line.open || len(text) > logLineMax {
		line.at = r.at
		line.add(text)
		return r.finish(r.stream, EndNewline), true
	}
	return r.line(r.stream, pendingLine{text: text, at: r.at}, EndNewline), true
}

// flush returns a line that the end of the stream left open.
func (r *LogReader) flush() (LogLine, bool) {
	for _, stream := range []byte{streamStdout, streamStderr} {
		if r.pending[stream].open {
			return r.finish(stream, EndStream), true
		}
	}
	return LogLine{}, false
}

// finish closes the pending line; its text stays until the next one is added.
func (r *LogReader) finish(stream byte, end LineEnd) LogLine {
	line := &r.pending[stream]
	out := r.line(stream, *line, end)
	*line = pendingLine{text: line.text[:0]}
	return out
}

func (r *LogReader) line(stream byte, line pendingLine, end LineEnd) LogLine {
	out := LogLine{Stream: "stdout", Text: line.text, Cut: line.cut, End: end}
	if stream == streamStderr {
		out.Stream = "stderr"
	}
	if r.tty {
		out.Text = bytes.TrimSuffix(out.Text, []byte("\r"))
	}
	if line.at != 0 {
		out.Time = time.Unix(0, line.at).UTC()
	}
	return out
}

func (l *pendingLine) add(piece []byte) {
	l.open = true
	room := logLineMax - len(l.text)
	if len(piece) > room {
		piece, l.cut = piece[:room], true
	}
	l.text = append(l.text, piece...)
}
