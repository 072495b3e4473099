package tui

import "bgctl/internal/bluegreen"

// panelID names a panel. Its number is the key that focuses it.
type panelID int

// The panels.
const (
	noPanel panelID = iota
	panelBlue
	panelGreen
	panelErrors
	panelLatency
	panelContainers
	panelEvents
	panelLogs
	panelWindow
	panelCount
)

// pool returns the pool that the panel shows.
func (p panelID) pool() bluegreen.Pool {
	switch p {
	case panelBlue:
		return bluegreen.Blue
	case panelGreen:
		return bluegreen.Green
	case noPanel, panelErrors, panelLatency, panelContainers, panelEvents, panelLogs, panelWindow, panelCount:
	}
	return bluegreen.NoPool
}

// layoutKind is how much the screen has room for.
type layoutKind int

// The layouts.
const (
	layoutTiny layoutKind = iota // says that the terminal is too small
	layoutMini
	layoutCompact
	layoutFull
)

// The smallest sizes of the layouts.
const (
	minWidth, minHeight         = 40, 10
	compactWidth, compactHeight = 80, 24
	fullWidth, fullHeight       = 118, 34
)

// layout says where everything is. A zero rectangle is not shown.
type layout struct {
	kind                     layoutKind
	w, h                     int
	header, alert, strip     rect
	footer, body             rect
	panels                   [panelCount]rect
	zoomed                   panelID
	firstPlot, firstTabPanel panelID // what the shared places of the compact layout show
}

// view is what the operator chose to see.
type view struct {
	focus panelID
	zoom  panelID // noPanel: all
	tab   panelID // the one of panels 5 to 7 that the compact layout shows
	plot  panelID // the one of panels 3 and 4 that the compact layout shows

	window window // how far back the plots look
}

// arrange computes all rectangles of a w by h screen.
func arrange(w, h int, v view) layout {
	l := layout{w: w, h: h, firstPlot: v.plot, firstTabPanel: v.tab}
	if w < minWidth || h < minHeight {
		return l
	}
	l.kind = layoutMini
	l.header, l.alert = rect{0, 0, w, 1}, rect{0, 1, w, 1}
	l.footer = rect{0, h - 1, w, 1}
	l.body = rect{0, 2, w, h - 3}
	switch {
	case v.zoom != noPanel:
		l.zoomed = v.zoom
		l.panels[v.zoom] = l.body
		if w >= compactWidth && h >= compactHeight {
			l.kind = layoutCompact
		}
		if w >= fullWidth && h >= fullHeight {
			l.kind = layoutFull
		}
	case w >= fullWidth && h >= fullHeight:
		l.kind = layoutFull
		l.full(w, h)
	case w >= compactWidth && h >= compactHeight:
		l.kind = layoutCompact
		l.compact(w, h)
	default:
		l.mini(w, h)
	}
	return l
}

// full shows all panels. Height beyond 36 rows goes to the log first.
func (l *layout) full(w, h int) {
	extra := max(0, h-36)
	plots, middle := 8+extra/5, 8+extra/5
	half := w / 2
	y := 2
	l.panels[panelBlue], l.panels[panelGreen] = rect{0, y, half, 7}, rect{half, y, w - half, 7}
	y += 7
	l.strip = rect{0, y, w, 1}
	y++
	l.panels[panelErrors], l.panels[panelLatency] = rect{0, y, half, plots}, rect{half, y, w - half, plots}
	y += plots
	wide := w * 60 / 100
	l.panels[panelContainers], l.panels[panelEvents] = rect{0, y, wide, middle}, rect{wide, y, w - wide, middle}
	y += middle
	l.panels[panelLogs] = rect{0, y, w, h - 1 - y}
}

// compact shares one place between both plots and one between panels 5 to 7.
func (l *layout) compact(w, h int) {
	plot := 5 + (h-compactHeight)/4
	half := w / 2
	l.panels[panelBlue], l.panels[panelGreen] = rect{0, 2, half, 5}, rect{half, 2, w - half, 5}
	l.strip = rect{0, 7, w, 1}
	l.panels[l.firstPlot] = rect{0, 8, w, plot}
	l.panels[l.firstTabPanel] = rect{0, 8 + plot, w, h - 9 - plot}
}

// mini shows one line per pool, the window and as much of one panel as fits.
func (l *layout) mini(w, h int) {
	l.panels[panelBlue], l.panels[panelGreen] = rect{0, 2, w, 1}, rect{0, 3, w, 1}
	l.strip = rect{0, 4, w, 1}
	l.panels[l.firstTabPanel] = rect{0, 5, w, h - 6}
}

// visible reports whether a panel has a place on the screen.
func (l *layout) visible(p panelID) bool { return !l.panels[p].empty() }
