package tui

import tea "charm.land/bubbletea/v2"

// openHelp lists every key: those of the focused panel first, then all by group.
// Its rows can be carried out.
func (m *Model) openHelp() tea.Cmd {
	q := &menu{head: "Keys", help: true}
	add := func(b *binding) {
		q.items = append(q.items, item{key: b.show, text: b.help, off: b.refusal(m), do: b.do})
	}
	head := func(text string) { q.items = append(q.items, item{text: text, group: true}) }
	if m.view.focus != noPanel {
		here := false
		for i := range m.keys {
			if b := &m.keys[i]; b.belongs(m.view.focus) && len(b.here) > 0 {
				if !here {
					head("Here: " + panelName(m.view.focus))
					here = true
				}
				add(b)
			}
		}
	}
	last := ""
	for i := range m.keys {
		b := &m.keys[i]
		if b.belongs(m.view.focus) && len(b.here) > 0 {
			continue
		}
		if b.group != last {
			head(b.group)
			last = b.group
		}
		add(b)
	}
	return m.open(q)
}

// panelName is what a panel is called.
func panelName(id panelID) string {
	return [panelCount]string{"", "blue", "green", "error rate", "latency", "containers", "alerts & events", "log", "error-rate window"}[id]
}
