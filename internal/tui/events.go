package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// maxEntries bounds what the events panel remembers.
const maxEntries = 500

// entry is one line of the events panel: an event of the log, or what an act of
// this screen came to.
type entry struct {
	seq      int
	at       time.Time
	event    *alert.Event // nil: a note of this screen
	glyph    string
	style    style
	text     string
	lines    []string // more about it
	delivery map[string]alert.Delivery
}

// eventPanel lists alerts, switches and acts, newest first. The selection is kept
// by sequence number.
type eventPanel struct {
	entries  []entry // oldest first
	next     int
	selected int // seq; 0 follows the newest
	top      int
	firing   []alert.Event // oldest critical first
	posted   map[alert.Type]time.Time
	acks     acks
}

// isFiring reports whether the event's alert still fires.
func (p *eventPanel) isFiring(id string) bool {
	return slices.ContainsFunc(p.firing, func(f alert.Event) bool { return f.ID == id })
}

// newEventPanel returns an empty panel.
func newEventPanel() *eventPanel {
	return &eventPanel{posted: map[alert.Type]time.Time{}, acks: acks{of: map[alert.Type]alert.Ack{}}}
}

// add appends an event and keeps track of what fires. It reports whether the event is
// new: a watcher's output that is read again tells everything again.
//
// What a cooldown muted is told again when it is posted, under another ID: that is the
// same event, and the later telling takes the place of the first.
func (p *eventPanel) add(ev alert.Event) bool {
	place := -1
	for i := range p.entries {
		known := p.entries[i].event
		switch {
		case known == nil || !known.Time.Equal(ev.Time):
		case known.ID == ev.ID:
			return false
		case known.Type != ev.Type || known.Status != ev.Status:
		case known.Deferred && ev.Muted != "":
			return false
		case known.Muted != "" && ev.Deferred:
			place = i
		}
	}
	e := entry{at: ev.Time, event: &ev, delivery: map[string]alert.Delivery{}, text: clean(ev.Summary)}
	e.glyph, e.style = eventMark(&ev)
	p.acks.hear(&ev)
	switch ev.Status {
	case alert.Firing:
		e.text = "FIRING " + e.text
		p.resolve(&ev)
		p.firing = append(p.firing, ev)
		slices.SortStableFunc(p.firing, func(a, b alert.Event) int {
			return rank(a.Severity) - rank(b.Severity)
		})
	case alert.Resolved:
		e.text = "RESOLVED " + e.text
		p.resolve(&ev)
	case alert.Info:
	}
	if ev.Type == alert.Acked {
		e.glyph = "△"
	}
	if ev.Muted == "" {
		p.posted[ev.Type] = ev.Time
	}
	if place >= 0 {
		e.seq = p.entries[place].seq
		p.entries[place] = e
		return true
	}
	p.push(e)
	return true
}

// note appends a line of this screen's own.
func (p *eventPanel) note(e entry) { p.push(e) }

// push appends an entry and forgets the oldest one over the bound.
func (p *eventPanel) push(e entry) {
	p.next++
	e.seq = p.next
	p.entries = append(p.entries, e)
	if len(p.entries) > maxEntries {
		p.entries = slices.Delete(p.entries, 0, len(p.entries)-maxEntries)
	}
}

// resolve forgets what fires of the event's kind.
func (p *eventPanel) resolve(ev *alert.Event) {
	p.firing = slices.DeleteFunc(p.firing, func(f alert.Event) bool {
		return f.Type == ev.Type && (f.Pool == ev.Pool || ev.Pool == 0 || f.Pool == 0)
	})
}

// deliver records what became of an event's message.
func (p *eventPanel) deliver(d alert.Delivery) {
	for i := len(p.entries) - 1; i >= 0; i-- {
		if e := &p.entries[i]; e.event != nil && e.event.ID == d.Event {
			e.delivery[d.Receiver] = d
			return
		}
	}
}

// cooldown is the time before which no further message about a type is posted.
func (p *eventPanel) cooldown(t alert.Type, wait time.Duration) time.Time {
	if last := p.posted[t]; !last.IsZero() {
		return last.Add(wait)
	}
	return time.Time{}
}

// rank orders severities, worst first.
func rank(s alert.Severity) int {
	switch s {
	case alert.Critical:
		return 0
	case alert.Warning:
		return 1
	case alert.Good, alert.Note:
	}
	return 2
}

// eventMark is the glyph and colour of an event.
func eventMark(ev *alert.Event) (string, style) {
	switch {
	case ev.Status == alert.Resolved || ev.Severity == alert.Good:
		return "✓", plain
	case ev.Status == alert.Firing && ev.Severity == alert.Critical:
		return "▲", inkCrit | bold
	case ev.Severity == alert.Critical, ev.Severity == alert.Warning:
		return "▲", inkWarn
	}
	return "◇", plain
}

// deliveryText says where an event's messages stand.
func deliveryText(e *entry) (style, string) {
	st, text := muted, ""
	for _, name := range []string{"slack", "webhook"} {
		d, ok := e.delivery[name]
		if !ok {
			continue
		}
		word := ""
		switch d.State {
		case alert.Sent:
			word = name + " ✓"
		case alert.Queued:
			word = name + " queued"
		case alert.Retrying:
			st, word = inkWarn, fmt.Sprintf("▲ %s retry %d", name, d.Attempt)
		case alert.Muted:
			word = name + " " + mutedWord(&d, e.at.Location())
		case alert.Dropped:
			st, word = inkCrit, "× "+name+" lost"
		}
		if text != "" {
			text += " "
		}
		text += word
	}
	return st, text
}

// mutedWord says shortly why a message was not posted, and until when none is.
func mutedWord(d *alert.Delivery, zone *time.Location) string {
	word := "muted"
	if strings.Contains(d.Reason, "maintenance") {
		word = "maint."
	}
	if !d.Until.IsZero() {
		word += " → " + d.Until.In(zone).Format("15:04")
	}
	return word
}

// current returns the index of the selected entry; without one, of the first shown.
func (p *eventPanel) current() int {
	for i := range p.entries {
		if p.selected != 0 && p.entries[i].seq == p.selected {
			return i
		}
	}
	if order := p.order(); len(order) > 0 {
		return order[0]
	}
	return -1
}

// move moves the selection n rows down the screen.
func (p *eventPanel) move(n int) {
	order := p.order()
	if len(order) == 0 {
		return
	}
	at := max(0, min(len(order)-1, slices.Index(order, p.current())+n))
	p.selected = p.entries[order[at]].seq
	if at == 0 {
		p.selected = 0
	}
}

// title counts what fires.
func (p *eventPanel) title(s *scene) title {
	t := title{left: tabTitle(s, panelEvents, "Alerts & events")}
	if n := len(p.firing); n > 0 {
		t.right = []seg{{inkCrit | bold, fmt.Sprintf("▲ %d firing", n)}}
		if p.unattended() == 0 {
			t.right = []seg{{plain, fmt.Sprintf("△ %d firing, ack", n)}}
		}
	}
	return t
}

// order lists the entries as they are shown: what fires first, then by age, the
// newest first.
func (p *eventPanel) order() []int {
	out := make([]int, 0, len(p.entries))
	for i := range slices.Backward(p.entries) {
		if p.fires(i) {
			out = append(out, i)
		}
	}
	for i := range slices.Backward(p.entries) {
		if !p.fires(i) {
			out = append(out, i)
		}
	}
	return out
}

// fires reports whether an entry's alert still fires.
func (p *eventPanel) fires(i int) bool {
	ev := p.entries[i].event
	return ev != nil && ev.Status == alert.Firing && p.isFiring(ev.ID)
}

// draw lists the entries.
func (p *eventPanel) draw(c canvas, s *scene) {
	if len(p.entries) == 0 {
		c.note(muted, "nothing has happened yet")
		return
	}
	order := p.order()
	n, h := len(order), c.rect.h
	sel := slices.Index(order, p.current())
	p.top = max(0, min(p.top, n-h))
	p.top = max(min(p.top, sel), sel-h+1)
	for y := range min(h, n-p.top) {
		i := order[p.top+y]
		if y == h-1 && p.top+h < n {
			c.put(1, y, muted, fmt.Sprintf("↓ %d older", n-p.top-y))
			break
		}
		p.drawEntry(c, y, i)
		if s.focus == panelEvents && p.top+y == sel {
			c.restyle(0, c.rect.w, y, bold|reverse)
		}
	}
}

// drawEntry draws one line, its delivery at the right end.
func (p *eventPanel) drawEntry(c canvas, y, i int) {
	e := &p.entries[i]
	end := c.rect.w - 1
	if st, text := deliveryText(e); text != "" && c.rect.w >= 40 {
		end = c.right(end, y, st, text) - 1
	}
	glyph, ink, text := e.glyph, e.style, e.text
	if e.event != nil && e.event.Status == alert.Firing {
		switch a := p.acks.about(e.event); {
		case !p.fires(i):
			ink = plain // it is over: it must not look as if it still fired
		case a != nil:
			glyph, ink, text = "△", plain, ackWords(a, e.at.Location())+" · "+e.text
		}
	}
	x := c.put(1, y, ink, glyph+" ")
	x = c.put(x, y, muted, clock(e.at)+" ")
	st := plain
	if ink&inkMask == inkCrit {
		st = bold
	}
	c.fit(x, y, end-x, st, text)
}

// details are the lines of the details box: what happened, the evidence, and what
// became of each message.
func (p *eventPanel) details(i int) []string {
	e := &p.entries[i]
	out := []string{clock(e.at) + "  " + e.text}
	ev := e.event
	if ev == nil {
		return append(out, e.lines...)
	}
	add := func(name, value string) {
		if value != "" {
			out = append(out, pad(name, 10)+clean(value))
		}
	}
	add("cause", ev.Cause)
	add("pool", strings.Trim(ev.Pool.String()+" "+ev.Release, " "))
	if ev.From != bluegreen.NoPool || ev.To != bluegreen.NoPool {
		add("from, to", upper(ev.From)+" → "+upper(ev.To))
	}
	if !ev.Since.IsZero() {
		add("since", ev.Since.Format("2006-01-02 15:04:05"))
	}
	if ev.Window.Size > 0 {
		add("window", fmt.Sprintf("%d of %d requests, %d %s, %s; threshold %s%%", ev.Window.N, ev.Window.Size, ev.Window.Errors, plural(ev.Window.Errors, "error", "errors"), percent(ev.Window.Rate), number(ev.Threshold)))
	}
	for _, s := range []struct {
		name string
		*alert.Sample
	}{{"first", ev.First}, {"last", ev.Last}} {
		if s.Sample != nil {
			add(s.name, fmt.Sprintf("%s %s %s %d  %s  req=%s", clock(s.Time.In(e.at.Location())), s.Method, s.Path, s.Status, s.Attempts, s.RequestID))
		}
	}
	if a := p.acks.about(ev); a != nil && p.fires(i) {
		add("ack", ackDetail(a, e.at.Location()))
	}
	for _, name := range slices.Sorted(maps.Keys(e.delivery)) {
		add(name, deliveryDetail(e.delivery[name], e.at.Location()))
	}
	if len(e.delivery) == 0 {
		add("muted", ev.Muted)
	}
	add("try", ev.Command)
	return out
}

// deliveryDetail says in full where a message stands.
func deliveryDetail(d alert.Delivery, zone *time.Location) string {
	text := string(d.State) + " " + clock(d.Time.In(zone))
	if d.Attempt > 1 {
		text += fmt.Sprintf(", attempt %d", d.Attempt)
	}
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if !d.Until.IsZero() {
		text += ", until " + clock(d.Until.In(zone))
	}
	if d.Duplicate {
		text += " (the receiver may have got it twice)"
	}
	return text
}
