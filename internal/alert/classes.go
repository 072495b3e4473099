package alert

import (
	"fmt"
	"slices"
	"strings"

	"bgctl/internal/logstream"
)

// Classes says which final statuses count as errors.
type Classes string

// The error classes. With 4xx a 499 counts too, as it did for the reference kit;
// otherwise it is no error: the client went away. A 429 is load shedding, which is
// the application's own decision, and counts only when asked for.
const (
	Class5xx    Classes = "5xx"
	Class5xx429 Classes = "5xx,429"
	Class4xx5xx Classes = "4xx,5xx"
)

// ParseClasses reads "5xx", "5xx,429" or "4xx,5xx", in any order and with spaces.
func ParseClasses(s string) (Classes, error) {
	parts := strings.Split(strings.ReplaceAll(strings.ToLower(s), " ", ""), ",")
	slices.Sort(parts)
	switch strings.Join(parts, ",") {
	case "5xx":
		return Class5xx, nil
	case "429,5xx":
		return Class5xx429, nil
	case "4xx,5xx", "429,4xx,5xx":
		return Class4xx5xx, nil
	}
	return "", fmt.Errorf("unknown error classes %q: use 5xx, 5xx,429 or 4xx,5xx", s)
}

// counts reports whether a status is an error.
func (c Classes) counts(status int) bool {
	switch {
	case status >= 500:
		return true
	case status < 400:
		return false
	}
	return c == Class4xx5xx || c == Class5xx429 && status == 429
}

// Basis says what of a request is judged: what its client got, or what became of
// the attempts behind it. The proxy hides a failed attempt when another pool
// answers, so the two differ whenever a pool fails.
type Basis string

// The bases of the error rate.
const (
	ByClient  Basis = "client"  // the final status
	ByAttempt Basis = "attempt" // any attempt on a pool, hidden or not
	ByEither  Basis = "either"  // one or the other
)

// ParseBasis reads "client", "attempt" or "either".
func ParseBasis(s string) (Basis, error) {
	switch b := Basis(strings.ToLower(strings.TrimSpace(s))); b {
	case ByClient, ByAttempt, ByEither:
		return b, nil
	}
	return "", fmt.Errorf("unknown basis %q: use client, attempt or either", s)
}

// clientFailed reports whether the client of a request got an error.
func (c *Config) clientFailed(rec *logstream.Record) bool {
	if rec.Status < 400 {
		return false
	}
	if c.Classes.counts(rec.Status) {
		return true
	}
	// A pool that hangs while its clients are impatient shows as 499 and nothing else.
	return rec.Status == statusClientGone && c.Count499Slower > 0 && rec.Duration >= c.Count499Slower
}

// attemptFailed reports whether an attempt behind a request failed.
func (c *Config) attemptFailed(rec *logstream.Record) bool {
	if rec.NoUpstream {
		return true
	}
	for i, a := range rec.Attempts {
		if a.Status > 0 && a.Status < 400 {
			continue
		}
		gone := a.Status == 0 && rec.Status == statusClientGone && i == len(rec.Attempts)-1
		if !gone && (a.Failed() || c.Classes.counts(a.Status)) {
			return true
		}
	}
	return false
}
