package tui

import (
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"
)

// binding is one row of the key table. The footer, the help, the palette and the
// dispatch are all made from it.
type binding struct {
	name   string   // what settings and the palette call it
	keys   []string // as Bubble Tea names them
	show   string   // as people write them
	short  string   // in the footer; "" keeps it out
	help   string   // in the help
	group  string
	here   []panelID           // the panels that it is about; none: all
	writes bool                // changes the deployment
	when   func(m *Model) bool // nil: always legal
	do     func(m *Model) tea.Cmd
}

// The groups of the help.
const (
	groupAct  = "Act (each asks first)"
	groupRead = "Read"
	groupLog  = "Log"
	groupPlot = "Plots"
	groupMove = "Move"
	groupMisc = "Screen"
)

// bindings is the key table.
func bindings() []binding {
	return slices.Concat(actBindings(), readBindings(), logBindings(), plotBindings(), moveBindings(), miscBindings())
}

// actBindings are the keys that change something.
func actBindings() []binding {
	return []binding{
		{name: "switch", keys: []string{"s"}, show: "s", short: "switch", help: "switch traffic to the other pool", group: groupAct, writes: true, do: (*Model).askSwitch},
		{name: "rollback", keys: []string{"b"}, show: "b", short: "rollback", help: "go back to the release before", group: groupAct, writes: true, when: (*Model).canRollback, do: (*Model).askRollback},
		{name: "promote", keys: []string{"P"}, show: "P", short: "promote", help: "end the bake, the new release stays", group: groupAct, writes: true, when: (*Model).canPromote, do: (*Model).askPromote},
		{name: "deploy", keys: []string{"D"}, show: "D", short: "deploy", help: "bring a new release into the standby", group: groupAct, writes: true, when: (*Model).canDeploy, do: (*Model).startDeploy},
		{name: "heal", keys: []string{"H"}, show: "H", short: "heal", help: "undo faults and start what is down", group: groupAct, writes: true, when: (*Model).ill, do: (*Model).askHeal},
		{name: "undo", keys: []string{"u"}, show: "u", short: "undo", help: "undo what was done last", group: groupAct, writes: true, when: (*Model).undoable, do: (*Model).askUndo},
		{name: "stop", keys: []string{"x"}, show: "x", short: "abort/ack", help: "abort what runs, else acknowledge the alert", group: groupAct, when: (*Model).stoppable, do: (*Model).stop},
		{name: "kill", keys: []string{"K"}, show: "K", short: "kill", help: "kill the selected pool, else the active", group: groupAct, writes: true, do: (*Model).askKill},
		{name: "restart", keys: []string{"r"}, show: "r", short: "restart", help: "restart the selected container", group: groupAct, writes: true, here: []panelID{panelContainers}, when: (*Model).canRestart, do: (*Model).askRestart},
		{name: "maintenance", keys: []string{"M"}, show: "M", help: "mute messages for a while, or end that", group: groupAct, writes: true, here: []panelID{panelEvents}, when: (*Model).maintainable, do: (*Model).startMaintenance},
	}
}

// readBindings are the keys that find things.
func readBindings() []binding {
	return []binding{
		{name: "find", keys: []string{"/"}, show: "/", short: "find", help: "find in the log, keeping what is around", group: groupRead, here: []panelID{panelLogs}, do: (*Model).startFind},
		{name: "filter", keys: []string{"f"}, show: "f", short: "filter", help: "show rows with a text only; ! inverts", group: groupRead, here: []panelID{panelLogs}, do: (*Model).startFilter},
		{name: "pause", keys: []string{"space"}, show: "space", short: "pause", help: "freeze the display; alerts go on", group: groupRead, do: (*Model).togglePause},
		{name: "alerts", keys: []string{"a"}, show: "a", short: "alerts", help: "alerts and events", group: groupRead, do: focusOn(panelEvents)},
		{name: "logs", keys: []string{"l"}, show: "l", short: "output", help: "follow the output of the container", group: groupRead, here: []panelID{panelContainers, panelBlue, panelGreen}, when: (*Model).tailable, do: (*Model).tailSelected},
		{name: "details", keys: []string{"enter"}, show: "enter", short: "details", help: "details of the selected line; zoom a plot", group: groupRead, do: (*Model).openDetails},
		{name: "copy", keys: []string{"y"}, show: "y", help: "copy the selected line (OSC 52)", group: groupRead, do: (*Model).yank},
		{name: "copy-all", keys: []string{"Y"}, show: "Y", help: "copy all lines shown", group: groupRead, do: (*Model).yankAll},
		{name: "save", keys: []string{"S"}, show: "S", help: "save screen, log and metrics", group: groupRead, when: (*Model).savable, do: (*Model).save},
	}
}

// logBindings are the keys of the log.
func logBindings() []binding {
	logs := []panelID{panelLogs}
	return []binding{
		{name: "next-match", keys: []string{"n"}, show: "n", short: "next", help: "next match", group: groupLog, here: logs, when: (*Model).finding, do: (*Model).nextMatch},
		{name: "previous-match", keys: []string{"N"}, show: "N", help: "previous match", group: groupLog, here: logs, when: (*Model).finding, do: (*Model).previousMatch},
		{name: "next-error", keys: []string{"e"}, show: "e", help: "next error or retry", group: groupLog, here: logs, do: (*Model).nextError},
		{name: "previous-error", keys: []string{"E"}, show: "E", help: "previous error or retry", group: groupLog, here: logs, do: (*Model).previousError},
		{name: "pool", keys: []string{"p"}, show: "p", short: "pool", help: "requests of all pools, of blue, of green", group: groupLog, here: logs, do: (*Model).nextPool},
		{name: "wrap", keys: []string{"w"}, show: "w", help: "wrap long rows, or cut them", group: groupLog, here: logs, do: func(m *Model) tea.Cmd { m.logs.wrap = !m.logs.wrap; return nil }},
		{name: "timestamps", keys: []string{"T"}, show: "T", help: "time of day, date and ms, age, none", group: groupLog, here: logs, do: (*Model).nextStamp},
		{name: "bookmark", keys: []string{"B"}, show: "B", help: "bookmark the row, in the plots too", group: groupLog, here: logs, do: (*Model).toggleBookmark},
		{name: "next-bookmark", keys: []string{"'"}, show: "'", help: "next bookmark", group: groupLog, here: logs, do: (*Model).nextBookmark},
	}
}

// plotBindings are the keys of the plots.
func plotBindings() []binding {
	plots := []panelID{panelErrors, panelLatency, panelBlue, panelGreen}
	return []binding{
		{name: "metric", keys: []string{"t"}, show: "t", short: "metric", help: "next metric: errors, latency, rate, mix", group: groupPlot, here: plots, do: (*Model).nextPlot},
		{name: "shorter", keys: []string{"["}, show: "[", help: "look less far back, down to 1 min", group: groupPlot, here: plots, do: func(m *Model) tea.Cmd { return m.zoomTime(-1) }},
		{name: "longer", keys: []string{"]"}, show: "]", help: "look further back, up to 1 h", group: groupPlot, here: plots, do: func(m *Model) tea.Cmd { return m.zoomTime(1) }},
	}
}

// moveBindings are the keys that move the focus and the selection.
func moveBindings() []binding {
	out := []binding{
		{name: "next-panel", keys: []string{"tab", "right"}, show: "tab →", short: "panel", help: "next panel", group: groupMove, do: func(m *Model) tea.Cmd { m.shiftFocus(1); return nil }},
		{name: "previous-panel", keys: []string{"shift+tab", "left"}, show: "shift+tab ←", help: "previous panel", group: groupMove, do: func(m *Model) tea.Cmd { m.shiftFocus(-1); return nil }},
		{name: "down", keys: []string{"j", "down"}, show: "j ↓", help: "one row down", group: groupMove, do: func(m *Model) tea.Cmd { m.move(1); return nil }},
		{name: "up", keys: []string{"k", "up"}, show: "k ↑", help: "one row up", group: groupMove, do: func(m *Model) tea.Cmd { m.move(-1); return nil }},
		{name: "page-down", keys: []string{"pgdown", "ctrl+d"}, show: "pgdn ctrl+d", help: "one page down", group: groupMove, do: func(m *Model) tea.Cmd { m.move(m.page()); return nil }},
		{name: "page-up", keys: []string{"pgup", "ctrl+u"}, show: "pgup ctrl+u", help: "one page up", group: groupMove, do: func(m *Model) tea.Cmd { m.move(-m.page()); return nil }},
		{name: "oldest", keys: []string{"g", "home"}, show: "g home", help: "oldest row", group: groupMove, do: (*Model).goHome},
		{name: "newest", keys: []string{"G", "end"}, show: "G end", help: "newest row, and follow again", group: groupMove, do: (*Model).goEnd},
	}
	for id := panelBlue; id < panelCount; id++ {
		key := strconv.Itoa(int(id))
		out = append(out, binding{name: "panel-" + key, keys: []string{key}, show: key, help: panelName(id), group: groupMove, do: focusOn(id)})
	}
	return out
}

// miscBindings are the keys about the screen itself.
func miscBindings() []binding {
	return []binding{
		{name: "zoom", keys: []string{"z"}, show: "z", short: "zoom", help: "give the panel the whole screen", group: groupMisc, do: (*Model).toggleZoom},
		{name: "back", keys: []string{"esc"}, show: "esc", help: "back: close, unzoom, clear the search", group: groupMisc, do: (*Model).back},
		{name: "palette", keys: []string{":"}, show: ":", short: "command", help: "run a command by its name", group: groupMisc, do: (*Model).openPalette},
		{name: "refresh", keys: []string{"R"}, show: "R", help: "look at the deployment now", group: groupMisc, do: (*Model).refetch},
		{name: "mouse", keys: []string{"m"}, show: "m", help: "mouse on or off", group: groupMisc, do: (*Model).toggleMouse},
		{name: "redraw", keys: []string{"ctrl+l"}, show: "ctrl+l", help: "draw the screen anew", group: groupMisc, do: func(*Model) tea.Cmd { return tea.ClearScreen }},
		{name: "suspend", keys: []string{"ctrl+z"}, show: "ctrl+z", help: "suspend", group: groupMisc, do: func(*Model) tea.Cmd { return tea.Suspend }},
		{name: "help", keys: []string{"?", "f1"}, show: "?", short: "help", help: "this help", group: groupMisc, do: (*Model).openHelp},
		{name: "quit", keys: []string{"q", "ctrl+c"}, show: "q", short: "quit", help: "quit (ctrl+c twice quits at once)", group: groupMisc, do: (*Model).quit},
	}
}

// focusOn returns the act of a panel's number.
func focusOn(id panelID) func(m *Model) tea.Cmd {
	return func(m *Model) tea.Cmd {
		m.focus(id)
		return nil
	}
}

// belongs reports whether a key is about a panel.
func (b *binding) belongs(id panelID) bool { return len(b.here) == 0 || slices.Contains(b.here, id) }

// legal reports whether a key does something now.
func (b *binding) legal(m *Model) bool { return b.refusal(m) == "" }

// refusal says why a key does nothing now, "" when it does something.
func (b *binding) refusal(m *Model) string {
	if b.writes {
		if why := m.locked(); why != "" {
			return why
		}
	}
	if b.when != nil && !b.when(m) {
		return b.name + " has nothing to do now"
	}
	return ""
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

// keyOf is how the key of a named act is written.
func (m *Model) keyOf(name string) string {
	for i := range m.keys {
		if m.keys[i].name == name {
			return m.keys[i].show
		}
	}
	return name
}

// drawFooter draws the keys that are legal now, cut at the width and always
// ending in help and quit.
func (m *Model) drawFooter(c canvas) {
	m.zones = m.zones[:0]
	if m.finder != nil {
		m.finder.draw(c, m)
		return
	}
	tail := []string{m.keyOf("help"), " help  ", m.keyOf("quit"), " quit"}
	end := c.rect.w - 1
	for _, t := range tail {
		end -= width(t)
	}
	x := 1
	if m.mouse {
		x = c.put(x, 0, inkWarn, "mouse on: shift+drag selects  ")
	}
	for i := range m.keys {
		b := &m.keys[i]
		if b.short == "" || b.name == "help" || b.name == "quit" || !b.legal(m) || !b.belongs(m.view.focus) && b.writes {
			continue
		}
		short := b.short
		if b.name == "stop" {
			short = map[bool]string{true: "abort", false: "ack"}[m.abortable()]
		}
		need := width(b.show) + 1 + width(short) + 2
		if x+need > end {
			c.put(min(x, end-2), 0, muted, "…")
			break
		}
		from := x
		x = c.put(x, 0, bold, b.show)
		x = c.put(x+1, 0, muted, short) + 2
		m.zones = append(m.zones, zone{rect{c.rect.x + from, c.rect.y, x - from - 2, 1}, b.name})
	}
	if x+3 >= end {
		x = end
	}
	for i, t := range tail {
		st, from := bold, x
		if i%2 == 1 {
			st = muted
		}
		x = c.put(x, 0, st, t)
		m.zones = append(m.zones, zone{rect{c.rect.x + from, c.rect.y, x - from, 1}, []string{"help", "quit"}[i/2]})
	}
}
