package compose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const stampA, stampB = "2026-01-02T03:04:05.000000001Z ", "2026-01-02T03:04:06.000000002Z "

func TestLogReader(t *testing.T) {
	piece := strings.Repeat("p", logPieceLen)
	tests := []struct {
		name   string
		in     string
		format logFormat
		want   []string // stream, second of the timestamp, text
		err    error
	}{
		{name: "two streams", in: frame(1, "a\n") + frame(2, "b\n") + frame(1, "\n"), want: []string{"stdout - a", "stderr - b", "stdout - "}},
		{name: "no end", in: frame(1, "a\n") + frame(1, "b"), want: []string{"stdout - a", "stdout - b"}},
		{name: "several lines in a frame", in: frame(1, "a\nb\nc") + frame(1, "d\n"), want: []string{"stdout - a", "stdout - b", "stdout - cd"}},
		{
			name: "pieces of a line, the other stream between them", in: frame(1, piece) + frame(2, "x\n") + frame(1, piece) + frame(1, "end\n"),
			want: []string{"stderr - x", "stdout - " + piece + piece + "end"},
		},
		{name: "timestamps", format: logFormat{stamped: true}, in: frame(1, stampA+"a\n") + frame(2, stampB+"b\n"), want: []string{"stdout 5 a", "stderr 6 b"}},
		{
			name: "pieces with timestamps", format: logFormat{stamped: true}, in: frame(1, stampA+piece) + frame(1, stampA+"end\n") + frame(1, stampB+"next\n"),
			want: []string{"stdout 5 " + piece + "end", "stdout 6 next"},
		},
		{name: "empty line with a timestamp", format: logFormat{stamped: true}, in: frame(1, stampA+"\n"), want: []string{"stdout 5 "}},
		{name: "a driver without timestamps", format: logFormat{stamped: true}, in: frame(1, "plain text\n"), want: []string{"stdout - plain text"}},
		{name: "D11 bytes that are no UTF-8", in: frame(1, "a\xff\xc0\x00\n"), want: []string{"stdout - a\xff\xc0\x00"}},
		{name: "terminal", format: logFormat{tty: true}, in: "a\r\nb\r\nc", want: []string{"stdout - a", "stdout - b", "stdout - c"}},
		{
			name: "terminal, pieces with timestamps", format: logFormat{tty: true, stamped: true},
			in:   stampA + piece + stampA + piece + stampA + "end\r\n" + stampB + "n x\r\n" + stampB + "\r\n",
			want: []string{"stdout 5 " + piece + piece + "end", "stdout 6 n x", "stdout 6 "},
		},
		{name: "engine error", in: frame(1, "a\n") + frame(3, "driver lost the file"), want: []string{"stdout - a"}, err: errors.ErrUnsupported},
		{name: "malformed", in: frame(1, "a\n") + "garbage and more", want: []string{"stdout - a"}, err: errFrame},
		{name: "cut", in: frame(1, "a\n") + frame(1, "bcd\n")[:9], want: []string{"stdout - a"}, err: io.ErrUnexpectedEOF},
		{name: "nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newLogReader(io.NopCloser(iotest.HalfReader(strings.NewReader(tt.in))), tt.format)
			var got []string
			for {
				line, err := r.Next()
				if err != nil {
					checkLogError(t, err, tt.err)
					break
				}
				second := "-"
				if !line.Time.IsZero() {
					second = line.Time.Format("5")
				}
				got = append(got, line.Stream+" "+second+" "+string(line.Text))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%.1000s", diff)
			}
		})
	}
}

func checkLogError(t *testing.T, got, want error) {
	t.Helper()
	switch {
	case want == nil && errors.Is(got, io.EOF), want != nil && errors.Is(got, want):
	case errors.Is(want, errors.ErrUnsupported) && strings.Contains(got.Error(), "the engine reports: driver lost the file"):
	default:
		t.Errorf("error %v, want %v", got, want)
	}
}

func TestLogReader_BoundsALine(t *testing.T) {
	piece := frame(1, strings.Repeat("p", logPieceLen))
	r := newLogReader(io.NopCloser(strings.NewReader(strings.Repeat(piece, 100)+frame(1, "\nnext\n"))), logFormat{})
	if line, err := r.Next(); err != nil || len(line.Text) != logLineMax || !line.Cut {
		t.Errorf("%d bytes, cut %v, %v", len(line.Text), line.Cut, err)
	}
	if line, err := r.Next(); err != nil || string(line.Text) != "next" || line.Cut {
		t.Errorf("%+v, %v", line, err)
	}
}

func FuzzLogReader(f *testing.F) {
	piece := strings.Repeat("p", 50)
	f.Add([]byte(frame(1, stampA+"a\n")+frame(2, "b")), byte(1), 3)
	f.Add([]byte(frame(1, stampA+piece)+frame(2, stampA+"x\n")+frame(1, stampA+"end\n")+frame(1, stampB+"next\n")), byte(1), 70)
	f.Add([]byte(frame(1, stampA+"half")+frame(1, stampB+"start\n")+frame(3, "gone")), byte(1), 1)
	f.Add([]byte(frame(1, "a\nb\nc")+frame(1, "\n")+frame(1, "2026-01-02T03:04:05.5+01:00 z\n")), byte(1), 9)
	f.Add([]byte(stampA+"a\r\n"), byte(3), 1)
	f.Fuzz(func(t *testing.T, in []byte, mode byte, chunk int) {
		format := logFormat{stamped: mode&1 != 0, tty: mode&2 != 0}
		src := &pieces{data: in, size: 1 + chunk&0xff}
		r := newLogReader(io.NopCloser(src), format)
		var got []string
		total := 0
		var err error
		for {
			ready, reads := r.Ready(), src.reads
			var line LogLine
			line, err = r.Next()
			if ready && src.reads != reads {
				t.Fatalf("line %q was not ready", line.Text)
			}
			if err != nil {
				break
			}
			total += len(line.Text)
			if strings.Contains(string(line.Text), "\n") || total > len(in) {
				t.Fatalf("line %q, %d bytes of %d", line.Text, total, len(in))
			}
			got = append(got, shown(line.Stream, line.Time, string(line.Text), line.End))
		}
		if format.tty {
			return
		}
		want, wantErr := slowLines(in, format.stamped)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if wantErr != nil && !errors.Is(err, wantErr) || wantErr == nil && !strings.HasPrefix(err.Error(), "the engine reports: ") {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
	})
}

func shown(stream string, at time.Time, text string, end LineEnd) string {
	return fmt.Sprintf("%s %d %d %q", stream, at.UnixNano(), end, text)
}

// slowLines is the specification of the multiplexed format, written the slow way.
func slowLines(in []byte, stamped bool) (out []string, err error) {
	type open struct {
		text string
		at   time.Time
		is   bool
	}
	var pending [3]open
	names := []string{"", "stdout", "stderr"}
	end := func(stream byte, how LineEnd) {
		p := pending[stream]
		out = append(out, shown(names[stream], p.at, p.text, how))
		pending[stream] = open{}
	}
	err = io.EOF
	for len(in) > 0 {
		if len(in) < 8 {
			err = io.ErrUnexpectedEOF
			break
		}
		size := int(binary.BigEndian.Uint32(in[4:8]))
		if in[0] < 1 || in[0] > 3 || in[1] != 0 || in[2] != 0 || in[3] != 0 || size > 1<<20 {
			err = errFrame
			break
		}
		if len(in) < 8+size {
			err = io.ErrUnexpectedEOF
			break
		}
		stream, text := in[0], string(in[8:8+size])
		in = in[8+size:]
		if stream == 3 {
			err = nil
			break
		}
		var at time.Time
		if word, rest, ok := strings.Cut(text, " "); stamped && ok && len(word) >= len("2006-01-02T15:04:05Z") && len(word) <= len(time.RFC3339Nano) {
			if parsed, err := time.Parse(time.RFC3339Nano, word); err == nil && parsed.UnixNano() != 0 {
				at, text = time.Unix(0, parsed.UnixNano()).UTC(), rest
			}
		}
		if text != "" && pending[stream].is && !pending[stream].at.Equal(at) {
			end(stream, EndRestamped)
		}
		for text != "" {
			line, rest, whole := strings.Cut(text, "\n")
			pending[stream] = open{pending[stream].text + line, at, true}
			if whole {
				end(stream, EndNewline)
			}
			text = rest
		}
	}
	for _, stream := range []byte{1, 2} {
		if pending[stream].is {
			end(stream, EndStream)
		}
	}
	return out, err
}
