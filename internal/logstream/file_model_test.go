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
	for seed := range uint64(8) {
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
	for range 150 {
		switch rng.IntN(12) {
		case 0: // rename and reopen; the old file is still written to for a while
			rotations++
			must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, rotations)))
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
