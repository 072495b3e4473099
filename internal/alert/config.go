package alert

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Config holds the settings of a [Detector]. Start from [DefaultConfig]: the zero
// value of most settings switches something off.
type Config struct {
	// The window and what counts in it.
	Window         int           // requests in the sliding window
	MaxAge         time.Duration // requests older than the newest by more leave the window; 0: no limit
	Classes        Classes
	Basis          Basis         // "" is [ByClient]
	Count499Slower time.Duration // a 499 after so long counts as an error; 0: never
	NotProxied     bool          // requests that nginx answered itself count too
	HealthPath     string        // requests to it say nothing of users and stay out of the window

	// When the error rate fires and when it is over.
	ThresholdPercent float64 // fires above, never at
	ClearPercent     float64 // over at this rate or below; 0: half the threshold
	ShortWindow      int     // newest requests that must be over the threshold too; 0: Window/10, at least 20; negative: off
	MinSamples       int     // requests needed before it may fire, capped at Window
	MinErrors        int     // errors needed before it may fire, capped at Window
	Pending          int     // further requests over the threshold before it fires
	Hold             time.Duration
	GoodLines        int     // requests without error besides Hold before it counts as recovered
	EscalatePercent  float64 // rate that may break the cooldown once; 0: never

	// The other alerts.
	DegradedPercent float64        // requests saved by another pool; 0: never
	LatencyP95      time.Duration  // limit of the 95th percentile; 0: none
	LatencyFactor   float64        // the same as a multiple of what is usual; 0: none
	NoTraffic       time.Duration  // alert after so long without a request; 0: never
	SourceLost      time.Duration  // alert after the log was lost for so long; 0: never
	FailTimeout     time.Duration  // fail_timeout of the proxy
	Active          bluegreen.Pool // active pool for logs whose lines do not name it
	Off             []Type         // alerts that are neither posted nor shown

	// What is said of all of them.
	Cooldown     time.Duration // least time between two messages of one type
	Repeat       time.Duration // reminder while an alert fires; 0: none, or at least Cooldown
	OmitResolved bool          // no message when an alert is over
	Maintenance  Maintenance
}

// DefaultConfig returns the settings used when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Window:           200,
		MaxAge:           5 * time.Minute,
		Classes:          Class5xx,
		Basis:            ByClient,
		HealthPath:       "/healthz",
		ThresholdPercent: 2,
		MinSamples:       50,
		MinErrors:        5,
		Hold:             60 * time.Second,
		GoodLines:        20,
		EscalatePercent:  50,
		DegradedPercent:  5,
		SourceLost:       30 * time.Second,
		FailTimeout:      time.Second,
		Cooldown:         300 * time.Second,
	}
}

// ReferenceConfig returns the settings with which the error rate is posted for the
// very requests for which the reference kit posts it: 4xx and 499 are errors, the
// window must be full, nothing but the cooldown holds a message back, it is said
// again after every cooldown while the rate is still over, and never that it is
// over. The alerts that the kit does not have are off.
func ReferenceConfig() Config {
	c := DefaultConfig()
	c.Classes = Class4xx5xx
	c.NotProxied = true
	c.HealthPath = ""
	c.MaxAge = 0
	c.MinSamples = c.Window
	c.MinErrors = 0
	c.ShortWindow = -1
	c.ClearPercent = c.ThresholdPercent
	c.Hold, c.GoodLines = 0, 0
	c.EscalatePercent = 0
	c.DegradedPercent = 0
	c.SourceLost = 0
	c.Repeat = c.Cooldown
	c.OmitResolved = true
	c.Off = []Type{AllDown, Flapping}
	return c
}

// Validate reports every setting that makes no sense.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, text string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(text, args...))
		}
	}
	check(c.Window >= 1 && c.Window <= maxWindow, "window must be 1 to %d requests", maxWindow)
	share := func(name string, v float64) {
		check(v >= 0 && v < 100, "%s must be at least 0 and below 100 percent", name)
	}
	share("threshold", c.ThresholdPercent)
	share("clear level", c.ClearPercent)
	share("degraded threshold", c.DegradedPercent)
	share("escalation", c.EscalatePercent)
	check(c.ClearPercent <= c.ThresholdPercent, "clear level %g must not be above the threshold %g", c.ClearPercent, c.ThresholdPercent)
	for _, n := range []struct {
		name  string
		value int
	}{{"min samples", c.MinSamples}, {"min errors", c.MinErrors}, {"pending", c.Pending}, {"good lines", c.GoodLines}} {
		check(n.value >= 0, "%s must not be negative", n.name)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"max age", c.MaxAge},
		{"cooldown", c.Cooldown},
		{"hold", c.Hold},
		{"fail timeout", c.FailTimeout},
		{"no-traffic time", c.NoTraffic},
		{"source-lost time", c.SourceLost},
		{"latency limit", c.LatencyP95},
		{"499 limit", c.Count499Slower},
	} {
		check(d.value >= 0, "%s must not be negative", d.name)
	}
	check(c.LatencyFactor == 0 || c.LatencyFactor > 1, "latency factor must be above 1, or 0 for none")
	check(c.Repeat == 0 || c.Repeat >= c.Cooldown, "repeat must be 0 or at least the cooldown of %s", c.Cooldown)
	check(c.Classes == Class5xx || c.Classes == Class5xx429 || c.Classes == Class4xx5xx, "error classes must be 5xx, 5xx,429 or 4xx,5xx")
	check(c.Basis == "" || c.Basis == ByClient || c.Basis == ByAttempt || c.Basis == ByEither, "basis must be client, attempt or either")
	for _, t := range c.Off {
		check(t.index() >= 0, "unknown alert %q: one of %s", t, typeNames())
	}
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
	if c.ClearPercent <= 0 || c.ClearPercent > c.ThresholdPercent {
		c.ClearPercent = c.ThresholdPercent / 2
	}
	if c.Classes == "" {
		c.Classes = Class5xx
	}
	if c.Basis == "" {
		c.Basis = ByClient
	}
	if c.Repeat > 0 {
		c.Repeat = max(c.Repeat, c.Cooldown)
	}
	c.Off = slices.Clone(c.Off)
	return c
}

// Counts reports whether a record is a user's request that a pool had to answer:
// health checks would dilute the rate, and so would what nginx answers itself.
func (c *Config) Counts(rec *logstream.Record) bool {
	return (c.NotProxied || rec.Proxied()) && (c.HealthPath == "" || rec.Path != c.HealthPath)
}

// unknownAfter is how long without a record it takes until nothing is known of the
// pools any more; 0: never.
func (c *Config) unknownAfter() time.Duration {
	if c.NoTraffic > 0 {
		return c.NoTraffic
	}
	return c.MaxAge
}

const (
	maxWindow        = 100_000
	statusClientGone = 499
)
