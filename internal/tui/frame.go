package tui

import (
	"time"

	"bgctl/internal/bluegreen"
)

// scene is all that a panel may look at while it draws.
type scene struct {
	opts     *Options
	now      time.Time
	kind     layoutKind
	dep      *bluegreen.Deployment // nil until the first observation
	depErr   error                 // why the last observation failed
	feed     *FeedSnapshot         // nil until the first snapshot
	hist     *history
	window   window
	marks    []mark
	focus    panelID
	zoomed   bool
	failover bool // the watcher says that the other pool answers
	// cooldown is until when a message about the error rate would be held back.
	cooldown time.Time
	takeover *takeover // nil: no failover goes on
}

// mark is an event on the time axis of the plots.
type mark struct {
	at    time.Time
	glyph string
	style style
}

// panel is one framed part of the screen. It is drawn, it never acts.
type panel interface {
	title(s *scene) title
	draw(c canvas, s *scene)
}

// title is what stands in a panel's upper border.
type title struct {
	left, right []seg
	old         bool // the data under it is old: draw it muted
}

// active returns the active pool as last observed.
func (s *scene) active() bluegreen.Pool {
	if s.dep == nil {
		return bluegreen.NoPool
	}
	return s.dep.Active()
}

// serving returns the pool that answers most requests, which is not the active
// one during a failover.
func (s *scene) serving() bluegreen.Pool {
	active := s.active()
	if s.feed == nil {
		return active
	}
	blue, green := s.feed.Pools[0].Rate, s.feed.Pools[1].Rate
	switch {
	case blue > green:
		return bluegreen.Blue
	case green > blue:
		return bluegreen.Green
	}
	return active
}

// logDown returns the log source when it is not well.
func (s *scene) logDown() *SourceState {
	if s.feed == nil {
		return nil
	}
	for i := range s.feed.Sources {
		if src := &s.feed.Sources[i]; src.Name == "log" && !src.OK {
			return src
		}
	}
	return nil
}

// border is the set of glyphs of a frame.
type border struct{ tl, tr, bl, br, h, v string }

// The borders: rounded, heavy for the focused panel, double for a dialog.
func roundBorder() border  { return border{"╭", "╮", "╰", "╯", "─", "│"} }
func heavyBorder() border  { return border{"┏", "┓", "┗", "┛", "━", "┃"} }
func doubleBorder() border { return border{"╔", "╗", "╚", "╝", "═", "║"} }

// frame draws a border with its title and returns the canvas inside it.
func (c canvas) frame(b border, st style, t title) canvas {
	w, h := c.rect.w, c.rect.h
	c.fill(0, st, b.h)
	c.fill(h-1, st, b.h)
	for y := 1; y < h-1; y++ {
		c.set(0, y, 1, st, b.v)
		c.set(w-1, y, 1, st, b.v)
	}
	c.set(0, 0, 1, st, b.tl)
	c.set(w-1, 0, 1, st, b.tr)
	c.set(0, h-1, 1, st, b.bl)
	c.set(w-1, h-1, 1, st, b.br)
	end := c.titleLeft(t.left)
	c.titleRight(end, t.right)
	in := c.sub(rect{1, 1, w - 2, h - 2})
	in.dim = c.dim || t.old
	return in
}

// titleLeft writes the left part of a title and returns where it ends.
func (c canvas) titleLeft(segments []seg) int {
	if len(segments) == 0 {
		return 2
	}
	inner := c.sub(rect{0, 0, c.rect.w - 3, 1})
	x := inner.put(2, 0, plain, " ")
	x = inner.segs(x, 0, segments...)
	return inner.put(x, 0, plain, " ")
}

// titleRight writes the right part when there is room for it.
func (c canvas) titleRight(end int, segments []seg) {
	n := 0
	for _, s := range segments {
		n += width(s.text)
	}
	x := c.rect.w - n - 4
	if n == 0 || x < end {
		return
	}
	x = c.put(x, 0, plain, " ")
	x = c.segs(x, 0, segments...)
	c.put(x, 0, plain, " ")
}

// note writes a hint into the middle of an empty panel.
func (c canvas) note(st style, lines ...string) {
	y := max(0, (c.rect.h-len(lines))/2)
	for i, line := range lines {
		text := clip(line, max(1, c.rect.w-2))
		c.put(max(1, (c.rect.w-width(text))/2), y+i, st, text)
	}
}
