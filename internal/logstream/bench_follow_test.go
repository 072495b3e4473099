package logstream

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// countSink counts lines and does nothing else.
type countSink struct{ n, want int }

func (s *countSink) take([]byte)          { s.n++ }
func (s *countSink) takeRest([]byte) bool { return false }
func (s *countSink) full() bool           { return s.n%maxBatch == 0 }
func (s *countSink) pending() bool        { return true }
func (s *countSink) send(Cursor) error {
	if s.n >= s.want {
		return errEnough
	}
	return nil
}

var errEnough = errors.New("enough")

// BenchmarkFollow is what finding the lines costs, without parsing them: reading,
// splitting, and a cursor behind every 512th.
func BenchmarkFollow(b *testing.B) {
	const lines = 200_000
	path := filepath.Join(b.TempDir(), "access.log")
	line := logLine("/item/" + strings.Repeat("x", 300))
	if err := os.WriteFile(path, []byte(strings.Repeat(line, lines)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(line) * lines))
	for b.Loop() {
		s := &countSink{want: lines}
		err := newFollower(FileConfig{Path: path, Start: AtBeginning()}, s, &Counts{}).run(b.Context())
		if !errors.Is(err, errEnough) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "lines/s")
}
