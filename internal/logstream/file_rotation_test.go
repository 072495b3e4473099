package logstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFileSource_FindsRotationsItSlept covers F4: several within one poll.
func TestFileSource_FindsRotationsItSlept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, logLine("/a"))
	f := follow(t, path, AtBeginning())
	f.want("/a")
	f.mu.Lock() // deliver blocks: the source is as good as stopped
	appendTo(t, path, logLine("/b"))
	time.Sleep(30 * time.Millisecond)
	for i, name := range []string{"/c", "/d", "/e"} {
		must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, 9-i)))
		appendTo(t, path, logLine(name))
		time.Sleep(10 * time.Millisecond) // the files' times must differ
	}
	f.mu.Unlock()
	f.want("/a", "/b", "/c", "/d", "/e")
}

func TestFileSource_ResumesAtItsCursor(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(t *testing.T, path string)
		want string
		gaps uint64
	}{
		{"nothing happened", func(*testing.T, string) {}, "", 0},
		{"more lines", func(t *testing.T, path string) { appendTo(t, path, logLines("/c", "/d")) }, "/c /d", 0},
		{"rotated", func(t *testing.T, path string) {
			appendTo(t, path, logLine("/c"))
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLine("/d"))
		}, "/c /d", 0},
		{"rotated twice", func(t *testing.T, path string) {
			appendTo(t, path, logLine("/c"))
			must(t, os.Rename(path, path+".2"))
			time.Sleep(10 * time.Millisecond)
			appendTo(t, path+".1", logLine("/d"))
			time.Sleep(10 * time.Millisecond)
			appendTo(t, path, logLine("/e"))
		}, "/c /d /e", 0},
		{"copied and truncated", func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".1", append(data, logLine("/c")...), 0o600))
			must(t, os.Truncate(path, 0))
			appendTo(t, path, logLine("/d"))
		}, "/c /d", 0},
		{"F8 replaced, perhaps in the same inode", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			appendTo(t, path, logLines("/x", "/y", "/z", "/zz"))
		}, "/x /y /z /zz", 1},
		{"truncated", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(logLine("/x")), 0o600)) }, "/x", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.log")
			appendTo(t, path, logLines("/a", "/b")+`{"half`)
			f := follow(t, path, AtBeginning())
			f.want("/a", "/b")
			f.quit()
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, []byte(strings.TrimSuffix(string(data), `{"half`)), 0o600))
			tt.run(t, path)
			g := follow(t, path, AtCursor(f.cursor))
			if tt.want != "" {
				g.want(strings.Fields(tt.want)...)
			} else {
				time.Sleep(30 * time.Millisecond)
				g.want()
			}
			if g.counts.Gaps != tt.gaps {
				t.Errorf("gaps %d, want %d", g.counts.Gaps, tt.gaps)
			}
		})
	}
}

// TestFileSource_Refuses covers F13 and F14.
func TestFileSource_Refuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, rel, fifo := filepath.Join(dir, "link"), filepath.Join(dir, "rel"), filepath.Join(dir, "fifo")
	must(t, os.Symlink("/dev/stdout", link))
	must(t, os.Symlink("link", rel))
	must(t, syscall.Mkfifo(fifo, 0o600))
	for _, path := range []string{link, rel, fifo, dir, "/dev/null"} {
		err := NewFileSource(FileConfig{Path: path}).Run(t.Context(), func(Batch) error { return nil })
		if !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
		if path == rel && !strings.Contains(err.Error(), "named volume") {
			t.Errorf("the error does not explain itself: %v", err)
		}
	}
}

func TestFileSource_ReturnsTheErrorOfDeliver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, logLine("/a"))
	stop := errors.New("stop")
	err := NewFileSource(FileConfig{Path: path, Start: AtBeginning()}).Run(t.Context(), func(Batch) error { return stop })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}
