package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// The exit codes. They are part of the command contract: never reused.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDegraded    = 3
	exitRefused     = 4
	exitUnreachable = 5
	exitLocked      = 6
	exitRolledBack  = 7
	exitTimeout     = 124
	exitInterrupted = 130
)

// exitTable is what `bgctl help exit-codes` prints.
func exitTable() []struct {
	Code int
	Text string
} {
	return []struct {
		Code int
		Text string
	}{
		{exitOK, "done, or nothing to do"},
		{exitFailed, "failed; the message says in which state traffic is"},
		{exitUsage, "the command line or a setting is wrong; nothing was done"},
		{exitDegraded, "the deployment is degraded or unhealthy, a drill's judgement failed, or the doctor found something"},
		{exitRefused, "a gate refused; nothing was changed"},
		{exitUnreachable, "the Docker engine or the proxy cannot be reached"},
		{exitLocked, "another command is changing the deployment"},
		{exitRolledBack, "the new release had traffic and was rolled back"},
		{exitTimeout, "timed out"},
		{exitInterrupted, "interrupted"},
	}
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// Unwrap makes the cause visible to errors.Is.
func (e usageError) Unwrap() error { return e.error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError ends the command with a code and no message: the output said it all.
type codeError int

// Error implements error.
func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode maps an error to the exit code.
func exitCode(err error) int {
	var code codeError
	var usage usageError
	var version *proxy.VersionError
	var outdated *proxy.OutdatedError
	var back *bluegreen.RolledBackError
	var setting *bluegreen.SettingError
	var unlocked *proxy.LockNeededError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, bluegreen.ErrRefused), errors.Is(err, bluegreen.ErrChanged):
		return exitRefused
	case errors.Is(err, bluegreen.ErrLocked), errors.As(err, &unlocked):
		return exitLocked
	case errors.As(err, &back):
		return exitRolledBack
	case errors.Is(err, compose.ErrUnreachable), errors.As(err, &version), errors.As(err, &outdated):
		return exitUnreachable
	case errors.Is(err, compose.ErrUnsupported), errors.Is(err, proxy.ErrConfig), errors.As(err, &setting):
		return exitUsage
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// printExitCodes writes the table.
func printExitCodes(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range exitTable() {
		fmt.Fprintf(tw, "%d\t%s\n", row.Code, row.Text)
	}
	return tw.Flush()
}
