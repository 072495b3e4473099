package tui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// style is an ink, optionally with attributes.
type style uint16

// The inks. Identity (pool) and severity never share one.
const (
	plain style = iota
	muted
	inkBlue
	inkGreen
	inkWarn
	inkCrit
	inkCount
)

// The attributes.
const (
	bold    style = 1 << 4
	reverse style = 1 << 5
	styles        = 1 << 6 // number of distinct styles
	inkMask style = 1<<4 - 1
)

// maxCluster bounds the bytes of one screen cell: longer runs of combining marks
// are an attack on the screen rather than text.
const maxCluster = 24

// cell is one cell of the screen. The right half of a wide glyph has text "".
type cell struct {
	text  string
	style style
}

// grid is a whole frame.
type grid struct {
	w, h  int
	cells []cell
}

// newGrid returns a blank frame.
func newGrid(w, h int) *grid {
	g := &grid{w: w, h: h, cells: make([]cell, w*h)}
	g.clear()
	return g
}

// clear makes every cell blank.
func (g *grid) clear() {
	for i := range g.cells {
		g.cells[i] = cell{text: " "}
	}
}

// rect is a rectangle on the screen.
type rect struct{ x, y, w, h int }

// empty reports whether the rectangle has no cell.
func (r rect) empty() bool { return r.w <= 0 || r.h <= 0 }

// canvas is the part of a frame that one panel may draw on. All coordinates are
// relative to it and everything outside is clipped.
type canvas struct {
	grid *grid
	rect rect
	dim  bool // draw everything muted: the data is old
}

// canvas returns the part r of the frame.
func (g *grid) canvas(r rect) canvas { return canvas{grid: g, rect: r} }

// sub returns the part r of the canvas.
func (c canvas) sub(r rect) canvas {
	r.w, r.h = min(r.w, c.rect.w-r.x), min(r.h, c.rect.h-r.y)
	r.x, r.y = r.x+c.rect.x, r.y+c.rect.y
	return canvas{grid: c.grid, rect: r, dim: c.dim}
}

// set writes one grapheme of the given width.
func (c canvas) set(x, y, width int, st style, text string) {
	gx, gy := c.rect.x+x, c.rect.y+y
	if x < 0 || y < 0 || x+width > c.rect.w || y >= c.rect.h || gx < 0 || gy < 0 || gx+width > c.grid.w || gy >= c.grid.h {
		return
	}
	if c.dim {
		st = muted | st&bold
	}
	i := gy*c.grid.w + gx
	c.grid.mend(i, gx, width)
	c.grid.cells[i] = cell{text, st}
	for k := 1; k < width; k++ {
		c.grid.cells[i+k] = cell{"", st}
	}
}

// mend blanks the halves of wide glyphs that a write at i would cut.
func (g *grid) mend(i, x, width int) {
	if g.cells[i].text == "" && x > 0 {
		g.cells[i-1].text = " "
	}
	if x+width < g.w && g.cells[i+width].text == "" {
		g.cells[i+width].text = " "
	}
}

// put writes s from x on and returns the column after it. Control characters and
// text of no width are left out, whoever wrote them.
func (c canvas) put(x, y int, st style, s string) int {
	for len(s) > 0 && x < c.rect.w {
		if b := s[0]; b < utf8.RuneSelf {
			if b >= ' ' && b != 0x7f {
				c.set(x, y, 1, st, s[:1])
				x++
			}
			s = s[1:]
			continue
		}
		text, width := cluster(s)
		s = s[len(text):]
		if width == 0 {
			continue
		}
		if x+width > c.rect.w {
			break
		}
		c.set(x, y, width, st, visible(text, width))
		x += width
	}
	return x
}

// cluster returns the first grapheme of s and its width in cells, 0 for text that
// shows nothing.
func cluster(s string) (string, int) {
	text, width := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	if text == "" {
		return s[:1], 0
	}
	r, _ := utf8.DecodeRuneInString(text)
	if r < 0xa0 || r == utf8.RuneError {
		return text, 0
	}
	return text, min(width, 2)
}

// visible returns the glyph itself, or "?" when terminals disagree on its width.
func visible(text string, width int) string {
	if len(text) > maxCluster || ansi.StringWidthWc(text) != width {
		return "? "[:width]
	}
	return text
}

// right writes s so that it ends before column end.
func (c canvas) right(end, y int, st style, s string) int {
	x := end - width(s)
	c.put(x, y, st, s)
	return x
}

// segs writes segments one after the other.
func (c canvas) segs(x, y int, segments ...seg) int {
	for _, s := range segments {
		x = c.put(x, y, s.style, s.text)
	}
	return x
}

// fit writes s into w columns and marks a cut with "…".
func (c canvas) fit(x, y, w int, st style, s string) int {
	w = min(w, c.rect.w-x)
	if w <= 0 {
		return x
	}
	return c.put(x, y, st, clip(s, w))
}

// fill writes the one-cell glyph over a whole row.
func (c canvas) fill(y int, st style, glyph string) {
	for x := range c.rect.w {
		c.set(x, y, 1, st, glyph)
	}
}

// blank clears the canvas.
func (c canvas) blank() {
	for y := range c.rect.h {
		c.fill(y, plain, " ")
	}
}

// restyle lays st over a row without changing its text.
func (c canvas) restyle(x, end, y int, st style) {
	if y < 0 || y >= c.rect.h {
		return
	}
	for ; x < min(end, c.rect.w); x++ {
		c.grid.cells[(c.rect.y+y)*c.grid.w+c.rect.x+x].style |= st
	}
}

// seg is a piece of text in one style.
type seg struct {
	style style
	text  string
}

// String renders the frame for a theme, exactly h lines of w cells.
func (g *grid) render(t *theme) string {
	var b strings.Builder
	b.Grow(len(g.cells) * 2)
	for y := range g.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		last := plain
		for _, c := range g.cells[y*g.w : (y+1)*g.w] {
			if c.style != last {
				b.WriteString(t.sgr[c.style])
				last = c.style
			}
			t.write(&b, c.text)
		}
		if last != plain {
			b.WriteString(t.sgr[plain])
		}
	}
	return b.String()
}

// width is the number of cells that put needs for s.
func width(s string) int {
	n := 0
	for len(s) > 0 {
		if b := s[0]; b < utf8.RuneSelf {
			if b >= ' ' && b != 0x7f {
				n++
			}
			s = s[1:]
			continue
		}
		text, w := cluster(s)
		s, n = s[len(text):], n+w
	}
	return n
}

// clip cuts s to w cells, ending in "…" when something was cut.
func clip(s string, w int) string {
	if width(s) <= w {
		return s
	}
	n, i := 0, 0
	for i < len(s) {
		text, cw := s[i:i+1], 1
		if s[i] >= utf8.RuneSelf {
			text, cw = cluster(s[i:])
		}
		if n+cw > w-1 {
			break
		}
		n, i = n+cw, i+len(text)
	}
	return s[:i] + "…"
}
