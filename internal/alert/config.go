package alert

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// Classes says which final statuses count as errors.
type Classes string

// The error classes. A 499 is never an error: the client went away.
const (
	Class5xx    Classes = "5xx"
	Class4xx5xx Classes = "4xx,5xx"
)

// ParseClasses reads "5xx" or "4xx,5xx", in either order and with spaces.
func ParseClasses(s string) (Classes, error) {
	switch strings.ReplaceAll(s, " ", "") {
	case "5xx":
		return Class5xx, nil
	case "4xx,5xx", "5xx,4xx":
		return Class4xx5xx, nil
	}
	return "", fmt.Errorf("unknown error classes %q: use 5xx or 4xx,5xx", s)
}

// counts reports whether a final status is an error.
func (c Classes) counts(status int) bool {
	if status >= 500 {
		return true
	}
	return c == Class4xx5xx && status >= 400 && status != statusClientGone
}

// Scope says which messages maintenance mutes.
type Scope string

// The maintenance scopes.
const (
	ScopeNone  Scope = ""      // no maintenance
	ScopePools Scope = "pools" // failover, switch and flapping
	ScopeAll   Scope = "all"   // everything but notices
)

// Maintenance mutes messages for a bounded time; evaluation goes on.
type Maintenance struct {
	Scope Scope     `json:"scope,omitempty"`
	Until time.Time `json:"until,omitzero"` // zero: an hour from the first record or tick
}

// Config holds the settings of a [Detector].
type Config struct {
	Window           int           // requests in the sliding window
	ShortWindow      int           // newest requests that must be over the threshold too; 0: Window/10, at least 20; negative: off
	ThresholdPercent float64       // fires above, never at
	MinSamples       int           // requests needed before it may fire, capped at Window
	MinErrors        int           // errors needed before it may fire, capped at Window
	MaxAge           time.Duration // requests older than the newest by more leave the window; 0: no limit
	Classes          Classes
	Cooldown         time.Duration  // least time between two messages of one type
	Hold             time.Duration  // how long the rate must stay low before it counts as recovered
	FailTimeout      time.Duration  // fail_timeout of the proxy
	NoTraffic        time.Duration  // alert after so long without a request; 0: never
	HealthPath       string         // requests to it say nothing of users and stay out of the window
	Active           bluegreen.Pool // active pool for logs whose lines do not name it
	Maintenance      Maintenance
}

// DefaultConfig returns the settings used when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Window:           200,
		ThresholdPercent: 2,
		MinSamples:       50,
		MinErrors:        5,
		MaxAge:           5 * time.Minute,
		Classes:          Class5xx,
		Cooldown:         300 * time.Second,
		Hold:             60 * time.Second,
		FailTimeout:      time.Second,
		HealthPath:       "/healthz",
	}
}

// ReferenceConfig returns the settings that count as the reference kit does: 4xx
// are errors, the window must be full, and nothing else holds an alert back.
func ReferenceConfig() Config {
	c := DefaultConfig()
	c.Classes = Class4xx5xx
	c.MinSamples = c.Window
	c.MinErrors = 0
	c.MaxAge = 0
	c.ShortWindow = -1
	c.HealthPath = ""
	return c
}

// Validate reports every setting that makes no sense.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	check(c.Window >= 1 && c.Window <= maxWindow, fmt.Sprintf("window must be 1 to %d requests", maxWindow))
	check(c.ThresholdPercent >= 0 && c.ThresholdPercent < 100, "threshold must be at least 0 and below 100 percent")
	check(c.MinSamples >= 0, "min samples must not be negative")
	check(c.MinErrors >= 0, "min errors must not be negative")
	check(c.MaxAge >= 0, "max age must not be negative")
	check(c.Cooldown >= 0, "cooldown must not be negative")
	check(c.Hold >= 0, "hold must not be negative")
	check(c.FailTimeout >= 0, "fail timeout must not be negative")
	check(c.NoTraffic >= 0, "no-traffic time must not be negative")
	check(c.Classes == Class5xx || c.Classes == Class4xx5xx, "error classes must be 5xx or 4xx,5xx")
	scope := c.Maintenance.Scope
	check(scope == ScopeNone || scope == ScopePools || scope == ScopeAll, "maintenance scope must be pools or all")
	return errors.Join(errs...)
}

// normal returns c with the derived settings filled in and the rest made usable.
func (c Config) normal() Config {
	c.Window = min(max(c.Window, 1), maxWindow)
	c.MinSamples = min(max(c.MinSamples, 1), c.Window)
	// A window without an error never fires, whatever the threshold.
	c.MinErrors = min(max(c.MinErrors, 1), c.Window)
	if c.ShortWindow == 0 {
		c.ShortWindow = max(c.Window/10, 20)
	}
	c.ShortWindow = min(max(c.ShortWindow, 0), c.Window)
	if c.Classes == "" {
		c.Classes = Class5xx
	}
	return c
}

const (
	maxWindow        = 100_000
	statusClientGone = 499
)
