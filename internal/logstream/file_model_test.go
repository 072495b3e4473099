package logstream

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFileSource_Model does random things to a log and restarts the reader at
// random: every line must come exactly once, and those of one file in order.
func TestFileSource_Model(t *testing.T) {
	t.Parallel()
	seeds := []uint64{0, 1, 2, 3, 4, 5, uint64(time.Now().UnixNano())} // the last one is news
	for _, seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			runModel(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func runModel(t *testing.T, rng *rand.Rand) {
	path := filepath.Join(t.TempDir(), "access.log")
	w := openWriter(t, path)
	var old *os.File
	n, rotations := 0, 0
	next := func() string { n++; return logLine(fmt.Sprintf("/%d", n)) }
	// Late lines come within this time; a file silent for longer may be closed.
	const idle = 30 * time.Second
	f := followIdle(t, path, AtBeginning(), idle)
	f.until(func() bool { return f.cursor.Ino != 0 })
	var before []string
	caughtUp := func() { f.until(func() bool { return len(before)+len(f.got) >= n }) }
	rotate := func() {
		rotations++
		must(t, os.Rename(path, fmt.Sprintf("%s-%05d", path, 20_000+rotations)))
	}
	for range 150 {
		switch rng.IntN(19) {
		case 0: // rename and reopen; the old file is still written to for a while
			rotate()
			old, w = w, openWriter(t, path)
			time.Sleep(12 * time.Millisecond)
		case 1: // a late line in the old file
			if old != nil {
				write(t, old, next())
			}
			old = nil
		case 2: // a line in two writes
			line := next()
			cut := 1 + rng.IntN(len(line)-1)
			write(t, w, line[:cut])
			time.Sleep(time.Duration(rng.IntN(12)) * time.Millisecond)
			write(t, w, line[cut:])
		case 3: // restart
			f.quit()
			before = append(before, f.got...)
			kept := f.cursor // a caller keeps it until there is a newer one
			f = followIdle(t, path, AtCursor(kept), idle)
			f.mu.Lock()
			if f.cursor.IsZero() {
				f.cursor = kept
			}
			f.mu.Unlock()
		case 4: // a burst
			var b strings.Builder
			for range rng.IntN(2000) {
				b.WriteString(next())
			}
			write(t, w, b.String())
		case 5:
			time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
		case 6: // everything read, then truncated in place
			if old == nil {
				f.until(func() bool { return len(before)+len(f.got) >= n })
				must(t, os.Truncate(path, 0))
				time.Sleep(12 * time.Millisecond)
			}
		case 7: // copied and truncated, with lines that were not read before
			if old == nil {
				write(t, w, next()) // the copy is recognised by what was read of the log
				caughtUp()
				write(t, w, next()+next())
				data, err := os.ReadFile(path)
				must(t, err)
				rotations++
				must(t, os.WriteFile(fmt.Sprintf("%s-%05d", path, 20_000+rotations), data, 0o600))
				must(t, os.Truncate(path, 0))
			}
		case 8: // deleted, and created again after a while
			if old == nil {
				caughtUp()
				must(t, os.Remove(path))
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
				w = openWriter(t, path)
				write(t, w, next())
				caughtUp() // a cursor into a file that is gone can only tell of a gap
			}
		case 9: // renamed, and not reopened for a while
			rotate()
			write(t, w, next())
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			write(t, w, next())
			old, w = w, openWriter(t, path)
		case 10: // rotated several times while the reader is held up
			f.mu.Lock()
			for range 1 + rng.IntN(3) {
				write(t, w, next())
				rotate()
				w = openWriter(t, path)
				write(t, w, next())
				time.Sleep(5 * time.Millisecond) // the files' times differ
			}
			f.mu.Unlock()
			old = nil
		case 11: // cut in the middle of what was read
			if info, err := os.Stat(path); err == nil && old == nil && info.Size() > 4*markerLen {
				write(t, w, next()) // a reader that has just begun has no past to compare with
				caughtUp()
				cuts := f.truncated()
				must(t, os.Truncate(path, markerLen+rng.Int64N(info.Size()-2*markerLen)))
				f.until(func() bool { return f.counts.Truncated > cuts })
			}
		default:
			write(t, w, next())
		}
	}
	f.until(func() bool { return len(before)+len(f.got) >= n })
	time.Sleep(30 * time.Millisecond)
	f.quit()
	seen := map[string]int{}
	for _, p := range append(before, f.got...) {
		seen[p]++
	}
	for i := range n {
		if c := seen[fmt.Sprintf("/%d", i+1)]; c != 1 {
			t.Fatalf("line %d of %d came %d times; counts %+v", i+1, n, c, f.counts)
		}
	}
}

func (f *fileRun) truncated() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts.Truncated
}
