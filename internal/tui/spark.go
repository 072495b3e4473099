package tui

import "math"

// levels are the eight heights of a column. A gap is blank, zero is the lowest.
func level(n int) string {
	const glyphs = " ▁▂▃▄▅▆▇█"
	i := 0
	for _, r := range glyphs {
		if i == n {
			return string(r)
		}
		i++
	}
	return "█"
}

// gap is the value of a moment nobody looked at.
func gap() float64 { return math.NaN() }

// isGap reports whether v is a gap.
func isGap(v float64) bool { return math.IsNaN(v) }

// spark draws values as one row of columns, newest at the right end.
func (c canvas) spark(r rect, st style, values []float64, top float64) {
	skip := max(0, len(values)-r.w)
	x := r.x + r.w - (len(values) - skip)
	for _, v := range values[skip:] {
		if !isGap(v) {
			n := 1 + int(math.Round(v/top*7))
			c.set(x, r.y, 1, st, level(max(1, min(8, n))))
		}
		x++
	}
}

// nice rounds v up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	exp := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5, 10} {
		if v <= f*exp*1.0000001 {
			return f * exp
		}
	}
	return 10 * exp
}

// series reads one number of each point.
func series(points []Point, read func(*Point) float64) []float64 {
	out := make([]float64, len(points))
	for i := range points {
		if points[i].Gap {
			out[i] = gap()
			continue
		}
		out[i] = read(&points[i])
	}
	return out
}

// peak returns the largest value, 0 for none.
func peak(values []float64) float64 {
	top := 0.0
	for _, v := range values {
		if !isGap(v) && v > top {
			top = v
		}
	}
	return top
}
