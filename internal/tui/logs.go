package tui

import (
	"slices"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// maxRows is how many requests the log panel remembers.
const maxRows = 5000

// logRow is a request and what the search and the filter make of it.
type logRow struct {
	logstream.Record
	match bool // contains what is searched for
	pass  bool // the filter lets it through
	mark  bool // bookmarked
}

// logPanel shows requests as they come. Rows have absolute numbers, so that a
// reader's place does not move while new rows arrive.
type logPanel struct {
	ring    []logRow // row n is at n % maxRows
	total   int      // rows ever taken; the newest is total-1
	dropped uint64   // rows the feed left out

	follow bool
	cur    int // the row under the cursor when not following
	bottom int // the lowest row on screen when not following
	limit  int // paused: rows from here on are not shown; 0 while running

	pool    bluegreen.Pool // NoPool: all
	query   string
	matches int
	filter  string
	passed  int
	wrap    bool
	stamp   stamp
	marks   int   // rows that are bookmarked
	shownAt []int // the rows of the last frame, top first
}

// newLogPanel returns an empty panel that follows.
func newLogPanel() *logPanel { return &logPanel{follow: true} }

// append takes new rows.
func (p *logPanel) append(rows []logstream.Record) {
	for i := range rows {
		r := logRow{Record: rows[i]}
		p.judge(&r)
		if len(p.ring) < maxRows {
			p.ring = append(p.ring, r)
		} else {
			p.forget(&p.ring[p.total%maxRows])
			p.ring[p.total%maxRows] = r
		}
		p.total++
	}
}

// judge applies the search and the filter to a row.
func (p *logPanel) judge(r *logRow) {
	r.match, r.pass = false, true // what is neither searched nor filtered passes
	if p.query == "" && p.filter == "" {
		return
	}
	text := strings.ToLower(rowText(&r.Record))
	if p.query != "" && strings.Contains(text, p.query) {
		r.match = true
		p.matches++
	}
	if p.filter != "" {
		want, inverse := strings.CutPrefix(p.filter, "!")
		r.pass = strings.Contains(text, want) != inverse
	}
	if r.pass {
		p.passed++
	}
}

// forget takes a row out of the counts.
func (p *logPanel) forget(r *logRow) {
	if r.match {
		p.matches--
	}
	if r.pass {
		p.passed--
	}
	if r.mark {
		p.marks--
	}
}

// rejudge applies a new search or filter to all rows.
func (p *logPanel) rejudge() {
	p.matches, p.passed = 0, 0
	for i := range p.ring {
		p.judge(&p.ring[i])
	}
}

// find sets what is searched for.
func (p *logPanel) find(query string) {
	p.query = strings.ToLower(query)
	p.rejudge()
}

// sift sets the filter: rows without the text are hidden, or with "!" those with it.
func (p *logPanel) sift(filter string) {
	p.filter = strings.ToLower(filter)
	if p.filter == "!" {
		p.filter = ""
	}
	p.rejudge()
}

// at returns row n.
func (p *logPanel) at(n int) *logRow { return &p.ring[n%maxRows] }

// oldest is the first row still remembered.
func (p *logPanel) oldest() int { return max(0, p.total-maxRows) }

// end is the row after the newest that may be shown.
func (p *logPanel) end() int {
	if p.limit > 0 {
		return max(p.limit, p.oldest())
	}
	return p.total
}

// shown reports whether the filters let a row through.
func (p *logPanel) shown(r *logRow) bool {
	if p.filter != "" && !r.pass {
		return false
	}
	return p.pool == bluegreen.NoPool || r.Served == p.pool || r.Served == bluegreen.NoPool && r.Active == p.pool
}

// matched, failing and marked are what the cursor may jump to.
func matched(r *logRow) bool { return r.match }
func failing(r *logRow) bool { return r.Status >= 500 || r.Retried() }
func marked(r *logRow) bool  { return r.mark }

// jump moves the cursor to the next row in direction dir that want accepts.
func (p *logPanel) jump(dir int, want func(*logRow) bool) bool {
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
	if !p.follow {
		return max(p.cur, p.oldest())
	}
	for n := p.end() - 1; n >= p.oldest(); n-- {
		if p.shown(p.at(n)) {
			return n
		}
	}
	return p.end() - 1
}

// selected returns the row under the cursor, nil when there is none.
func (p *logPanel) selected() (int, *logRow) {
	n := p.place()
	if n < p.oldest() || n >= p.total || !p.shown(p.at(n)) {
		return -1, nil
	}
	return n, p.at(n)
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
		if !p.jump(dir, func(*logRow) bool { return true }) {
			if dir > 0 {
				p.follow = true
			}
			return
		}
	}
}

// home moves the cursor to the oldest row shown.
func (p *logPanel) home() {
	for n := p.oldest(); n < p.end(); n++ {
		if p.shown(p.at(n)) {
			p.hold(n)
			return
		}
	}
}

// bookmark marks the row under the cursor, or forgets the mark.
func (p *logPanel) bookmark() bool {
	n, r := p.selected()
	if r == nil {
		return false
	}
	r.mark = !r.mark
	if r.mark {
		p.marks++
	} else {
		p.marks--
	}
	p.hold(n)
	return r.mark
}

// nextBookmark goes to the next newer bookmark, after the newest to the oldest.
func (p *logPanel) nextBookmark() bool {
	if p.follow || !p.jump(1, marked) {
		for n := p.oldest(); n < p.end(); n++ {
			if r := p.at(n); r.mark && p.shown(r) {
				p.hold(n)
				return true
			}
		}
		return false
	}
	return true
}

// bookmarks are the times of all bookmarks, oldest first.
func (p *logPanel) bookmarks() []time.Time {
	var out []time.Time
	for n := p.oldest(); n < p.total && len(out) < p.marks; n++ {
		if r := p.at(n); r.mark {
			out = append(out, r.Time)
		}
	}
	return out
}

// window returns the rows that fit into h lines, top first.
func (p *logPanel) window(h int, lines func(*logRow) int) []int {
	end := p.end()
	if p.follow {
		p.bottom = end - 1
	}
	p.cur = max(p.cur, p.oldest())
	if !p.follow && p.cur > p.bottom {
		p.bottom = p.cur
	}
	p.bottom = min(max(p.bottom, p.oldest()), end-1)
	rows := p.above(p.bottom, h, lines)
	if !p.follow && len(rows) > 0 && p.cur < rows[0] {
		rows = p.below(p.cur, h, lines)
		p.bottom = rows[len(rows)-1]
	}
	p.shownAt = rows
	return rows
}

// above returns the shown rows that end at row n and fit into h lines.
func (p *logPanel) above(n, h int, lines func(*logRow) int) []int {
	var rows []int
	for ; n >= p.oldest() && h > 0; n-- {
		r := p.at(n)
		if !p.shown(r) {
			continue
		}
		if h -= lines(r); h < 0 && len(rows) > 0 {
			break
		}
		rows = append(rows, n)
	}
	slices.Reverse(rows)
	return rows
}

// below returns the shown rows that begin at row n and fit into h lines.
func (p *logPanel) below(n, h int, lines func(*logRow) int) []int {
	rows := []int{n}
	h -= lines(p.at(n))
	for n++; n < p.end() && h > 0; n++ {
		r := p.at(n)
		if !p.shown(r) {
			continue
		}
		if h -= lines(r); h < 0 {
			break
		}
		rows = append(rows, n)
	}
	return rows
}
