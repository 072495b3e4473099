package tui

import "math"

// level is a column n eighths high. A gap is blank, zero is the lowest.
func (g Graph) level(n int) string {
	glyphs := [9]string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
	if g == GraphASCII {
		glyphs = [9]string{" ", "_", ".", "-", "=", "+", "*", "%", "#"}
	}
	return glyphs[max(0, min(8, n))]
}

// gap is the value of a moment nobody looked at.
func gap() float64 { return math.NaN() }

// isGap reports whether v is a gap.
func isGap(v float64) bool { return math.IsNaN(v) }

// spark draws values as one row of columns, newest at the right end.
func (c canvas) spark(r rect, st style, g *gauge) {
	values := g.values[max(0, len(g.values)-r.w):]
	x := r.x + r.w - len(values)
	for _, v := range values {
		if !isGap(v) {
			c.set(x, r.y, 1, st, g.graph.level(max(1, 1+int(math.Round(v/g.top*7)))))
		}
		x++
	}
}

// nice rounds v up to 1, 2, 4, 5 or 8 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	exp := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 4, 5, 8, 10} {
		if v <= f*exp*1.0000001 {
			return f * exp
		}
	}
	return 10 * exp
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
