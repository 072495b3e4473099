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

// LogLine is one line of a container's output. Text has no line end and is
// foreign; it is valid until the next call of [LogReader.Next].
type LogLine struct {
	Time   time.Time // zero without LogsOptions.Timestamps
	Stream string    // stdout or stderr; a terminal has only stdout
	Text   []byte
	Cut    bool // longer than 1 MiB; the rest of the line was dropped
}

// LogReader yields the lines of one container. It has to be closed.
type LogReader struct {
	body io.Closer
	src  *bufio.Reader
	logFormat
	pending [3]pendingLine // by stream number
	frame   []byte         // what is left of the current frame
	stream  byte
	err     error
}

// pendingLine is a line whose end has not come yet.
type pendingLine struct {
	text  []byte
	stamp []byte
	open  bool
	done  bool // its end has come: the next piece starts a new line
	cut   bool
}

// Logs opens a container's log. Not every log driver can be read; the engine
// then says so in the error.
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
	body, err := c.api.ContainerLogs(ctx, id, request)
	if err != nil {
		return nil, c.wrap("read the log of container "+shortID(id), err)
	}
	return newLogReader(body, logFormat{tty: one.Tty, stamped: opts.Timestamps}), nil
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

// read gets one frame, or one line or piece of a line from a terminal.
func (r *LogReader) read() error {
	if r.tty {
		return r.readRaw()
	}
	var header [frameHeaderLen]byte
	if _, err := io.ReadFull(r.src, header[:]); err != nil {
		return err
	}
	stream, size, err := parseFrameHeader(header[:])
	if err != nil {
		return err
	}
	if cap(r.frame) < size {
		r.frame = make([]byte, size)
	}
	r.frame = r.frame[:size]
	if _, err := io.ReadFull(r.src, r.frame); err != nil {
		r.frame = nil
		return truncated(err)
	}
	if stream == streamEngine {
		text := r.frame
		r.frame = nil
		return fmt.Errorf("the engine reports: %w", plainText(text))
	}
	r.stream = stream
	r.takeStamp()
	return nil
}

// readRaw makes a frame of what a terminal wrote. A long line comes in pieces
// of 16 KiB, each with the line's timestamp in front and nothing between them.
func (r *LogReader) readRaw() error {
	r.stream = streamStdout
	limit := logPieceLen
	r.frame = r.frame[:0]
	for len(r.frame) < limit {
		b, err := r.src.ReadByte()
		if err != nil {
			r.takeStamp()
			return err
		}
		r.frame = append(r.frame, b)
		if b == '\n' {
			break
		}
		if b == ' ' && r.stamped && limit == logPieceLen {
			limit += stampLen(r.frame) // the piece is counted without its timestamp
		}
	}
	r.takeStamp()
	return nil
}

// takeStamp moves the timestamp from the frame to the pending line. A frame
// that starts without one is left whole.
func (r *LogReader) takeStamp() {
	line := &r.pending[r.stream]
	line.restart()
	if !r.stamped {
		return
	}
	end := stampLen(r.frame)
	if end == 0 {
		return
	}
	if !line.open {
		line.stamp = append(line.stamp[:0], r.frame[:end-1]...)
	}
	r.frame = r.frame[end:]
	line.open = true
}

// split moves bytes of the frame to the pending line and returns that line
// when it is complete.
func (r *LogReader) split() (LogLine, bool) {
	if len(r.frame) == 0 {
		return LogLine{}, false
	}
	line := &r.pending[r.stream]
	line.restart()
	line.open = true
	end := bytes.IndexByte(r.frame, '\n')
	if end < 0 {
		line.add(r.frame)
		r.frame = r.frame[:0]
		return LogLine{}, false
	}
	line.add(r.frame[:end])
	r.frame = r.frame[end+1:]
	return r.finish(r.stream), true
}

// flush returns a line that the end of the stream left open.
func (r *LogReader) flush() (LogLine, bool) {
	for _, stream := range []byte{streamStdout, streamStderr} {
		if line := &r.pending[stream]; line.open && !line.done && len(line.text) > 0 {
			return r.finish(stream), true
		}
	}
	return LogLine{}, false
}

func (r *LogReader) finish(stream byte) LogLine {
	line := &r.pending[stream]
	line.done = true
	out := LogLine{Stream: "stdout", Text: line.text, Cut: line.cut}
	if stream == streamStderr {
		out.Stream = "stderr"
	}
	if r.tty {
		out.Text = bytes.TrimSuffix(out.Text, []byte("\r"))
	}
	if len(line.stamp) > 0 {
		out.Time = engineTime(string(line.stamp))
	}
	return out
}

// restart makes room for a new line once the last one was handed out.
func (l *pendingLine) restart() {
	if l.done {
		*l = pendingLine{text: l.text[:0], stamp: l.stamp[:0]}
	}
}

func (l *pendingLine) add(piece []byte) {
	room := logLineMax - len(l.text)
	if len(piece) > room {
		piece, l.cut = piece[:room], true
	}
	l.text = append(l.text, piece...)
}

// stampLen is the length of an RFC 3339 timestamp and the blank behind it at
// the start of p, 0 when there is none.
func stampLen(p []byte) int {
	end := bytes.IndexByte(p[:min(len(p), len(time.RFC3339Nano)+1)], ' ')
	if end < len("2006-01-02T15:04:05Z") || p[4] != '-' || p[10] != 'T' {
		return 0
	}
	if _, err := time.Parse(time.RFC3339Nano, string(p[:end])); err != nil {
		return 0
	}
	return end + 1
}
