package feed

import (
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/feed/past"
	"bgctl/internal/logstream"
)

// hour is how far back the plots reach, in seconds.
const hour = 3600

// seconds keeps what the statistics do not: which seconds changed since the last
// Take, the status classes of each, and when nobody looked.
type seconds struct {
	classes [2][hour][4]uint32 // 2xx, 3xx, 4xx, 5xx
	saved   [2][hour]uint32    // answered after another pool failed
	at      [hour]int64        // the second that a place holds
	first   int64              // the oldest second the log told of, 0: none yet
	changed int64              // the oldest second that changed, 0: none
	told    int64              // the newest second that a Take told of
	holes   []hole
}

// hole is a time in which the log was not read: no request was seen, which is not
// the same as no request.
type hole struct {
	from, to int64 // seconds; to is 0 while it lasts
	gaps     uint64
	repeated uint64
}

// maxHoles bounds what is remembered of a log that comes and goes.
const maxHoles = 256

// add counts a record.
func (s *seconds) add(rec *logstream.Record) {
	at := max(rec.Time.Unix(), 0)
	if s.first == 0 || at < s.first {
		s.first = at
	}
	s.touch(at)
	slot := at % hour
	if s.at[slot] != at {
		s.at[slot] = at
		for i := range s.classes {
			s.classes[i][slot], s.saved[i][slot] = [4]uint32{}, 0
		}
	}
	if rec.Served == bluegreen.NoPool {
		return
	}
	pool := rec.Served - bluegreen.Blue
	if past.Saved(rec) {
		s.saved[pool][slot]++
	}
	if class := rec.Status/100 - 2; class >= 0 && class <= 3 {
		s.classes[pool][slot][class]++
	}
}

// reach notes that the log is known from a second on.
func (s *seconds) reach(at int64) {
	if s.first == 0 || at < s.first {
		s.first = at
	}
	s.touch(at)
}

// touch marks a second as changed.
func (s *seconds) touch(at int64) {
	if s.changed == 0 || at < s.changed {
		s.changed = at
	}
}

// take returns how many seconds up to end a Take has to tell of: those that came
// since the last one, and older ones that changed.
func (s *seconds) take(end int64) int64 {
	from := s.told
	if s.changed > 0 {
		from = min(from, s.changed)
	}
	s.told, s.changed = end, 0
	return min(max(end-from+1, 1), hour)
}

// class returns the status classes of a second of a pool.
func (s *seconds) class(pool int, at int64) (out [4]float64) {
	if at < 0 || s.at[at%hour] != at {
		return out
	}
	for k, n := range s.classes[pool][at%hour] {
		out[k] = float64(n)
	}
	return out
}

// savedIn returns how many requests of a second a pool answered for the other.
func (s *seconds) savedIn(pool int, at int64) float64 {
	if at < 0 || s.at[at%hour] != at {
		return 0
	}
	return float64(s.saved[pool][at%hour])
}

// lost notes that the log is not read any more.
func (s *seconds) lost(now time.Time, c *logstream.Counts) {
	if n := len(s.holes); n > 0 && s.holes[n-1].to == 0 || s.first == 0 {
		return
	}
	if len(s.holes) == maxHoles {
		s.holes = s.holes[1:]
	}
	s.holes = append(s.holes, hole{from: now.Unix() + 1, gaps: c.Gaps, repeated: c.Repeated})
}

// found notes that the log is read again.
func (s *seconds) found(now time.Time) {
	if n := len(s.holes); n > 0 && s.holes[n-1].to == 0 {
		s.holes[n-1].to = now.Unix()
		s.touch(s.holes[n-1].from)
	}
}

// caughtUp forgets the newest hole when the log told what happened in it: lines
// known before came again and no gap was counted.
func (s *seconds) caughtUp(c *logstream.Counts) {
	n := len(s.holes)
	if n == 0 || s.holes[n-1].to == 0 {
		return
	}
	if h := &s.holes[n-1]; c.Gaps == h.gaps && c.Repeated > h.repeated {
		s.touch(h.from)
		s.holes = s.holes[:n-1]
	}
}

// blind reports whether nobody looked at a second.
func (s *seconds) blind(at int64) bool {
	if s.first == 0 || at < s.first {
		return true
	}
	for i := range s.holes {
		if h := &s.holes[i]; at >= h.from && (h.to == 0 || at <= h.to) {
			return true
		}
	}
	return false
}
