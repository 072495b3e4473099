package logstream

import (
	"strings"
	"time"
)

// clock reads the times of a log. It remembers the last text: one in whole seconds
// is the same on many lines.
type clock struct {
	text string
	time time.Time
}

// read returns the time that text stands for, in UTC; the zero time for none.
func (c *clock) read(text string) time.Time {
	if ms, ok := parseMillis(text); ok {
		return time.UnixMilli(ms).UTC()
	}
	if text == "" {
		return time.Time{}
	}
	if text != c.text {
		c.text, c.time = strings.Clone(text), parseTime(text)
	}
	return c.time
}

// parseTime reads seconds since 1970 with any fraction, the same in whole milli-,
// micro- or nanoseconds, nginx's time_local and time_iso8601, and what is close to
// the latter. A time without a zone is taken for UTC.
func parseTime(text string) time.Time {
	if sec, nsec, ok := parseSeconds(text); ok {
		return time.Unix(sec, nsec).UTC()
	}
	if digits := len(text); digits >= 13 && digits <= 19 && digits%3 == 1 && strings.Trim(text, "0123456789") == "" {
		sec, nsec, _ := parseSeconds(text[:10] + "." + text[10:])
		return time.Unix(sec, nsec).UTC()
	}
	for _, layout := range [...]string{
		"02/Jan/2006:15:04:05 -0700", time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
