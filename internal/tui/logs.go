package tui

import (
	"fmt"
	"strconv"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// maxRows is how many requests the log panel remembers.
const maxRows = 5000

// logPanel shows requests as they come. Rows have absolute numbers, so that a
// reader's place does not move while new rows arrive.
type logPanel struct {
	ring    []logstream.Record // row n is at n % maxRows
	total   int                // rows ever taken; the newest is total-1
	dropped uint64             // rows the feed left out

	follow bool
	cur    int // the row under the cursor when not following
	bottom int // the lowest row on screen when not following
	limit  int // paused: rows from here on are not shown; 0 while running

	pool    bluegreen.Pool // NoPool: all
	query   string
	matches int
}

// newLogPanel returns an empty panel that follows.
func newLogPanel() *logPanel { return &logPanel{follow: true} }

// append takes new rows.
func (p *logPanel) append(rows []logstream.Record) {
	for i := range rows {
		if len(p.ring) < maxRows {
			p.ring = append(p.ring, rows[i])
		} else {
			if p.query != "" && p.matchesQuery(&p.ring[p.total%maxRows]) {
				p.matches--
			}
			p.ring[p.total%maxRows] = rows[i]
		}
		if p.query != "" && p.matchesQuery(&rows[i]) {
			p.matches++
		}
		p.total++
	}
}

// at returns row n.
func (p *logPanel) at(n int) *logstream.Record { return &p.ring[n%maxRows] }

// oldest is the first row still remembered.
func (p *logPanel) oldest() int { return max(0, p.total-maxRows) }

// end is the row after the newest that may be shown.
func (p *logPanel) end() int {
	if p.limit > 0 {
		return max(p.limit, p.oldest())
	}
	return p.total
}

// shown reports whether the pool filter lets a row through.
func (p *logPanel) shown(r *logstream.Record) bool {
	return p.pool == bluegreen.NoPool || r.Served == p.pool || r.Served == bluegreen.NoPool && r.Active == p.pool
}

// find sets what is searched for and counts it.
func (p *logPanel) find(query string) {
	p.query, p.matches = strings.ToLower(query), 0
	if p.query == "" {
		return
	}
	for n := p.oldest(); n < p.total; n++ {
		if p.matchesQuery(p.at(n)) {
			p.matches++
		}
	}
}

// matchesQuery reports whether the row contains what is searched for.
func (p *logPanel) matchesQuery(r *logstream.Record) bool {
	return strings.Contains(strings.ToLower(rowText(r)), p.query)
}

// rowText is what a search looks at.
func rowText(r *logstream.Record) string {
	return r.Method + " " + r.Path + " " + strconv.Itoa(r.Status) + " " + upper(r.Served) + " " + r.Release + " " + r.RequestID + " " + upstreams(r)
}

// failed reports whether the client saw an error, or a retry hid one.
func failed(r *logstream.Record) bool { return r.Status >= 500 || r.Retried() }

// jump moves the cursor to the next row in direction dir that want accepts.
func (p *logPanel) jump(dir int, want func(*logstream.Record) bool) bool {
	n := p.place()
	if p.follow && dir < 0 {
		n++
	}
	for n += dir; n >= p.oldest() && n < p.end(); n += dir {
		if r := p.at(n); p.shown(r) && want(r) {
			p.hold(n)
			return true
		}
	}
	return false
}

// place is the row of the cursor.
func (p *logPanel) place() int {
	if p.follow {
		return p.end() - 1
	}
	return max(p.cur, p.oldest())
}

// hold stops following at row n.
func (p *logPanel) hold(n int) {
	if p.follow {
		p.bottom = p.end() - 1
	}
	p.follow, p.cur = false, n
}

// move moves the cursor n shown rows down. At the newest row it follows again.
func (p *logPanel) move(n int) {
	dir, steps := 1, n
	if n < 0 {
		dir, steps = -1, -n
	}
	for range steps {
		if !p.jump(dir, func(*logstream.Record) bool { return true }) {
			if dir > 0 {
				p.follow = true
			}
			return
		}
	}
}

// home moves the cursor to the oldest row.
func (p *logPanel) home() {
	if p.total > 0 {
		p.hold(p.oldest())
	}
}

// window returns the rows to draw, top first.
func (p *logPanel) window(h int) []int {
	end := p.end()
	if p.follow {
		p.bottom = end - 1
	}
	p.cur = max(p.cur, p.oldest())
	if !p.follow && p.cur > p.bottom {
		p.bottom = p.cur
	}
	p.bottom = min(max(p.bottom, p.oldest()), end-1)
	rows := p.above(p.bottom, h)
	if !p.follow && len(rows) > 0 && p.cur < rows[0] {
		rows = p.below(p.cur, h)
		p.bottom = rows[len(rows)-1]
	}
	return rows
}

// above returns up to h shown rows that end at row n.
func (p *logPanel) above(n, h int) []int {
	var rows []int
	for ; n >= p.oldest() && len(rows) < h; n-- {
		if p.shown(p.at(n)) {
			rows = append(rows, n)
		}
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows
}

// below returns up to h shown rows that begin at row n.
func (p *logPanel) below(n, h int) []int {
	rows := []int{n}
	for n++; n < p.end() && len(rows) < h; n++ {
		if p.shown(p.at(n)) {
			rows = append(rows, n)
		}
	}
	return rows
}

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
	if missed := p.total - 1 - p.bottom; !p.follow || p.limit > 0 {
		follow = seg{inkWarn, "‖ +" + strconv.Itoa(max(0, missed)) + " newer, G follows"}
	}
	t.right = []seg{follow}
	if p.query != "" {
		t.right = append(t.right, seg{plain, fmt.Sprintf("  /%s %d %s", p.query, p.matches, plural(p.matches, "match", "matches"))})
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
	rows := p.window(c.rect.h)
	if len(rows) == 0 {
		c.note(muted, "no request of "+upper(p.pool)+" among the last "+count(uint64(min(p.total, maxRows))), "p shows all pools") //nolint:gosec // a count
		return
	}
	for y, n := range rows {
		r := p.at(n)
		drawRow(c, y, r)
		if p.query != "" && p.matchesQuery(r) {
			c.highlight(y, p.query)
		}
		if !p.follow && n == p.cur {
			c.put(0, y, bold, "▸")
			if s.focus == panelLogs {
				c.restyle(0, c.rect.w, y, bold)
			}
		}
	}
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

// drawRow draws one request.
func drawRow(c canvas, y int, r *logstream.Record) {
	x := c.put(1, y, muted, clock(r.Time)+" ")
	x = c.put(x, y, inkOf(r.Served), pad(upper(r.Served), 6))
	st := plain
	switch {
	case r.Status >= 500:
		st = inkCrit | bold
	case r.Status >= 400, r.Retried():
		st = inkWarn
	}
	status := "–"
	if r.Status > 0 {
		status = strconv.Itoa(r.Status)
	}
	x = c.put(x, y, st, pad(status, 4))
	x = c.put(x, y, plain, pad(clip(clean(r.Method), 6), 5))
	end := c.rect.w - 1
	path := end - x - 10
	switch {
	case c.rect.w >= 100:
		path = min(40, (end-x)/2)
	case c.rect.w >= 70:
		path = end - x - 32
	case c.rect.w < 50:
		c.fit(x, y, end-x, plain, clean(r.Path))
		return
	}
	c.fit(x, y, path, plain, clean(r.Path))
	x += path
	took := "–"
	if r.Duration >= 0 {
		took = fmt.Sprintf("%d ms", r.Duration.Milliseconds())
	}
	x += 9
	c.right(x, y, st, took)
	if end-x > 12 {
		x = c.fit(x+2, y, end-x-2, muted, upstreams(r))
		if r.RequestID != "" && end-x > 14 {
			c.fit(x+2, y, end-x-2, muted, "req="+clean(r.RequestID))
		}
	}
}

// upstreams lists the attempts of a request: 10.0.3.12:8080 502 → 10.0.3.13:8080.
func upstreams(r *logstream.Record) string {
	if r.NoUpstream {
		return "no live upstream"
	}
	if len(r.Attempts) == 1 {
		return clean(r.Attempts[0].Addr)
	}
	var b strings.Builder
	for i, a := range r.Attempts {
		if i > 0 {
			b.WriteString(" → ")
		}
		if a.Pool != bluegreen.NoPool {
			b.WriteString(a.Pool.String())
		} else {
			b.WriteString(clean(a.Addr))
		}
		if a.Status > 0 {
			b.WriteString(" " + strconv.Itoa(a.Status))
		} else {
			b.WriteString(" no answer")
		}
	}
	return b.String()
}

// highlight marks every place of the row where the query stands.
func (c canvas) highlight(y int, query string) {
	row := c.grid.cells[(c.rect.y+y)*c.grid.w+c.rect.x:][:c.rect.w]
	var b strings.Builder
	starts := make([]int, 0, len(row))
	for x := range row {
		for range len(row[x].text) {
			starts = append(starts, x)
		}
		b.WriteString(row[x].text)
	}
	text := strings.ToLower(b.String())
	if len(text) != len(starts) {
		return // lower case is longer in a few scripts
	}
	for from := 0; ; {
		i := strings.Index(text[from:], query)
		if i < 0 {
			return
		}
		i += from
		from = i + len(query)
		c.restyle(starts[i], starts[from-1]+1, y, reverse)
	}
}

// details are the lines of the details box.
func requestDetails(r *logstream.Record) []string {
	out := []string{
		clean(r.Method) + " " + clean(r.Path),
		pad("time", 10) + r.Time.Format("2006-01-02 15:04:05.000"),
		pad("status", 10) + strconv.Itoa(r.Status),
		pad("client", 10) + clean(r.RemoteAddr),
		pad("served by", 10) + upper(r.Served) + " " + clean(r.Release),
		pad("active", 10) + upper(r.Active),
		pad("took", 10) + r.Duration.String(),
		pad("request", 10) + clean(r.RequestID),
	}
	for i, a := range r.Attempts {
		status := "no answer"
		if a.Status > 0 {
			status = strconv.Itoa(a.Status)
		}
		out = append(out, pad(fmt.Sprintf("attempt %d", i+1), 10)+upper(a.Pool)+" "+clean(a.Addr)+" "+status+" "+a.Duration.String())
	}
	return out
}
