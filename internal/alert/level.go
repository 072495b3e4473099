package alert

import "time"

// Phase is where an alert stands.
type Phase string

// The phases. Unknown is no phase of its own inside: what was known last is kept,
// and only new evidence ends it.
const (
	Inactive   Phase = "inactive"
	Pending    Phase = "pending"    // over the threshold, not yet for long enough
	Fires      Phase = "firing"     // told, or muted for a reason
	Recovering Phase = "recovering" // low again, not yet for long enough
	Unknown    Phase = "unknown"    // no traffic, or the log is lost
)

// level is the state machine of an alert about the share of bad requests:
//
//	inactive ─▶ pending ─▶ firing ⇄ recovering ─▶ inactive
//
// A share between the clear level and the threshold changes nothing: that is the
// hysteresis. A breach while it recovers makes it fire on without a word.
type level struct {
	Firing bool      `json:"firing,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Over   int       `json:"over,omitempty"` // requests over the threshold before it fires
	Low    time.Time `json:"low,omitzero"`   // recovering since
	Good   int       `json:"good,omitempty"` // good requests since then
}

// limits is when a level changes.
type limits struct {
	threshold, clear float64 // percent
	samples, bad     int     // least requests and bad ones to fire
	short            int     // size of the short window; 0: off
	pending, good    int
	hold, maxAge     time.Duration
}

func (c *Config) limits(threshold, clearAt float64) limits {
	return limits{
		threshold: threshold, clear: clearAt, samples: c.MinSamples, bad: c.MinErrors, short: c.ShortWindow,
		pending: c.Pending, good: c.GoodLines, hold: c.Hold, maxAge: c.MaxAge,
	}
}

// reading is what a level is judged by after one more request.
type reading struct {
	n, bad   int // requests in the window, bad ones
	shortBad int // bad ones among the newest
	lastBad  bool
}

type change uint8

const (
	stays change = iota
	fired
	cleared
)

func percent(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// over is the condition for firing.
func (l *limits) over(in reading) bool {
	if in.bad < l.bad || in.n < l.samples || percent(in.bad, in.n) <= l.threshold {
		return false
	}
	short := min(l.short, in.n)
	return short == 0 || percent(in.shortBad, short) > l.threshold
}

// step takes one more request into account.
func (s *level) step(l *limits, in reading, at, now time.Time) change {
	if !s.Firing {
		if !l.over(in) {
			s.Over = 0
			return stays
		}
		if s.Over++; s.Over <= l.pending {
			return stays
		}
		*s = level{Firing: true, Since: at}
		return fired
	}
	enough := in.n >= l.samples || s.aged(l, in.n, now)
	switch rate := percent(in.bad, in.n); {
	case rate > l.threshold:
		s.Low, s.Good = time.Time{}, 0
		return stays
	case s.Low.IsZero():
		if rate > l.clear || !enough {
			return stays
		}
		s.Low = now
	}
	if !in.lastBad {
		s.Good++
	}
	if s.Good < l.good || !enough || now.Sub(s.Low) < l.hold {
		return stays
	}
	return cleared
}

// aged reports whether the window holds too few requests to fire, but enough to
// recover: everything from before the alert has left it. Otherwise an alert of the
// day could not end in the traffic of the night.
func (s *level) aged(l *limits, n int, now time.Time) bool {
	return l.maxAge > 0 && n >= max(l.good, 1) && now.Sub(s.Since) >= l.maxAge
}

// doubt forgets the progress of a recovery.
func (s *level) doubt() { s.Over, s.Low, s.Good = 0, time.Time{}, 0 }

func (s *level) phase() Phase {
	switch {
	case s.Firing && !s.Low.IsZero():
		return Recovering
	case s.Firing:
		return Fires
	case s.Over > 0:
		return Pending
	}
	return Inactive
}
