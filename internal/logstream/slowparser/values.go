package slowparser

import (
	"regexp"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
)

func poolOf(s string) bluegreen.Pool {
	return map[string]bluegreen.Pool{"blue": bluegreen.Blue, "green": bluegreen.Green}[s]
}

func statusOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || len(s) != 3 || n < 100 {
		return 0
	}
	return n
}

var decimal = regexp.MustCompile(`^(\d{1,12})(?:\.(\d+))?$`)

// decimalOf splits "12.345" into whole seconds and nanoseconds.
func decimalOf(s string) (sec, nsec int64, ok bool) {
	m := decimal.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, false
	}
	sec, _ = strconv.ParseInt(m[1], 10, 64)
	nsec, _ = strconv.ParseInt((m[2] + "000000000")[:9], 10, 64)
	return sec, nsec, true
}

func durationOf(s string) time.Duration {
	sec, nsec, ok := decimalOf(s)
	if !ok || sec > 1<<30 {
		return -1
	}
	return time.Duration(sec)*time.Second + time.Duration(nsec)
}

func countOf(s string) int64 {
	sec, _, _ := decimalOf(s)
	return sec
}

var allDigits = regexp.MustCompile(`^\d+$`)

func timeOf(s string) time.Time {
	if sec, nsec, ok := decimalOf(s); ok {
		return time.Unix(sec, nsec).UTC()
	}
	if n := len(s); allDigits.MatchString(s) && (n == 13 || n == 16 || n == 19) {
		return timeOf(s[:10] + "." + s[10:])
	}
	for _, layout := range []string{
		"02/Jan/2006:15:04:05 -0700", time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05", time.DateTime, "2006/01/02 15:04:05",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
