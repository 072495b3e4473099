package logstream

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestFileSource_StopsInTheMiddleOfACopy ends the reader while it reads what copytruncate
// copied away, and the log was rotated since: the cursor names the copy and what the cut
// left, or lines are lost and others come twice.
func TestFileSource_StopsInTheMiddleOfACopy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	w := openWriter(t, path)
	n := 0
	lines := func(count int) string {
		var b strings.Builder
		for range count {
			n++
			b.WriteString(logLine("/" + strconv.Itoa(n)))
		}
		return b.String()
	}
	write(t, w, lines(3))
	var got []string
	var cursor Cursor
	enough := errors.New("enough")
	batches := 0
	err := NewFileSource(FileConfig{Path: path, Start: AtBeginning()}).Run(t.Context(), func(b Batch) error {
		for i := range b.Records {
			got = append(got, b.Records[i].Path)
		}
		cursor = b.Cursor
		if batches++; batches > 1 {
			return enough
		}
		write(t, w, lines(2*maxBatch))
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path+"-20001", data, 0o600))
		must(t, os.Truncate(path, 0))
		write(t, w, lines(1))
		must(t, os.Rename(path, path+"-20002"))
		w = openWriter(t, path)
		write(t, w, lines(1))
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	f := follow(t, path, AtCursor(cursor))
	f.mu.Lock()
	f.got = append(got, f.got...)
	f.mu.Unlock()
	var want []string
	for i := range n {
		want = append(want, "/"+strconv.Itoa(i+1))
	}
	f.want(want...)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts.Gaps != 0 {
		t.Errorf("%d gaps", f.counts.Gaps)
	}
}

// TestFileSource_ResumesBehindACutAndARotation: the log was truncated in place and then
// rotated while nobody read it. What was cut is a gap; what was written since is not.
func TestFileSource_ResumesBehindACutAndARotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	w := openWriter(t, path)
	f := follow(t, path, AtBeginning())
	write(t, w, logLines("/a", "/b", "/c"))
	f.want("/a", "/b", "/c")
	f.quit()
	must(t, os.Truncate(path, 0))
	write(t, w, logLine("/d"))
	must(t, os.Rename(path, path+"-20001"))
	w = openWriter(t, path)
	write(t, w, logLine("/e"))
	must(t, os.Rename(path, path+"-20002"))
	w = openWriter(t, path)
	write(t, w, logLine("/f"))
	again := follow(t, path, AtCursor(f.cursor))
	again.want("/d", "/e", "/f")
	again.mu.Lock()
	defer again.mu.Unlock()
	if again.counts.Gaps != 1 {
		t.Errorf("%d gaps, want 1", again.counts.Gaps)
	}
}
