//go:build e2e

package main_test

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a command under way.
type running struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	begin     time.Time
}

// launch starts bgctl in the stack's folder.
func (s *stack) launch(t *testing.T, args ...string) *running {
	t.Helper()
	return s.launchBare(t, append([]string{"-p", s.project}, args...)...)
}

// launchBare is launch without the project's name.
func (s *stack) launchBare(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{begin: time.Now()}
	r.cmd = exec.Command(bin(), args...)
	r.cmd.Dir, r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = s.dir, s.env, &r.out, &r.errs
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A test that gives up leaves no command behind.
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); _ = r.cmd.Wait() })
	return r
}

// wait waits for the command's end, at most for limit: then it is killed, which gives
// code -1.
func (r *running) wait(limit time.Duration) result {
	timer := time.AfterFunc(limit, func() { _ = r.cmd.Process.Signal(syscall.SIGKILL) })
	defer timer.Stop()
	_ = r.cmd.Wait() // the code says it
	return result{out: r.out.String(), err: r.errs.String(), code: r.cmd.ProcessState.ExitCode(), took: time.Since(r.begin)}
}

// afterKill waits until the lock of a killed command has ended, which may take two
// seconds, and returns the state that it left.
func (s *stack) afterKill(t *testing.T) snapshot {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		now, _ := s.look(t)
		if now.Lock == nil {
			return now
		}
		if took := time.Since(begin); took > 2500*time.Millisecond { // with the time of the look
			t.Errorf("the lock of the killed command: got it held %s afterwards, want at most 2s: %v", took.Round(time.Millisecond), now.Lock)
			return now
		}
	}
}

// patiently runs a command again while a client that died may still hold the lock: the
// lock ends within two seconds of its client.
func (s *stack) patiently(args ...string) result {
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if r := s.run(args...); r.code != 6 || time.Since(begin) > 2*time.Second {
			return r
		}
	}
}

// recoveryRE finds a recovery in the step of a plan.
var recoveryRE = regexp.MustCompile(`(?i)recover|cut off|put back|goes back|unfinished|interrupted`)

// firstStep is the first line of a plan that was printed: what it recovers, else its first
// step.
func firstStep(plan string) string {
	for line := range strings.Lines(plan) {
		if stepRE.MatchString(line) {
			return line
		}
	}
	return ""
}

// stepRE finds the line of a step in a plan that was printed.
var stepRE = regexp.MustCompile(`^(\s*\d+\.|recovers:) `)

// holderRE is how a command names who holds the lock.
var holderRE = regexp.MustCompile(`locked by \S+@\S+ \(pid \d+`)

// lastLine is the last line of a text.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndex(text, "\n")+1:]
}

// oneLine reports whether text is one line that contains all of words.
func oneLine(text string, words ...string) bool {
	text = strings.TrimSuffix(text, "\n")
	if text == "" || strings.Contains(text, "\n") {
		return false
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
