package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/bluegreen"
)

// locked says why keys that change something are off, "" while they are on.
func (m *Model) locked() string {
	switch {
	case m.opts.Access == ReadOnly:
		return "read-only: this screen changes nothing"
	case m.dep == nil || m.depErr != nil:
		return "docker does not answer: nothing can be changed now"
	case m.act != nil:
		return m.act.title + " has not ended yet"
	}
	if l := routerLock(m.dep); l != nil {
		return fmt.Sprintf("locked by %s@%s: %s", clean(l.User), clean(l.Host), clean(l.What))
	}
	return ""
}

// onKey dispatches one key press: to what is open, else to the key table.
func (m *Model) onKey(name, text string) tea.Cmd {
	m.hint = false
	switch name {
	case "ctrl+c":
		return m.quit()
	case "ctrl+z":
		return tea.Suspend
	case "ctrl+l":
		return tea.ClearScreen
	}
	switch {
	case m.dialog != nil:
		return m.onDialogKey(name, text)
	case m.finder != nil:
		return m.onText(name, text)
	case m.menu != nil:
		return m.onMenuKey(name, text)
	case m.details != nil:
		return m.onBoxKey(name)
	case m.tail != nil:
		if !m.tail.key(name, text) {
			m.closeTail()
		}
		return nil
	}
	m.held = nil
	if b := m.lookup(name); b != nil {
		return m.do(b)
	}
	return nil
}

// do carries out what a key is bound to, or says why not. What changes something waits
// for the first look after the end of the act before: it takes a moment, and only opens
// a dialog. Another key meanwhile forgets it.
func (m *Model) do(b *binding) tea.Cmd {
	if b.writes && m.stale && m.act == nil && m.depErr == nil {
		m.held = b
		return nil
	}
	if why := b.refusal(m); why != "" {
		if b.writes {
			m.toast = say(m.now, inkWarn, "nothing done: "+why)
		}
		return nil
	}
	return b.do(m)
}

// onText types into the prompt, the palette or the search of an output.
func (m *Model) onText(name, text string) tea.Cmd {
	f := m.finder
	switch {
	case m.dialog != nil:
		return nil
	case f == nil && m.menu != nil && m.menu.palette:
		m.menu.edit(name, text)
		return nil
	case f == nil && m.tail != nil && m.tail.finder != nil:
		m.tail.key(name, text)
		return nil
	case f == nil || f.key(name, text):
		return nil
	}
	m.finder = nil
	if f.done != nil {
		if name == "enter" {
			return f.done(m, f.text)
		}
		return nil
	}
	m.logs.jumpToMatch()
	return nil
}

// jumpToMatch shows the newest match when it is not the newest row anyway.
func (p *logPanel) jumpToMatch() {
	if p.query != "" {
		p.jump(-1, matched)
	}
}

// onBoxKey handles keys while details are open.
func (m *Model) onBoxKey(name string) tea.Cmd {
	switch name {
	case "up", "k":
		m.details.top--
	case "down", "j":
		m.details.top++
	case "pgdown", "ctrl+d", "space":
		m.details.top += 10
	case "pgup", "ctrl+u":
		m.details.top -= 10
	case "y":
		return m.copy(m.details.text(), len(m.details.lines))
	case "q", "esc", "enter", "?", "f1":
		m.details = nil
	}
	return nil
}

// onDialogKey handles keys while a dialog asks.
func (m *Model) onDialogKey(name, text string) tea.Cmd {
	q := m.dialog
	switch q.key(name, text) {
	case cancelled:
		m.dialog = nil
	case confirmed:
		m.dialog = nil
		if q.quit {
			return m.leave()
		}
		return m.confirm(q)
	case undecided:
	}
	return nil
}

// confirm runs the plan of a dialog unless the world changed meanwhile.
func (m *Model) confirm(q *dialog) tea.Cmd {
	why := q.changed(m.dep)
	if l := m.locked(); why == "" && l != "" {
		why = "nothing done: " + l
	}
	if why != "" {
		m.toast = say(m.now, inkWarn, why)
		return nil
	}
	return m.start(q.plan)
}

// start runs plan outside Update.
func (m *Model) start(plan bluegreen.Plan) tea.Cmd {
	ctx, cancel := context.WithCancel(m.ctx)
	a := newAct(plan, m.now, cancel)
	m.act, m.toast = a, nil
	execute := m.deps.Execute
	run := func() tea.Msg {
		defer cancel()
		out, err := execute(ctx, plan, func(p bluegreen.Progress) {
			select {
			case a.reports <- p:
			default: // a screen that does not keep up must not hold the act
			}
		})
		close(a.reports)
		return doneMsg{a, out, err}
	}
	return tea.Batch(run, await(a))
}

// await hands the next report of an act to Update.
func await(a *act) tea.Cmd {
	return func() tea.Msg {
		p, ok := <-a.reports
		if !ok {
			return nil
		}
		return progressMsg{a, p}
	}
}

// onDone takes what an act came to and looks at the deployment at once.
func (m *Model) onDone(msg *doneMsg) tea.Cmd {
	switch i := slices.Index(m.baking, msg.act); {
	case msg.act == m.act:
		m.act = nil
	case i >= 0:
		m.baking = slices.Delete(m.baking, i, i+1)
	default:
		return nil
	}
	m.toast = resultToast(m.now, &msg.outcome, msg.err)
	if msg.err == nil {
		m.undo = m.toast.undo
	}
	e := entry{at: m.now, glyph: "◇", text: msg.outcome.Message, lines: m.toast.lines}
	if m.opts.User != "" {
		e.text += " by " + clean(m.opts.User)
	}
	if msg.err != nil {
		e.glyph, e.style, e.text = "×", inkWarn, string(msg.act.plan.Action)+": "+clean(msg.err.Error())
	} else {
		m.marks = append(m.marks, mark{m.now, "◇", plain})
	}
	m.events.note(e)
	return m.ended()
}

// ask opens the dialog of a plan, or says why there is none.
func (m *Model) ask(plan bluegreen.Plan, err error) tea.Cmd {
	switch {
	case err != nil:
		m.toast = say(m.now, inkWarn, err.Error())
	case plan.Empty():
		m.toast = say(m.now, plain, "nothing to do: "+upper(plan.To)+" is as asked")
	default:
		m.toast = nil
		m.dialog = newDialog(m.dep, plan)
	}
	return nil
}

// askSwitch asks to move traffic to the other pool. When a gate refuses, it asks
// for the forced plan, which wants the pool's name.
func (m *Model) askSwitch() tea.Cmd { return m.askSwitchTo(m.dep.Active().Other()) }

// askSwitchTo asks to move traffic to pool.
func (m *Model) askSwitchTo(pool bluegreen.Pool) tea.Cmd {
	plan, err := bluegreen.PlanSwitch(m.dep, pool, bluegreen.SwitchOptions{})
	if errors.Is(err, bluegreen.ErrRefused) {
		forced, ferr := bluegreen.PlanSwitch(m.dep, pool, bluegreen.SwitchOptions{Force: true})
		if ferr == nil {
			plan, err = forced, nil
		}
	}
	return m.ask(plan, err)
}

// target is the pool that an act is about: that of the focused panel or of the
// selected container, else the active one.
func (m *Model) target() bluegreen.Pool {
	if pool := m.view.focus.pool(); pool != bluegreen.NoPool {
		return pool
	}
	if m.view.focus == panelContainers {
		l := m.layout()
		if r, i := m.containers.current(m.scene(&l).rows()); i >= 0 && r.pool != bluegreen.NoPool {
			return r.pool
		}
	}
	return m.dep.Active()
}

// askKill asks to kill a pool.
func (m *Model) askKill() tea.Cmd {
	pool := m.target()
	if pool == bluegreen.NoPool {
		m.toast = say(m.now, inkWarn, "the proxy does not answer: which pool is active is not known")
		return nil
	}
	return m.ask(bluegreen.PlanChaos(m.dep, pool, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill}))
}

// sick reports whether a pool has a fault or is not ready.
func (m *Model) sick(pool bluegreen.Pool) bool {
	ps := m.dep.Pool(pool)
	return ps != nil && (ps.Fault != nil || !ps.Ready())
}

// ill reports whether there is something to heal.
func (m *Model) ill() bool {
	return m.dep != nil && (m.sick(bluegreen.Blue) || m.sick(bluegreen.Green))
}

// askHeal asks to heal the target pool, or the other one when only that is ill.
func (m *Model) askHeal() tea.Cmd {
	pool := m.target()
	if !m.sick(pool) {
		pool = bluegreen.Blue
		if !m.sick(pool) {
			pool = bluegreen.Green
		}
	}
	return m.ask(bluegreen.PlanHeal(m.dep, pool))
}

// undoable reports whether what was done last still stands and can be undone.
func (m *Model) undoable() bool {
	switch {
	case m.undo == nil || m.dep == nil:
		return false
	case m.undo.Action == bluegreen.ActChaos:
		return m.sick(m.undo.To)
	case m.undo.Action == bluegreen.ActSwitch:
		return m.dep.Active() == m.undo.To
	}
	return true
}

// askUndo asks to undo what was done last.
func (m *Model) askUndo() tea.Cmd {
	done := m.undo
	switch {
	case done.Action == bluegreen.ActSwitch:
		return m.askSwitchTo(done.From)
	case done.Action != bluegreen.ActChaos && m.canRollback():
		return m.askRollback()
	}
	return m.ask(bluegreen.PlanHeal(m.dep, done.To))
}

// abortable reports whether something runs that may still be aborted.
func (m *Model) abortable() bool { return m.act != nil && m.act.abortable() }

// abort cancels what runs.
func (m *Model) abort() tea.Cmd {
	m.act.aborted = true
	m.act.cancel()
	return nil
}

// quit leaves, and asks first while something runs. A second ctrl+c, which finds
// the question open, leaves at once.
func (m *Model) quit() tea.Cmd {
	if m.act == nil || m.dialog != nil && m.dialog.quit {
		return m.leave()
	}
	m.dialog = quitDialog(m.act)
	return nil
}

// detach lets an act whose last step only watches go on in the background: the
// keys are free again, so that the operator can take the release back.
func (m *Model) detach() tea.Cmd {
	m.baking = append(m.baking, m.act)
	m.act = nil
	return m.ended()
}

// leave ends the program.
func (m *Model) leave() tea.Cmd {
	m.closeTail()
	if m.act != nil {
		m.act.cancel()
	}
	return tea.Quit
}
