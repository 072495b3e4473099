package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// act is a plan that runs.
type act struct {
	plan    bluegreen.Plan
	title   string
	started time.Time
	steps   []bluegreen.Progress // the last report of each step
	at      []time.Time          // when it came
	step    int                  // the newest step that was reported
	total   int                  // all steps, as far as they are known
	undoing bool                 // the plan failed, and what it began is being undone
	cut     int                  // how many steps of the plan are not shown, because they were never begun
	hidden  bool                 // the step list is put away
	cancel  context.CancelFunc
	aborted bool
	reports chan bluegreen.Progress
}

// newAct prepares to run plan.
func newAct(plan bluegreen.Plan, now time.Time, cancel context.CancelFunc) *act {
	a := &act{plan: plan, started: now, cancel: cancel, reports: make(chan bluegreen.Progress, 4*len(plan.Steps)+8)}
	a.steps = make([]bluegreen.Progress, len(plan.Steps))
	a.at = make([]time.Time, len(plan.Steps))
	for i := range plan.Steps {
		a.steps[i].Step = plan.Steps[i]
	}
	a.title, a.total = actTitle(&plan), len(plan.Steps)
	return a
}

// actTitle names what a plan does.
func actTitle(plan *bluegreen.Plan) string {
	to := upper(plan.To)
	switch plan.Action {
	case bluegreen.ActSwitch:
		return "SWITCHING " + upper(plan.From) + " → " + to
	case bluegreen.ActChaos:
		return "BREAKING " + to
	case bluegreen.ActHeal:
		return "HEALING " + to
	case bluegreen.ActDeploy:
		return "DEPLOYING to " + to
	case bluegreen.ActRollback:
		return "ROLLING BACK to " + to
	case bluegreen.ActPromote:
		return "PROMOTING " + to
	case bluegreen.ActRestart:
		return "RESTARTING " + to
	case bluegreen.ActUp, bluegreen.ActDown:
	}
	return strings.ToUpper(string(plan.Action)) + " " + to
}

// watches reports whether only the watching of a release is left to do.
func (a *act) watches() bool {
	p := &a.steps[a.step]
	return p.Step.Op == bluegreen.OpBake && p.State == bluegreen.StepWorking
}

// maxUndo bounds how many steps undo what failed.
const maxUndo = 64

// report takes the progress of one step. Reports of some steps may be missing, see
// [Model.start].
func (a *act) report(p bluegreen.Progress, now time.Time) {
	if p.Index < 0 || p.Index >= len(a.plan.Steps)+maxUndo {
		return
	}
	if p.Index >= len(a.plan.Steps) {
		a.undo(&p)
	}
	i := p.Index - a.cut
	if i < 0 {
		return
	}
	for i >= len(a.steps) {
		a.steps, a.at = append(a.steps, bluegreen.Progress{Step: bluegreen.Step{Text: "…"}}), append(a.at, now)
	}
	a.total = max(a.total, len(a.steps))
	if p.State == bluegreen.StepWorking && a.steps[i].State != p.State {
		a.at[i] = now
	}
	a.steps[i], a.step = p, i
}

// undo takes the first report of a step that undoes what failed. The steps of the plan
// that were never begun make room for these.
func (a *act) undo(p *bluegreen.Progress) {
	if a.undoing {
		return
	}
	begun := len(a.steps)
	for begun > 0 && a.steps[begun-1].State == "" {
		begun--
	}
	a.undoing, a.cut = true, len(a.steps)-begun
	a.steps, a.at = a.steps[:begun], a.at[:begun]
	a.title, a.total = undoTitle(&a.plan), p.Total-a.cut
}

// undoTitle names what is done while a failed plan is undone.
func undoTitle(plan *bluegreen.Plan) string {
	return "UNDOING the " + string(plan.Action) + " to " + upper(plan.To)
}

// headline is the act in the header.
func (a *act) headline(now time.Time) string {
	return fmt.Sprintf("%s %d/%d %.1fs", a.title, a.step+1, a.total, now.Sub(a.started).Seconds())
}

// abortable reports whether nothing that users notice has been done yet.
func (a *act) abortable() bool {
	if a.aborted || a.undoing {
		return false
	}
	for i := range a.steps {
		if a.steps[i].State != "" && !harmless(a.steps[i].Step.Op) {
			return false
		}
	}
	return true
}

// harmless reports whether a step changes nothing that lasts.
func harmless(op bluegreen.StepOp) bool {
	return slices.Contains([]bluegreen.StepOp{
		bluegreen.OpLock, bluegreen.OpRecheck, bluegreen.OpProbe, bluegreen.OpJournal, bluegreen.OpRecord, bluegreen.OpImage,
		bluegreen.OpMeter, bluegreen.OpEndBake, bluegreen.OpSettle,
	}, op)
}

// draw draws the step list.
func (a *act) draw(c canvas, now time.Time) {
	w := min(c.rect.w-2, 74)
	h := min(c.rect.h, len(a.steps)+3)
	box := c.sub(rect{(c.rect.w - w) / 2, (c.rect.h - h) / 2, w, h})
	box.blank()
	in := box.frame(doubleBorder(), bold, title{
		left:  []seg{{bold, "◇ " + a.title}},
		right: []seg{{plain, fmt.Sprintf("%d/%d  %.1f s", a.step+1, a.total, now.Sub(a.started).Seconds())}},
	})
	room := in.rect.h - 1
	from := max(0, min(a.step-room/2, len(a.steps)-room))
	for y := range min(room, len(a.steps)) {
		a.drawStep(in, y, from+y, now)
	}
	hint := "esc hides this list; what it does goes on"
	switch {
	case a.undoing:
		hint = "what failed is undone · " + hint
	case a.aborted:
		hint = "aborting …"
	case a.abortable():
		hint = "x aborts until traffic moves · " + hint
	}
	in.fit(1, in.rect.h-1, w-4, muted, hint)
}

// drawStep draws one step: how far it is, what it does, how long it took.
func (a *act) drawStep(c canvas, y, i int, now time.Time) {
	p := &a.steps[i]
	glyph, st, took := "·", muted, ""
	switch p.State {
	case bluegreen.StepWorking:
		glyph, st, took = "●", bold, seconds(now.Sub(a.at[i]))
	case bluegreen.StepDone:
		glyph, st, took = "✓", plain, seconds(p.Elapsed)
	case bluegreen.StepFailed:
		glyph, st, took = "×", inkCrit|bold, seconds(p.Elapsed)
	case bluegreen.StepSkipped:
		glyph = "–"
	}
	end := c.right(c.rect.w-1, y, muted, took) - 1
	x := c.put(1, y, st, glyph+" ")
	text := p.Step.Text
	switch {
	case p.Detail == "":
	case p.State == bluegreen.StepFailed:
		text = p.Detail // the reason says which step it was, and has no room behind it
	default:
		text += " · " + p.Detail
	}
	c.fit(x, y, end-x, st, clean(text))
}

// seconds formats the time of a step.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// toast tells what an act came to, until a key or a while later.
type toast struct {
	glyph string
	style style
	lines []string
	until time.Time
	undo  *bluegreen.Plan // what it undoes; nil when there is nothing to undo
}

// How long a toast stays.
const (
	toastOK  = 15 * time.Second
	toastBad = 30 * time.Second
)

// say makes a toast of a short message.
func say(now time.Time, st style, lines ...string) *toast {
	t := &toast{glyph: "✓", style: st, lines: lines, until: now.Add(toastOK)}
	if ink := st & inkMask; ink == inkWarn || ink == inkCrit {
		t.glyph, t.until = "×", now.Add(toastBad)
	}
	return t
}

// resultToast tells what an executed plan came to.
func resultToast(now time.Time, out *bluegreen.Outcome, err error) *toast {
	if err != nil {
		st := inkCrit
		switch {
		case errors.Is(err, context.Canceled):
			return say(now, inkWarn, "aborted: "+err.Error())
		case errors.Is(err, bluegreen.ErrRefused), errors.Is(err, bluegreen.ErrChanged), errors.Is(err, bluegreen.ErrLocked):
			st = inkWarn
		}
		return say(now, st, err.Error())
	}
	t := say(now, plain, out.Message)
	if out.Receipt != nil {
		t.lines = append(t.lines, out.Receipt.String())
	}
	if out.Recovered != "" {
		t.lines = append(t.lines, out.Recovered)
	}
	if out.Warning != "" {
		t.lines = append(t.lines, "▲ "+out.Warning)
	}
	if out.Undo != "" {
		plan := out.Plan
		t.undo = &plan
		t.lines = append(t.lines, "undo: "+out.Undo+"  [u]")
	}
	return t
}

// draw draws the toast into the lower right corner.
func (t *toast) draw(c canvas) {
	w := min(c.rect.w-2, 70)
	var lines []string
	for _, line := range t.lines {
		lines = append(lines, wrap(clean(line), w-6)...)
	}
	h := min(c.rect.h, len(lines)+2)
	box := c.sub(rect{c.rect.w - w - 1, c.rect.h - h, w, h})
	box.blank()
	in := box.frame(roundBorder(), t.style|bold, title{right: []seg{{muted, "esc"}}})
	in.put(1, 0, t.style|bold, t.glyph)
	for y := range min(len(lines), h-2) {
		st := plain
		if y == 0 {
			st = bold
		}
		if strings.HasPrefix(lines[y], "undo:") {
			st = muted
		}
		in.put(3, y, st, lines[y])
	}
}
