package tui

import tea "charm.land/bubbletea/v2"

// zone is a part of the screen that carries out a named act when it is clicked.
type zone struct {
	rect rect
	name string
}

// contains reports whether a cell lies in the rectangle.
func (r rect) contains(x, y int) bool { return x >= r.x && y >= r.y && x < r.x+r.w && y < r.y+r.h }

// toggleMouse takes the mouse or gives it back to the terminal, which alone can
// select text.
func (m *Model) toggleMouse() tea.Cmd {
	m.mouse = !m.mouse
	return nil
}

// onWheel scrolls the panel under the pointer.
func (m *Model) onWheel(ev tea.Mouse) {
	if ev.Button != tea.MouseWheelUp && ev.Button != tea.MouseWheelDown {
		return
	}
	n := 3
	if ev.Button == tea.MouseWheelUp {
		n = -3
	}
	switch {
	case m.tail != nil:
		m.tail.scroll(n)
	case m.menu != nil:
		m.menu.move(n)
	case m.details != nil:
		m.details.top += n
	case m.dialog != nil:
		m.dialog.scroll = max(0, m.dialog.scroll+n)
	default:
		if id := m.panelAt(ev.X, ev.Y); id != noPanel && id != m.view.focus {
			m.focus(id)
		}
		m.move(n)
	}
}

// panelAt is the panel at a cell.
func (m *Model) panelAt(x, y int) panelID {
	l := m.layout()
	if l.strip.contains(x, y) && l.zoomed == noPanel {
		return panelWindow
	}
	for id := panelBlue; id < panelCount; id++ {
		if l.panels[id].contains(x, y) {
			return id
		}
	}
	return noPanel
}

// onClick focuses the panel and selects the row under the pointer, or carries out
// what the footer names. Dialogs take keys only: a click must not move traffic.
func (m *Model) onClick(ev tea.Mouse) tea.Cmd {
	if ev.Button != tea.MouseLeft || m.dialog != nil || m.menu != nil || m.details != nil || m.tail != nil {
		return nil
	}
	for _, z := range m.zones {
		if z.rect.contains(ev.X, ev.Y) {
			return m.perform(z.name)
		}
	}
	if id := m.panelAt(ev.X, ev.Y); id != noPanel {
		m.focus(id)
		m.selectAt(id, ev.Y)
	}
	return nil
}

// perform carries out a named act, or says why not.
func (m *Model) perform(name string) tea.Cmd {
	for i := range m.keys {
		if b := &m.keys[i]; b.name == name {
			return m.do(b)
		}
	}
	return nil
}

// selectAt selects the row of a panel that is drawn at y.
func (m *Model) selectAt(id panelID, y int) {
	l := m.layout()
	row := y - l.panels[id].y - 1
	switch id {
	case panelContainers:
		if rows, at := m.scene(&l).rows(), m.containers.top+row-1; at >= 0 && at < len(rows) {
			m.containers.selected = rows[at].ID
		}
	case panelEvents:
		if order, at := m.events.order(), m.events.top+row; row >= 0 && at < len(order) {
			m.events.selected = m.events.entries[order[at]].seq
		}
	case panelLogs:
		if row >= 0 && row < len(m.logs.shownAt) && !m.logs.wrap {
			m.logs.hold(m.logs.shownAt[row])
		}
	case noPanel, panelBlue, panelGreen, panelErrors, panelLatency, panelWindow, panelCount:
	}
}
