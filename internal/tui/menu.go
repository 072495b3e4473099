package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// item is one row of a menu: something to do, or the head of a group.
type item struct {
	key   string // what stands at the left
	text  string
	group bool
	off   string // why it cannot be done now, "" when it can
	do    func(m *Model) tea.Cmd
}

// menu is a list over the screen whose rows can be carried out: the help, the
// command palette, and choices.
type menu struct {
	head  string
	items []item
	sel   int
	top   int
	help  bool

	palette bool
	typed   string
	words   []item // the palette: all commands
}

// open shows a menu, its first row that does something selected.
func (m *Model) open(q *menu) tea.Cmd {
	m.menu, m.details = q, nil
	q.settle(1)
	return nil
}

// settle moves the selection off the heads of groups.
func (q *menu) settle(dir int) {
	n := len(q.items)
	for range n {
		if q.sel = max(0, min(n-1, q.sel)); q.sel < n && !q.items[q.sel].group {
			return
		}
		if q.sel == 0 {
			dir = 1
		}
		q.sel += dir
	}
}

// move moves the selection.
func (q *menu) move(n int) {
	if len(q.items) == 0 {
		return
	}
	q.sel = max(0, min(len(q.items)-1, q.sel+n))
	q.settle(max(-1, min(1, n)))
}

// key handles one key press. It returns what to do and whether the menu stays.
func (q *menu) key(name, text string) (do func(*Model) tea.Cmd, stays bool) {
	switch name {
	case "up", "ctrl+p":
		q.move(-1)
	case "down", "ctrl+n":
		q.move(1)
	case "pgdown", "right":
		q.move(10)
	case "pgup", "left":
		q.move(-10)
	case "esc":
		return nil, false
	case "enter":
		return q.chosen()
	default:
		if q.palette {
			q.edit(name, text)
			return nil, true
		}
		return q.press(name)
	}
	return nil, true
}

// press handles a key of a menu into which nobody types.
func (q *menu) press(name string) (do func(*Model) tea.Cmd, stays bool) {
	switch name {
	case "k":
		q.move(-1)
	case "j", "space":
		q.move(1)
	case "g", "home":
		q.move(-len(q.items))
	case "G", "end":
		q.move(len(q.items))
	case "ctrl+d":
		q.move(10)
	case "ctrl+u":
		q.move(-10)
	case "q", "?", "f1":
		return nil, false
	}
	return nil, true
}

// chosen returns what the selected row does.
func (q *menu) chosen() (do func(*Model) tea.Cmd, stays bool) {
	if q.sel >= len(q.items) {
		return nil, true
	}
	it := &q.items[q.sel]
	if it.off != "" {
		why := it.off
		return func(m *Model) tea.Cmd {
			m.toast = say(m.now, inkWarn, "nothing done: "+why)
			return nil
		}, false
	}
	return it.do, false
}

// onMenuKey hands a key to the open menu.
func (m *Model) onMenuKey(name, text string) tea.Cmd {
	do, stays := m.menu.key(name, text)
	if stays {
		return nil
	}
	m.menu = nil
	if do == nil {
		return nil
	}
	return do(m)
}

// draw draws the menu, in two columns where it does not fit into one.
func (q *menu) draw(c canvas, m *Model) {
	cols := 1
	if c.rect.w >= 110 && len(q.items) > c.rect.h-2 {
		cols = 2
	}
	rows := (len(q.items) + cols - 1) / cols
	fixed := 2
	if q.palette {
		fixed++
	}
	w := min(c.rect.w-2, cols*59)
	if q.palette {
		w, rows = min(c.rect.w-2, 76), max(rows, 8)
	}
	h := min(c.rect.h, rows+fixed)
	box := c.sub(rect{(c.rect.w - w) / 2, (c.rect.h - h) / 2, w, h})
	box.blank()
	room := h - fixed
	right := []seg{{muted, "enter does it · esc closes"}}
	if q.sel%max(1, rows)-q.top >= room || rows > room {
		right = []seg{{inkWarn, "↑↓ more"}, {muted, " · enter does it · esc"}}
	}
	in := box.frame(doubleBorder(), bold, title{left: []seg{{bold, q.head}}, right: right})
	if q.palette {
		x := in.put(1, 0, bold, ":")
		x = in.put(x, 0, plain, q.typed)
		m.place(in.rect.x+x, in.rect.y)
		in = in.sub(rect{0, 1, in.rect.w, in.rect.h - 1})
	}
	if len(q.items) == 0 {
		in.put(1, 0, muted, "no such command")
		return
	}
	at := q.sel % rows
	q.top = max(min(q.top, at), at-room+1, 0)
	q.top = min(q.top, max(0, rows-room))
	colw := in.rect.w / cols
	for i := range q.items {
		if col, y := i/rows, i%rows-q.top; y >= 0 && y < room {
			q.drawItem(in.sub(rect{col * colw, y, colw, 1}), i)
		}
	}
}

// drawItem draws one row; what cannot be done now is muted.
func (q *menu) drawItem(c canvas, i int) {
	it := &q.items[i]
	if it.group {
		c.put(1, 0, bold, it.text)
		return
	}
	st := plain
	if it.off != "" {
		st = muted
	}
	x := 2
	if it.key != "" {
		x = max(c.put(x, 0, st|bold, it.key)+1, 14)
	}
	c.fit(x, 0, c.rect.w-x, st, it.text)
	if i == q.sel {
		c.put(0, 0, bold, "▸")
		c.restyle(0, c.rect.w, 0, bold|reverse)
	}
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
	right := []seg{{muted, "y copies · esc closes"}}
	if len(lines) > h-2 {
		right = []seg{{inkWarn, "↑↓ more"}, {muted, " · y copies · esc closes"}}
	}
	in := box.frame(doubleBorder(), bold, title{left: []seg{{bold, d.head}}, right: right})
	d.top = max(0, min(d.top, len(lines)-in.rect.h))
	for y := range min(in.rect.h, len(lines)) {
		in.put(1, y, plain, lines[d.top+y])
	}
}

// text is the box as it is copied.
func (d *details) text() string { return strings.Join(d.lines, "\n") }
