package envfile

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func TestSave_KeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real"), filepath.Join(dir, ".env")
	write(t, path, "ACTIVE_POOL=blue\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := Save(link, Variable{"ACTIVE_POOL", "green"}); err != nil {
		t.Fatal(err)
	}
	if text := read(t, path); text != "ACTIVE_POOL=green\n" {
		t.Errorf("%q", text)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced by a file")
	}
	names(t, dir, ".env", "real")
}

func TestSave_LeavesAFileThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	write(t, path, "A='\n")
	if err := Save(path, Variable{"B", "1"}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("%v", err)
	}
	if text := read(t, path); text != "A='\n" {
		t.Errorf("%q", text)
	}
}

func TestSave_RemovesWhatDeadWritersLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	write(t, path, "A=1\n")
	dead := exec.CommandContext(t.Context(), "true")
	if err := dead.Run(); err != nil {
		t.Fatal("no process can be ended:", err)
	}
	ours := ".env.bgctl-tmp-"
	left := "." + ours + strconv.Itoa(dead.Process.Pid) + "-123"
	aged := "." + ours + strconv.Itoa(os.Getpid()) + "-9"
	kept := []string{
		".env-production", ".env-123456789", ".env.bgctl-tmp-1-2", "." + ours + "x-1", "." + ours + "12", "." + ours + strconv.Itoa(dead.Process.Pid) + "-prod",
		"." + ours + strconv.Itoa(os.Getpid()) + "-7", ".." + ours + "1-2",
	}
	for _, name := range append([]string{left, aged}, kept...) {
		write(t, filepath.Join(dir, name), "SECRET=1\n")
	}
	old := time.Now().Add(-2 * leftAge)
	if err := os.Chtimes(filepath.Join(dir, aged), old, old); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, Variable{"A", "1"}); err != nil {
		t.Fatal(err)
	}
	names(t, dir, append(kept, ".env")...)
}

// TestSave_KilledWriterLeavesNothingForLong kills writers in the middle.
func TestSave_KilledWriterLeavesNothingForLong(t *testing.T) {
	if path := flag.Arg(0); path != "" {
		for i := 0; ; i++ {
			_ = Save(path, Variable{"A", strconv.Itoa(i)}) // until it is killed
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, ".env")
	write(t, path, "A=x\nB=2\n")
	for range 10 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSave_KilledWriterLeavesNothingForLong$", path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	if err := Save(path, Variable{"A", "done"}); err != nil {
		t.Fatal(err)
	}
	if text := read(t, path); text != "A=done\nB=2\n" {
		t.Errorf("%q", text)
	}
	names(t, dir, ".env")
}

func TestSave_WritersAtOnceLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	write(t, path, "# head\n")
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for i := range 4 {
		wg.Go(func() {
			for j := range 10 {
				errs <- Save(path, Variable{fmt.Sprintf("V%d", i), strconv.Itoa(j)}, Variable{fmt.Sprintf("V%d_%d", i, j), "1"})
			}
		})
	}
	// An editor that knows no lock appends where the file stands.
	for i := range 20 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(f, "E%d=1\n", i)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	vars, err := dotenv.Parse(strings.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		for j := range 10 {
			if name := fmt.Sprintf("V%d_%d", i, j); vars[name] != "1" {
				t.Errorf("%s is lost", name)
			}
		}
	}
	kept := 0
	for i := range 20 {
		if vars[fmt.Sprintf("E%d", i)] == "1" {
			kept++
		}
	}
	// Only what an editor writes to a file that is being replaced can be lost.
	if kept < 10 {
		t.Errorf("%d of 20 edits are left", kept)
	}
}

func TestSave_WithoutAFile(t *testing.T) {
	if err := Save(filepath.Join(t.TempDir(), ".env"), Variable{"A", "1"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names fails unless a directory holds these files alone.
func names(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	for _, name := range want {
		if !have[name] {
			t.Errorf("%s is gone", name)
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("%s is left", name)
	}
}
