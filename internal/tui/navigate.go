package tui

import (
	tea "charm.land/bubbletea/v2"

	"bgctl/internal/bluegreen"
)

// focus gives a panel the focus and shows it where the layout shares places.
func (m *Model) focus(id panelID) {
	m.view.focus = id
	switch {
	case id >= panelContainers && id <= panelLogs:
		m.view.tab = id
	case id == panelErrors || id == panelLatency:
		m.view.plot = id
	}
	if m.view.zoom != noPanel {
		m.view.zoom = id
	}
}

// shiftFocus moves the focus by n panels.
func (m *Model) shiftFocus(n int) {
	all := int(panelCount) - 1
	m.focus(panelID((int(m.view.focus)-1+n+all)%all + 1))
}

// toggleZoom gives the focused panel the whole screen, or gives it back.
func (m *Model) toggleZoom() tea.Cmd {
	if m.view.zoom != noPanel {
		m.view.zoom = noPanel
	} else {
		m.view.zoom = m.view.focus
	}
	return nil
}

// back undoes one step of looking closer. It never quits.
func (m *Model) back() tea.Cmd {
	switch {
	case m.act != nil && !m.act.hidden:
		m.act.hidden = true
	case m.toast != nil:
		m.toast = nil
	case m.rolledBack() != nil:
		m.seen = m.rolledBack().ID
	case m.view.zoom != noPanel:
		m.view.zoom = noPanel
	case m.logs.query != "":
		m.logs.find("")
	case m.logs.filter != "":
		m.logs.sift("")
	case m.logs.pool != bluegreen.NoPool:
		m.logs.pool = bluegreen.NoPool
	case m.paused:
		return m.togglePause()
	case !m.logs.follow:
		m.logs.follow = true
	}
	return nil
}

// rolledBack is the rollback that nobody has seen yet.
func (m *Model) rolledBack() *Phase {
	if p := m.phase(); p != nil && p.Kind == PhaseRolledBack {
		return p
	}
	return nil
}

// page is how far a page key moves.
func (m *Model) page() int {
	l := m.layout()
	return max(1, l.panels[m.view.focus].h-3)
}

// move moves the selection of the focused panel; panels without one leave the log.
func (m *Model) move(n int) {
	l := m.layout()
	switch m.view.focus {
	case panelContainers:
		m.containers.move(m.scene(&l).rows(), n)
	case panelEvents:
		m.events.move(n)
	case panelLogs, panelBlue, panelGreen, panelErrors, panelLatency, panelWindow, noPanel, panelCount:
		m.logs.move(n)
	}
}

// goHome goes to the oldest row.
func (m *Model) goHome() tea.Cmd {
	switch m.view.focus {
	case panelContainers:
		m.move(-maxRows)
	case panelEvents:
		m.events.move(maxEntries)
	case panelLogs, panelBlue, panelGreen, panelErrors, panelLatency, panelWindow, noPanel, panelCount:
		m.logs.home()
	}
	return nil
}

// goEnd goes to the newest row and follows.
func (m *Model) goEnd() tea.Cmd {
	switch m.view.focus {
	case panelContainers:
		m.move(maxRows)
	case panelEvents:
		m.events.selected = 0
	case panelLogs, panelBlue, panelGreen, panelErrors, panelLatency, panelWindow, noPanel, panelCount:
		if m.paused {
			m.togglePause()
		}
		m.logs.follow = true
	}
	return nil
}

// togglePause freezes what the log feeds. Collection goes on.
func (m *Model) togglePause() tea.Cmd {
	m.paused = !m.paused
	if m.paused {
		m.pausedAt, m.pausedRow, m.logs.limit = m.now, m.logs.total, m.logs.total
		return nil
	}
	m.feed, m.logs.limit = m.latest, 0
	return nil
}

// nextPool changes which pool's requests are shown.
func (m *Model) nextPool() tea.Cmd {
	m.logs.pool = (m.logs.pool + 1) % 3
	return nil
}

// nextPlot shows the next metric in the focused plot, else in the one that changes.
func (m *Model) nextPlot() tea.Cmd {
	id := panelLatency
	switch l := m.layout(); {
	case m.view.focus == panelErrors || m.view.focus == panelLatency:
		id = m.view.focus
	case l.kind != layoutFull:
		id = m.view.plot
	}
	if p, ok := m.panels[id].(*plotPanel); ok {
		p.metric = (p.metric + 1) % metricCount
	}
	return nil
}

// zoomTime makes the plots look n windows further back.
func (m *Model) zoomTime(n int) tea.Cmd {
	m.view.window = max(0, min(windowCount-1, m.view.window+window(n)))
	return nil
}

// finding reports whether something is searched for.
func (m *Model) finding() bool { return m.logs.query != "" }

// nextMatch, previousMatch, nextError and previousError move the log's cursor.
func (m *Model) nextMatch() tea.Cmd     { return m.seek(1, "match", matched) }
func (m *Model) previousMatch() tea.Cmd { return m.seek(-1, "match", matched) }
func (m *Model) nextError() tea.Cmd     { return m.seek(1, "error", failing) }
func (m *Model) previousError() tea.Cmd { return m.seek(-1, "error", failing) }

// refetch looks at the deployment now.
func (m *Model) refetch() tea.Cmd {
	m.retryAt = m.now
	return m.observe()
}

// openDetails opens the details of the selected line.
func (m *Model) openDetails() tea.Cmd {
	if p := m.rolledBack(); p != nil {
		m.details = &details{head: "Rolled back", lines: phaseDetails(p)}
		return nil
	}
	switch m.view.focus {
	case panelEvents:
		if i := m.events.current(); i >= 0 {
			m.details = &details{head: "Event", lines: m.eventDetails(i)}
		}
	case panelLogs:
		if n, r := m.logs.selected(); r != nil {
			m.details = &details{head: "Request", lines: requestDetails(&r.Record)}
			m.logs.hold(n)
		}
	case panelContainers:
		l := m.layout()
		if r, i := m.containers.current(m.scene(&l).rows()); i >= 0 {
			m.details = &details{head: "Container", lines: containerDetails(m.scene(&l), r)}
		}
	case panelErrors, panelLatency, panelBlue, panelGreen, panelWindow:
		return m.toggleZoom()
	case noPanel, panelCount:
	}
	return nil
}

// seek moves the log's cursor to the next row in direction dir that want accepts.
func (m *Model) seek(dir int, what string, want func(*logRow) bool) tea.Cmd {
	m.focus(panelLogs)
	if !m.logs.jump(dir, want) {
		side := "newer"
		if dir < 0 {
			side = "older"
		}
		m.toast = say(m.now, plain, "no "+side+" "+what)
	}
	return nil
}

// nextStamp changes how the log writes times.
func (m *Model) nextStamp() tea.Cmd {
	m.logs.stamp = (m.logs.stamp + 1) % stampCount
	return nil
}

// toggleBookmark marks the selected row of the log.
func (m *Model) toggleBookmark() tea.Cmd {
	m.focus(panelLogs)
	m.logs.bookmark()
	return nil
}

// nextBookmark goes to the next bookmark.
func (m *Model) nextBookmark() tea.Cmd {
	m.focus(panelLogs)
	if !m.logs.nextBookmark() {
		m.toast = say(m.now, plain, "no bookmark; B sets one")
	}
	return nil
}
