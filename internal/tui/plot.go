package tui

import (
	"math"
	"time"
)

// plot is a column chart with a threshold, gaps and marks on its time axis.
type plot struct {
	values []float64 // one a column, oldest first
	step   float64   // what one row stands for
	limit  float64   // 0: none
	unit   string
	graph  Graph
	base   style // the colour of what is below the limit
}

// labelWidth is the room for the numbers of the y axis.
const labelWidth = 5

// draw draws the plot's rows, the y axis at their left.
func (p *plot) draw(c canvas) {
	rows := c.rect.h
	limitRow := -1
	if p.limit > 0 {
		limitRow = int(p.limit/p.step + 1e-9)
	}
	for r := range rows {
		y, axis, st := rows-1-r, "┤", muted
		if r == limitRow {
			axis = "┼"
		}
		c.right(labelWidth, y, st, p.label(float64(r)*p.step))
		c.set(labelWidth, y, 1, st, axis)
	}
	area := c.sub(rect{labelWidth + 1, 0, c.rect.w - labelWidth - 1, rows})
	if limitRow >= 0 && limitRow < rows {
		area.fill(rows-1-limitRow, inkWarn, "┄")
	}
	if p.graph == GraphBraille {
		p.braille(area)
		return
	}
	p.blocks(area)
}

// label is a number of the y axis, short enough for it.
func (p *plot) label(v float64) string {
	if p.unit == "ms" && v >= 1000 {
		return number(v/1000) + "s"
	}
	return number(v) + p.unit
}

// ink is the colour of a column.
func (p *plot) ink(v float64) style {
	if p.limit > 0 && v >= p.limit {
		return inkCrit
	}
	return p.base
}

// units is how many of the n parts of all rows a value fills. Zero fills one.
func (p *plot) units(v float64, rows, n int) int {
	return min(rows*n, max(1, int(math.Round(v/p.step*float64(n)))))
}

// blocks draws columns of eighths.
func (p *plot) blocks(c canvas) {
	rows := c.rect.h
	for i, v := range p.values {
		if isGap(v) {
			continue
		}
		x := c.rect.w - len(p.values) + i
		u := p.units(v, rows, 8)
		for r := 0; r*8 < u; r++ {
			c.set(x, rows-1-r, 1, p.ink(v), level(min(8, u-r*8)))
		}
	}
}

// braille draws columns of dots, two values a cell.
func (p *plot) braille(c canvas) {
	rows, cols := c.rect.h, c.rect.w
	for x := range cols {
		i := len(p.values) - 2*(cols-x)
		for r := range rows {
			bits, st := rune(0), p.base
			for side := range 2 {
				if i+side < 0 || isGap(p.values[i+side]) {
					continue
				}
				v := p.values[i+side]
				bits |= dots(p.units(v, rows, 4)-r*4, side)
				st = max(st, p.ink(v))
			}
			if bits != 0 {
				c.set(x, rows-1-r, 1, st, string(0x2800+bits))
			}
		}
	}
}

// dots are the lowest n dots of one side of a braille cell.
func dots(n, side int) rune {
	left, right := [4]rune{0x40, 0x04, 0x02, 0x01}, [4]rune{0x80, 0x20, 0x10, 0x08}
	bits := rune(0)
	for k := range max(0, min(4, n)) {
		if side == 0 {
			bits |= left[k]
		} else {
			bits |= right[k]
		}
	}
	return bits
}

// timeline maps columns to time: aligned to whole columns, so that a plot moves
// by columns and does not shimmer.
type timeline struct {
	end  time.Time // the newest second
	per  int       // seconds a column
	cols int
}

// newTimeline fits span seconds into cols columns.
func newTimeline(end time.Time, cols, span int) timeline {
	cols = max(1, cols)
	return timeline{end: end, per: max(1, (span+cols-1)/cols), cols: cols}
}

// column is the column of a moment; it may lie outside.
func (t timeline) column(at time.Time) int {
	per := int64(t.per)
	return t.cols - 1 - int(t.end.Unix()/per-at.Unix()/per)
}

// buckets joins points into columns with join, which gets the points of one column.
func (t timeline) buckets(points []Point, join func([]Point) float64) []float64 {
	out := make([]float64, t.cols)
	for i := range out {
		out[i] = gap()
	}
	if len(points) == 0 {
		return out
	}
	first := t.end.Add(-time.Duration(len(points)-1) * time.Second)
	from := 0
	for from < len(points) {
		col := t.column(first.Add(time.Duration(from) * time.Second))
		to := from + 1
		for to < len(points) && t.column(first.Add(time.Duration(to)*time.Second)) == col {
			to++
		}
		if col >= 0 && col < t.cols {
			out[col] = join(points[from:to])
		}
		from = to
	}
	return out
}

// axis draws the time axis with its marks, and the labels below it.
func (t timeline) axis(c canvas, marks []mark) {
	c.set(labelWidth, 0, 1, muted, "└")
	area := c.sub(rect{labelWidth + 1, 0, c.rect.w - labelWidth - 1, c.rect.h})
	area.fill(0, muted, "─")
	for _, m := range marks {
		if x := t.column(m.at); x >= 0 && x < t.cols {
			area.set(x, 0, 1, m.style, m.glyph)
		}
	}
	minutes := 1
	for minutes*60/t.per < 8 {
		minutes++
	}
	every := time.Duration(minutes) * time.Minute
	for at := t.end.Truncate(every); ; at = at.Add(-every) {
		x := t.column(at)
		if x < 0 {
			return
		}
		if x+5 <= t.cols {
			area.put(x, 1, muted, at.Format("15:04"))
		}
	}
}
