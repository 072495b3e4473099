package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopGrace is how long requests may last after the container was told to stop. The
// engine kills the container after stop_grace_period, which is some seconds longer.
const stopGrace = 8 * time.Second

// Supervisor is the first process of the proxy's container: it starts nginx, passes
// signals on to it, collects orphans, and rotates the log beside it. It restarts
// nothing: it ends when nginx ends, and the container's restart policy does the rest.
type Supervisor struct {
	Argv    []string // nginx and its arguments
	Environ []string
	Rotate  func(ctx context.Context, pid int) // runs until ctx ends
	Grace   time.Duration                      // 0: 8 s
}

// Run starts nginx and returns the exit code to end with, as a shell would say it. It
// must be alone in its process: it waits for every child.
func (s *Supervisor) Run(ctx context.Context) (code int, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGINT,
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	defer signal.Stop(signals)
	pid, err := syscall.ForkExec(s.Argv[0], s.Argv, &syscall.ProcAttr{ //nolint:gosec // nginx found in this image's own path
		Env: s.Environ, Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 1, fmt.Errorf("start nginx: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.Rotate(ctx, pid)
	ended := make(chan syscall.WaitStatus, 1)
	go func() { ended <- reap(pid) }()
	for {
		select {
		case sig := <-signals:
			if number, ok := sig.(syscall.Signal); ok {
				s.pass(pid, number)
			}
		case status := <-ended:
			if status.Signaled() {
				return 128 + int(status.Signal()), fmt.Errorf("nginx was ended by the signal %s", status.Signal())
			}
			return status.ExitStatus(), nil
		}
	}
}

// pass sends a signal on. nginx ends its requests first when it is told to quit; those
// that last longer than the grace period are cut, so that its own end is an orderly one.
func (s *Supervisor) pass(pid int, number syscall.Signal) {
	if number == syscall.SIGINT {
		number = syscall.SIGTERM
	}
	_ = syscall.Kill(pid, number) // it may have ended already
	if number == syscall.SIGQUIT {
		grace := s.Grace
		if grace <= 0 {
			grace = stopGrace
		}
		time.AfterFunc(grace, func() { _ = syscall.Kill(pid, syscall.SIGTERM) })
	}
}

// reap waits for children until the one with this ID has ended.
func reap(pid int) syscall.WaitStatus {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case got == pid && (status.Exited() || status.Signaled()):
			return status
		case errors.Is(err, syscall.ECHILD):
			return status // cannot be: the kernel lost our child
		}
	}
}

// SignalReload returns a function that makes the nginx with this process ID read its
// configuration again.
func SignalReload(pid int) func() error {
	return func() error {
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			return fmt.Errorf("tell nginx to read its configuration again: %w", err)
		}
		return nil
	}
}

// SignalReopen returns a Reopen that makes the nginx with this process ID open its log
// files again.
func SignalReopen(pid int) func() error {
	return func() error {
		if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
			return fmt.Errorf("tell nginx to reopen its log: %w", err)
		}
		return nil
	}
}
