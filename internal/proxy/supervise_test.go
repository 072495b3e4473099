package proxy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/proxy"
)

// superviseFlag makes the test binary a first process: it waits for every child, which a
// test must not.
const superviseFlag = "-supervise="

// TestSupervisor_Helper is that process, when it is started as such.
func TestSupervisor_Helper(t *testing.T) {
	script, ok := strings.CutPrefix(os.Args[len(os.Args)-1], superviseFlag)
	if !ok {
		return // the test binary runs its tests
	}
	s := &proxy.Supervisor{
		Argv: []string{"/bin/sh", "-c", script}, Environ: []string{"PATH=/bin:/usr/bin"},
		Rotate: func(ctx context.Context, pid int) {
			if pid <= 1 {
				t.Errorf("the child's process ID is %d", pid)
			}
			<-ctx.Done()
		},
		Grace: 300 * time.Millisecond,
	}
	code, err := s.Run(t.Context())
	if err != nil {
		t.Log(err)
	}
	os.Exit(code) //nolint:forbidigo // the code is what the test looks at
}

// The first process ends as its child does, and passes signals on.
func TestSupervisor(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	trap := func(signal, do string) string {
		return "trap '" + do + "' " + signal + "; : >" + ready + "; while :; do sleep 0.05; done"
	}
	tests := []struct {
		name   string
		script string
		signal syscall.Signal // 0: none
		want   int
	}{
		{"the child's exit code", "exit 7", 0, 7},
		{"a good end", "exit 0", 0, 0},
		{"a killed child", "kill -9 $$", 0, 137},
		{"orphans do not end it", "(sleep 0.1; exit 3) & (exit 4) & sleep 0.3; exit 5", 0, 5},
		{"a graceful end", trap("QUIT", "exit 0"), syscall.SIGQUIT, 0},
		{"a graceful end that takes too long", "trap : QUIT; " + trap("TERM", "exit 9"), syscall.SIGQUIT, 9},
		{"a fast end", trap("TERM", "exit 1"), syscall.SIGTERM, 1},
		{"interrupted on a terminal", trap("TERM", "exit 1"), syscall.SIGINT, 1},
		{"reload", trap("HUP", "exit 11"), syscall.SIGHUP, 11},
		{"reopen", trap("USR1", "exit 12"), syscall.SIGUSR1, 12},
		{"upgrade", trap("USR2", "exit 13"), syscall.SIGUSR2, 13},
		{"end the workers", trap("WINCH", "exit 14"), syscall.SIGWINCH, 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_ = os.Remove(ready)
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSupervisor_Helper$", "--", superviseFlag+tt.script)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for tt.signal != 0 {
				if _, err := os.Stat(ready); err == nil {
					if err := cmd.Process.Signal(tt.signal); err != nil {
						t.Fatal(err)
					}
					break
				}
				if ctx.Err() != nil {
					t.Fatal("the child did not start")
				}
				time.Sleep(10 * time.Millisecond)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}
