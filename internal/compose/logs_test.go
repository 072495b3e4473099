package compose

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

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
	f.Add([]byte(frame(1, stampA+"a\n")+frame(2, "b")), byte(1))
	f.Add([]byte(stampA+"a\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, mode byte) {
		r := newLogReader(io.NopCloser(strings.NewReader(string(in))), logFormat{stamped: mode&1 != 0, tty: mode&2 != 0})
		total := 0
		for {
			line, err := r.Next()
			if err != nil {
				break
			}
			total += len(line.Text)
			if strings.Contains(string(line.Text), "\n") || total > len(in) {
				t.Fatalf("line %q, %d bytes of %d", line.Text, total, len(in))
			}
		}
	})
}
