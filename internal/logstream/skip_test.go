package logstream

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFileSource_F19_SkipsForwardWhenTooFarBehind: all but the last lines are passed
// over and counted, in whatever files they are; one line less, and all are read.
func TestFileSource_F19_SkipsForwardWhenTooFarBehind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		behind int
		write  func(t *testing.T, path string)
		want   string
		skip   uint64
	}{
		{"nothing", 3, func(*testing.T, string) {}, "", 0},
		{"as many as may be", 3, func(t *testing.T, path string) { appendTo(t, path, logLines("/1", "/2", "/3")) }, "/1 /2 /3", 0},
		{"one more", 3, func(t *testing.T, path string) { appendTo(t, path, logLines("/1", "/2", "/3", "/4")) }, "/2 /3 /4", 1},
		{"no limit", 0, func(t *testing.T, path string) { appendTo(t, path, logLines("/1", "/2", "/3", "/4")) }, "/1 /2 /3 /4", 0},
		{"half a line at the end", 2, func(t *testing.T, path string) {
			appendTo(t, path, logLines("/1", "/2", "/3")+logLine("/4")[:30])
		}, "/2 /3", 1},
		{"rotated, the limit in the old file", 3, func(t *testing.T, path string) {
			appendTo(t, path, logLines("/1", "/2", "/3"))
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLines("/4", "/5"))
		}, "/3 /4 /5", 2},
		{"rotated twice, the limit in the newest", 2, func(t *testing.T, path string) {
			appendTo(t, path, logLines("/1", "/2"))
			must(t, os.Rename(path, path+".2"))
			appendTo(t, path, logLines("/3"))
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLines("/4", "/5", "/6"))
		}, "/5 /6", 4},
		{"the place is gone", 1, func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte(logLines("/x", "/y", "/z")), 0o600))
		}, "/z", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.log")
			appendTo(t, path, logLines("/a", "/b"))
			f := follow(t, path, AtBeginning())
			f.want("/a", "/b")
			f.quit()
			tt.write(t, path)
			g := follow(t, path, AtCursor(f.cursor).Within(tt.behind))
			g.until(func() bool { return !g.cursor.IsZero() })
			g.want(strings.Fields(tt.want)...)
			if g.counts.Skipped != tt.skip || g.counts.Lines != uint64(len(g.got)) || g.counts.Bad != 0 {
				t.Errorf("counts %+v, want %d skipped", g.counts, tt.skip)
			}
			// What comes now, into a file that was passed over too, is read; and the next
			// reader goes on behind it.
			if _, err := os.Stat(path + ".2"); err == nil {
				appendTo(t, path+".2", logLine("/late"))
				g.want(strings.Fields(tt.want + " /late")...)
			}
			g.quit()
			h := follow(t, path, AtCursor(g.cursor).Within(1))
			h.until(func() bool { return !h.cursor.IsZero() })
			h.want()
			if h.counts.Skipped != 0 {
				t.Errorf("the next one skips %d", h.counts.Skipped)
			}
		})
	}
}

// TestFileSource_F19_SkipsOnlyAtItsStart: a consumer that is slow now is waited for.
func TestFileSource_F19_SkipsOnlyAtItsStart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 1))
	f := follow(t, path, AtBeginning())
	f.exactly(1)
	f.quit()
	g := follow(t, path, AtCursor(f.cursor).Within(10))
	g.until(func() bool { return !g.cursor.IsZero() })
	g.mu.Lock() // deliver blocks
	appendTo(t, path, numbered(0, 500))
	time.Sleep(30 * time.Millisecond)
	appendTo(t, path, numbered(500, 2000))
	g.mu.Unlock()
	g.exactly(2000)
	if g.counts.Skipped != 0 {
		t.Errorf("%d skipped", g.counts.Skipped)
	}
}

// TestFollower_F19_ReadsWhatItCannotCount: a disk that fails while the lines are
// counted costs no line.
func TestFollower_F19_ReadsWhatItCannotCount(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 9))
	sink := &pathSink{}
	s := newFollower(FileConfig{Path: path, Start: AtCursor(Cursor{}).Within(2)}, sink, &sink.counts)
	must(t, s.attach())
	f := s.newest()
	f.file = &flaky{File: f.file.(*os.File), err: syscall.EIO}
	must(t, s.skip(t.Context()))
	must(t, s.poll(t.Context()))
	onceEach(t, 9, sink.got)
	if sink.counts.ReadErrors == 0 || sink.counts.Skipped != 0 {
		t.Errorf("counts %+v", sink.counts)
	}
	s.close()
}

// TestFollower_F19_StopsCounting when it is told to, however much there is to count.
func TestFollower_F19_StopsCounting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 9))
	ctx, stop := context.WithCancel(t.Context())
	sink := &pathSink{}
	s := newFollower(FileConfig{Path: path, Start: AtCursor(Cursor{}).Within(2)}, sink, &sink.counts)
	must(t, s.attach())
	stop()
	if err := s.skip(ctx); err == nil || len(sink.got) != 0 {
		t.Errorf("%v, got %q", err, sink.got)
	}
	s.close()
}

// BenchmarkSkip measures how long a backlog holds up the start, by its lines.
func BenchmarkSkip(b *testing.B) {
	const n = 1_000_000
	path := filepath.Join(b.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(strings.Repeat(logLine("/"+strings.Repeat("x", 200)), n)), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sink := &pathSink{}
		s := newFollower(FileConfig{Path: path, Start: AtCursor(Cursor{}).Within(50_000)}, sink, &sink.counts)
		if err := s.attach(); err != nil {
			b.Fatal(err)
		}
		if err := s.skip(b.Context()); err != nil || sink.counts.Skipped != n-50_000 {
			b.Fatal(err, fmt.Sprint(sink.counts))
		}
		s.close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
}
