package tui

import (
	tea "charm.land/bubbletea/v2"

	"bgctl/internal/bluegreen"
)

// The messages and parts that tests of package tui_test drive the model with.

// Observed is the message of an ended observation.
func Observed(d bluegreen.Deployment, err error) tea.Msg { return observedMsg{d, err} }

// Fed is the message of a snapshot.
func Fed(s FeedSnapshot) tea.Msg { return feedMsg{s} }

// Ticked is the message of the clock.
func Ticked() tea.Msg { return tickMsg{} }

// Started puts the model into the middle of an act without running it.
func (m *Model) Started(plan bluegreen.Plan, reports ...bluegreen.Progress) {
	m.start(plan)
	for _, p := range reports {
		m.act.report(p, m.now)
	}
	m.act.steps[len(reports)-1].Elapsed = 0
	m.dirty = true
}

// Plan are the steps of the act that runs.
func (m *Model) Plan() []bluegreen.Step { return m.act.plan.Steps }

// Ended is the message of an act that ended.
func (m *Model) Ended(out bluegreen.Outcome, err error) tea.Msg { return doneMsg{m.act, out, err} }

// Binding is a row of the key table.
type Binding struct {
	Keys       []string
	Show, Help string
}

// Bindings is the key table.
func Bindings() []Binding {
	var out []Binding
	for _, b := range bindings() {
		out = append(out, Binding{b.keys, b.show, b.help})
	}
	return out
}

// Rects returns the rectangles of all visible parts at a size.
func Rects(w, h int, zoom int) []struct{ X, Y, W, H int } {
	v := view{focus: panelLogs, tab: panelLogs, plot: panelErrors, zoom: panelID(zoom)}
	l := arrange(w, h, v)
	out := []struct{ X, Y, W, H int }{}
	for _, r := range append([]rect{l.header, l.alert, l.strip, l.footer}, l.panels[:]...) {
		if !r.empty() {
			out = append(out, struct{ X, Y, W, H int }{r.x, r.y, r.w, r.h})
		}
	}
	return out
}

// Styles writes the styles of the last frame, one letter a cell: plain . muted m
// blue b green g warn w crit c; capitals (plain: +) are bold, digits reversed, and
// u v x y z ! bold and reversed.
func (m *Model) Styles() string {
	const letters = ".mbgwc" + "+MBGWC" + "012345" + "uvxyz!"
	var b []byte
	for i, c := range m.grid.cells {
		if i > 0 && i%m.grid.w == 0 {
			b = append(b, '\n')
		}
		at := int(c.style & inkMask)
		if c.style&bold != 0 {
			at += 6
		}
		if c.style&reverse != 0 {
			at += 12
		}
		b = append(b, letters[at])
	}
	return string(b)
}

// Restyle draws the same screen for another terminal.
func (m *Model) Restyle(theme string, charset Charset) string {
	m.opts.Theme, m.opts.Charset, m.dirty = theme, charset, true
	m.retheme()
	return m.View().Content
}

// ContrastLight is the high-contrast theme on a light background.
const ContrastLight = contrastLight

// inkNames are the inks that have a colour.
func inkNames() map[string]style {
	return map[string]style{"muted": muted, "blue": inkBlue, "green": inkGreen, "warn": inkWarn, "crit": inkCrit}
}

// Inks are the colours of a theme as #RRGGBB.
func Inks(theme string) map[string]string {
	out := map[string]string{}
	p := palettes(theme)
	for name, ink := range inkNames() {
		out[name] = hexOf(p[ink])
	}
	return out
}

// Params are the SGR parameters of a theme's inks.
func Params(theme string) map[string]string {
	out := map[string]string{}
	p := palettes(theme)
	for name, ink := range inkNames() {
		out[name] = p[ink]
	}
	return out
}

// Reported is the message of a step's progress.
func (m *Model) Reported(p bluegreen.Progress) tea.Msg { return progressMsg{m.act, p} }

// EndedBake is the message of a background act that ended.
func (m *Model) EndedBake(out bluegreen.Outcome, err error) tea.Msg {
	return doneMsg{m.baking[0], out, err}
}

// Taken pulls the open output.
func (m *Model) Taken() tea.Cmd { return m.takeTail() }

// Tracked wraps the acts of deps as Run does; what it returns waits for their end.
func Tracked(deps *Deps) (wait func()) { return newTracker(deps).wait }

// Wrapped breaks a text into lines of at most w cells.
func Wrapped(text string, w int) []string { return wrap(text, w) }
