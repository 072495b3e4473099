package logstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fileRun runs a FileSource with short times and collects the paths it delivers.
type fileRun struct {
	t      *testing.T
	path   string
	mu     sync.Mutex
	got    []string
	cursor Cursor
	counts Counts
	states []State
	stop   context.CancelFunc
	done   chan error
}

func follow(t *testing.T, path string, start Start) *fileRun {
	t.Helper()
	return followIdle(t, path, start, 100*time.Millisecond)
}

func followIdle(t *testing.T, path string, start Start, idle time.Duration) *fileRun {
	t.Helper()
	f := &fileRun{t: t, path: path, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	f.stop = stop
	src := NewFileSource(FileConfig{
		Path: path, Start: start, Poll: 5 * time.Millisecond,
		DrainIdle: idle, RotateWait: time.Second,
		OnState: func(s State) { f.mu.Lock(); defer f.mu.Unlock(); f.states = append(f.states, s) },
	})
	go func() { f.done <- src.Run(ctx, f.deliver) }()
	t.Cleanup(f.quit)
	return f
}

func (f *fileRun) deliver(b Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(b.Records) > maxBatch {
		f.t.Errorf("a batch of %d records", len(b.Records))
	}
	for i := range b.Records {
		f.got = append(f.got, b.Records[i].Path)
	}
	f.cursor, f.counts = b.Cursor, b.Counts
	return nil
}

func (f *fileRun) quit() {
	f.stop()
	if err, ok := <-f.done; ok && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrNotRegular) {
		f.t.Errorf("Run: %v", err)
	}
	f.done = closed()
}

func closed() chan error { c := make(chan error); close(c); return c }

// want waits until exactly these lines have come, in this order.
func (f *fileRun) want(lines ...string) {
	f.t.Helper()
	f.until(func() bool { return len(f.got) >= len(lines) })
	time.Sleep(15 * time.Millisecond) // a repeated line would come now
	f.mu.Lock()
	defer f.mu.Unlock()
	if got := strings.Join(f.got, " "); got != strings.Join(lines, " ") {
		f.t.Fatalf("got  %.500q\nwant %q\ncounts %+v", got, strings.Join(lines, " "), f.counts)
	}
}

func (f *fileRun) until(ok func() bool) {
	f.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		f.mu.Lock()
		done := ok()
		f.mu.Unlock()
		if done {
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := map[string]int{}
	for _, g := range f.got {
		if seen[g]++; seen[g] == 2 {
			f.t.Logf("%s came twice", g)
		}
	}
	f.t.Fatalf("waited in vain; got %d: %.300s, counts %+v, states %v", len(f.got), strings.Join(f.got, " "), f.counts, f.states)
}

func logLine(name string) string {
	return `{"msec":"1761837814.123","request":"GET ` + name + ` HTTP/1.1","status":"200"}` + "\n"
}

func logLines(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(logLine(n))
	}
	return b.String()
}

// appendTo writes like nginx: one write per call, at the end.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	w := openWriter(t, path)
	defer w.Close()
	write(t, w, text)
}

func openWriter(t *testing.T, path string) *os.File {
	t.Helper()
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func write(t *testing.T, w *os.File, text string) {
	t.Helper()
	if _, err := w.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFileSource_StartsWhereItIsTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		start Start
		want  []string
	}{
		"end":       {AtEnd(), []string{"/new"}},
		"beginning": {AtBeginning(), []string{"/1", "/2", "/3", "/new"}},
		"last 2":    {AtLast(2), []string{"/2", "/3", "/new"}},
		"last 9":    {AtLast(9), []string{"/1", "/2", "/3", "/new"}},
		"no cursor": {AtCursor(Cursor{}), []string{"/1", "/2", "/3", "/new"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.log")
			appendTo(t, path, logLines("/1", "/2", "/3")+`{"msec":"1","request":"GET /n`)
			f := follow(t, path, tt.start)
			f.until(func() bool { return len(f.states) > 0 })
			time.Sleep(20 * time.Millisecond)
			appendTo(t, path, `ew HTTP/1.1","status":"200"}`+"\n")
			f.want(tt.want...)
		})
	}
}

// TestFileSource_SurvivesWhatHappensToLogs covers F1 to F11.
func TestFileSource_SurvivesWhatHappensToLogs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		run  func(t *testing.T, f *fileRun, path string)
	}{
		{"F1 rename and reopen", func(t *testing.T, f *fileRun, path string) {
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/b")
		}},
		{"F2 late writes to the renamed file", func(t *testing.T, f *fileRun, path string) {
			w := openWriter(t, path)
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, "")
			for i := range 5 {
				write(t, w, logLine(fmt.Sprintf("/old%d", i)))
				time.Sleep(60 * time.Millisecond)
			}
			appendTo(t, path, logLine("/new"))
			f.want("/a", "/old0", "/old1", "/old2", "/old3", "/old4", "/new")
		}},
		{"F3 rename and no new file for a while", func(t *testing.T, f *fileRun, path string) {
			w := openWriter(t, path)
			must(t, os.Rename(path, path+".1"))
			f.until(func() bool { return !f.states[len(f.states)-1].Connected })
			write(t, w, logLine("/late"))
			f.want("/a", "/late")
			appendTo(t, path, logLine("/new"))
			f.want("/a", "/late", "/new")
			f.until(func() bool { return f.states[len(f.states)-1].Connected })
		}},
		{"F5 copytruncate", func(t *testing.T, f *fileRun, path string) {
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".1", data, 0o600))
			must(t, os.Truncate(path, 0))
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/b")
		}},
		{"F5 copytruncate with lines not read yet", func(t *testing.T, f *fileRun, path string) {
			data, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path+".1", append(data, logLine("/unread")...), 0o600))
			must(t, os.Truncate(path, 0))
			f.want("/a", "/unread")
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/unread", "/b")
		}},
		{"F5 regrown beyond the old place between two looks", func(t *testing.T, f *fileRun, path string) {
			// One write call replaces the content: never seen shorter.
			w, err := os.OpenFile(path, os.O_WRONLY, 0o600)
			must(t, err)
			defer w.Close()
			write(t, w, logLines("/b", "/c", "/d"))
			f.want("/a", "/b", "/c", "/d")
		}},
		{"F6 truncated with half a line", func(t *testing.T, f *fileRun, path string) {
			appendTo(t, path, logLine("/read")+`{"msec":"17`)
			f.want("/a", "/read")
			must(t, os.Truncate(path, 0))
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/read", "/b")
			if f.counts.Cut != 1 || f.counts.Truncated != 1 || f.counts.Bad != 0 {
				t.Errorf("counts %+v", f.counts)
			}
		}},
		{"F7 deleted and created again", func(t *testing.T, f *fileRun, path string) {
			must(t, os.Remove(path))
			f.until(func() bool { return errors.Is(f.states[len(f.states)-1].Err, os.ErrNotExist) })
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/b")
		}},
		{"F9 half lines, byte by byte", func(t *testing.T, f *fileRun, path string) {
			for _, c := range []byte(logLine("/slow")) {
				appendTo(t, path, string(c))
				time.Sleep(time.Millisecond)
			}
			f.want("/a", "/slow")
		}},
		{"F9 half a line, then rotation, then the other half", func(t *testing.T, f *fileRun, path string) {
			w := openWriter(t, path)
			line := logLine("/half")
			write(t, w, line[:20])
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLine("/new"))
			f.want("/a", "/new")
			write(t, w, line[20:])
			f.want("/a", "/new", "/half")
		}},
		{"a last line without a newline is taken when its file is done", func(t *testing.T, f *fileRun, path string) {
			appendTo(t, path, strings.TrimSuffix(logLine("/end"), "\n"))
			time.Sleep(20 * time.Millisecond)
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLine("/new"))
			f.want("/a", "/new", "/end")
		}},
		{"F10 lines around the limit", func(t *testing.T, f *fileRun, path string) {
			base := len(logLine("/")) - 1
			at := func(n int) string { return logLine("/" + strings.Repeat("x", n-base)) }
			appendTo(t, path, at(MaxLine+1)+at(MaxLine)+strings.Repeat("y", 1<<20)+"\n"+logLine("/b"))
			f.until(func() bool { return len(f.got) == 3 })
			if f.counts.TooLong != 2 || f.counts.Bad != 0 || f.got[2] != "/b" {
				t.Errorf("counts %+v", f.counts)
			}
		}},
		{"F11 NULs left by a writer that does not append", func(t *testing.T, f *fileRun, path string) {
			must(t, os.Truncate(path, 0))
			time.Sleep(20 * time.Millisecond)
			w, err := os.OpenFile(path, os.O_WRONLY, 0o600)
			must(t, err)
			defer w.Close()
			_, err = w.WriteAt([]byte(logLine("/b")), 200_000)
			must(t, err)
			f.want("/a", "/b")
		}},
		{"F14 a link switched to another file", func(t *testing.T, f *fileRun, path string) {
			other := filepath.Join(t.TempDir(), "other.log")
			appendTo(t, other, logLine("/other"))
			must(t, os.Symlink(other, path+".tmp"))
			must(t, os.Rename(path+".tmp", path))
			f.want("/a", "/other")
		}},
		{"a copy made by hand is not read", func(t *testing.T, f *fileRun, path string) {
			time.Sleep(20 * time.Millisecond) // the directory's time differs
			appendTo(t, path+".bak", "")
			// A look that began after the first of them came has seen the file, while it
			// was empty as it is in the middle of a cp.
			for i, name := range []string{"/seen", "/noted"} {
				appendTo(t, path, logLine(name))
				f.until(func() bool { return len(f.got) == i+2 })
			}
			time.Sleep(20 * time.Millisecond)
			appendTo(t, path+".bak", logLines("/a", "/seen", "/noted"))
			appendTo(t, path+".new", "") // the directory changes, so that it is looked at
			for i, name := range []string{"/more", "/most"} {
				appendTo(t, path, logLine(name))
				f.until(func() bool { return len(f.got) == i+4 })
			}
			must(t, os.Rename(path, path+".1"))
			appendTo(t, path, logLine("/b"))
			f.want("/a", "/seen", "/noted", "/more", "/most", "/b")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "access.log")
			appendTo(t, path, logLine("/a"))
			f := follow(t, path, AtBeginning())
			f.want("/a")
			tt.run(t, f, path)
		})
	}
}
