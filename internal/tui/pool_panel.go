package tui

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
)

// poolPanel shows one pool: what runs there and how it serves.
type poolPanel struct{ pool bluegreen.Pool }

// title is the pool's name, its part and its share of the traffic.
func (p poolPanel) title(s *scene) title {
	ink := inkOf(p.pool)
	t := title{left: []seg{
		{muted, strconv.Itoa(1+index(p.pool)) + " "},
		{ink | bold, upper(p.pool)},
		p.part(s),
	}}
	if share := p.share(s); share >= 0 {
		text := fmt.Sprintf("%.0f%%", share)
		if s.kind == layoutFull {
			text += " of traffic"
		}
		t.right = []seg{{plain, text}}
	}
	t.old = s.logDown() != nil
	return t
}

// part says whether the pool is active.
func (p poolPanel) part(s *scene) seg {
	active := s.active()
	if active == bluegreen.NoPool {
		return seg{muted, "  ◌ unknown"}
	}
	if active == p.pool {
		return seg{plain | bold, "  ▶ ACTIVE"}
	}
	if s.serving() == p.pool && p.share(s) > 0 && (s.failover || !s.dep.Pool(active).Ready()) {
		return seg{inkWarn | bold, "  ● SERVES as backup"}
	}
	return seg{muted, "  ○ standby"}
}

// share is the pool's percentage of the traffic, negative when there is none.
func (p poolPanel) share(s *scene) float64 {
	if s.feed == nil {
		return -1
	}
	all := s.feed.Pools[0].Rate + s.feed.Pools[1].Rate
	if all == 0 {
		return -1
	}
	return 100 * s.feed.Pools[index(p.pool)].Rate / all
}

// draw fills the panel with as many rows as it has.
func (p poolPanel) draw(c canvas, s *scene) {
	p.state(c, s)
	if s.feed == nil {
		c.put(1, 1, muted, "waiting for the first sample")
		return
	}
	st := &s.feed.Pools[index(p.pool)]
	p.rate(c, s, st)
	y := 2
	if c.rect.h > 3 {
		p.errors(c, s, st)
		y++
	}
	if c.rect.h <= 4 {
		// Latencies of a pool that fails mean nothing, those of the other do.
		if t := s.takeover; t == nil || t.from != p.pool || !t.row(c, y, p.pool) {
			p.latency(c, st, y)
		}
		return
	}
	p.latency(c, st, y)
	if !s.takeover.row(c, y+1, p.pool) {
		p.classes(c, st, y+1)
	}
}

// state is the row about release and containers.
func (p poolPanel) state(c canvas, s *scene) {
	if s.dep == nil {
		c.put(1, 0, muted, "waiting for docker")
		return
	}
	ps := s.dep.Pool(p.pool)
	c.dim = c.dim || s.depErr != nil
	release := clean(ps.Release())
	if release == "" {
		release = "release –"
	}
	x := c.fit(1, 0, 16, bold, release)
	st, text := condition(ps)
	x = c.put(x+2, 0, st, text)
	if c.rect.w >= 50 && len(ps.Containers) > 0 && !ps.Containers[0].StartedAt.IsZero() {
		x = c.put(x+2, 0, muted, "up "+age(s.now.Sub(ps.Containers[0].StartedAt)))
	}
	if ps.Fault != nil {
		c.put(x+2, 0, inkCrit|bold, "× FAULT "+string(ps.Fault.Mode))
		return
	}
	if s.feed != nil {
		mark, ink := errorMark(&s.feed.Pools[index(p.pool)], s.opts.Alert.ThresholdPercent)
		c.put(x+2, 0, ink, mark)
	}
}

// condition says in a few words how a pool's containers are.
func condition(ps *bluegreen.PoolState) (style, string) {
	all, ready := len(ps.Containers), 0
	for i := range ps.Containers {
		if ps.Containers[i].Ready() {
			ready++
		}
	}
	n := fmt.Sprintf("%d/%d", ready, all)
	switch {
	case all == 0:
		return inkCrit | bold, "× no container"
	case ready > 0 && !ps.Ready():
		return inkCrit | bold, "× silent " + n // the containers are well, and do not answer the proxy
	case ready == 0 && ps.Ready():
		return plain, "starting " + n // the first check is still to come, and it answers
	case ready == 0:
		c := &ps.Containers[0]
		word := c.State
		if c.State == "running" {
			word = c.Health
		}
		return inkCrit | bold, "× " + clean(word) + " " + n
	case ready < all:
		return inkWarn, "▲ ready " + n
	}
	return plain, "healthy " + n
}

// errorMark is the error rate of a pool in words and colour.
func errorMark(st *PoolStats, limit float64) (string, style) {
	switch {
	case st.N == 0:
		return "err –", muted
	case limit > 0 && st.ErrRate > limit:
		return "err ▲ " + percent(st.ErrRate), inkCrit | bold
	case st.ErrRate > 0:
		return "err ✓ " + percent(st.ErrRate), plain
	}
	return "err ✓ 0.0%", plain
}

// label writes the name and value of a sparkline row.
func label(c canvas, y int, name, value string) int {
	x := c.put(1, y, muted, name+" ")
	c.put(x, y, bold, value)
	return 11
}

// rate is the row about requests a second. Both pools share one scale, which is as
// long as the longest column of the window and so does not jump with each request.
func (p poolPanel) rate(c canvas, s *scene, st *PoolStats) {
	x := label(c, 1, "rps", number(math.Round(st.Rate)))
	cols := p.cols(c, x)
	t := s.window.timeline(s.feed.End, cols)
	g := gauge{top: 10, graph: s.opts.Graph.cells()}
	for i := range s.feed.Pools {
		values := s.hist.columns(metricRate, i, t, func() []float64 {
			return t.buckets(s.hist.span(i, s.feed.End, t.reach()), average(requests))
		})
		g.top = max(g.top, peak(values))
		if i == index(p.pool) {
			g.values = values
		}
	}
	g.top = nice(g.top)
	c.gauge(x, 1, inkOf(p.pool), &g)
}

// errors is the row about failed attempts.
func (p poolPanel) errors(c canvas, s *scene, st *PoolStats) {
	x := label(c, 2, "err", percent(st.ErrRate))
	t := s.window.timeline(s.feed.End, p.cols(c, x))
	g := gauge{unit: "%", graph: s.opts.Graph.cells()}
	g.values = s.hist.columns(metricErrors, index(p.pool), t, func() []float64 {
		return t.buckets(s.hist.span(index(p.pool), s.feed.End, t.reach()), failureRate)
	})
	top := peak(g.values)
	g.top = min(100, max(5, nice(top)))
	ink := inkWarn
	if top == 0 {
		ink = muted
	}
	c.gauge(x, 2, ink, &g)
}

// cols is the room for a sparkline that begins at x.
func (p poolPanel) cols(c canvas, x int) int {
	if c.rect.w >= 50 {
		return max(1, c.rect.w-1-scaleWidth-1-x)
	}
	return max(1, c.rect.w-1-x)
}

// scaleWidth is the room for a sparkline's scale.
const scaleWidth = 7

// gauge is a sparkline's data with its fixed scale.
type gauge struct {
	values []float64
	top    float64
	unit   string
	graph  Graph
}

// gauge draws a sparkline with its scale at the right.
func (c canvas) gauge(x, y int, st style, g *gauge) {
	end := c.rect.w - 1
	if c.rect.w >= 50 {
		end -= scaleWidth + 1
		c.put(end+1, y, muted, "0–"+number(g.top)+g.unit)
	}
	c.spark(rect{x, y, end - x, 1}, st, g)
}

// latency is the row of percentiles.
func (p poolPanel) latency(c canvas, st *PoolStats, y int) {
	parts := []struct {
		name  string
		value float64
	}{{"p50", st.P50}, {"p95", st.P95}, {"p99", st.P99}, {"max", st.Max}}
	if c.rect.w < 50 {
		parts = parts[1:3]
	}
	x := 1
	for _, part := range parts {
		text := "–"
		if st.N > 0 {
			text = millis(part.value)
		}
		x = c.put(x, y, muted, part.name+" ")
		x = c.put(x, y, plain, pad(text, 7)) + 1
	}
	if st.N > 0 {
		c.fit(x, y, c.rect.w-1-x, muted, "n "+count(uint64(st.N)))
	}
}

// classes is the row of status classes.
func (p poolPanel) classes(c canvas, st *PoolStats, y int) {
	x := 1
	for i, name := range []string{"2xx", "3xx", "4xx", "5xx"} {
		ink := plain
		if i == 3 && st.Classes[i] > 0 {
			ink = inkWarn
		}
		x = c.put(x, y, muted, name+" ")
		x = c.put(x, y, ink, pad(fmt.Sprintf("%.1f", st.Classes[i]), 7)) + 1
	}
	c.put(x, y, muted, "/s")
}

// line is the whole pool in one row, for the smallest screens.
func (p poolPanel) line(c canvas, s *scene) {
	ink := inkOf(p.pool)
	glyph, st := "○ ", muted
	if s.active() == p.pool {
		glyph, st = "▶ ", plain|bold
	}
	if s.takeover != nil && s.takeover.to == p.pool {
		glyph, st = "● ", inkWarn|bold
	}
	x := c.put(1, 0, st, glyph)
	x = c.put(x, 0, ink|bold, pad(upper(p.pool), 6))
	if s.dep != nil {
		cs, text := condition(s.dep.Pool(p.pool))
		x = c.put(x, 0, cs, pad(clip(text, 14), 12)) + 1
	}
	if s.feed != nil {
		stats := &s.feed.Pools[index(p.pool)]
		x = c.put(x, 0, plain, pad(number(math.Round(stats.Rate))+"/s", 6))
		mark, ms := errorMark(stats, s.opts.Alert.ThresholdPercent)
		c.put(x, 0, ms, mark)
	}
}

// uptime is how long the proxy has been running.
func uptime(s *scene) string {
	if s.dep == nil || s.dep.Proxy == nil || s.dep.Proxy.StartedAt.IsZero() {
		return ""
	}
	return "up " + age(s.now.Sub(s.dep.Proxy.StartedAt).Truncate(time.Second))
}
