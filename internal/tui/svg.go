package tui

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// The geometry of a drawn frame: the cells of a monospaced font of 14 px.
const (
	cellW, cellH = 8.43, 18
	svgMargin    = 12
	baseline     = 13.5
)

// SVG draws the last frame as a picture. The same frame gives the same bytes.
func (m *Model) SVG() string {
	if m.dirty {
		m.draw()
		m.dirty = false
	}
	if m.grid == nil {
		return ""
	}
	return m.grid.svg(m.theme.colours())
}

// colours are the theme's colours as a picture needs them.
type colours struct {
	fg, bg string
	inks   [inkCount]string
}

// svg draws the grid: backgrounds first, then runs of equal style.
func (g *grid) svg(p colours) string {
	var b strings.Builder
	w, h := float64(g.w)*cellW+2*svgMargin, g.h*cellH+2*svgMargin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" viewBox="0 0 %.0f %d" role="img">`+"\n", w, h, w, h)
	b.WriteString("<title>bgctl dashboard</title>\n")
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", p.bg)
	fmt.Fprintf(&b, `<g font-family="'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="14" fill="%s" xml:space="preserve">`+"\n", p.fg)
	for y := range g.h {
		g.svgRow(&b, y, &p)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// svgRow draws one row.
func (g *grid) svgRow(b *strings.Builder, y int, p *colours) {
	row := g.cells[y*g.w : (y+1)*g.w]
	for x := 0; x < g.w; {
		from, st := x, row[x].style
		var text strings.Builder
		fg, bg := p.of(st)
		for ; x < g.w && row[x].style == st; x++ {
			if w := barWidth(row[x].text); w != "" {
				fmt.Fprintf(b, `<rect x="%s" y="%d" width="%s" height="%d" fill="%s"/>`+"\n", px(svgMargin+(float64(x)+0.45)*cellW), svgMargin+y*cellH, w, cellH, fg)
				text.WriteByte(' ')
				continue
			}
			text.WriteString(row[x].text)
		}
		left, width := svgMargin+float64(from)*cellW, float64(x-from)*cellW
		top := svgMargin + y*cellH
		if bg != "" {
			fmt.Fprintf(b, `<rect x="%s" y="%d" width="%s" height="%d" fill="%s"/>`+"\n", px(left), top, px(width), cellH, bg)
		}
		lead := len(text.String()) - len(strings.TrimLeft(text.String(), " "))
		content := strings.TrimRight(text.String(), " ")
		if content == "" {
			continue
		}
		content, from, left = content[lead:], from+lead, left+float64(lead)*cellW
		// The length keeps the columns in line whatever font the reader has.
		fmt.Fprintf(b, `<text x="%s" y="%s" textLength="%s" lengthAdjust="spacingAndGlyphs"`, px(left), px(float64(top)+baseline), px(float64(cellsOf(row[from:x], content))*cellW))
		if fg != p.fg {
			fmt.Fprintf(b, ` fill="%s"`, fg)
		}
		if st&bold != 0 {
			b.WriteString(` font-weight="bold"`)
		}
		b.WriteByte('>')
		_ = xml.EscapeText(b, []byte(content)) // a builder does not fail
		b.WriteString("</text>\n")
	}
}

// barWidth is the width of an upright line, which is drawn as high as its cell so
// that frames have no gaps; "" for every other glyph.
func barWidth(glyph string) string {
	switch glyph {
	case "│", "║":
		return "1"
	case "┃":
		return "2"
	}
	return ""
}

// cellsOf counts the cells that the beginning of a run takes.
func cellsOf(run []cell, content string) int {
	n, left := 0, len(content)
	for _, c := range run {
		if left <= 0 && c.text != "" {
			break
		}
		left -= len(c.text)
		n++
	}
	return n
}

// of returns the colours of a style; no background is "".
func (p *colours) of(st style) (fg, bg string) {
	fg = p.fg
	if ink := st & inkMask; ink < inkCount && p.inks[ink] != "" {
		fg = p.inks[ink]
	}
	if st&reverse != 0 {
		return p.bg, fg
	}
	return fg, ""
}

// px writes a length with two digits at most.
func px(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
}

// colours reads the theme's colours back from its escape sequences.
func (t *theme) colours() colours {
	p := colours{fg: "#D4D4D4", bg: "#16181D"}
	if t.name == ThemeLight || t.name == contrastLight {
		p.fg, p.bg = "#1B1B1B", "#FFFFFF"
	}
	for i, params := range palettes(t.name) {
		if params != "" {
			p.inks[i] = hexOf(params)
		}
	}
	return p
}

// hexOf is the colour of SGR parameters: 38;5;n, 38;2;r;g;b or one of 16.
func hexOf(params string) string {
	var n []int
	for part := range strings.SplitSeq(params, ";") {
		v, err := strconv.Atoi(part)
		if err != nil {
			return ""
		}
		n = append(n, v)
	}
	switch {
	case len(n) == 5 && n[1] == 2:
		return fmt.Sprintf("#%02X%02X%02X", n[2], n[3], n[4])
	case len(n) == 3 && n[1] == 5:
		return indexed(n[2])
	case len(n) == 1 && n[0] >= 90 && n[0] <= 97:
		return [8]string{"#7F7F7F", "#FF5555", "#55FF55", "#FFFF55", "#5555FF", "#FF55FF", "#55FFFF", "#FFFFFF"}[n[0]-90]
	}
	return ""
}

// indexed is a colour of the 256 that terminals agree on: a cube of six steps, and
// greys. The first 16 are the user's own and not used here.
func indexed(n int) string {
	if n >= 232 {
		v := 8 + 10*(n-232)
		return fmt.Sprintf("#%02X%02X%02X", v, v, v)
	}
	n = max(0, n-16)
	step := func(i int) int {
		if i == 0 {
			return 0
		}
		return 55 + 40*i
	}
	return fmt.Sprintf("#%02X%02X%02X", step(n/36%6), step(n/6%6), step(n%6))
}
