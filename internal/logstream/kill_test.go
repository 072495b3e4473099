//go:build unix

package logstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary a watcher that is killed.
const childEnv = "BGCTL_TEST_WATCHER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		fmt.Fprintln(os.Stderr, watchAsChild(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// childState is what the child keeps: which lines it had, and the cursor behind them.
type childState struct {
	Cursor Cursor
	Seen   []byte // a bit a line
	Twice  int
	Lines  int
}

func loadChild(dir string) (childState, error) {
	st := childState{Seen: make([]byte, killLines/8)}
	raw, err := os.ReadFile(filepath.Join(dir, "state"))
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &st)
	}
	return st, err
}

func (st *childState) take(b Batch) error {
	for i := range b.Records {
		n, err := strconv.Atoi(strings.TrimPrefix(b.Records[i].Path, "/"))
		if err != nil {
			return err
		}
		if st.Seen[n/8]&(1<<(n%8)) != 0 {
			st.Twice++
		}
		st.Seen[n/8] |= 1 << (n % 8)
		st.Lines++
	}
	st.Cursor = b.Cursor
	return nil
}

// watchAsChild follows the log in dir. State and cursor are one rename, as in the
// watcher: whatever happened before it has not happened.
func watchAsChild(dir string) error {
	st, err := loadChild(dir)
	if err != nil {
		return err
	}
	src := NewFileSource(FileConfig{
		Path: filepath.Join(dir, "access.log"), Start: AtCursor(st.Cursor), DrainIdle: 200 * time.Millisecond,
	})
	return src.Run(context.Background(), func(b Batch) error {
		if err := st.take(b); err != nil {
			return err
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		tmp := filepath.Join(dir, "state.tmp")
		if err := os.WriteFile(tmp, raw, 0o600); err != nil {
			return err
		}
		return os.Rename(tmp, filepath.Join(dir, "state"))
	})
}

func startChild(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	return cmd
}

const (
	kills     = 100
	killLines = 50_000
)

// TestFileSource_F17_SurvivesKills kills the watcher at random moments while lines
// flow and the log is rotated: in the end its state knows every line, once.
func TestFileSource_F17_SurvivesKills(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 17))
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	w := openWriter(t, path)
	write(t, w, logLine("/0"))
	begun := time.Now()
	first := startChild(t, dir)
	awaitChild(t, dir, 1)
	must(t, first.Process.Kill())
	_ = first.Wait()
	// A life is long enough for some to get as far as reading, on a slow machine too.
	longest := min(max(2*time.Since(begun), 120*time.Millisecond), 2*time.Second)
	n, known, inFlight := 1, 1, 0
	for i := range kills {
		child := startChild(t, dir)
		deadline := time.Now().Add(time.Duration(rng.Int64N(int64(longest))))
		for end := (i + 1) * killLines / kills; n < end; {
			if rng.IntN(400) == 0 {
				must(t, os.Rename(path, fmt.Sprintf("%s.%d", path, n)))
				late := w
				w = openWriter(t, path)
				write(t, late, logLine(fmt.Sprintf("/%d", n))) // before nginx is told to reopen
				n++
				continue
			}
			some := min(1+rng.IntN(40), end-n)
			text := numbered(n, n+some)
			cut := rng.IntN(len(text))
			write(t, w, text[:cut])
			write(t, w, text[cut:])
			n += some
			time.Sleep(time.Duration(rng.IntN(3)) * time.Millisecond)
		}
		time.Sleep(time.Until(deadline))
		must(t, child.Process.Kill())
		_ = child.Wait()
		if st, err := loadChild(dir); err != nil {
			t.Fatal(err)
		} else if st.Lines > known {
			known = st.Lines
			inFlight++
		}
	}
	if inFlight < kills/4 {
		t.Errorf("only %d of %d watchers had begun to read when they were killed", inFlight, kills)
	}
	last := startChild(t, dir)
	defer func() { _ = last.Process.Kill(); _ = last.Wait() }()
	st := awaitChild(t, dir, n)
	t.Logf("%d of %d watchers were killed while they read", inFlight, kills)
	for i := range n {
		if st.Seen[i/8]&(1<<(i%8)) == 0 {
			t.Fatalf("line %d of %d was lost; %d came, %d twice", i, n, st.Lines, st.Twice)
		}
	}
	if st.Twice != 0 || st.Lines != n {
		t.Errorf("%d lines, %d of them twice, want %d", st.Lines, st.Twice, n)
	}
}

// TestFileSource_F4_FindsRotationsOfItsSleep stops the process itself while the log is
// rotated three times.
func TestFileSource_F4_FindsRotationsOfItsSleep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	child := startChild(t, dir)
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	n := 0
	for range 10 {
		appendTo(t, path, numbered(n, n+8))
		n += 8
		if n == 8 {
			awaitChild(t, dir, n)
		}
		must(t, child.Process.Signal(syscall.SIGSTOP))
		appendTo(t, path, numbered(n, n+8))
		n += 8
		for range 3 {
			must(t, os.Rename(path, fmt.Sprintf("%s.%05d", path, 10_000+n)))
			appendTo(t, path, numbered(n, n+8))
			n += 8
		}
		must(t, child.Process.Signal(syscall.SIGCONT))
	}
	awaitChild(t, dir, n)
	time.Sleep(100 * time.Millisecond) // a repeated line would come now
	if st, err := loadChild(dir); err != nil || st.Lines != n || st.Twice != 0 {
		t.Errorf("%d lines, %d of them twice, want %d", st.Lines, st.Twice, n)
	}
}

func awaitChild(t *testing.T, dir string, n int) childState {
	t.Helper()
	var st childState
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if st, err = loadChild(dir); err != nil {
			t.Fatal(err)
		}
		if st.Lines >= n {
			break
		}
	}
	return st
}
