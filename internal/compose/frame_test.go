package compose

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/docker/docker/pkg/stdcopy"
)

func frame(stream byte, payload string) string {
	header := []byte{stream, 0, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(header[4:], uint32(len(payload)))
	return string(header) + payload
}

func TestFrameReader(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 8<<10)
	tests := []struct {
		name, in       string
		stdout, stderr string
		wantErr        error
		wantText       string
	}{
		{name: "nothing"},
		{name: "one frame", in: frame(1, "hello"), stdout: "hello"},
		{name: "empty frame", in: frame(1, "") + frame(1, "x"), stdout: "x"},
		{name: "both streams", in: frame(1, "a") + frame(2, "oops") + frame(1, "b"), stdout: "ab", stderr: "oops"},
		{name: "longer than the buffer", in: frame(1, long) + frame(1, "end"), stdout: long + "end"},
		{name: "engine error", in: frame(1, "a") + frame(3, "disk is gone\nand more"), stdout: "a", wantText: "disk is gone"},
		{name: "stream 0", in: frame(0, "a"), wantErr: errFrame},
		{name: "stream 4", in: frame(1, "ok") + frame(4, "a"), stdout: "ok", wantErr: errFrame},
		{name: "padding", in: "\x01\x00\x01\x00\x00\x00\x00\x01a", wantErr: errFrame},
		{name: "raw text of a terminal", in: "hello world\r\n", wantErr: errFrame},
		{name: "too long", in: "\x01\x00\x00\x00\x00\x10\x00\x01", wantErr: errFrame},
		{name: "negative", in: "\x01\x00\x00\x00\xff\xff\xff\xff", wantErr: errFrame},
		{name: "cut in the header", in: "\x01\x00\x00", wantErr: io.ErrUnexpectedEOF},
		{name: "cut in the payload", in: frame(1, "hello")[:10], stdout: "he", wantErr: io.ErrUnexpectedEOF},
		{name: "cut in the engine error", in: frame(3, "hello")[:10], wantErr: io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		for way, wrapped := range map[string]func(io.Reader) io.Reader{
			"whole":  func(r io.Reader) io.Reader { return r },
			"bytes":  iotest.OneByteReader,
			"halves": iotest.HalfReader,
			"dataerr": func(r io.Reader) io.Reader {
				return iotest.DataErrReader(r)
			},
		} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				stderr := &tail{limit: stderrTailLen}
				out, err := io.ReadAll(newFrameReader(wrapped(strings.NewReader(tt.in)), stderr))
				if string(out) != tt.stdout || string(stderr.Bytes()) != tt.stderr {
					t.Errorf("stdout %.40q stderr %.40q, want %.40q %.40q", out, stderr.Bytes(), tt.stdout, tt.stderr)
				}
				switch {
				case tt.wantText != "":
					if err == nil || !strings.HasSuffix(err.Error(), tt.wantText) {
						t.Errorf("error %v, want it to end in %q", err, tt.wantText)
					}
				case !errors.Is(err, tt.wantErr):
					t.Errorf("error %v, want %v", err, tt.wantErr)
				}
			})
		}
	}
}

// blockingReader fails the test when it is read again after its data ended.
type blockingReader struct {
	t    *testing.T
	data []byte
}

func (b *blockingReader) Read(p []byte) (int, error) {
	if len(b.data) == 0 {
		b.t.Fatal("read again although stdout was there to return: a live stream would stall")
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func TestFrameReader_ReturnsWhatIsThereBeforeBlocking(t *testing.T) {
	for _, in := range []string{frame(1, "line\n"), frame(1, "line\n") + "\x01\x00", frame(1, "line\n") + frame(2, "note")} {
		r := newFrameReader(&blockingReader{t, []byte(in)}, &tail{limit: 10})
		buf := make([]byte, 4096)
		n, err := r.Read(buf)
		if string(buf[:n]) != "line\n" || err != nil {
			t.Errorf("got %q, %v", buf[:n], err)
		}
	}
}

func TestTail_KeepsTheEnd(t *testing.T) {
	var all []byte
	kept := &tail{limit: 7}
	for i := range 100 {
		piece := bytes.Repeat([]byte{byte('a' + i%26)}, i%11)
		all = append(all, piece...)
		if n, err := kept.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
		if want := all[max(0, len(all)-7):]; !bytes.Equal(kept.Bytes(), want) {
			t.Fatalf("step %d: %q, want %q", i, kept.Bytes(), want)
		}
		if cap(kept.data) > 64 {
			t.Fatalf("holds %d bytes", cap(kept.data))
		}
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add([]byte(frame(1, "hello")+frame(2, "err")+frame(1, "x")), 3)
	f.Add([]byte(frame(3, "bad")), 1)
	f.Add([]byte(frame(1, "a")+frame(3, "cut short")[:11]), 2)
	f.Add([]byte(frame(1, strings.Repeat("z", 99))+frame(1, "y")), 1<<20|200)
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"), 10)
	f.Fuzz(func(t *testing.T, in []byte, chunk int) {
		want := slowFrames(in)
		stderr := &tail{limit: 1 << 30}
		// The source hands out odd pieces, the destination takes others.
		src := &pieces{data: in, size: 1 + chunk>>16&0xff}
		r := &frameReader{src: src, stderr: stderr, buf: make([]byte, 32)} // small inputs reach every path
		var out bytes.Buffer
		buf := make([]byte, 1+(chunk&0xff))
		var err error
		for err == nil {
			var n int
			n, err = r.Read(buf)
			out.Write(buf[:n])
		}
		if !bytes.Equal(out.Bytes(), want.stdout) || !bytes.Equal(stderr.Bytes(), want.stderr) {
			t.Fatalf("out %q err %q, want %q %q", out.Bytes(), stderr.Bytes(), want.stdout, want.stderr)
		}
		if want.err != nil && !errors.Is(err, want.err) || want.err == nil && !strings.HasPrefix(err.Error(), "the engine reports: ") {
			t.Fatalf("error %v, want %v", err, want.err)
		}
		if !errors.Is(want.err, io.EOF) || chunk&15 != 0 {
			return // the engine's own reader takes the most time by far
		}
		var wantOut, wantErr bytes.Buffer
		if _, err := stdcopy.StdCopy(&wantOut, &wantErr, bytes.NewReader(in)); err != nil {
			t.Fatalf("stdcopy refuses what the reader took: %v", err)
		}
		if !bytes.Equal(out.Bytes(), wantOut.Bytes()) || !bytes.Equal(stderr.Bytes(), wantErr.Bytes()) {
			t.Fatalf("out %q err %q, stdcopy: %q %q", out.Bytes(), stderr.Bytes(), wantOut.Bytes(), wantErr.Bytes())
		}
	})
}

// pieces returns its data a few bytes at a time.
type pieces struct {
	data  []byte
	size  int
	reads int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads++
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.size*37)], p.data)
	p.data = p.data[n:]
	return n, nil
}

// frames is what a stream holds; err is nil for the engine's own words.
type frames struct {
	stdout, stderr []byte
	err            error
}

// slowFrames is the specification, written the slow way.
func slowFrames(in []byte) frames {
	var out frames
	for len(in) > 0 {
		if len(in) < 8 {
			out.err = io.ErrUnexpectedEOF
			return out
		}
		size := int(binary.BigEndian.Uint32(in[4:8]))
		if in[0] < 1 || in[0] > 3 || in[1] != 0 || in[2] != 0 || in[3] != 0 || size > 1<<20 {
			out.err = errFrame
			return out
		}
		payload := in[8:min(len(in), 8+size)]
		switch in[0] {
		case 1:
			out.stdout = append(out.stdout, payload...)
		case 2:
			out.stderr = append(out.stderr, payload...)
		}
		if len(payload) < size {
			out.err = io.ErrUnexpectedEOF
			return out
		}
		if in[0] == 3 {
			return out
		}
		in = in[8+size:]
	}
	out.err = io.EOF
	return out
}

// endless repeats frames of log lines without allocating.
type endless struct {
	data []byte
	off  int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.data[e.off:])
	e.off = (e.off + n) % len(e.data)
	return n, nil
}

func BenchmarkFrameReader(b *testing.B) {
	line := strings.Repeat("x", 269) + "\n"
	for name, lines := range map[string]int{"line per frame": 1, "32KiB per frame": 120} {
		b.Run(name, func(b *testing.B) {
			r := newFrameReader(&endless{data: []byte(frame(1, strings.Repeat(line, lines)))}, io.Discard)
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(line)))
			got := 0
			for b.Loop() {
				for got < len(line) {
					n, err := r.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					got += n
				}
				got -= len(line)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func BenchmarkLogReader(b *testing.B) {
	line := stampA + strings.Repeat("x", 269) + "\n"
	r := newLogReader(io.NopCloser(&endless{data: []byte(frame(1, line))}), logFormat{stamped: true})
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if got, err := r.Next(); err != nil || len(got.Text) != 269 {
			b.Fatal(len(got.Text), err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
