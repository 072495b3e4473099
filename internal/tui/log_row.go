package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// stamp is how the log writes times.
type stamp int

// The ways to write a time.
const (
	stampClock stamp = iota
	stampFull
	stampAge
	stampNone
	stampCount
)

// text writes the time of a row and what separates it from the rest.
func (s stamp) text(at, now time.Time) string {
	switch s {
	case stampFull:
		return at.Format("01-02 15:04:05.000") + " "
	case stampAge:
		return pad("-"+age(now.Sub(at)), 7) + " "
	case stampNone:
		return ""
	case stampClock, stampCount:
	}
	return clock(at) + " "
}

// statusInk is the colour of an answer.
func statusInk(r *logRow) style {
	switch {
	case r.Status >= 500:
		return inkCrit | bold
	case r.Status >= 400, r.Retried():
		return inkWarn
	}
	return plain
}

// statusText is the status as it stands in a row.
func statusText(status int) string {
	if status <= 0 {
		return "–"
	}
	return strconv.Itoa(status)
}

// tookText is how long a request took.
func tookText(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// drawRow draws one request into one line, in columns. The query is shown in full: this
// is the log on its operator's own terminal, and nothing of it is kept or sent.
func (p *logPanel) drawRow(c canvas, y int, r *logRow, s *scene) {
	x := c.put(1, y, muted, p.stamp.text(r.Time, s.now))
	x = c.put(x, y, inkOf(r.Served), pad(upper(r.Served), 6))
	st := statusInk(r)
	x = c.put(x, y, st, pad(statusText(r.Status), 4))
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
	x += path + 9
	c.right(x, y, st, tookText(r.Duration))
	if end-x > 12 {
		x = c.fit(x+2, y, end-x-2, muted, upstreams(&r.Record))
		if r.RequestID != "" && end-x > 14 {
			c.fit(x+2, y, end-x-2, muted, "req="+clean(r.RequestID))
		}
	}
}

// segs is the whole of a request, however long it is.
func (p *logPanel) segs(r *logRow, s *scene) []seg {
	out := []seg{
		{muted, p.stamp.text(r.Time, s.now)},
		{inkOf(r.Served), pad(upper(r.Served), 6)},
		{statusInk(r), pad(statusText(r.Status), 4)},
		{plain, clean(r.Method) + " " + clean(r.Path)},
		{statusInk(r), "  " + tookText(r.Duration)},
		{muted, "  " + upstreams(&r.Record)},
	}
	if r.RequestID != "" {
		out = append(out, seg{muted, "  req=" + clean(r.RequestID)})
	}
	return out
}

// wrapSegs breaks segments into lines of at most w cells, the later ones indented.
func wrapSegs(segments []seg, w int) [][]seg {
	const indent = "    "
	w = max(w, 8)
	var out [][]seg
	var line []seg
	room := w
	for _, s := range segments {
		if n := width(s.text); n > room && n <= w-len(indent) {
			s.text = strings.TrimLeft(s.text, " ")
			out = append(out, line)
			line, room = []seg{{plain, indent}}, w-len(indent)
		}
		for s.text != "" {
			head := prefix(s.text, room)
			if head == "" {
				out = append(out, line)
				line, room = []seg{{plain, indent}}, w-len(indent)
				continue
			}
			line = append(line, seg{s.style, head})
			room -= width(head)
			s.text = s.text[len(head):]
		}
	}
	return append(out, line)
}

// prefix is the longest head of s of at most w cells.
func prefix(s string, w int) string {
	i := 0
	for i < len(s) {
		text, n := s[i:i+1], 1
		if s[i] >= 0x80 {
			text, n = cluster(s[i:])
		}
		if w -= n; w < 0 {
			break
		}
		i += len(text)
	}
	return s[:i]
}

// rowText is what a search looks at.
func rowText(r *logstream.Record) string {
	return r.Method + " " + r.Path + " " + strconv.Itoa(r.Status) + " " + upper(r.Served) + " " + r.Release + " " + r.RequestID + " " + upstreams(r)
}

// lineText is a request as it is copied and saved.
func lineText(r *logstream.Record) string {
	return clean(r.Time.Format("2006-01-02T15:04:05.000Z07:00") + " " + rowText(r) + " " + tookText(r.Duration))
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

// requestDetails are the lines of the details box: everything that is known.
func requestDetails(r *logstream.Record) []string {
	out := []string{
		clean(r.Method) + " " + clean(r.Path),
		pad("time", 10) + r.Time.Format("2006-01-02 15:04:05.000"),
		pad("status", 10) + statusText(r.Status),
		pad("client", 10) + clean(r.RemoteAddr),
		pad("served by", 10) + upper(r.Served) + " " + clean(r.Release),
		pad("active", 10) + upper(r.Active),
		pad("took", 10) + durationText(r.Duration),
		pad("size", 10) + count(uint64(max(0, r.BytesSent))) + " bytes",
		pad("request", 10) + clean(r.RequestID),
	}
	if r.Group != "" {
		out = append(out, pad("upstream", 10)+clean(r.Group))
	}
	if r.NoUpstream {
		out = append(out, "no live upstream: nginx asked nobody")
	}
	for i, a := range r.Attempts {
		status := "no answer"
		if a.Status > 0 {
			status = strconv.Itoa(a.Status)
		}
		out = append(out, pad(fmt.Sprintf("attempt %d", i+1), 10)+pad(upper(a.Pool), 6)+clean(a.Addr)+"  "+status+"  "+durationText(a.Duration))
	}
	switch {
	case r.Retried() && r.Status > 0 && r.Status < 500:
		out = append(out, "the client noticed nothing: a later attempt answered")
	case r.Active != bluegreen.NoPool && r.Served != bluegreen.NoPool && r.Served != r.Active:
		out = append(out, "answered by the pool that is not active")
	}
	return out
}

// durationText is a time nginx measured; it may not know.
func durationText(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	return d.String()
}
