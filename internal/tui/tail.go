package tui

import (
	"errors"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// maxTail is how many lines of a container's output are remembered.
const maxTail = 2000

// tailView shows the output of one container over the screen.
type tailView struct {
	name    string
	source  Tail // nil until it is open
	taking  bool
	lines   []string
	first   int // number of the oldest line
	dropped uint64
	err     error
	follow  bool
	bottom  int // number of the lowest line shown when not following
	rows    int // lines of the last frame
	query   string
	finder  *finder
}

// The messages of a tail.
type (
	tailOpenMsg struct {
		view   *tailView
		source Tail
		err    error
	}
	tailMsg struct {
		view *tailView
		snap TailSnapshot
	}
)

// tailable reports whether the selected container's output can be shown.
func (m *Model) tailable() bool { return m.deps.Logs != nil && m.dep != nil }

// tailSelected follows the output of the selected container, else of the pool that
// acts are about.
func (m *Model) tailSelected() tea.Cmd {
	l := m.layout()
	r, i := m.containers.current(m.scene(&l).rows())
	if pool := m.view.focus.pool(); pool != 0 {
		if ps := m.dep.Pool(pool); len(ps.Containers) > 0 {
			return m.openTail(ps.Containers[0].ID, ps.Containers[0].Name)
		}
	}
	if i < 0 {
		m.toast = say(m.now, inkWarn, "no container is selected")
		return nil
	}
	return m.openTail(r.ID, r.Name)
}

// openTail follows the output of a container, outside Update.
func (m *Model) openTail(id, name string) tea.Cmd {
	m.closeTail()
	v := &tailView{name: clean(name), follow: true}
	m.tail = v
	ctx, open := m.ctx, m.deps.Logs
	return func() tea.Msg {
		source, err := open(ctx, id)
		return tailOpenMsg{v, source, err}
	}
}

// closeTail puts the output away.
func (m *Model) closeTail() {
	if m.tail != nil && m.tail.source != nil {
		m.tail.source.Close()
	}
	m.tail = nil
}

// onTailOpen takes an opened output; one that was put away meanwhile is closed.
func (m *Model) onTailOpen(msg tailOpenMsg) tea.Cmd {
	if msg.view != m.tail {
		if msg.source != nil {
			msg.source.Close()
		}
		return nil
	}
	msg.view.source, msg.view.err = msg.source, msg.err
	return m.takeTail()
}

// takeTail pulls the newest lines outside Update, at most once at a time.
func (m *Model) takeTail() tea.Cmd {
	v := m.tail
	if v == nil || v.source == nil || v.taking || v.err != nil {
		return nil
	}
	v.taking = true
	return func() tea.Msg { return tailMsg{v, v.source.Take()} }
}

// take takes new lines.
func (v *tailView) take(s *TailSnapshot) {
	v.taking = false
	v.dropped += s.Dropped
	for _, line := range s.Lines {
		v.lines = append(v.lines, clean(line))
	}
	if over := len(v.lines) - maxTail; over > 0 {
		v.lines = append(v.lines[:0], v.lines[over:]...)
		v.first += over
	}
	v.err = s.Err
}

// end is the number of the line after the newest.
func (v *tailView) end() int { return v.first + len(v.lines) }

// key handles a key press. It reports whether the view stays.
func (v *tailView) key(name, text string) bool {
	if v.finder != nil {
		if !v.finder.key(name, text) {
			v.finder = nil
			v.seek(-1)
		}
		return true
	}
	switch name {
	case "esc", "q":
		if v.query != "" && name == "esc" {
			v.query = ""
			return true
		}
		return false
	case "up", "k":
		v.scroll(-1)
	case "down", "j":
		v.scroll(1)
	case "pgup", "ctrl+u":
		v.scroll(-max(1, v.rows-1))
	case "pgdown", "ctrl+d", "space":
		v.scroll(max(1, v.rows-1))
	case "g", "home":
		v.follow, v.bottom = false, v.first
	case "G", "end":
		v.follow = true
	case "/":
		v.finder = &finder{lead: "/", before: v.query, hint: "enter finds · esc leaves", set: func(q string) { v.query = strings.ToLower(q) }, count: v.matches}
	case "n":
		v.seek(1)
	case "N":
		v.seek(-1)
	}
	return true
}

// scroll moves the view by n lines. At the newest it follows again.
func (v *tailView) scroll(n int) {
	if v.follow {
		v.bottom = v.end() - 1
	}
	v.bottom += n
	v.follow = v.bottom >= v.end()-1
	v.bottom = max(v.bottom, v.first+min(v.rows, len(v.lines))-1)
}

// matches counts the lines with the query.
func (v *tailView) matches() int {
	n := 0
	for _, line := range v.lines {
		if v.query != "" && strings.Contains(strings.ToLower(line), v.query) {
			n++
		}
	}
	return n
}

// seek goes to the next line with the query.
func (v *tailView) seek(dir int) {
	at := v.bottom
	if v.follow {
		at = v.end()
	}
	for at += dir; at >= v.first && at < v.end(); at += dir {
		if v.query != "" && strings.Contains(strings.ToLower(v.lines[at-v.first]), v.query) {
			v.follow, v.bottom = false, at
			return
		}
	}
}

// draw draws the newest lines, long ones broken.
func (v *tailView) draw(c canvas, m *Model) {
	box := c.sub(rect{0, 0, c.rect.w, c.rect.h})
	box.blank()
	right := []seg{{bold, "FOLLOW ▼"}, {muted, " · / finds · esc closes"}}
	if !v.follow {
		right = []seg{{inkWarn, fmt.Sprintf("+%d newer, G follows", v.end()-1-v.bottom)}, {muted, " · esc closes"}}
	}
	if v.query != "" {
		right = append([]seg{{plain, fmt.Sprintf("/%s %d  ", clip(v.query, 16), v.matches())}}, right...)
	}
	if v.dropped > 0 {
		right = append([]seg{{inkWarn, count(v.dropped) + " lines not shown · "}}, right...)
	}
	in := box.frame(heavyBorder(), bold, title{left: []seg{{bold, "Output of " + v.name}}, right: right})
	v.rows = in.rect.h
	switch {
	case v.err != nil && len(v.lines) == 0 && !errors.Is(v.err, io.EOF):
		in.note(inkWarn, "▲ "+clean(v.err.Error()))
	case len(v.lines) == 0:
		in.note(muted, "no output yet")
	}
	bottom := v.end() - 1
	if !v.follow {
		bottom = max(v.first, min(v.bottom, bottom))
	}
	y := in.rect.h
	if v.err != nil && len(v.lines) > 0 && v.follow {
		y--
		text := "— the container stopped —"
		if !errors.Is(v.err, io.EOF) {
			text = "— " + clean(v.err.Error()) + " —"
		}
		in.fit(1, y, in.rect.w-2, inkWarn, text)
	}
	for n := bottom; n >= v.first && y > 0; n-- {
		parts := wrapSegs([]seg{{plain, v.lines[n-v.first]}}, in.rect.w-2)
		for i := len(parts) - 1; i >= 0 && y > 0; i-- {
			y--
			in.segs(1, y, parts[i]...)
			if v.query != "" {
				in.highlight(y, v.query)
			}
		}
	}
	if v.finder != nil {
		row := box.sub(rect{1, box.rect.h - 1, box.rect.w - 2, 1})
		row.blank()
		v.finder.draw(row, m)
	}
}
