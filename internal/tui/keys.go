package tui

import (
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"
)

// binding is one row of the key table. The footer, the help and the dispatch are
// all made from it.
type binding struct {
	keys   []string // as Bubble Tea names them
	show   string   // as people write them
	short  string   // in the footer; "" keeps it out
	help   string   // in the help
	group  string
	writes bool                // changes the deployment
	when   func(m *Model) bool // nil: always legal
	do     func(m *Model) tea.Cmd
}

// The groups of the help.
const (
	groupAct  = "Act (each asks first)"
	groupRead = "Read"
	groupMove = "Move"
	groupMisc = "Screen"
)

// bindings is the key table.
func bindings() []binding {
	return append(append(actBindings(), readBindings()...), append(moveBindings(), miscBindings()...)...)
}

// actBindings are the keys that change something.
func actBindings() []binding {
	return []binding{
		{keys: []string{"s"}, show: "s", short: "switch", help: "switch traffic to the other pool", group: groupAct, writes: true, do: (*Model).askSwitch},
		{keys: []string{"K"}, show: "K", short: "kill", help: "kill the selected pool, else the active one", group: groupAct, writes: true, do: (*Model).askKill},
		{keys: []string{"H"}, show: "H", short: "heal", help: "undo faults and start what is down", group: groupAct, writes: true, when: (*Model).ill, do: (*Model).askHeal},
		{keys: []string{"u"}, show: "u", short: "undo", help: "undo what was just done", group: groupAct, writes: true, when: (*Model).undoable, do: (*Model).askUndo},
		{keys: []string{"x"}, show: "x", short: "abort", help: "abort what runs, until traffic moves", group: groupAct, when: (*Model).abortable, do: (*Model).abort},
	}
}

// readBindings are the keys that find things.
func readBindings() []binding {
	return []binding{
		{keys: []string{"/"}, show: "/", short: "find", help: "find in the log, keeping what is around it", group: groupRead, do: (*Model).startFind},
		{keys: []string{"n"}, show: "n", short: "next", help: "next match", group: groupRead, when: (*Model).finding, do: (*Model).nextMatch},
		{keys: []string{"N"}, show: "N", help: "previous match", group: groupRead, when: (*Model).finding, do: (*Model).previousMatch},
		{keys: []string{"f"}, show: "f", short: "filter", help: "show only rows with a text; ! before it hides them", group: groupRead, do: (*Model).startFilter},
		{keys: []string{"e"}, show: "e", help: "next error or retry", group: groupRead, do: (*Model).nextError},
		{keys: []string{"E"}, show: "E", help: "previous error or retry", group: groupRead, do: (*Model).previousError},
		{keys: []string{"space"}, show: "space", short: "pause", help: "freeze the display; alerts go on", group: groupRead, do: (*Model).togglePause},
		{keys: []string{"p"}, show: "p", short: "pool", help: "log of all pools, of blue, of green", group: groupRead, do: (*Model).nextPool},
		{keys: []string{"t"}, show: "t", short: "plot", help: "next metric in the plot: errors, latency, rate, mix", group: groupRead, do: (*Model).nextPlot},
		{keys: []string{"["}, show: "[", help: "plots: look less far back (1 min at least)", group: groupRead, do: func(m *Model) tea.Cmd { return m.zoomTime(-1) }},
		{keys: []string{"]"}, show: "]", help: "plots: look further back (up to 1 h)", group: groupRead, do: func(m *Model) tea.Cmd { return m.zoomTime(1) }},
		{keys: []string{"a"}, show: "a", short: "alerts", help: "alerts and events", group: groupRead, do: focusOn(panelEvents)},
		{keys: []string{"w"}, show: "w", help: "log: wrap long rows, or cut them", group: groupRead, do: func(m *Model) tea.Cmd { m.logs.wrap = !m.logs.wrap; return nil }},
		{keys: []string{"T"}, show: "T", help: "log: time of day, date and ms, age, none", group: groupRead, do: (*Model).nextStamp},
		{keys: []string{"B"}, show: "B", help: "log: bookmark the row, also in the plots", group: groupRead, do: (*Model).toggleBookmark},
		{keys: []string{"'"}, show: "'", help: "log: next bookmark", group: groupRead, do: (*Model).nextBookmark},
		{keys: []string{"y"}, show: "y", help: "copy the selected line (OSC 52)", group: groupRead, do: (*Model).yank},
		{keys: []string{"Y"}, show: "Y", help: "copy all lines shown", group: groupRead, do: (*Model).yankAll},
		{keys: []string{"S"}, show: "S", help: "save screen, log and metrics into a folder", group: groupRead, when: (*Model).savable, do: (*Model).save},
		{keys: []string{"enter"}, show: "enter", help: "details of the selected line", group: groupRead, do: (*Model).openDetails},
	}
}

// moveBindings are the keys that move the focus and the selection.
func moveBindings() []binding {
	out := []binding{
		{keys: []string{"tab"}, show: "tab", short: "panel", help: "next panel", group: groupMove, do: func(m *Model) tea.Cmd { m.shiftFocus(1); return nil }},
		{keys: []string{"shift+tab"}, show: "shift+tab", help: "previous panel", group: groupMove, do: func(m *Model) tea.Cmd { m.shiftFocus(-1); return nil }},
		{keys: []string{"j", "down"}, show: "j ↓", help: "one row down", group: groupMove, do: func(m *Model) tea.Cmd { m.move(1); return nil }},
		{keys: []string{"k", "up"}, show: "k ↑", help: "one row up", group: groupMove, do: func(m *Model) tea.Cmd { m.move(-1); return nil }},
		{keys: []string{"pgdown", "ctrl+d"}, show: "pgdn ctrl+d", help: "one page down", group: groupMove, do: func(m *Model) tea.Cmd { m.move(m.page()); return nil }},
		{keys: []string{"pgup", "ctrl+u"}, show: "pgup ctrl+u", help: "one page up", group: groupMove, do: func(m *Model) tea.Cmd { m.move(-m.page()); return nil }},
		{keys: []string{"g", "home"}, show: "g home", help: "oldest row", group: groupMove, do: (*Model).goHome},
		{keys: []string{"G", "end"}, show: "G end", help: "newest row, and follow again", group: groupMove, do: (*Model).goEnd},
	}
	names := []string{"blue", "green", "error rate", "latency", "containers", "alerts & events", "log", "error-rate window"}
	for i, name := range names {
		id := panelID(i + 1)
		key := strconv.Itoa(i + 1)
		out = append(out, binding{keys: []string{key}, show: key, help: name, group: groupMove, do: focusOn(id)})
	}
	return out
}

// miscBindings are the keys about the screen itself.
func miscBindings() []binding {
	return []binding{
		{keys: []string{"z"}, show: "z", short: "zoom", help: "give the focused panel the whole screen", group: groupMisc, do: (*Model).toggleZoom},
		{keys: []string{"esc"}, show: "esc", help: "back: close, unzoom, clear the search", group: groupMisc, do: (*Model).back},
		{keys: []string{"R"}, show: "R", help: "look at the deployment now", group: groupMisc, do: (*Model).refetch},
		{keys: []string{"ctrl+l"}, show: "ctrl+l", help: "draw the screen anew", group: groupMisc, do: func(*Model) tea.Cmd { return tea.ClearScreen }},
		{keys: []string{"ctrl+z"}, show: "ctrl+z", help: "suspend", group: groupMisc, do: func(*Model) tea.Cmd { return tea.Suspend }},
		{keys: []string{"?", "f1"}, show: "?", short: "help", help: "this help", group: groupMisc, do: func(m *Model) tea.Cmd { m.help = !m.help; return nil }},
		{keys: []string{"q", "ctrl+c"}, show: "q", short: "quit", help: "quit (ctrl+c twice quits at once)", group: groupMisc, do: (*Model).quit},
	}
}

// focusOn returns the act of a panel's number.
func focusOn(id panelID) func(m *Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		m.focus(id)
		return nil
	}
}

// legal reports whether a key does something now.
func (b *binding) legal(m *Model) bool {
	if b.writes && m.locked() != "" {
		return false
	}
	return b.when == nil || b.when(m)
}

// lookup finds the binding of a key.
func (m *Model) lookup(name string) *binding {
	for i := range m.keys {
		if slices.Contains(m.keys[i].keys, name) {
			return &m.keys[i]
		}
	}
	return nil
}

// drawFooter draws the keys that are legal now, cut at the width and always
// ending in help and quit.
func (m *Model) drawFooter(c canvas) {
	if m.finder != nil {
		m.finder.draw(c, m)
		return
	}
	const tail = "? help  q quit"
	end := c.rect.w - 1 - len(tail)
	x := 1
	for i := range m.keys {
		b := &m.keys[i]
		if b.short == "" || b.show == "?" || b.show == "q" || !b.legal(m) {
			continue
		}
		need := width(b.show) + 1 + width(b.short) + 2
		if x+need > end {
			c.put(min(x, end-2), 0, muted, "…")
			break
		}
		x = c.put(x, 0, bold, b.show)
		x = c.put(x+1, 0, muted, b.short) + 2
	}
	x = min(x, end)
	if x+3 < end {
		x = c.put(x, 0, plain, "")
	} else {
		x = end
	}
	x = c.put(x, 0, bold, "?")
	x = c.put(x, 0, muted, " help  ")
	x = c.put(x, 0, bold, "q")
	c.put(x, 0, muted, " quit")
}
