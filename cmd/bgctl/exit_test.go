//go:build !e2e

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// TestExitCode: an error has its code however deep it is wrapped.
func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, exitOK},
		{errors.New("boom"), exitFailed},
		{usagef("-n 0"), exitUsage},
		{&bluegreen.SettingError{Reason: "FAIL_TIMEOUT=soon"}, exitUsage},
		{fmt.Errorf("%w: FAIL_TIMEOUT", proxy.ErrConfig), exitUsage},
		{compose.ErrUnsupported, exitUsage},
		{codeError(exitDegraded), exitDegraded},
		{&bluegreen.RefusedError{}, exitRefused},
		{bluegreen.ErrChanged, exitRefused},
		{&compose.UnreachableError{}, exitUnreachable},
		{&proxy.VersionError{}, exitUnreachable},
		{&proxy.OutdatedError{}, exitUnreachable},
		{&bluegreen.LockedError{}, exitLocked},
		{&proxy.LockNeededError{Op: "route"}, exitLocked},
		{&bluegreen.RolledBackError{}, exitRolledBack},
		{context.DeadlineExceeded, exitTimeout},
		{context.Canceled, exitInterrupted},
	} {
		wrapped := tt.err
		if wrapped != nil {
			wrapped = fmt.Errorf("deploy: %w; traffic stays on blue", tt.err)
		}
		for _, err := range []error{tt.err, wrapped} {
			if got := exitCode(err); got != tt.want {
				t.Errorf("%T %v: %d, want %d", tt.err, err, got, tt.want)
			}
		}
	}
}

// TestExitTable_IsTheOneOfTheREADME: there is one list of codes.
func TestExitTable_IsTheOneOfTheREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range exitTable() {
		if want := fmt.Sprintf("\n| %d | %s |\n", row.Code, row.Text); !strings.Contains(string(text), want) {
			t.Errorf("README.md lacks %q", want)
		}
	}
}
