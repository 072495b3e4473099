package tui

import (
	"fmt"
	"math"
	"strconv"

	"bgctl/internal/alert"
)

// span is how far back the plots look, in seconds.
const span = 300

// metric is what the second plot shows.
type metric int

// The metrics.
const (
	metricP95 metric = iota
	metricP99
	metricP50
	metricRate
	metricCount
)

// name is the metric in the panel's title.
func (m metric) name() string {
	return [metricCount]string{"Latency p95", "Latency p99", "Latency p50", "Requests/s"}[m]
}

// read returns the metric of one point and whether it has one.
func (m metric) read(p *Point) float64 {
	switch m {
	case metricP95:
		return p.P95
	case metricP99:
		return p.P99
	case metricP50:
		return p.P50
	case metricRate, metricCount:
	}
	return p.Requests
}

// unit is the unit of the metric's axis.
func (m metric) unit() string {
	if m == metricRate {
		return "/s"
	}
	return "ms"
}

// errorPlot shows the error rate that clients see, with its threshold.
type errorPlot struct{}

// title is the current rate and the threshold.
func (errorPlot) title(s *scene) title {
	t := title{left: []seg{{muted, "3 "}, {plain, "Error rate"}, {muted, " 5 min"}}, old: s.logDown() != nil}
	if s.feed == nil {
		return t
	}
	w := &s.feed.Window
	ink, now := bold, "  now "+percent(w.Rate)
	if s.opts.Threshold > 0 && w.N > 0 && w.Rate >= s.opts.Threshold {
		ink, now = inkCrit|bold, "  ▲ now "+percent(w.Rate)
	}
	t.left = append(t.left, seg{ink, now})
	t.right = []seg{{inkWarn, "┄ " + number(s.opts.Threshold) + "% alert"}, {muted, "  ◇ switch"}}
	if s.kind != layoutFull {
		t.right = append(t.right, seg{muted, " · t latency"})
	}
	return t
}

// draw draws the rate of both pools together.
func (errorPlot) draw(c canvas, s *scene) {
	if idle(c, s) {
		return
	}
	cols := c.rect.w - labelWidth - 1
	p := &plot{limit: s.opts.Threshold, unit: "%", graph: s.opts.Graph}
	t, points := newTimeline(s.feed.End, dotsAcross(p.graph, cols), span), both(s.feed)
	p.values = t.buckets(points, errorRate)
	drawPlot(c, s, p, t)
}

// latencyPlot shows the chosen metric of the pool that serves.
type latencyPlot struct{ metric metric }

// title is the metric and its current value.
func (l *latencyPlot) title(s *scene) title {
	t := title{left: []seg{{muted, "4 "}, {plain, l.metric.name()}}, old: s.logDown() != nil}
	if s.feed == nil {
		return t
	}
	pool := s.serving()
	st := &s.feed.Pools[index(pool)]
	if st.N > 0 || l.metric == metricRate {
		value := [metricCount]float64{st.P95, st.P99, st.P50, st.Rate}[l.metric]
		text := millis(value)
		if l.metric == metricRate {
			text = number(math.Round(value))
		}
		t.left = append(t.left, seg{bold, "  now " + text})
	}
	t.left = append(t.left, seg{inkOf(pool), "  " + upper(pool)})
	t.right = []seg{{muted, "t next metric"}}
	return t
}

// draw draws the metric.
func (l *latencyPlot) draw(c canvas, s *scene) {
	if idle(c, s) {
		return
	}
	cols := c.rect.w - labelWidth - 1
	p := &plot{unit: l.metric.unit(), graph: s.opts.Graph, base: inkOf(s.serving())}
	t := newTimeline(s.feed.End, dotsAcross(p.graph, cols), span)
	p.values = t.buckets(s.feed.Pools[index(s.serving())].Series, func(points []Point) float64 {
		return worst(points, l.metric)
	})
	drawPlot(c, s, p, t)
}

// dotsAcross is how many values fit into cols columns.
func dotsAcross(g Graph, cols int) int {
	if g == GraphBraille {
		return 2 * cols
	}
	return cols
}

// drawPlot scales the plot to the rows it has and draws it with its axis.
func drawPlot(c canvas, s *scene, p *plot, t timeline) {
	rows := c.rect.h
	withAxis := rows >= 6
	if withAxis {
		rows -= 2
	}
	p.step = scale(peak(p.values), p.limit, rows)
	p.draw(c.sub(rect{0, 0, c.rect.w - 1, rows}))
	if withAxis {
		if p.graph == GraphBraille {
			t.per, t.cols = t.per*2, t.cols/2
		}
		t.axis(c.sub(rect{0, rows, c.rect.w - 1, 2}), s.marks)
	}
}

// scale chooses what one row stands for: the threshold lies on a row's lower bound.
func scale(top, limit float64, rows int) float64 {
	if limit <= 0 {
		return nice(max(top, 1) / float64(rows))
	}
	for _, f := range []float64{0.5, 1, 2, 5, 10, 20, 50} {
		if limit*f*float64(rows) >= top {
			return limit * f
		}
	}
	return nice(top / float64(rows))
}

// idle writes why a plot is empty and reports whether it is.
func idle(c canvas, s *scene) bool {
	switch {
	case s.feed == nil:
		c.note(muted, "waiting for the first sample")
	case s.feed.Counts.Lines > 0 && s.feed.Counts.Parsed == 0:
		c.note(inkWarn, "▲ 0 of "+count(s.feed.Counts.Lines)+" lines understood", "run: bgctl doctor")
	case quiet(s.feed):
		hint := "no requests in the last 5 min"
		if s.opts.URL != "" {
			c.note(muted, hint, "try: curl "+s.opts.URL)
			return true
		}
		c.note(muted, hint)
	default:
		return false
	}
	return true
}

// quiet reports whether neither pool saw a request.
func quiet(f *FeedSnapshot) bool {
	for i := range f.Pools {
		for k := range f.Pools[i].Series {
			if f.Pools[i].Series[k].Requests > 0 {
				return false
			}
		}
	}
	return true
}

// both adds the points of both pools up.
func both(f *FeedSnapshot) []Point {
	a, b := f.Pools[0].Series, f.Pools[1].Series
	if len(a) < len(b) {
		a, b = b, a
	}
	out := make([]Point, len(a))
	copy(out, a)
	for i := range b {
		o := &out[len(a)-len(b)+i]
		o.Gap = o.Gap && b[i].Gap
		o.Requests += b[i].Requests
		o.Errors += b[i].Errors
	}
	return out
}

// errorRate is the error rate of a column.
func errorRate(points []Point) float64 {
	n, errs, seen := 0.0, 0.0, false
	for i := range points {
		seen = seen || !points[i].Gap
		n, errs = n+points[i].Requests, errs+points[i].Errors
	}
	switch {
	case !seen:
		return gap()
	case n == 0:
		return 0
	}
	return 100 * errs / n
}

// worst is the highest value of a metric in a column, a gap without a sample.
func worst(points []Point, m metric) float64 {
	out := gap()
	for i := range points {
		p := &points[i]
		if p.Gap || m != metricRate && p.Requests == 0 {
			continue
		}
		if v := m.read(p); isGap(out) || v > out {
			out = v
		}
	}
	return out
}

// drawStrip draws the error-rate window: one column for a few requests, its
// height the worst that became of them, and how far the alert is away.
func drawStrip(c canvas, s *scene) {
	x := c.put(1, 0, muted, "window ")
	if s.feed == nil {
		c.put(x, 0, muted, "waiting for the first sample")
		return
	}
	w := &s.feed.Window
	text, st := windowText(w, s.opts.Threshold, s.kind)
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
		cell, ok := worstCell(s.feed.Cells, from, to)
		glyph, ink := cellGlyph(cell)
		if !ok {
			glyph, ink = "·", muted
		}
		c.set(x+i, 0, 1, ink, glyph)
	}
}

// worstCell returns the worst of the cells from to to.
func worstCell(cells []WindowCell, from, to int) (WindowCell, bool) {
	worst, ok := CellOK, false
	for i := from; i < min(to, len(cells)); i++ {
		worst, ok = max(worst, cells[i]), true
	}
	return worst, ok
}

// cellGlyph is how a request looks in the strip.
func cellGlyph(cell WindowCell) (string, style) {
	switch cell {
	case CellOK:
		return "▁", muted
	case CellRetried:
		return "▃", inkWarn
	case CellOther:
		return "▅", inkWarn
	case CellError:
	}
	return "█", inkCrit | bold
}

// windowText says how full the window is and how far the alert is away.
func windowText(w *alert.Window, limit float64, kind layoutKind) (string, style) {
	n := strconv.Itoa(w.N) + "/" + strconv.Itoa(w.Size)
	rate := percent(w.Rate)
	if kind == layoutMini {
		return n + " " + rate, plain
	}
	text := n + " · " + rate + " of " + number(limit) + "%"
	switch {
	case w.N == 0:
		return n + " · no request yet", muted
	case w.N < w.MinSamples:
		return fmt.Sprintf("%s · may fire after %d more requests", text, w.MinSamples-w.N), muted
	case limit > 0 && w.Rate >= limit:
		return fmt.Sprintf("▲ %s · %d errors · over the threshold", text, w.Errors), inkCrit | bold
	case w.ErrorsToFire > 0:
		return fmt.Sprintf("%s · %d %s · fires after %d more", text, w.Errors, plural(w.Errors, "error", "errors"), w.ErrorsToFire), plain
	}
	return text, plain
}
