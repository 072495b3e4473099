package tui

import (
	"fmt"
	"strconv"

	"bgctl/internal/bluegreen"
)

// title says what is shown, and whether it follows.
func (p *logPanel) title(s *scene) title {
	t := title{left: tabTitle(s, panelLogs, "Logs"), old: s.logDown() != nil}
	what := "  access · all pools"
	if p.pool != bluegreen.NoPool {
		what = "  access · " + upper(p.pool) + " only"
	}
	if s.kind == layoutFull || s.zoomed || p.pool != bluegreen.NoPool {
		t.left = append(t.left, seg{muted, what})
	}
	follow := seg{plain | bold, "FOLLOW ▼"}
	bottom := p.bottom
	if p.follow {
		bottom = p.end() - 1
	}
	if missed := p.total - 1 - bottom; !p.follow || p.limit > 0 {
		follow = seg{inkWarn, "‖ +" + strconv.Itoa(max(0, missed)) + " newer, G follows"}
	}
	t.right = []seg{follow}
	if p.filter != "" {
		t.right = append(t.right, seg{inkWarn, "  f:" + clip(p.filter, 16) + " " + strconv.Itoa(p.passed)})
	}
	if p.query != "" {
		t.right = append(t.right, seg{plain, fmt.Sprintf("  /%s %d %s", clip(p.query, 16), p.matches, plural(p.matches, "match", "matches"))})
	}
	if s.kind == layoutFull && s.feed != nil {
		t.right = append(t.right, seg{muted, fmt.Sprintf(" · %d unparsed", s.feed.Counts.Bad)})
	}
	if p.dropped > 0 {
		t.right = append(t.right, seg{inkWarn, " · " + count(p.dropped) + " rows not shown"})
	}
	return t
}

// draw draws the newest rows, or those around the cursor.
func (p *logPanel) draw(c canvas, s *scene) {
	if p.total == 0 {
		p.empty(c, s)
		return
	}
	lines := func(*logRow) int { return 1 }
	if p.wrap {
		lines = func(r *logRow) int { return len(wrapSegs(p.segs(r, s), c.rect.w-2)) }
	}
	rows := p.window(c.rect.h, lines)
	if len(rows) == 0 {
		p.nothing(c)
		return
	}
	y := 0
	for _, n := range rows {
		from := y
		r := p.at(n)
		if p.wrap {
			for _, line := range wrapSegs(p.segs(r, s), c.rect.w-2) {
				c.segs(1, y, line...)
				y++
			}
		} else {
			p.drawRow(c, y, r, s)
			y++
		}
		for ; from < y; from++ {
			p.adorn(c, from, n, s)
		}
	}
}

// adorn marks the cursor, bookmarks and matches of a row.
func (p *logPanel) adorn(c canvas, y, n int, s *scene) {
	r := p.at(n)
	if r.match {
		c.highlight(y, p.query)
	}
	if r.mark {
		c.put(0, y, inkWarn|bold, "●")
	}
	if !p.follow && n == p.cur {
		if !r.mark {
			c.put(0, y, bold, "▸")
		}
		if s.focus == panelLogs {
			c.restyle(0, c.rect.w, y, bold)
		}
	}
}

// nothing says which filter hides every row.
func (p *logPanel) nothing(c canvas) {
	among := " among the last " + count(uint64(min(p.total, maxRows))) //nolint:gosec // a count
	if p.filter != "" {
		c.note(muted, "no request passes the filter "+strconv.Quote(p.filter)+among, "f changes it, esc clears it")
		return
	}
	c.note(muted, "no request of "+upper(p.pool)+among, "p shows all pools")
}

// empty says why there is no row.
func (p *logPanel) empty(c canvas, s *scene) {
	switch {
	case s.feed == nil:
		c.note(muted, "reading the access log")
	case s.feed.Counts.Bad > 0:
		c.note(inkWarn, "▲ no line understood; the first bad one:", clean(s.feed.Counts.FirstBad), "run: bgctl doctor")
	default:
		c.note(muted, "no requests yet")
	}
}
