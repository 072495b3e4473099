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
	base   style   // the colour of what is below the limit
	inks   []style // the colour of each column, in the place of base; may be nil
}

// labelWidth is the room for the numbers of the y axis.
const labelWidth = 5

// limitRow is the row of the threshold from the bottom, -1 for none.
func (p *plot) limitRow() int {
	if p.limit <= 0 {
		return -1
	}
	return int(p.limit/p.step + 1e-9)
}

// draw draws the plot's rows, the y axis at their left.
func (p *plot) draw(c canvas) {
	area := p.frame(c)
	if p.graph == GraphBraille {
		p.braille(area)
		return
	}
	p.blocks(area)
}

// frame draws the y axis and the threshold and returns what is right of them.
func (p *plot) frame(c canvas) canvas {
	rows, limit := c.rect.h, p.limitRow()
	for r := range rows {
		axis := "┤"
		if r == limit {
			axis = "┼"
		}
		if every := (rows + 7) / 8; r%every == 0 || r == limit {
			c.right(labelWidth, rows-1-r, muted, p.label(float64(r)*p.step))
		}
		c.set(labelWidth, rows-1-r, 1, muted, axis)
	}
	area := c.sub(rect{labelWidth + 1, 0, c.rect.w - labelWidth - 1, rows})
	if limit >= 0 && limit < rows {
		area.fill(rows-1-limit, inkWarn, "┄")
	}
	return area
}

// label is a number of the y axis, short enough for it.
func (p *plot) label(v float64) string {
	switch {
	case p.unit == "ms" && v >= 1000:
		return number(v/1000) + "s"
	case p.unit == "%" && v >= 10:
		return number(math.Round(v)) + p.unit
	case p.unit == "" && v >= 10_000:
		return number(v/1000) + "k"
	}
	return number(v) + p.unit
}

// ink is the colour of a column's value.
func (p *plot) ink(i int, v float64) style {
	switch {
	case p.limit > 0 && v > p.limit:
		return inkCrit
	case i < len(p.inks):
		return p.inks[i]
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
			c.set(x, rows-1-r, 1, p.ink(i, v), p.graph.level(min(8, u-r*8)))
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
				st = max(st, p.ink(i+side, v))
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

// shades are the fills of a plot of several values: told apart without colour.
func shades() [4]string { return [4]string{"░", "▒", "▓", "█"} }

// bands draws three percentiles in one column: full up to the lowest, then lighter.
func (p *plot) bands(c canvas, percentiles [3][]float64) {
	area := p.frame(c)
	rows, fills := area.rect.h, shades()
	for k := 2; k >= 0; k-- {
		for i, v := range percentiles[k] {
			if isGap(v) {
				continue
			}
			x := area.rect.w - len(percentiles[k]) + i
			for r := range p.units(v, rows, 1) {
				area.set(x, rows-1-r, 1, p.ink(i, v), fills[3-k])
			}
		}
	}
}

// stack draws shares of one whole, the mildest at the bottom. A share that exists
// fills a cell, however small it is: five errors among ten thousand must be seen.
func (p *plot) stack(c canvas, shares [][4]float64) {
	area := p.frame(c)
	rows, fills := area.rect.h, shades()
	inks := [4]style{muted, plain, inkWarn, inkCrit | bold}
	for i, share := range shares {
		x, y := area.rect.w-len(shares)+i, 0
		for k := 3; k >= 0; k-- {
			if share[k] <= 0 {
				continue
			}
			n := max(1, int(math.Round(share[k]*float64(rows))))
			if k == 0 {
				n = rows
			}
			for ; n > 0 && y < rows; n-- {
				area.set(x, y, 1, inks[k], fills[k])
				y++
			}
		}
	}
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

// reach is how many seconds all columns cover.
func (t timeline) reach() int { return min(historySeconds, t.per*t.cols) }

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
	t.each(points, func(col int, points []Point) { out[col] = join(points) })
	return out
}

// each calls visit with the points of every column, in order.
func (t timeline) each(points []Point, visit func(col int, points []Point)) {
	per := int64(t.per)
	first := t.end.Unix() - int64(len(points)) + 1
	for from := 0; from < len(points); {
		at := first + int64(from)
		to := min(len(points), from+int(per-at%per))
		if col := t.cols - 1 - int(t.end.Unix()/per-at/per); col >= 0 && col < t.cols {
			visit(col, points[from:to])
		}
		from = to
	}
}

// marksOn draws marks on an axis, the gravest last.
func (t timeline) marksOn(area canvas, marks []mark) {
	for _, ink := range []style{plain, inkWarn, inkCrit} {
		for _, m := range marks {
			if grave := m.style & inkMask; grave != ink && (ink != plain || grave == inkWarn || grave == inkCrit) {
				continue
			}
			if x := t.column(m.at); x >= 0 && x < t.cols {
				area.set(x, 0, 1, m.style, m.glyph)
			}
		}
	}
}

// axis draws the time axis with its marks, and the labels below it.
func (t timeline) axis(c canvas, marks []mark) {
	c.set(labelWidth, 0, 1, muted, "└")
	area := c.sub(rect{labelWidth + 1, 0, c.rect.w - labelWidth - 1, c.rect.h})
	area.fill(0, muted, "─")
	t.marksOn(area, marks)
	every, layout := t.ticks()
	for at := t.end.Truncate(every); ; at = at.Add(-every) {
		x := t.column(at)
		if x < 0 {
			return
		}
		if x+len(layout) <= t.cols {
			area.put(x, 1, muted, at.Format(layout))
		}
	}
}

// ticks is the distance of the labels of the time axis and how they are written.
func (t timeline) ticks() (time.Duration, string) {
	for _, every := range []int{15, 30, 60, 120, 300, 600, 900, 1800} {
		layout := "15:04"
		if every < 60 {
			layout = "15:04:05"
		}
		if every/t.per >= len(layout)+3 {
			return time.Duration(every) * time.Second, layout
		}
	}
	return time.Hour, "15:04"
}
