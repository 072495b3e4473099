package tui

// helpLine is one row of the help: a group's name, or a key.
type helpLine struct {
	group string
	b     *binding
}

// helpLines lists the whole key table by group.
func (m *Model) helpLines() []helpLine {
	var out []helpLine
	last := ""
	for i := range m.keys {
		b := &m.keys[i]
		if b.group != last {
			out = append(out, helpLine{group: b.group})
			last = b.group
		}
		out = append(out, helpLine{b: b})
	}
	return out
}

// drawHelp draws the help over the screen, in two columns where there is room.
func (m *Model) drawHelp(c canvas) {
	lines := m.helpLines()
	cols := 1
	if c.rect.w >= 110 {
		cols = 2
	}
	rows := (len(lines) + cols - 1) / cols
	w := min(c.rect.w-2, cols*59)
	h := min(c.rect.h, rows+2)
	box := c.sub(rect{(c.rect.w - w) / 2, (c.rect.h - h) / 2, w, h})
	box.blank()
	right := []seg{{muted, "esc closes"}}
	room := h - 2
	if room < rows {
		right = []seg{{inkWarn, "↑↓ more"}, {muted, " · esc closes"}}
	}
	in := box.frame(doubleBorder(), bold, title{left: []seg{{bold, "Keys"}}, right: right})
	m.helpTop = max(0, min(m.helpTop, rows-room))
	colw := in.rect.w / cols
	for i, line := range lines {
		col, y := i/rows, i%rows-m.helpTop
		if y < 0 || y >= room {
			continue
		}
		m.drawHelpLine(in.sub(rect{col * colw, y, colw, 1}), line)
	}
}

// drawHelpLine draws one row of the help; what is not legal now is muted.
func (m *Model) drawHelpLine(c canvas, line helpLine) {
	if line.b == nil {
		c.put(1, 0, bold, line.group)
		return
	}
	st := plain
	if !line.b.legal(m) {
		st = muted
	}
	c.put(2, 0, st|bold, line.b.show)
	c.fit(14, 0, c.rect.w-14, st, line.b.help)
}

// details is a box with more about one line.
type details struct {
	head  string
	lines []string
	top   int
}

// draw draws the box.
func (d *details) draw(c canvas) {
	w := min(c.rect.w-2, 92)
	var lines []string
	for _, l := range d.lines {
		lines = append(lines, wrap(l, w-4)...)
	}
	h := min(c.rect.h, len(lines)+2)
	box := c.sub(rect{(c.rect.w - w) / 2, (c.rect.h - h) / 2, w, h})
	box.blank()
	in := box.frame(doubleBorder(), bold, title{left: []seg{{bold, d.head}}, right: []seg{{muted, "esc closes"}}})
	d.top = max(0, min(d.top, len(lines)-in.rect.h))
	for y := range min(in.rect.h, len(lines)) {
		in.put(1, y, plain, lines[d.top+y])
	}
}
