package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// maxCopy is how much is copied at most: what tmux and most terminals take in one
// OSC 52 sequence.
const maxCopy = 74_000

// yank copies the selected line.
func (m *Model) yank() tea.Cmd {
	text := ""
	switch m.view.focus {
	case panelEvents:
		if i := m.events.current(); i >= 0 {
			text = m.events.entries[i].text
		}
	case panelContainers:
		l := m.layout()
		if r, i := m.containers.current(m.scene(&l).rows()); i >= 0 {
			text = clean(r.Name)
		}
	case panelLogs, panelBlue, panelGreen, panelErrors, panelLatency, panelWindow, noPanel, panelCount:
		if _, r := m.logs.selected(); r != nil {
			text = lineText(&r.Record)
		}
	}
	return m.copy(text, 1)
}

// yankAll copies every line that the focused list shows.
func (m *Model) yankAll() tea.Cmd {
	var lines []string
	if m.view.focus == panelEvents {
		for i := range m.events.entries {
			e := &m.events.entries[i]
			lines = append(lines, clock(e.at)+" "+e.text)
		}
	} else {
		for _, n := range m.logs.shownAt {
			lines = append(lines, lineText(&m.logs.at(n).Record))
		}
	}
	return m.copy(strings.Join(lines, "\n"), len(lines))
}

// copy puts text into the clipboard of the operator's terminal and says how much.
func (m *Model) copy(text string, lines int) tea.Cmd {
	if text == "" {
		m.toast = say(m.now, inkWarn, "nothing to copy")
		return nil
	}
	cut := ""
	if len(text) > maxCopy {
		text = strings.ToValidUTF8(text[:maxCopy], "")
		cut = "; the rest is left out, S saves everything"
	}
	m.toast = say(m.now, plain, fmt.Sprintf("copied %d bytes (%d %s)%s", len(text), lines, plural(lines, "line", "lines"), cut),
		"nothing arrived? The terminal has to allow OSC 52; in tmux: set -g set-clipboard on")
	return tea.SetClipboard(text)
}
