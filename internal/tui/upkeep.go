package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/alert"
)

// saidMsg is the message of a short act that has no plan: muting, acknowledging.
type saidMsg struct {
	text string
	what string
	err  error
	done func(m *Model)
	told bool // the watcher tells it as an event: no note of this screen's own
}

// onSaid tells what a short act came to.
func (m *Model) onSaid(msg saidMsg) {
	if msg.err != nil {
		m.toast = say(m.now, inkWarn, msg.what+": "+msg.err.Error())
		m.events.note(entry{at: m.now, glyph: "×", style: inkWarn, text: msg.what + ": " + clean(msg.err.Error())})
		return
	}
	if msg.done != nil {
		msg.done(m)
	}
	m.toast = say(m.now, plain, msg.text)
	if msg.told {
		return
	}
	e := entry{at: m.now, glyph: "◇", text: clean(msg.text)}
	if m.opts.User != "" {
		e.text += " by " + clean(m.opts.User)
	}
	m.events.note(e)
}

// startMaintenance offers what can be muted, and first to end it where something is.
func (m *Model) startMaintenance() tea.Cmd {
	q := &menu{head: "Maintenance: alerts are still counted and shown here"}
	muted := m.feed != nil && m.feed.Maintenance.Scope != alert.ScopeNone
	for i, c := range maintenances() {
		if muted && c.ask.Scope == alert.ScopeNone {
			q.sel = i
		}
		q.items = append(q.items, item{text: c.text, do: func(m *Model) tea.Cmd { return m.maintain(c.ask) }})
	}
	return m.open(q)
}

// maintain mutes messages outside Update.
func (m *Model) maintain(ask Maintenance) tea.Cmd {
	ctx, do := m.ctx, m.deps.Maintain
	return func() tea.Msg {
		text, err := do(ctx, ask)
		return saidMsg{text: text, what: "maintenance", err: err}
	}
}

// maintainable reports whether maintenance can be changed from here.
func (m *Model) maintainable() bool { return m.deps.Maintain != nil }

// ackable is the alert that an acknowledgement is about: the selected one, else the
// gravest that nobody has acknowledged.
func (m *Model) ackable() *alert.Event {
	if m.deps.Acknowledge == nil {
		return nil
	}
	if m.view.focus == panelEvents {
		if i := m.events.current(); i >= 0 {
			if ev := m.events.entries[i].event; ev != nil && m.events.isFiring(ev.ID) && m.events.waits(ev) {
				return ev
			}
		}
	}
	for i := range m.events.firing {
		if ev := &m.events.firing[i]; m.events.waits(ev) {
			return ev
		}
	}
	return nil
}

// acknowledge says that somebody looks after an alert.
func (m *Model) acknowledge(ev *alert.Event) tea.Cmd {
	ctx, do, about, at, who := m.ctx, m.deps.Acknowledge, *ev, m.now, m.opts.User
	return func() tea.Msg {
		text, err := do(ctx, about)
		return saidMsg{text: text, what: "acknowledge", err: err, told: true, done: func(m *Model) {
			if m.events.acks.about(&about) == nil {
				m.events.acks.of[about.Type] = alert.Ack{Type: about.Type, Alert: about.ID, By: who, At: at, Until: at.Add(alert.DefaultAck)}
			}
		}}
	}
}

// stoppable reports whether the abort key has something to do.
func (m *Model) stoppable() bool {
	return m.abortable() || m.act == nil && m.ackable() != nil
}

// stop aborts what runs, else acknowledges an alert.
func (m *Model) stop() tea.Cmd {
	if m.abortable() {
		return m.abort()
	}
	if why := m.readOnly(); why != "" {
		m.toast = say(m.now, inkWarn, "nothing done: "+why)
		return nil
	}
	return m.acknowledge(m.ackable())
}

// canRollback, canDeploy, canRestart and canPromote report whether there is a plan.
func (m *Model) canRollback() bool { return m.deps.PlanRollback != nil }
func (m *Model) canDeploy() bool   { return m.deps.PlanDeploy != nil }
func (m *Model) canRestart() bool  { return m.deps.PlanRestart != nil }
func (m *Model) canPromote() bool {
	p := m.phase()
	return m.deps.PlanPromote != nil && p != nil && p.Kind == PhaseBaking
}

// askRollback asks for the way back.
func (m *Model) askRollback() tea.Cmd { return m.ask(m.deps.PlanRollback(m.dep)) }

// askPromote asks to end the bake with success.
func (m *Model) askPromote() tea.Cmd { return m.ask(m.deps.PlanPromote(m.dep)) }

// askRestart asks to restart the selected container, else the first of the pool
// that acts are about.
func (m *Model) askRestart() tea.Cmd {
	id := ""
	if m.view.focus == panelContainers {
		l := m.layout()
		if r, i := m.containers.current(m.scene(&l).rows()); i >= 0 {
			id = r.ID
		}
	} else if ps := m.dep.Pool(m.target()); ps != nil && len(ps.Containers) > 0 {
		id = ps.Containers[0].ID
	}
	if id == "" {
		m.toast = say(m.now, inkWarn, "nothing done: no container is selected")
		return nil
	}
	return m.ask(m.deps.PlanRestart(m.dep, id))
}

// startDeploy asks which image.
func (m *Model) startDeploy() tea.Cmd {
	m.finder = &finder{
		lead: fmt.Sprintf("deploy into %s, image: ", upper(m.dep.Active().Other())), hint: "enter plans · esc leaves",
		done: (*Model).planDeploy,
	}
	return nil
}

// planDeploy asks for the plan of a deploy.
func (m *Model) planDeploy(image string) tea.Cmd {
	if image == "" {
		m.toast = say(m.now, inkWarn, "nothing done: no image was named")
		return nil
	}
	if why := m.locked(); why != "" {
		m.toast = say(m.now, inkWarn, "nothing done: "+why)
		return nil
	}
	return m.ask(m.deps.PlanDeploy(m.dep, image))
}

// phase is the long state the deployment is in, nil for none. That traffic was moved
// back is shown until the operator has seen it.
func (m *Model) phase() *Phase {
	if m.deps.Phase == nil || m.dep == nil {
		return nil
	}
	p := m.deps.Phase(m.dep)
	if p != nil && p.Kind == PhaseRolledBack && p.ID == m.seen {
		return nil
	}
	return p
}

// headline is the phase in the header.
func (p *Phase) headline(m *Model) seg {
	switch p.Kind {
	case PhaseDraining:
		text := fmt.Sprintf("◇ DRAINING %s %d in flight", upper(p.Pool), p.InFlight)
		if left := p.Until.Sub(m.now); !p.Until.IsZero() && left > 0 {
			text += ", " + age(left) + " left"
		}
		return seg{bold, text}
	case PhaseRolledBack:
		return seg{inkWarn | bold, "▲ ROLLED BACK to " + upper(p.Pool)}
	case PhaseBaking:
	}
	return seg{bold, fmt.Sprintf("◇ BAKING %s %s of %s", upper(p.Pool), countdown(m.now.Sub(p.Since)), countdown(p.Until.Sub(p.Since)))}
}

// explain is the second row of the screen while a phase lasts.
func (p *Phase) explain(m *Model, w int) (style, string) {
	switch p.Kind {
	case PhaseDraining:
		return plain, "◇ " + upper(p.Pool) + " answers its last requests; then its release is replaced " + clean(p.Text)
	case PhaseRolledBack:
		return inkWarn | bold, "▲ " + clean(p.Text) + " · enter: details · esc"
	case PhaseBaking:
	}
	text := fmt.Sprintf("◇ err %s, rolls back to %s above %s%%", percent(p.Rate), upper(p.Pool.Other()), number(p.Threshold))
	keys := ""
	if m.canRollback() {
		keys += " · b back now"
	}
	if m.canPromote() {
		keys += " · P keep now"
	}
	if room := w - width(text) - width(keys) - 16; room >= 10 {
		text += "  " + bar(m.now.Sub(p.Since).Seconds()/p.Until.Sub(p.Since).Seconds(), min(room, 24))
	}
	return plain, text + keys
}

// bar draws how far something is.
func bar(part float64, w int) string {
	out := make([]rune, w)
	for i := range out {
		out[i] = '─'
		if float64(i) < part*float64(w) {
			out[i] = '█'
		}
	}
	return string(out)
}

// phaseDetails tells why traffic was moved back.
func phaseDetails(p *Phase) []string {
	out := []string{
		"traffic was moved back to " + upper(p.Pool),
		pad("why", 10) + clean(p.Text),
		pad("began", 10) + clock(p.Since),
		pad("ended", 10) + clock(p.Until),
	}
	if p.Threshold > 0 {
		out = append(out, pad("error rate", 10)+percent(p.Rate)+" of the new release, threshold "+number(p.Threshold)+"%")
	}
	return append(out, "", "the log shows the requests: e and E go through the errors; bgctl logs --access prints them")
}
