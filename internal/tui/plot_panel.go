package tui

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
)

// plotPanel shows one metric over the window of time.
type plotPanel struct {
	id     panelID
	metric metric
}

// title is the metric, its current value and its threshold.
func (p *plotPanel) title(s *scene) title {
	t := title{left: []seg{{muted, strconv.Itoa(int(p.id)) + " "}, {plain, p.metric.name()}, {muted, " " + s.window.name()}}, old: s.logDown() != nil}
	if s.feed == nil {
		return t
	}
	t.left = append(t.left, p.now(s)...)
	if limit := p.limit(s); limit > 0 {
		unit := " ms" // it is drawn even where no alert is bound to it
		if p.metric == metricErrors {
			unit = "% alert"
		}
		t.right = append(t.right, seg{inkWarn, "┄ " + number(limit) + unit})
	}
	if s.kind != layoutFull || s.zoomed {
		t.right = append(t.right, seg{muted, " · t next · [ ] window"})
	}
	return t
}

// limit is the threshold of the metric, 0 for none.
func (p *plotPanel) limit(s *scene) float64 {
	switch {
	case p.metric == metricErrors:
		return s.opts.Alert.ThresholdPercent
	case p.metric.latency():
		return float64(s.opts.Latency) / float64(time.Millisecond)
	}
	return 0
}

// now is the current value of the metric.
func (p *plotPanel) now(s *scene) []seg {
	value := func(text string, over bool) seg {
		if over {
			return seg{inkCrit | bold, "  ▲ now " + text}
		}
		return seg{bold, "  now " + text}
	}
	w, pool := &s.feed.Window, s.serving()
	st := &s.feed.Pools[index(pool)]
	limit := p.limit(s)
	switch {
	case p.metric == metricErrors:
		if w.N == 0 {
			return []seg{{muted, "  now –"}}
		}
		return []seg{value(percent(w.Rate), limit > 0 && w.Rate > limit), {muted, " n " + count(uint64(w.N))}} //nolint:gosec // a count
	case p.metric == metricRate, p.metric == metricMix:
		return []seg{value(number(math.Round(s.feed.Pools[0].Rate+s.feed.Pools[1].Rate))+"/s", false)}
	case st.N == 0:
		out := []seg{{muted, "  now –"}}
		if pool != bluegreen.NoPool {
			out = append(out, seg{inkOf(pool), "  " + upper(pool)})
		}
		return out
	}
	v := map[metric]float64{metricP50: st.P50, metricP95: st.P95, metricP99: st.P99, metricBands: st.P95}[p.metric]
	return []seg{value(millis(v), limit > 0 && v > limit), {muted, " n " + count(uint64(st.N))}, {inkOf(pool), " " + upper(pool)}} //nolint:gosec // a count
}

// draw draws the metric.
func (p *plotPanel) draw(c canvas, s *scene) {
	if idle(c, s) {
		return
	}
	rows := c.rect.h
	withAxis := rows >= 5
	if withAxis {
		rows -= 2
	}
	if s.zoomed && rows > 8 {
		rows--
		c.fit(1, c.rect.h-1, c.rect.w-2, muted, p.note())
		c = c.sub(rect{0, 0, c.rect.w, c.rect.h - 1})
	}
	body := c.sub(rect{0, 0, c.rect.w - 1, rows})
	t := s.window.timeline(s.feed.End, c.rect.w-labelWidth-2)
	switch p.metric {
	case metricRate:
		p.rates(body, s, t)
	case metricMix:
		p.mix(body, s, t)
	case metricBands:
		p.bands(body, s, t)
	case metricErrors, metricP50, metricP95, metricP99, metricCount:
		p.single(body, s, t)
	}
	p.beginning(body, s, t)
	if withAxis {
		t.axis(c.sub(rect{0, c.rect.h - 2, c.rect.w - 1, 2}), s.marks)
	}
}

// beginning says from when on the log is known, in the blank before it: it may begin
// there, or the rest may be too much to read, or out of reach.
func (p *plotPanel) beginning(c canvas, s *scene, t timeline) {
	if s.feed.Begins.IsZero() {
		return
	}
	text := "known from " + s.feed.Begins.Format("15:04:05") + " ▸"
	if s.feed.Filling {
		text = "reading what was before …"
	}
	if x := t.column(s.feed.Begins); x > width(text)+1 && x <= t.cols {
		c.put(labelWidth+1+x-width(text)-1, 0, muted, text)
	}
}

// note says what a column of the plot means.
func (p *plotPanel) note() string {
	const marks = " · on the axis: ◇ switch or act, ▲ alert, ✓ resolved, ● bookmark · blank: nobody looked"
	switch p.metric {
	case metricErrors:
		return "answers with 5xx of both pools, as clients saw them" + marks
	case metricRate:
		return "answers a second, both pools on one scale" + marks
	case metricMix:
		return "share of ░ 2xx ▒ 3xx ▓ 4xx █ 5xx; what exists fills a cell" + marks
	case metricBands:
		return "█ p50 ▓ p95 ▒ p99 of the pool that answers most, the worst second of each column" + marks
	case metricP50, metricP95, metricP99, metricCount:
	}
	return "of the pool that answers most, the worst second of each column" + marks
}

// single draws a metric that has one value a column.
func (p *plotPanel) single(c canvas, s *scene, t timeline) {
	chart := &plot{limit: p.limit(s), unit: "ms", graph: s.opts.Graph}
	wide := t
	if chart.graph == GraphBraille {
		wide = s.window.timeline(t.end, 2*t.cols)
		// The axis below counts in whole cells, of two columns each.
		wide.per = max(1, t.per/2)
	}
	if p.metric == metricErrors {
		chart.unit = "%"
		chart.values = s.hist.columns(p.metric, together, wide, func() []float64 {
			return wide.buckets(s.hist.both(wide.end, wide.reach()), errorRate)
		})
	} else {
		chart.values, chart.inks = p.leads(s, wide, p.metric), p.inks(s, wide)
	}
	chart.step = scale(peak(chart.values), chart.limit, c.rect.h)
	chart.draw(c)
}

// leads are the columns of the pool that answers most.
func (p *plotPanel) leads(s *scene, t timeline, m metric) []float64 {
	return s.hist.columns(m, leading, t, func() []float64 {
		points, _ := s.hist.lead(t.end, t.reach())
		return t.buckets(points, worst(m))
	})
}

// inks are the colours of those columns: that of the pool each is about.
func (p *plotPanel) inks(s *scene, t timeline) []style {
	pools := s.hist.columns(metricRate, leadingInk, t, func() []float64 {
		points, pools := s.hist.lead(t.end, t.reach())
		out, i := make([]float64, t.cols), 0
		t.each(points, func(col int, part []Point) {
			for k := range part {
				if pool := pools[i+k]; pool != bluegreen.NoPool {
					out[col] = float64(pool)
				}
			}
			i += len(part)
		})
		return out
	})
	inks := make([]style, len(pools))
	for i, pool := range pools {
		if pool > 0 {
			inks[i] = inkOf(bluegreen.Pool(pool))
		}
	}
	return inks
}

// rates draws both pools above one another on one scale, so that they compare.
func (p *plotPanel) rates(c canvas, s *scene, t timeline) {
	values := [2][]float64{}
	top := 1.0
	for i := range values {
		values[i] = s.hist.columns(metricRate, i, t, func() []float64 {
			return t.buckets(s.hist.span(i, s.feed.End, t.reach()), average(requests))
		})
		top = max(top, peak(values[i]))
	}
	half := c.rect.h / 2
	for i, pool := range bluegreen.Pools() {
		rows := half
		if i == 0 {
			rows = c.rect.h - half
		}
		if rows == 0 {
			continue
		}
		chart := &plot{graph: s.opts.Graph.cells(), base: inkOf(pool), values: values[i]}
		chart.step = nice(top / float64(max(1, half)))
		part := c.sub(rect{0, i * (c.rect.h - half), c.rect.w, rows})
		chart.draw(part)
		part.put(labelWidth+2, 0, inkOf(pool)|bold, upper(pool))
	}
}

// mix draws the shares of the status classes.
func (p *plotPanel) mix(c canvas, s *scene, t timeline) {
	chart := &plot{unit: "%", step: 100 / float64(c.rect.h)}
	shares := make([][4]float64, t.cols)
	t.each(s.hist.both(t.end, t.reach()), func(col int, points []Point) {
		all := 0.0
		for i := range points {
			for k, n := range points[i].Classes {
				shares[col][k] += n
				all += n
			}
		}
		for k := range shares[col] {
			shares[col][k] /= max(1, all)
		}
	})
	chart.stack(c, shares)
}

// bands draws three percentiles at once.
func (p *plotPanel) bands(c canvas, s *scene, t timeline) {
	chart := &plot{limit: p.limit(s), unit: "ms"}
	chart.inks = p.inks(s, t)
	percentiles := [3][]float64{p.leads(s, t, metricP50), p.leads(s, t, metricP95), p.leads(s, t, metricP99)}
	chart.step = scale(peak(percentiles[2]), chart.limit, c.rect.h)
	chart.bands(c, percentiles)
}

// cells is the graph for parts whose columns are whole cells.
func (g Graph) cells() Graph {
	if g == GraphBraille {
		return GraphBlock
	}
	return g
}

// scale chooses what one row stands for: the threshold lies on a row's lower bound.
func scale(top, limit float64, rows int) float64 {
	if limit <= 0 {
		return nice(max(top, 1) / float64(rows))
	}
	for _, f := range []float64{0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50} {
		// The threshold is always seen, and with room above it.
		if limit*f*float64(rows) >= top && 1/f <= 0.75*float64(rows) {
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
		return true
	case s.feed.Counts.Lines > 0 && s.feed.Counts.Parsed == 0:
		c.note(inkWarn, "▲ 0 of "+count(s.feed.Counts.Lines)+" lines understood", "run: bgctl doctor")
		return true
	}
	last := s.hist.lastRequest(s.feed.End)
	if s.feed.End.Sub(last) < time.Duration(s.window.seconds())*time.Second {
		return false
	}
	lines := []string{"no request in " + s.window.name()}
	if !last.IsZero() {
		lines[0] += fmt.Sprintf("; the last one at %s (] looks further back)", clock(last))
	}
	if s.opts.URL != "" {
		lines = append(lines, "try: curl "+s.opts.URL)
	}
	c.note(muted, lines...)
	return true
}
