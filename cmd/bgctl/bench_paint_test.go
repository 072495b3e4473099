//go:build e2e && bench

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// firsts is how long a dashboard took from the start of its process to what a terminal
// got from it.
type firsts struct{ paint, data time.Duration }

// firstsOf starts a dashboard in a terminal of 120 by 36 that shows nothing: a real one
// would add its own time. The first paint is the frame with both pools; the first data
// is the first row of the log, which comes with the numbers.
func firstsOf(t *testing.T, s *stack, args ...string) (f firsts) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), bin(), append([]string{"-p", s.project, "dashboard"}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm-256color", "DOCKER_CONFIG="+os.Getenv("HOME")+"/.docker")
	begin := time.Now()
	term, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 36, Cols: 120})
	if err != nil {
		t.Fatal(err)
	}
	defer term.Close()
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var seen bytes.Buffer
	buf := make([]byte, 64<<10)
	for f.data == 0 {
		if err := term.SetReadDeadline(begin.Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := term.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, tailOf(seen.String()))
		}
		seen.Write(buf[:n])
		if f.paint == 0 && strings.Contains(seen.String(), "GREEN") {
			f.paint = time.Since(begin)
		}
		if strings.Contains(seen.String(), "req=") {
			f.data = time.Since(begin)
		}
	}
	return f
}

func tailOf(s string) string { return s[max(0, len(s)-2000):] }

// medians are those of several starts.
func medians(all []firsts) (paint, data time.Duration) {
	var paints, datas []time.Duration
	for _, f := range all {
		paints, datas = append(paints, f.paint), append(datas, f.data)
	}
	slices.Sort(paints)
	slices.Sort(datas)
	return paints[len(paints)/2], datas[len(datas)/2]
}
