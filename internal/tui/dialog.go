package tui

import (
	"fmt"
	"slices"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/sanitize"
)

// dialog asks before a plan runs. It shows the very plan that will run and keeps
// what it was made for: when that changes, it refuses.
type dialog struct {
	head    string
	lines   []string // what stands above the plan
	plan    bluegreen.Plan
	verb    string
	want    string // the word to type; "" when a key is enough
	typed   string
	confirm bool // focus is on the verb; it starts on Cancel
	scroll  int
	targets []string // container IDs of the pool it was made for
	quit    bool     // asks whether to leave, runs no plan
}

// newDialog asks for plan, made from d.
func newDialog(d *bluegreen.Deployment, plan bluegreen.Plan) *dialog {
	q := &dialog{plan: plan, targets: targets(d, plan.To)}
	to := upper(plan.To)
	switch plan.Action {
	case bluegreen.ActSwitch:
		q.head, q.verb = fmt.Sprintf("Switch traffic %s → %s", upper(plan.From), to), "Switch"
		q.lines = append(q.lines, to+" "+clean(d.Pool(plan.To).Release()))
	case bluegreen.ActChaos:
		q.head, q.verb = "Break "+to+" ("+string(plan.Mode)+")", "Kill"
		if plan.To == plan.From {
			q.lines = append(q.lines, to+" is active: its users will be served by "+upper(plan.To.Other())+".")
		} else {
			q.lines = append(q.lines, to+" is standby: no user is on it.")
		}
	case bluegreen.ActHeal:
		q.head, q.verb = "Heal "+to, "Heal"
	case bluegreen.ActRestart:
		q.head, q.verb = "Restart "+to, "Restart"
	case bluegreen.ActDeploy:
		q.head, q.verb = "Deploy "+clean(plan.New.String())+" to "+to, "Deploy"
	case bluegreen.ActRollback:
		q.head, q.verb = fmt.Sprintf("Roll back %s → %s", upper(plan.From), to), "Roll back"
		q.lines = append(q.lines, "back to "+clean(plan.New.String()))
	case bluegreen.ActUp, bluegreen.ActDown: // commands only
	case bluegreen.ActPromote:
		q.head, q.verb = "Promote "+to, "Promote"
	}
	for _, text := range plan.Recovers {
		q.lines = append(q.lines, "▲ first: "+clean(text))
	}
	for _, reason := range plan.Forced {
		q.lines = append(q.lines, "▲ FORCED, this gate fails: "+clean(reason))
	}
	if plan.Command != "" {
		q.lines = append(q.lines, "runs: "+clean(plan.Command))
	}
	if plan.Severe {
		q.want = plan.To.String()
	}
	return q
}

// quitDialog asks whether to leave while an act runs.
func quitDialog(a *act) *dialog {
	return &dialog{
		head: "Leave while bgctl works?", verb: "Leave", quit: true,
		lines: []string{a.title + " has not ended.", "Leaving cancels it; the next command says what became of it."},
	}
}

// targets are the IDs of a pool's containers.
func targets(d *bluegreen.Deployment, pool bluegreen.Pool) []string {
	var ids []string
	if ps := d.Pool(pool); ps != nil {
		for i := range ps.Containers {
			ids = append(ids, ps.Containers[i].ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// changed says why the plan must no longer run, "" while it may.
func (q *dialog) changed(d *bluegreen.Deployment) string {
	switch {
	case q.quit:
		return ""
	case d == nil:
		return "the deployment is not known any more, nothing done"
	case d.Active() == bluegreen.NoPool:
		return "state changed: the proxy does not answer, nothing done"
	case d.Active() != q.plan.From:
		return "state changed: " + upper(d.Active()) + " is active now, nothing done"
	case !slices.Equal(targets(d, q.plan.To), q.targets):
		return "state changed: " + upper(q.plan.To) + " has other containers now, nothing done"
	}
	return ""
}

// armed reports whether the typed word allows the act.
func (q *dialog) armed() bool { return q.want == "" || q.typed == q.want }

// answer is what a key press in a dialog means.
type answer int

// The answers.
const (
	undecided answer = iota
	cancelled
	confirmed
)

// key handles one key press; text is what it types.
func (q *dialog) key(name, text string) answer {
	switch name {
	case "esc":
		return cancelled
	case "enter":
		switch {
		case q.confirm && q.armed():
			return confirmed
		case q.want != "" && q.armed():
			q.confirm = true
			return undecided
		case q.want != "" && q.typed != "":
			return undecided
		}
		return cancelled
	case "tab", "shift+tab", "left", "right":
		q.confirm = !q.confirm && q.armed()
	case "up":
		q.scroll = max(0, q.scroll-1)
	case "down":
		q.scroll++
	case "backspace":
		if n := len(q.typed); n > 0 {
			q.typed = q.typed[:n-1]
		}
		q.confirm = false
	default:
		return q.text(text)
	}
	return undecided
}

// text handles a key that types something.
func (q *dialog) text(text string) answer {
	if q.want != "" {
		if len(text) == 1 && text[0] > ' ' && text[0] < 0x7f && len(q.typed) < 32 {
			q.typed += text
			q.confirm = false
		}
		return undecided
	}
	switch text {
	case "y", "Y":
		return confirmed
	case "n", "N", "q":
		return cancelled
	case "h", "l":
		q.confirm = !q.confirm
	}
	return undecided
}

// body are the lines that may scroll.
func (q *dialog) body(w int) []string {
	var out []string
	for _, line := range q.lines {
		out = append(out, wrap(line, w)...)
	}
	if !q.quit {
		shown := elided(&q.plan)
		for line := range strings.SplitSeq(strings.TrimRight(shown.String(), "\n"), "\n") {
			out = append(out, wrap(clean(line), w)...)
		}
	}
	return out
}

// maxDetail is how many lines of one step a dialog shows.
const maxDetail = 6

// elided is a plan whose texts are one line each, and whose steps have few lines of detail.
func elided(plan *bluegreen.Plan) *bluegreen.Plan {
	p := *sanitize.Copy(plan)
	for i := range p.Steps {
		if d := p.Steps[i].Detail; len(d) > maxDetail {
			p.Steps[i].Detail = append(slices.Clone(d[:maxDetail-1]), fmt.Sprintf("… and %d more", len(d)-maxDetail+1))
		}
	}
	return &p
}

// draw draws the dialog into the middle of the screen. It returns where the
// typed word ends, negative when there is none.
func (q *dialog) draw(c canvas, d *bluegreen.Deployment) (int, int) {
	w := min(c.rect.w-2, 78)
	body := q.body(w - 4)
	fixed := 3 // borders and buttons
	reason := q.changed(d)
	if reason != "" {
		fixed++
	}
	if q.want != "" {
		fixed++
	}
	if len(body)+fixed < c.rect.h {
		fixed++ // an empty row above the buttons
	}
	h := min(c.rect.h, len(body)+fixed)
	box := c.sub(rect{(c.rect.w - w) / 2, (c.rect.h - h) / 2, w, h})
	box.blank()
	st := bold
	if q.plan.Severe {
		st = inkWarn | bold
	}
	in := box.frame(doubleBorder(), st, title{left: []seg{{bold, q.head}}})
	room := max(0, min(len(body), h-2-(fixed-2)))
	q.scroll = max(0, min(q.scroll, len(body)-room))
	for y := range room {
		drawPlanLine(in, y, body[q.scroll+y])
	}
	if room < len(body) {
		box.right(w-2, 0, inkWarn, fmt.Sprintf(" ↑↓ %d more ", len(body)-room))
	}
	return q.controls(in, reason)
}

// controls draws the lowest rows of the dialog: what changed, the word to type and
// the buttons.
func (q *dialog) controls(in canvas, reason string) (int, int) {
	y := in.rect.h - 1
	q.buttons(in, y)
	cx, cy := -1, -1
	if q.want != "" {
		y--
		x := in.put(1, y, plain, "Type ")
		x = in.put(x, y, bold, q.want)
		x = in.put(x, y, plain, " to confirm: ")
		x = in.put(x, y, bold, q.typed)
		cx, cy = in.rect.x+x, in.rect.y+y
	}
	if reason != "" {
		in.fit(1, y-1, in.rect.w-2, inkCrit|bold, "× "+reason)
	}
	return cx, cy
}

// drawPlanLine draws one line of the plan; a gate that fails stands out.
func drawPlanLine(c canvas, y int, line string) {
	st := plain
	switch {
	case strings.HasPrefix(line, "check FAIL"), strings.HasPrefix(line, "▲"):
		st = inkWarn | bold
	case strings.HasPrefix(line, "note:"):
		st = bold
	case strings.HasPrefix(line, "check"), strings.HasPrefix(line, "undo:"), strings.HasPrefix(line, "runs:"):
		st = muted
	}
	c.fit(1, y, c.rect.w-2, st, line)
}

// buttons draws Cancel and the verb, the focused one in brackets and reversed.
func (q *dialog) buttons(c canvas, y int) {
	cancel, verb := "[ Cancel ]", "  "+q.verb+"  "
	cs, vs := bold|reverse, plain
	if q.confirm {
		cancel, verb = "  Cancel  ", "[ "+q.verb+" ]"
		cs, vs = plain, bold|reverse
	}
	if !q.armed() {
		vs = muted
	}
	hint := "y/n, tab, enter"
	if q.want != "" {
		hint = "type, enter; esc cancels"
	}
	if c.rect.w >= 60 {
		c.put(1, y, muted, hint)
	}
	x := c.put(max(1, c.rect.w-width(cancel)-width(verb)-4), y, cs, cancel)
	c.put(x+2, y, vs, verb)
}

// maxHang bounds how far the rest of a line that wraps is indented.
const maxHang = 16 // or a third of the line

// wrap breaks text at spaces into lines of at most w cells. Columns stay where they are,
// and what goes on below begins under the text, not under its label.
func wrap(text string, w int) []string {
	if width(text) <= w {
		return []string{text}
	}
	indent := strings.Repeat(" ", hang(text, w))
	var out []string
	line, blank := "", true
	for rest := strings.TrimRight(text, " "); rest != ""; {
		word := strings.TrimLeft(rest, " ")
		gap := rest[:len(rest)-len(word)]
		word, _, _ = strings.Cut(word, " ")
		rest = rest[len(gap)+len(word):]
		if !blank && width(line)+len(gap)+width(word) > w {
			out = append(out, line)
			line, gap = indent, ""
		}
		line, blank = line+gap+word, false
	}
	return append(out, clip(line, w))
}

// hang is the column at which text begins after its label, which two spaces or more
// set off; a few cells when there is none.
func hang(text string, w int) int {
	const few = 3
	label, _, found := strings.Cut(strings.TrimLeft(text, " "), "  ")
	if !found || len(label) > maxHang {
		return few
	}
	at := strings.Index(text, label) + len(label)
	at = width(text[:at]) + len(text[at:]) - len(strings.TrimLeft(text[at:], " "))
	if at > min(maxHang, w/3) {
		return few
	}
	return at
}
