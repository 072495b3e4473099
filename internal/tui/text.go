package tui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/sanitize"
)

// clean makes foreign text safe and one line long. The grid refuses control
// characters by itself; this keeps what is left readable.
func clean(s string) string { return sanitize.Line(s) }

// upper is a pool's name as the screen writes it.
func upper(p bluegreen.Pool) string {
	switch p {
	case bluegreen.Blue:
		return "BLUE"
	case bluegreen.Green:
		return "GREEN"
	case bluegreen.NoPool:
	}
	return "–"
}

// inkOf is a pool's colour. It says which pool, never how it is.
func inkOf(p bluegreen.Pool) style {
	switch p {
	case bluegreen.Blue:
		return inkBlue
	case bluegreen.Green:
		return inkGreen
	case bluegreen.NoPool:
	}
	return muted
}

// index is a pool's place in [FeedSnapshot.Pools].
func index(p bluegreen.Pool) int {
	if p == bluegreen.Green {
		return 1
	}
	return 0
}

// millis formats milliseconds for people.
func millis(v float64) string {
	switch {
	case v >= 10_000:
		return fmt.Sprintf("%.0f s", v/1000)
	case v >= 1000:
		return fmt.Sprintf("%.1f s", v/1000)
	case v < 1 && v > 0:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

// percent formats a percentage for people.
func percent(v float64) string {
	if v >= 99.95 {
		return "100%"
	}
	return fmt.Sprintf("%.1f%%", v)
}

// number formats a rate without needless digits.
func number(v float64) string {
	if v >= 99.5 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// count formats n with thin groups: 7 680.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// age formats how long something lasts: 9s, 12m, 3h04m, 3d04h.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// size formats bytes.
func size(b uint64) string {
	const mib = 1 << 20
	switch {
	case b == 0:
		return "–"
	case b >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(b)/(1<<30))
	}
	return fmt.Sprintf("%.0f MiB", float64(b)/mib)
}

// clock formats the time of day.
func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.Format("15:04:05")
}

// pad right-pads s to w cells.
func pad(s string, w int) string {
	if n := w - width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// plural chooses the word for n.
func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// or is the first text that is not empty.
func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
