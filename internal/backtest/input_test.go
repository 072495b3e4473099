package backtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/backtest/synth"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const okLine = `{"msec":"1761836400.000","status":"200","request":"GET / HTTP/1.1","upstream_status":"200"}`

// cut returns the lines that the cutter makes of a stream, and what it left out.
func cut(t *testing.T, r io.Reader) ([]string, logstream.Counts) {
	t.Helper()
	c := cutter{r: r}
	b := &block{buf: make([]byte, blockSize)}
	var got []string
	for {
		err := c.fill(b)
		if errors.Is(err, io.EOF) {
			return got, c.counts
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Split(strings.TrimSuffix(string(b.Data), "\n"), "\n")...)
	}
}

func TestCutter_KeepsLinesWhole(t *testing.T) {
	t.Parallel()
	var want []string
	for i := range 3000 {
		want = append(want, strings.Repeat(string(rune('a'+i%26)), 1+i*7%900))
	}
	text := strings.Join(want, "\n")
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(text + "\n"),
		"no newline":   strings.NewReader(text),
		"byte by byte": iotest.OneByteReader(strings.NewReader(text)),
		"with EOF":     iotest.DataErrReader(strings.NewReader(text)),
	} {
		if got, _ := cut(t, r); !cmp.Equal(want, got) {
			t.Errorf("%s: %d lines, want %d", name, len(got), len(want))
		}
	}
}

// A line of any length, and NULs at the head of a truncated file, cost no memory
// and none of the lines after them.
func TestCutter_BoundsLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*blockSize)
	got, counts := cut(t, strings.NewReader("a\n"+long+"\nb\n"+long))
	if !cmp.Equal([]string{"a", "b"}, got) || counts.TooLong != 2 || counts.Lines != 2 {
		t.Errorf("lines %q, counts %+v", got, counts)
	}
	nul := strings.Repeat("\x00", 2*blockSize+17)
	got, counts = cut(t, strings.NewReader(nul+"c\nd\n"))
	if last := strings.TrimLeft(strings.Join(got, "\n"), "\x00"); last != "c\nd" || counts.TooLong != 0 {
		t.Errorf("%d bytes of lines, counts %+v", len(last), counts)
	}
}

func TestRun_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	broken := Input{Name: "b.log", Open: func() (io.ReadCloser, error) { return nil, os.ErrPermission }}
	packed := packedInput(t, "p.gz", logOf(t, synth.Options{Lines: 5000, Style: synth.Ours}))
	f, err := packed.Open()
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 0x55
	tests := []struct {
		name string
		in   Input
		is   error
		text string
	}{
		{"cannot be opened", broken, os.ErrPermission, "b.log: permission denied"},
		{"cut off", input("c.gz", whole[:len(whole)/2]), ErrDamaged, "c.gz: damaged: the packed data ends early"},
		{"flipped", input("f.gz", flipped), nil, "f.gz: "},
		{"packed otherwise", input("z.zst", []byte("\x28\xb5\x2f\xfd....")), ErrNotUnderstood, "zstd -dc FILE | bgctl backtest -"},
		{"empty", input("e.log", nil), ErrEmpty, "no lines in e.log"},
		{"not a log", input("n.log", []byte("hello\nworld\n")), ErrNotUnderstood, "0 of 2 lines understood, first bad line: hello"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report, err := Run(t.Context(), Config{Inputs: []Input{tt.in}, Alert: alert.DefaultConfig()})
			if report != nil || err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("report %v, error %v; want %s", report, err, tt.text)
			}
		})
	}
}

func TestRun_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	endless := Input{Name: "endless", Once: true, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(readerFunc(func(p []byte) (int, error) {
			if read++; read == 100 {
				cancel()
			}
			return copy(p, okLine+"\n"), nil
		})), nil
	}}
	report, err := Run(ctx, Config{Inputs: []Input{endless}, Alert: alert.DefaultConfig()})
	if report != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("report %v, error %v", report, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestFile_RefusesADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := File(dir); !errors.Is(err, ErrDirectory) {
		t.Errorf("error %v", err)
	}
	if _, err := File(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	path := filepath.Join(dir, "a.log")
	if err := os.WriteFile(path, []byte(okLine), 0o600); err != nil {
		t.Fatal(err)
	}
	if in, err := File(path); err != nil || in.Once || in.Size != int64(len(okLine)) {
		t.Errorf("input %+v, error %v", in, err)
	}
}

// Silence in the log is time that passes for the detector, second by second, and
// one of years costs no more than one of hours.
func TestPlayer_LetsTimePass(t *testing.T) {
	t.Parallel()
	cfg := alert.DefaultConfig()
	cfg.NoTraffic = 10 * time.Minute
	p := newPlayer(cfg, keepEvents)
	at := noon()
	one := func() {
		p.play(&logstream.Record{Time: at, Status: 200, Served: bluegreen.Blue, Active: bluegreen.Blue, Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Status: 200}}})
	}
	one()
	at = at.Add(20 * 365 * 24 * time.Hour)
	one()
	var got []string
	for _, e := range p.events {
		got = append(got, string(e.Type)+" "+string(e.Status)+" "+e.Time.Sub(noon()).String())
	}
	want := []string{"no_traffic firing 10m0s", "no_traffic resolved 175200h0m0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkRun(b *testing.B) {
	data := logOf(b, synth.Options{Lines: 200_000, Seed: 1, Style: synth.Short})
	for name, workers := range map[string]int{"1 worker": 1, "2 workers": 2} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				run(b, Config{Inputs: []Input{input("log", data)}, Workers: workers})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200_000, "ns/line")
		})
	}
}
