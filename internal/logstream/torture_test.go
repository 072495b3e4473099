package logstream

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// numbered returns lines /from … /to-1.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		b.WriteString(logLine(fmt.Sprintf("/%d", i)))
	}
	return b.String()
}

// exactly waits until lines /0 … /n-1 have come and fails unless each came once.
func (f *fileRun) exactly(n int) {
	f.t.Helper()
	f.until(func() bool { return len(f.got) >= n })
	time.Sleep(30 * time.Millisecond) // a repeated line would come now
	f.mu.Lock()
	defer f.mu.Unlock()
	onceEach(f.t, n, f.got)
}

func onceEach(t *testing.T, n int, got []string) {
	t.Helper()
	seen := map[string]int{}
	for _, p := range got {
		seen[p]++
	}
	for i := range n {
		if c := seen[fmt.Sprintf("/%d", i)]; c != 1 {
			t.Errorf("line %d of %d came %d times", i, n, c)
		}
	}
	if len(got) != n {
		t.Errorf("%d lines came, want %d", len(got), n)
	}
}

// TestFileSource_F1_RotatesUnderLoad renames and reopens again and again while
// thousands of lines a second are written.
func TestFileSource_F1_RotatesUnderLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	w := openWriter(t, path)
	f := follow(t, path, AtBeginning())
	const n = 20_000
	for i := 0; i < n; i += 50 {
		if i > 0 && i%2500 == 0 {
			must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i/2500)))
			w = openWriter(t, path)
		}
		for j := i; j < i+50; j++ {
			write(t, w, logLine(fmt.Sprintf("/%d", j)))
		}
		time.Sleep(2 * time.Millisecond)
	}
	f.exactly(n)
	if f.counts.Rotated != n/2500-1 || f.counts.Gaps != 0 {
		t.Errorf("counts %+v", f.counts)
	}
}

// TestFileSource_F2_ReadsLinesAfterTheOldFileWasClosed: the first line comes into the
// renamed file long after it was given up, once while the source runs and once while
// it does not.
func TestFileSource_F2_ReadsLinesAfterTheOldFileWasClosed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, logLine("/0"))
	f := followIdle(t, path, AtBeginning(), 20*time.Millisecond)
	f.want("/0")
	must(t, os.Rename(path, path+".1"))
	appendTo(t, path, logLine("/1"))
	f.until(func() bool { return len(f.cursor.Known) == 1 && f.cursor.Known[0].Closed })
	half := logLine("/2")
	appendTo(t, path+".1", half[:20])
	time.Sleep(50 * time.Millisecond)
	appendTo(t, path+".1", half[20:])
	f.want("/0", "/1", "/2")
	f.until(func() bool { return len(f.cursor.Older) == 0 && len(f.cursor.Known) == 1 })
	f.quit()
	appendTo(t, path+".1", logLine("/3"))
	g := follow(t, path, AtCursor(f.cursor))
	g.want("/3")
}

// TestFileSource_F4_FindsWhatWasRotatedTwiceBeforeTheNewFileCame: at the look there is
// no file of the log's name, and beside it one that never was seen under it.
func TestFileSource_F4_FindsWhatWasRotatedTwiceBeforeTheNewFileCame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, logLine("/0"))
	f := follow(t, path, AtBeginning())
	f.want("/0")
	f.mu.Lock() // deliver blocks: the source is as good as stopped
	appendTo(t, path, logLine("/1"))
	time.Sleep(30 * time.Millisecond)
	must(t, os.Rename(path, path+".2"))
	appendTo(t, path, logLine("/2"))
	must(t, os.Rename(path, path+".1"))
	f.mu.Unlock()
	f.want("/0", "/1", "/2")
	appendTo(t, path, logLine("/3"))
	f.want("/0", "/1", "/2", "/3")
}

// TestFileSource_F6_GoesOnBehindAPartialCut: what is left was read already.
func TestFileSource_F6_GoesOnBehindAPartialCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 100))
	f := follow(t, path, AtBeginning())
	f.exactly(100)
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, info.Size()/2+7)) // in mid-line
	f.until(func() bool { return f.counts.Truncated == 1 || len(f.got) > 100 })
	appendTo(t, path, numbered(100, 120))
	f.exactly(120)
}

// TestFileSource_F7_ComesBackAfterDeletion also deletes the directory, which ends the
// system's hints.
func TestFileSource_F7_ComesBackAfterDeletion(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "access.log")
	must(t, os.Mkdir(dir, 0o700))
	appendTo(t, path, numbered(0, 1))
	f := follow(t, path, AtBeginning())
	f.exactly(1)
	for i := 1; i < 4; i++ {
		must(t, os.RemoveAll(dir))
		f.until(func() bool { return errors.Is(f.states[len(f.states)-1].Err, os.ErrNotExist) })
		must(t, os.Mkdir(dir, 0o700))
		appendTo(t, path, numbered(i, i+1))
		f.exactly(i + 1)
	}
}

// TestFileSource_F10_BoundsMemory reads a line of 256 MiB without a newline.
func TestFileSource_F10_BoundsMemory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, `{"msec":"`)
	must(t, os.Truncate(path, 256<<20)) // sparse: NULs
	appendTo(t, path, "\n"+logLine("/0"))
	f := follow(t, path, AtBeginning())
	f.exactly(1)
	if f.counts.TooLong != 1 {
		t.Errorf("counts %+v", f.counts)
	}
}

// TestSplitter_F10_KeepsNothingOfAnEndlessLine feeds 4 GiB without a newline.
func TestSplitter_F10_KeepsNothingOfAnEndlessLine(t *testing.T) {
	t.Parallel()
	var counts Counts
	s := splitter{counts: &counts}
	chunk := []byte(strings.Repeat("x", 1<<20))
	none := func([]byte, int64) error { t.Error("a line"); return nil }
	for range 4 << 10 {
		must(t, s.feed(chunk, none))
		if cap(s.part) > 4*MaxLine {
			t.Fatalf("%d bytes kept", cap(s.part))
		}
	}
	n := int64(0)
	must(t, s.feed([]byte("\nok\n"), func(line []byte, size int64) error {
		n += size
		if line != nil && string(line) != "ok" {
			t.Errorf("%q", line)
		}
		return nil
	}))
	if n != 4<<30+4 || counts.TooLong != 1 {
		t.Errorf("%d bytes, %+v", n, counts)
	}
}

// TestFileSource_F12_TakesTornLinesOfAFullDisk: nginx writes a part of a line, logs
// nothing for a second, and appends the next line to it.
func TestFileSource_F12_TakesTornLinesOfAFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 1)+logLine("/torn")[:44]+numbered(1, 3))
	f := follow(t, path, AtBeginning())
	f.exactly(3)
	if f.counts.Torn != 1 || f.counts.Bad != 0 {
		t.Errorf("counts %+v", f.counts)
	}
}

// TestFileSource_F14_WaitsForTheFile and for its directory.
func TestFileSource_F14_WaitsForTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "late", "access.log")
	f := follow(t, path, AtEnd())
	f.until(func() bool { return len(f.states) == 1 && errors.Is(f.states[0].Err, os.ErrNotExist) })
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	appendTo(t, path, "")
	f.until(func() bool { return f.states[len(f.states)-1].Connected })
	appendTo(t, path, numbered(0, 5))
	f.exactly(5)
}

// flaky fails every other read.
type flaky struct {
	*os.File
	err   error
	reads int
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.reads++; f.reads%2 == 1 {
		return 0, &os.PathError{Op: "read", Path: "access.log", Err: f.err}
	}
	return f.File.ReadAt(p, off)
}

// TestFollower_F15_RetriesFailedReads covers EIO and ESTALE: the log is read on, and
// a stale handle is replaced.
func TestFollower_F15_RetriesFailedReads(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EIO, syscall.ESTALE} {
		path := filepath.Join(t.TempDir(), "access.log")
		appendTo(t, path, numbered(0, 1))
		sink := &pathSink{}
		s := newFollower(FileConfig{Path: path, Start: AtBeginning()}, sink, &sink.counts)
		must(t, s.poll(t.Context()))
		f := s.newest()
		f.file = &flaky{File: f.file.(*os.File), err: cause}
		for i := 1; i < 4; i++ {
			appendTo(t, path, numbered(i, i+1))
			must(t, s.poll(t.Context()))
			must(t, s.poll(t.Context()))
		}
		onceEach(t, 4, sink.got)
		if sink.counts.ReadErrors == 0 {
			t.Errorf("%v was not counted", cause)
		}
		if _, still := s.newest().file.(*flaky); still != errors.Is(cause, syscall.EIO) {
			t.Errorf("%v: the handle was kept: %v", cause, still)
		}
		s.close()
	}
}

// pathSink keeps the paths of the lines it takes.
type pathSink struct {
	got    []string
	counts Counts
}

func (s *pathSink) take(line []byte) {
	var r Record
	if line != nil && NewParser(nil).Parse(line, &r) == nil {
		s.got = append(s.got, r.Path)
	}
}
func (s *pathSink) takeRest([]byte) bool { return false }
func (s *pathSink) full() bool           { return false }
func (s *pathSink) pending() bool        { return false }
func (s *pathSink) send(Cursor) error    { return nil }

// TestFileSource_F16_IgnoresTheClock: files of the future and of the past, lines whose
// times jump.
func TestFileSource_F16_IgnoresTheClock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	appendTo(t, path, numbered(0, 1))
	f := follow(t, path, AtBeginning())
	f.exactly(1)
	for i, d := range []time.Duration{24 * time.Hour, -24 * time.Hour, time.Hour} {
		must(t, os.Chtimes(path, time.Now().Add(d), time.Now().Add(d)))
		appendTo(t, path, strings.Replace(numbered(i+1, i+2), "1761837814", strconv.Itoa(1761837814+int(d.Seconds())), 1))
		must(t, os.Chtimes(path, time.Now().Add(d), time.Now().Add(d)))
		f.exactly(i + 2)
	}
}

// TestFileSource_F18_TakesBufferedLogs writes 64 KiB at once, cut anywhere, as nginx
// does with buffer=64k.
func TestFileSource_F18_TakesBufferedLogs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	text := numbered(0, 5000)
	f := follow(t, path, AtBeginning())
	w := openWriter(t, path)
	for len(text) > 0 {
		n := min(len(text), 64<<10)
		write(t, w, text[:n])
		text = text[n:]
		time.Sleep(3 * time.Millisecond)
	}
	f.exactly(5000)
}

// TestFileSource_F19_CatchesUpInBoundedTime reads a backlog in small batches.
func TestFileSource_F19_CatchesUpInBoundedTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	const n = 200_000
	must(t, os.WriteFile(path, []byte(numbered(0, n)), 0o600))
	f := follow(t, path, AtBeginning())
	f.exactly(n)
}

// TestFileSource_DeliversAtOnce measures from the write of a line to its delivery.
func TestFileSource_DeliversAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := openWriter(t, path)
	var delays []time.Duration
	arrived := make(chan struct{}, 1)
	src := NewFileSource(FileConfig{Path: path})
	done := make(chan error, 1)
	stop := errors.New("stop")
	n := 0
	go func() {
		done <- src.Run(t.Context(), func(b Batch) error {
			for range b.Records {
				arrived <- struct{}{}
				n++
			}
			if n == 300 {
				return stop
			}
			return nil
		})
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	time.Sleep(250 * time.Millisecond)
	for i := range 300 {
		time.Sleep(time.Duration(rng.IntN(15)) * time.Millisecond)
		begun := time.Now()
		write(t, w, logLine(fmt.Sprint("/", i)))
		<-arrived
		delays = append(delays, time.Since(begun))
	}
	if err := <-done; !errors.Is(err, stop) {
		t.Fatal(err)
	}
	report(t, delays[10:]) // the first ones may come before the hints are trusted
}

// report logs the delays and fails when most of them are over the bar. The last
// hundredth is logged only: on a busy machine it belongs to the scheduler.
func report(t *testing.T, delays []time.Duration) {
	t.Helper()
	slices.Sort(delays)
	at := func(percent int) time.Duration { return delays[(len(delays)-1)*percent/100] }
	t.Logf("p50 %v, p90 %v, p99 %v, max %v", at(50), at(90), at(99), at(100))
	if at(90) > 20*time.Millisecond {
		t.Errorf("nine of ten lines take up to %v", at(90))
	}
}
