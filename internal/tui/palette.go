package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// openPalette opens the command line of the screen. It takes the words that the
// command line takes, and the names of all keys.
func (m *Model) openPalette() tea.Cmd {
	q := &menu{head: "Command", palette: true, words: m.words()}
	q.narrow()
	return m.open(q)
}

// edit types into the palette.
func (q *menu) edit(name, text string) {
	switch name {
	case "backspace":
		q.typed = chop(q.typed)
	case "ctrl+u":
		q.typed = ""
	case "tab":
		if q.sel < len(q.items) {
			q.typed = q.items[q.sel].key
		}
	default:
		q.typed = typed(q.typed, text)
	}
	q.narrow()
}

// narrow lists the commands that what is typed may mean, the likeliest first.
func (q *menu) narrow() {
	type hit struct {
		item
		score int
	}
	var hits []hit
	for _, w := range q.words {
		if image, ok := strings.CutPrefix(q.typed, "deploy "); ok && strings.HasPrefix(w.key, "deploy") {
			image = strings.TrimSpace(image)
			w.key, w.do = strings.TrimSpace(q.typed), func(m *Model) tea.Cmd { return m.planDeploy(image) }
			hits = append(hits, hit{w, 1 << 20})
			continue
		}
		if score := fuzzy(q.typed, w.key); score > 0 {
			hits = append(hits, hit{w, score})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return b.score - a.score })
	q.items = q.items[:0]
	for _, h := range hits {
		q.items = append(q.items, h.item)
	}
	q.sel, q.top = 0, 0
}

// fuzzy says how well the letters of pattern stand in text in their order: 0 not at
// all; more for the beginnings of words, for neighbours, and for short texts.
func fuzzy(pattern, text string) int {
	pattern, text = strings.ToLower(strings.TrimSpace(pattern)), strings.ToLower(text)
	if pattern == "" {
		return 1
	}
	score, from, last := 1000-len(text), 0, -2
	if strings.HasPrefix(text, pattern) {
		score += 500
	}
	for _, r := range pattern {
		i := strings.IndexRune(text[from:], r)
		if i < 0 {
			return 0
		}
		i += from
		switch {
		case i == last+1:
			score += 15
		case i == 0 || text[i-1] == ' ' || text[i-1] == '-':
			score += 10
		default:
			score -= i - last
		}
		last, from = i, i+len(string(r))
	}
	return max(1, score)
}

// words are all commands: what the command line knows, with the pools and
// containers there are, and then every key.
func (m *Model) words() []item {
	var out []item
	locked := m.locked()
	add := func(word, text, off string, do func(m *Model) tea.Cmd) {
		out = append(out, item{key: word, text: text, off: off, do: do})
	}
	for _, pool := range bluegreen.Pools() {
		add("switch "+pool.String(), "move all traffic to "+upper(pool), locked, func(m *Model) tea.Cmd { return m.askSwitchTo(pool) })
	}
	for _, pool := range bluegreen.Pools() {
		for _, mode := range []bluegreen.FaultMode{bluegreen.FaultKill, bluegreen.FaultStop, bluegreen.FaultPause, bluegreen.FaultError, bluegreen.FaultTimeout, bluegreen.FaultSlow} {
			add("chaos "+pool.String()+" --mode "+string(mode), "break "+upper(pool), locked, func(m *Model) tea.Cmd {
				return m.ask(bluegreen.PlanChaos(m.dep, pool, bluegreen.ChaosOptions{Mode: mode}))
			})
		}
		add("heal "+pool.String(), "undo the faults of "+upper(pool), locked, func(m *Model) tea.Cmd {
			return m.ask(bluegreen.PlanHeal(m.dep, pool))
		})
	}
	if m.deps.PlanDeploy != nil {
		add("deploy IMAGE", "bring a release into the standby pool", locked, (*Model).startDeploy)
	}
	if m.deps.Logs != nil && m.dep != nil {
		l := m.layout()
		for _, r := range m.scene(&l).rows() {
			add("logs "+clean(r.Service), "follow the output of "+clean(r.Name), "", func(m *Model) tea.Cmd { return m.openTail(r.ID, r.Name) })
		}
	}
	if m.deps.Maintain != nil {
		for _, c := range maintenances() {
			add(c.word, c.text, m.readOnly(), func(m *Model) tea.Cmd { return m.maintain(c.ask) })
		}
	}
	for i, name := range []string{"1m", "5m", "15m", "1h"} {
		add("window "+name, "plots look back "+window(i).name(), "", func(m *Model) tea.Cmd { m.view.window = window(i); return nil })
	}
	for _, name := range []string{ThemeAuto, ThemeDark, ThemeLight, ThemeContrast, ThemeMono} {
		add("theme "+name, "colours for this screen", "", func(m *Model) tea.Cmd { m.opts.Theme = name; m.retheme(); return nil })
	}
	for i := range m.keys {
		b := &m.keys[i]
		add(b.name, b.help+"  ["+b.show+"]", b.refusal(m), b.do)
	}
	return out
}

// readOnly says why nothing may be changed, "" when it may.
func (m *Model) readOnly() string {
	if m.opts.Access == ReadOnly {
		return "read-only: this screen changes nothing"
	}
	return ""
}

// muting is one choice of the maintenance menu.
type muting struct {
	word, text string
	ask        Maintenance
}

// maintenances are the choices.
func maintenances() []muting {
	return []muting{
		{"maintenance on --for 30m", "mute every message for 30 minutes", Maintenance{alert.ScopeAll, 30 * time.Minute}},
		{"maintenance on --for 2h", "mute every message for 2 hours", Maintenance{alert.ScopeAll, 2 * time.Hour}},
		{"maintenance on --scope pools --for 30m", "mute failovers and switches for 30 minutes", Maintenance{alert.ScopePools, 30 * time.Minute}},
		{"maintenance off", "post messages again", Maintenance{}},
	}
}
