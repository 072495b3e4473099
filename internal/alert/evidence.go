package alert

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

const (
	notePath  = 1024 // bytes kept of a path: a message shows far fewer
	noteWord  = 128  // bytes kept of a method or an ID
	noteTries = 16   // attempts kept
)

// note holds what an event would show of a failed request. The records may borrow
// a buffer of their reader, so it copies, and into memory of its own that it uses
// again: during an outage every line is noted and hardly one is shown.
type note struct {
	set              bool
	at               time.Time
	status           int
	served           bluegreen.Pool
	method, path, id []byte
	tries            []tried
	text             string // attempts of a restored note, whose tries are not known
}

type tried struct {
	status int
	pool   bluegreen.Pool
}

func (n *note) keep(rec *logstream.Record, served bluegreen.Pool) {
	n.set, n.at, n.status, n.served, n.text = true, rec.Time, rec.Status, served, ""
	n.method = append(n.method[:0], rec.Method[:min(len(rec.Method), noteWord)]...)
	n.path = append(n.path[:0], rec.Path[:min(len(rec.Path), notePath)]...)
	n.id = append(n.id[:0], rec.RequestID[:min(len(rec.RequestID), noteWord)]...)
	n.tries = n.tries[:0]
	for i := range rec.Attempts[:min(len(rec.Attempts), noteTries)] {
		n.tries = append(n.tries, tried{rec.Attempts[i].Status, rec.Attempts[i].Pool})
	}
}

// copyFrom makes n say what other says, in memory of its own.
func (n *note) copyFrom(other *note) {
	n.set, n.at, n.status, n.served, n.text = other.set, other.at, other.status, other.served, other.text
	n.method = append(n.method[:0], other.method...)
	n.path = append(n.path[:0], other.path...)
	n.id = append(n.id[:0], other.id...)
	n.tries = append(n.tries[:0], other.tries...)
}

func (n *note) clear() { n.set = false }

// sample returns what is noted, nil for nothing. It shares no memory with n. Here a
// request leaves its record, for messages, files, /healthz and standard output, and
// the values of its query stay behind: they may be tokens and passwords.
func (n *note) sample() *Sample {
	if !n.set {
		return nil
	}
	return &Sample{
		Time: n.at, Method: whole(n.method, noteWord), Path: logstream.HideQuery(whole(n.path, notePath)), Status: n.status,
		Attempts: n.attempts(), Pool: n.served, RequestID: whole(n.id, noteWord),
	}
}

// whole returns b without the rune that the limit may have cut in two.
func whole(b []byte, limit int) string {
	s := string(b)
	if len(s) == limit {
		for range utf8.UTFMax {
			if r, n := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || n != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	return s
}

// attempts writes the attempts as "502 blue, 200 green".
func (n *note) attempts() string {
	if n.text != "" {
		return n.text
	}
	text := make([]byte, 0, 64)
	for i, a := range n.tries {
		if i > 0 {
			text = append(text, ", "...)
		}
		if a.status == 0 {
			text = append(text, '-')
		} else {
			text = strconv.AppendInt(text, int64(a.status), 10)
		}
		if name := a.pool.String(); name != "" {
			text = append(append(text, ' '), name...)
		}
	}
	return string(text)
}

// restore makes n say what a snapshot kept of it.
func (n *note) restore(s *Sample) {
	*n = note{}
	if s == nil {
		return
	}
	n.set, n.at, n.status, n.served, n.text = true, s.Time, s.Status, s.Pool, s.Attempts
	n.method, n.path, n.id = []byte(s.Method), []byte(s.Path), []byte(s.RequestID)
}

// notes is the evidence of one alert: the first and the last bad request of the
// episode, and why the last one failed.
type notes struct{ first, last note }

// add notes a bad request. It is the first of its episode unless one is noted.
func (n *notes) add(rec *logstream.Record, served bluegreen.Pool) {
	n.last.keep(rec, served)
	if !n.first.set {
		n.first.copyFrom(&n.last)
	}
}

func (n *notes) clear() {
	n.first.clear()
	n.last.clear()
}

// show puts the evidence into an event.
func (n *notes) show(e *Event) { e.First, e.Last = n.first.sample(), n.last.sample() }

func (n *notes) restore(first, last *Sample) {
	n.first.restore(first)
	n.last.restore(last)
}

// failure is why a request failed: the status of the attempt, or one of these.
type failure int

const (
	noFailure failure = -1
	noLive    failure = -2
)

// failureOf finds the last failed attempt on pool, or on one that is not known, or
// else the final status.
func failureOf(rec *logstream.Record, pool bluegreen.Pool) failure {
	if rec.NoUpstream {
		return noLive
	}
	for _, a := range slices.Backward(rec.Attempts) {
		if (a.Pool == pool || a.Pool == bluegreen.NoPool) && a.Failed() {
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
	case statusClientGone:
		return "clients gave up waiting for " + name
	case 502:
		return name + " refused connections"
	case 504:
		return name + " timed out"
	}
	return name + " answered " + strconv.Itoa(int(f))
}

// short rounds a duration for people: "350ms", "45s", "5m", "1h30m". After a clock
// step it may be negative.
func short(d time.Duration) string {
	if d = max(d, 0); d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	text = strings.TrimSuffix(text, "0s")
	if text == "" || text[len(text)-1] != 'm' {
		return d.Round(time.Second).String()
	}
	if hours, whole := strings.CutSuffix(text, "h0m"); whole {
		return hours + "h"
	}
	return text
}

// moveAway is the command that takes traffic off a pool.
func moveAway(pool bluegreen.Pool) string {
	if pool == bluegreen.NoPool {
		return "bgctl status"
	}
	return "bgctl switch " + pool.Other().String()
}
