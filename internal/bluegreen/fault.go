package bluegreen

import (
	"fmt"
	"time"
)

// FaultMode is a way to break a pool.
type FaultMode string

// The fault modes.
const (
	FaultKill    FaultMode = "kill"    // SIGKILL; the engine does not restart it
	FaultStop    FaultMode = "stop"    // graceful stop
	FaultPause   FaultMode = "pause"   // freeze: connects, never answers
	FaultError   FaultMode = "error"   // demo app: every answer is 500
	FaultTimeout FaultMode = "timeout" // demo app: never answers
	FaultSlow    FaultMode = "slow"    // demo app: answers late
)

// Fault is an injected failure. It is recorded before it acts, so that
// `bgctl heal` can undo it whatever became of the command that made it.
type Fault struct {
	Pool       Pool      `json:"pool"`
	Mode       FaultMode `json:"mode"`
	Containers []string  `json:"containers"` // IDs
	By         Holder    `json:"by"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until,omitzero"` // when its command meant to undo it
}

// inApp reports whether the demo app itself plays the fault.
func (m FaultMode) inApp() bool { return m == FaultError || m == FaultTimeout || m == FaultSlow }

// MaxHold is the longest time that a fault may be asked for.
const MaxHold = 24 * time.Hour

// ParseFaultMode returns the fault mode that s names.
func ParseFaultMode(s string) (FaultMode, error) {
	switch m := FaultMode(s); m {
	case FaultKill, FaultStop, FaultPause, FaultError, FaultTimeout, FaultSlow:
		return m, nil
	}
	return "", fmt.Errorf("unknown mode %q: use kill, stop, pause, error, timeout or slow", s)
}
