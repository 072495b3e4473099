package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/alert"
)

// windowPanel shows the sliding window that decides about the error-rate alert:
// as one row among the panels, and with its reasons when it has the screen.
type windowPanel struct{}

// title is how full the window is.
func (windowPanel) title(s *scene) title {
	t := title{left: []seg{{muted, "8 "}, {plain, "Error-rate window"}}, old: s.logDown() != nil}
	if s.feed == nil {
		return t
	}
	text, st := windowText(s)
	t.right = []seg{{st, text[0]}}
	return t
}

// draw draws every request of the window as a cell, and why the alert fires or not.
func (windowPanel) draw(c canvas, s *scene) {
	if s.feed == nil || s.feed.Window.Size <= 0 {
		c.note(muted, "waiting for the first sample")
		return
	}
	w := &s.feed.Window
	reasons := windowReasons(s)
	room := max(1, c.rect.h-len(reasons)-3)
	per := 1
	if c.rect.w >= 50 && w.Size*2 <= (c.rect.w-2)*room {
		per = 2 // a gap between the cells, where it fits, lets them be counted
	}
	cols := max(1, (c.rect.w-2)/per)
	cells := max(1, min(w.Size, cols*room))
	for i := range cells {
		glyph, ink := cellGlyph(worstCell(s.feed.Cells, i*w.Size/cells, (i+1)*w.Size/cells))
		c.set(1+i%cols*per, i/cols, 1, ink, glyph)
	}
	y := (cells + cols - 1) / cols
	if c.rect.h >= len(reasons)+3 {
		c.segs(1, y+1, windowLegend(c.rect.w)...)
		y += 2
	}
	for _, r := range reasons {
		mark := r.text[:len(r.text)-len(strings.TrimLeft(r.text, "✓· "))]
		x := c.put(1, y, r.style, mark)
		c.fit(x, y, c.rect.w-1-x, r.style&bold, r.text[len(mark):])
		y++
	}
}

// windowLegend explains the cells.
func windowLegend(w int) []seg {
	out := []seg{{muted, "▁ ok  "}, {inkWarn, "▃ retried  "}, {inkWarn, "▅ other pool  "}, {inkCrit | bold, "█ error  "}, {muted, "· empty"}}
	if w >= 80 {
		out = append(out, seg{muted, "   oldest first; full, it slides"})
	}
	return out
}

// windowReasons lists every condition of the alert and how it stands.
func windowReasons(s *scene) []seg {
	w, rules := &s.feed.Window, s.opts.Alert
	var out []seg
	add := func(ok bool, text string) {
		if ok {
			out = append(out, seg{inkWarn | bold, "✓ " + text})
			return
		}
		out = append(out, seg{muted, "· " + text})
	}
	need := max(w.MinSamples, 1)
	add(w.N >= need, fmt.Sprintf("enough requests: %d of at least %d", w.N, need))
	add(w.N > 0 && w.Rate > rules.ThresholdPercent, fmt.Sprintf("rate over the threshold: %s, has to be above %s%%", percent(w.Rate), number(rules.ThresholdPercent)))
	if rules.MinErrors > 1 {
		add(w.Errors >= rules.MinErrors, fmt.Sprintf("enough errors: %d of at least %d", w.Errors, rules.MinErrors))
	}
	if n := shortWindow(&rules); n > 0 && n < w.Size {
		k := min(n, len(s.feed.Cells))
		recent := 0
		for _, cell := range s.feed.Cells[len(s.feed.Cells)-k:] {
			if cell == CellError {
				recent++
			}
		}
		rate := errorPercent(float64(recent), float64(k))
		add(rate > rules.ThresholdPercent, fmt.Sprintf("still going on: %s of the newest %d failed", percent(rate), k))
	}
	verdict := "does not fire: every condition has to be met"
	switch {
	case w.N == 0:
		verdict = "does not fire: no request yet"
	case w.ErrorsToFire == 0:
		verdict = "fires: every condition is met"
	case w.ErrorsToFire > 0:
		verdict = fmt.Sprintf("does not fire; %d more %s in a row would", w.ErrorsToFire, plural(w.ErrorsToFire, "error", "errors"))
	}
	out = append([]seg{{bold, verdict}}, out...)
	if text := cooldownText(s); text != "" {
		out = append(out, seg{muted, text})
	}
	return out
}

// shortWindow is how many of the newest requests have to be over the threshold too.
func shortWindow(c *alert.Config) int {
	if c.ShortWindow == 0 {
		return max(c.Window/10, 20)
	}
	return max(0, c.ShortWindow)
}

// cooldownText says whether a message would be held back.
func cooldownText(s *scene) string {
	if s.cooldown.IsZero() || !s.now.Before(s.cooldown) {
		return ""
	}
	return fmt.Sprintf("a message was posted; the next one not before %s (in %s)", clock(s.cooldown), age(s.cooldown.Sub(s.now)))
}

// drawStrip draws the window as one row: a column for a few requests, its height
// the worst that became of them, and how far the alert is away.
func drawStrip(c canvas, s *scene) {
	lead := seg{muted, "8 window "}
	if s.focus == panelWindow {
		lead = seg{bold | reverse, "8 window"}
	}
	if s.kind == layoutMini {
		lead.text = "win "
	}
	x := c.segs(1, 0, lead, seg{plain, " "}) - 1
	if s.focus == panelWindow {
		x++
	}
	if s.feed == nil {
		c.put(x, 0, muted, "waiting for the first sample")
		return
	}
	w := &s.feed.Window
	variants, st := windowText(s)
	text := variants[len(variants)-1]
	for _, v := range variants {
		if c.rect.w-x-width(v)-3 >= min(w.Size, c.rect.w/4) {
			text = v
			break
		}
	}
	end := c.right(c.rect.w-1, 0, st, text) - 2
	cols := end - x
	if cols <= 0 || w.Size <= 0 {
		return
	}
	for i := range min(cols, w.Size) {
		from, to := i*w.Size/cols, (i+1)*w.Size/cols
		if w.Size <= cols {
			from, to = i, i+1
		}
		glyph, ink := cellGlyph(worstCell(s.feed.Cells, from, to))
		c.set(x+i, 0, 1, ink, glyph)
	}
}

// cellNone is a place of the window that is still empty.
const cellNone WindowCell = 0xff

// worstCell returns the worst of the cells from to to.
func worstCell(cells []WindowCell, from, to int) WindowCell {
	if from >= len(cells) {
		return cellNone
	}
	worst := CellOK
	for _, cell := range cells[from:max(from, min(to, len(cells)))] {
		worst = max(worst, cell)
	}
	return worst
}

// cellGlyph is how a request looks.
func cellGlyph(cell WindowCell) (string, style) {
	switch cell {
	case CellOK:
		return "▁", muted
	case CellRetried:
		return "▃", inkWarn
	case CellOther:
		return "▅", inkWarn
	case cellNone:
		return "·", muted
	case CellError:
	}
	return "█", inkCrit | bold
}

// windowText says how full the window is and how far the alert is away: in full,
// and shorter for less room.
func windowText(s *scene) ([]string, style) {
	w, limit := &s.feed.Window, s.opts.Alert.ThresholdPercent
	n := strconv.Itoa(w.N) + "/" + strconv.Itoa(w.Size)
	if w.N == 0 {
		return []string{n + " · no request yet", n}, muted
	}
	short := n + " " + percent(w.Rate)
	rate := n + " · " + percent(w.Rate) + " of " + number(limit) + "%"
	errs := fmt.Sprintf("%d %s", w.Errors, plural(w.Errors, "error", "errors"))
	next := ""
	if left := s.cooldown.Sub(s.now); !s.cooldown.IsZero() && left > 0 {
		next = " · cooldown " + countdown(left)
	}
	switch {
	case w.N < w.MinSamples:
		return []string{fmt.Sprintf("%s · may fire after %d more requests", rate, w.MinSamples-w.N), rate, short}, muted
	case limit > 0 && w.Rate > limit:
		text := fmt.Sprintf("▲ %s · %s · over the threshold", rate, errs)
		return []string{text + next, text, "▲ " + rate, "▲ " + short}, inkCrit | bold
	case w.ErrorsToFire > 0:
		text := fmt.Sprintf("%s · %s · fires after %d more", rate, errs, w.ErrorsToFire)
		return []string{text + next, text, fmt.Sprintf("%s · %d more fire", short, w.ErrorsToFire), short}, plain
	}
	return []string{rate + next, rate, short}, plain
}

// countdown formats what is left of a waiting time: 4:07.
func countdown(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
