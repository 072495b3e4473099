package tui

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/alert"
)

// scene gathers what panels may look at.
func (m *Model) scene(l *layout) *scene {
	marks := slices.Clip(m.marks)
	for _, at := range m.logs.bookmarks() {
		marks = append(marks, mark{at, "●", plain | bold})
	}
	failover := slices.ContainsFunc(m.events.firing, func(ev alert.Event) bool { return ev.Type == alert.Failover })
	return &scene{
		failover: failover, takeover: m.takeover(),
		opts: &m.opts, now: m.now, kind: l.kind, dep: m.dep, depErr: m.depErr,
		feed: m.feed, hist: m.hist, window: m.view.window, marks: marks,
		focus: m.view.focus, zoomed: l.zoomed != noPanel, cooldown: m.events.cooldown(alert.ErrorRate, m.opts.Alert.Cooldown),
	}
}

// layout arranges the screen for what the operator chose to see.
func (m *Model) layout() layout { return arrange(m.w, m.h, m.view) }

// draw draws the whole frame.
func (m *Model) draw() {
	m.cursor = nil
	if m.w <= 0 || m.h <= 0 {
		m.frame = ""
		return
	}
	g, l := m.blank(), m.layout()
	if l.kind == layoutTiny {
		m.drawTiny(g)
	} else {
		m.drawAll(g, &l)
	}
	m.frame = g.render(m.theme)
}

// blank returns the grid to draw on, the last frame's where the size is the same.
func (m *Model) blank() *grid {
	if m.grid == nil || m.grid.w != m.w || m.grid.h != m.h {
		m.grid = newGrid(m.w, m.h)
	}
	m.grid.clear()
	return m.grid
}

// drawTiny says what is missing.
func (m *Model) drawTiny(g *grid) {
	c := g.canvas(rect{0, 0, g.w, g.h})
	c.note(plain, fmt.Sprintf("terminal %dx%d", m.w, m.h), fmt.Sprintf("need %dx%d", minWidth, minHeight), "q quits")
}

// drawAll draws every part of the screen, overlays last.
func (m *Model) drawAll(g *grid, l *layout) {
	s := m.scene(l)
	m.drawHeader(g.canvas(l.header), s)
	m.drawAlert(g.canvas(l.alert), s)
	if !l.strip.empty() && l.zoomed == noPanel {
		c := g.canvas(l.strip)
		c.dim = s.logDown() != nil
		drawStrip(c, s)
	}
	for id := panelBlue; id < panelCount; id++ {
		if l.visible(id) {
			m.drawPanel(g.canvas(l.panels[id]), id, s)
		}
	}
	m.drawFooter(g.canvas(l.footer))
	m.drawOverlays(g.canvas(l.body))
	if m.hint {
		m.drawHint(g.canvas(l.body))
	}
}

// drawHint says how to begin, until the first key.
func (m *Model) drawHint(c canvas) {
	t := toast{glyph: "?", style: plain, lines: []string{
		"first time here? " + m.keyOf("help") + " lists every key, " + m.keyOf("palette") + " runs a command by its name, " + m.keyOf("quit") + " leaves",
		"what changes something asks first; any key closes this",
	}}
	t.draw(c)
}

// drawPanel draws a panel in its frame, or as one row on the smallest screens.
func (m *Model) drawPanel(c canvas, id panelID, s *scene) {
	if pool, ok := m.panels[id].(poolPanel); ok && c.rect.h == 1 {
		pool.line(c, s)
		return
	}
	b, st := roundBorder(), muted
	if m.view.focus == id {
		b, st = heavyBorder(), bold
	}
	inner := c.frame(b, st, m.panels[id].title(s))
	m.panels[id].draw(inner, s)
}

// drawOverlays draws what lies over the panels.
func (m *Model) drawOverlays(c canvas) {
	if m.tail != nil {
		m.tail.draw(c, m)
	}
	if m.act != nil && !m.act.hidden {
		m.act.draw(c, m.now)
	}
	if m.toast != nil {
		m.toast.draw(c)
	}
	switch {
	case m.dialog != nil:
		if x, y := m.dialog.draw(c, m.dep); x >= 0 {
			m.place(x, y)
		}
	case m.menu != nil:
		m.menu.draw(c, m)
	case m.details != nil:
		m.details.draw(c)
	}
}

// place puts the real cursor, so that screen readers and input methods find it.
func (m *Model) place(x, y int) {
	m.cursor = tea.NewCursor(x, y)
	m.cursor.Shape = tea.CursorBar
}
