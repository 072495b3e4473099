package drill

import (
	"fmt"
	"strings"
	"time"
)

// Board is the list of phases as it stands, for a terminal that redraws it.
type Board struct {
	rows []row
}

// row is one phase of the board.
type row struct {
	Progress
	since time.Time
}

// NewBoard returns a board of the plan's phases.
func NewBoard(p *Plan) *Board {
	b := &Board{}
	for _, s := range p.Steps {
		b.rows = append(b.rows, row{Progress: Progress{Phase: s.Phase, State: Pending}})
	}
	return b
}

// Update takes a change.
func (b *Board) Update(p Progress, now time.Time) {
	for i := range b.rows {
		if b.rows[i].Phase == p.Phase {
			b.rows[i] = row{Progress: p, since: now.Add(-p.Took)}
		}
	}
}

// Lines renders the board, one line a phase, none wider than width.
func (b *Board) Lines(now time.Time, width int) []string {
	out := make([]string, len(b.rows))
	for i := range b.rows {
		r := &b.rows[i]
		took := r.Took
		if r.State == Working {
			took = now.Sub(r.since)
		}
		out[i] = clip(Line(r.Progress, took), width)
	}
	return out
}

// Line is one change as a line of text.
func Line(p Progress, took time.Duration) string {
	if p.State == Pending {
		return fmt.Sprintf("  %s %s", glyph(p.State), p.Phase)
	}
	return strings.TrimRight(fmt.Sprintf("  %s %-8s %5.1f s  %s", glyph(p.State), p.Phase, took.Seconds(), p.Detail), " ")
}

// glyph is the mark of a state.
func glyph(s PhaseState) string {
	switch s {
	case PhasePass:
		return "✓"
	case PhaseFail, PhaseEnded:
		return "×"
	case PhaseSkip:
		return "-"
	case Working, Pending:
	}
	return "·"
}

// clip cuts a line to a width; every rune that a drill prints is one cell wide but
// for foreign ones, which may wrap.
func clip(s string, width int) string {
	if runes := []rune(s); width > 1 && len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return s
}
