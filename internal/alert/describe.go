package alert

import (
	"slices"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// sampleOf copies what an event shows of a record.
func sampleOf(rec *logstream.Record) *Sample {
	return &Sample{
		Time: rec.Time, Method: rec.Method, Path: rec.Path, Status: rec.Status,
		Attempts: attemptsOf(rec), Pool: rec.Served, RequestID: rec.RequestID,
	}
}

// attemptsOf writes the attempts as "502 blue, 200 green".
func attemptsOf(rec *logstream.Record) string {
	text := make([]byte, 0, 64)
	for i, a := range rec.Attempts {
		if i > 0 {
			text = append(text, ", "...)
		}
		if a.Status == 0 {
			text = append(text, '-')
		} else {
			text = strconv.AppendInt(text, int64(a.Status), 10)
		}
		if name := a.Pool.String(); name != "" {
			text = append(append(text, ' '), name...)
		}
	}
	return string(text)
}

// failure is why a request failed: the status of the attempt, or one of these.
type failure int

const (
	noFailure failure = -1
	noLive    failure = -2
)

// failureOf finds the last failed attempt on pool, or else the final status.
func failureOf(rec *logstream.Record, pool bluegreen.Pool) failure {
	if rec.NoUpstream {
		return noLive
	}
	for _, a := range slices.Backward(rec.Attempts) {
		if a.Pool == pool && a.Failed() {
			return failure(a.Status)
		}
	}
	return failure(rec.Status)
}

// words puts the failure of pool in words. The proxy itself writes 502 for a
// refused or broken connection and 504 for a timeout.
func (f failure) words(pool bluegreen.Pool) string {
	name := pool.String()
	if name == "" {
		name = "the application"
	}
	switch f {
	case noLive:
		return "the proxy found no live upstream"
	case noFailure:
		return name + " is left out by the proxy; no failed request was seen"
	case 0:
		return name + " did not answer"
	case 502:
		return name + " refused connections"
	case 504:
		return name + " timed out"
	}
	return name + " answered " + strconv.Itoa(int(f))
}

// short rounds a duration for people. After a clock step it may be negative.
func short(d time.Duration) string {
	if d = max(d, 0); d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
