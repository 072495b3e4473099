package sanitize

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// EraseLine empties the line that the cursor is in. A [Writer] lets it through when
// it is all that one call of Write holds: progress lines are drawn with it, and from
// foreign text it could erase nothing but such a line.
const EraseLine = "\r\x1b[K"

// Writer makes all text that is written to it safe for a terminal, as [Line] does, but
// keeps line ends, tabs and the length. It cannot tell a line end of the program from
// one in a foreign value: values still pass through [Line].
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

// NewWriter returns a writer that passes safe text on to w, or w itself when it is one.
func NewWriter(w io.Writer) *Writer {
	if s, ok := w.(*Writer); ok {
		return s
	}
	return &Writer{w: w}
}

// Unwrap returns the writer that w passes its text on to, or w itself when it is no
// [Writer]. Data that no person reads goes there.
func Unwrap(w io.Writer) io.Writer {
	if s, ok := w.(*Writer); ok {
		return s.w
	}
	return w
}

// Write implements io.Writer. Each call is made safe by itself: a sequence that is cut
// in two loses its beginning, and with it its meaning.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := p
	if string(p) != EraseLine {
		w.buf = appendText(w.buf[:0], p)
		out = w.buf
	}
	if _, err := w.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendText appends text of several lines.
func appendText(dst, text []byte) []byte {
	for {
		i := bytes.IndexAny(text, "\n\t")
		if i < 0 {
			return AppendLine(dst, text, 0)
		}
		dst = append(AppendLine(dst, text[:i], 0), text[i])
		text = text[i+1:]
	}
}

// AppendJSON appends JSON text with every character that [Line] would drop or replace
// written as an escape. The values stay the same, and a terminal may show the text.
func AppendJSON(dst, text []byte) []byte {
	if isPlain(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r < del || !escaped(r):
			dst = append(dst, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// escaped reports whether a character above ASCII is written as an escape in JSON.
func escaped(r rune) bool {
	return r <= c1APC || hidden(r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// jsonWriter is [AppendJSON] as a writer.
type jsonWriter struct{ w io.Writer }

// NewJSONWriter returns a writer that passes JSON text on to w as [AppendJSON] has it.
// Each call of its Write holds whole characters.
func NewJSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }

// Write implements io.Writer.
func (j jsonWriter) Write(p []byte) (int, error) {
	if _, err := j.w.Write(AppendJSON(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}
