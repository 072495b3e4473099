package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// finder is the prompt of a search or of the filter.
type finder struct {
	lead   string
	text   string
	before string // what was set before
	hint   string
	set    func(text string) // live, nil for a prompt that only asks
	count  func() int
	done   func(m *Model, text string) tea.Cmd // with enter
}

// startFind opens the search prompt.
func (m *Model) startFind() tea.Cmd {
	m.focus(panelLogs)
	m.finder = &finder{
		lead: "/", before: m.logs.query, hint: "enter finds · esc leaves",
		set: m.logs.find, count: func() int { return m.logs.matches },
	}
	return nil
}

// startFilter opens the prompt of the filter, with what is set.
func (m *Model) startFilter() tea.Cmd {
	m.focus(panelLogs)
	m.finder = &finder{
		lead: "filter: ", before: m.logs.filter, text: m.logs.filter, hint: "enter keeps · ! inverts · esc leaves",
		set: m.logs.sift, count: func() int { return m.logs.passed },
	}
	return nil
}

// draw draws the prompt into the footer.
func (f *finder) draw(c canvas, m *Model) {
	x := c.put(1, 0, bold, f.lead)
	x = c.put(x, 0, plain, f.text)
	m.place(c.rect.x+x, c.rect.y)
	hint := f.hint
	if f.text != "" && f.count != nil {
		n := f.count()
		hint = fmt.Sprintf("%d %s · %s", n, plural(n, "match", "matches"), hint)
	}
	if x+2+width(hint) < c.rect.w {
		c.right(c.rect.w-1, 0, muted, hint)
	}
}

// key handles a key press in the prompt. It reports whether the prompt stays.
func (f *finder) key(name, text string) bool {
	switch name {
	case "esc":
		f.apply(f.before)
		return false
	case "enter":
		f.apply(f.text)
		return false
	case "backspace":
		f.text = chop(f.text)
	case "ctrl+u":
		f.text = ""
	default:
		f.text = typed(f.text, text)
	}
	f.apply(f.text)
	return true
}

// apply sets what is searched for while it is typed.
func (f *finder) apply(text string) {
	if f.set != nil {
		f.set(text)
	}
}

// maxTyped bounds what a prompt takes.
const maxTyped = 128

// typed appends what a key or a paste types.
func typed(line, text string) string {
	if text == "" || len(line) >= maxTyped {
		return line
	}
	return clip(line+clean(strings.TrimRight(text, "\r\n")), maxTyped)
}

// chop takes the last character off.
func chop(line string) string {
	if r := []rune(line); len(r) > 0 {
		return string(r[:len(r)-1])
	}
	return line
}
