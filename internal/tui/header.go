package tui

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// part is a piece of the header. Where there is no room, the highest rank goes first.
type part struct {
	rank int
	segs []seg
}

// drawHeader draws the first row: project, state, active pool, sources, clock.
func (m *Model) drawHeader(c canvas, s *scene) {
	now := clock(m.now)
	parts := m.headerParts(s)
	for headerWidth(parts)+width(now)+3 > c.rect.w && len(parts) > 2 {
		drop := 0
		for i := range parts {
			if parts[i].rank > parts[drop].rank {
				drop = i
			}
		}
		parts = append(parts[:drop:drop], parts[drop+1:]...)
	}
	end := c.right(c.rect.w-1, 0, muted, now) - 1
	left := c.sub(rect{0, 0, end, 1})
	x := 1
	for _, p := range parts {
		x = left.segs(x, 0, p.segs...) + 2
	}
}

// headerWidth is the room that the parts need.
func headerWidth(parts []part) int {
	n := 1
	for _, p := range parts {
		for _, s := range p.segs {
			n += width(s.text)
		}
		n += 2
	}
	return n
}

// headerParts lists what the header says, most important ranks lowest.
func (m *Model) headerParts(s *scene) []part {
	parts := []part{{3, []seg{{bold, "bgctl"}}}, {0, []seg{m.condition(s)}}}
	if m.opts.Project != "" {
		parts[0].segs = append(parts[0].segs, seg{plain, " " + clean(m.opts.Project)})
	}
	if m.opts.Demo != "" {
		parts = append(parts, part{1, []seg{{inkWarn, m.opts.Demo}}})
	}
	if m.opts.Access == ReadOnly {
		parts = append(parts, part{1, []seg{{inkWarn, "READ-ONLY"}}})
	}
	if m.paused {
		parts = append(parts, part{1, []seg{{inkWarn | reverse, fmt.Sprintf("‖ PAUSED %s, +%d lines", clock(m.pausedAt), m.logs.total-m.pausedRow)}}})
	}
	if pool := s.active(); pool != bluegreen.NoPool {
		release, lead := clean(s.dep.Pool(pool).Release()), ""
		if s.kind == layoutFull {
			lead = "active "
		}
		parts = append(parts, part{2, []seg{{muted, lead}, {bold, "▶ "}, {inkOf(pool) | bold, upper(pool)}, {plain, " " + clip(release, 16)}}})
	}
	parts = append(parts, part{4, m.sources(s)})
	if m.opts.Host != "" {
		parts = append(parts, part{5, []seg{{muted, "on " + clean(m.opts.Host)}}})
	}
	if up := uptime(s); up != "" {
		parts = append(parts, part{6, []seg{{muted, up}}})
	}
	return parts
}

// condition says in one or two words how things are.
func (m *Model) condition(s *scene) seg {
	switch {
	case m.act != nil:
		return seg{bold, "◇ " + m.act.headline(m.now)}
	case s.dep == nil && m.depErr == nil:
		return seg{muted, "◌ CONNECTING docker · reading nginx log"}
	case m.depErr != nil:
		return seg{inkCrit | bold | reverse, fmt.Sprintf("× DISCONNECTED docker %s, retry in %s", age(m.now.Sub(m.errSince)), age(m.retryAt.Sub(m.now)))}
	case m.slow():
		return seg{inkWarn, "▲ NO ANSWER docker " + age(m.now.Sub(m.askedAt))}
	case m.feed != nil && m.feed.Counts.Lines > 0 && m.feed.Counts.Parsed == 0:
		return seg{inkWarn, "▲ LOG FORMAT"}
	}
	if l := routerLock(s.dep); l != nil && !m.stale {
		if l.PID == 0 { // it is about to say who it is
			return seg{bold, "◇ LOCKED"}
		}
		return seg{bold, fmt.Sprintf("◇ LOCKED by %s@%s pid %d, %s", clean(l.User), clean(l.Host), l.PID, age(m.now.Sub(l.Since)))}
	}
	if p := m.phase(); p != nil {
		return p.headline(m)
	}
	active := s.active()
	switch s.dep.Condition() {
	case bluegreen.Down:
		return seg{inkCrit | bold | reverse, "× DOWN"}
	case bluegreen.Outage:
		return seg{inkCrit | bold | reverse, "× NOBODY ANSWERS"}
	case bluegreen.Unknown:
		return seg{inkCrit | bold, "× NGINX SILENT"}
	case bluegreen.FailedOver:
		return seg{inkCrit | bold, "▲ FAILOVER " + upper(active) + " → " + upper(active.Other())}
	case bluegreen.Degraded:
		return seg{inkWarn, "▲ DEGRADED"}
	case bluegreen.Switching, bluegreen.Draining, bluegreen.Baking, bluegreen.OK:
	}
	return seg{bold, "● LIVE"}
}

// routerLock is who holds the deployment's lock, nil when nobody does.
func routerLock(d *bluegreen.Deployment) *bluegreen.Holder {
	if d == nil || d.Router == nil {
		return nil
	}
	return d.Router.Lock
}

// sources is the health of everything the screen reads from.
func (m *Model) sources(s *scene) []seg {
	var out []seg
	add := func(st style, text string) {
		if len(out) > 0 {
			text = " · " + text
		}
		out = append(out, seg{st, text})
	}
	switch {
	case m.depErr != nil:
		add(inkCrit, "docker × "+age(m.now.Sub(m.errSince)))
	case s.dep != nil && s.dep.Router == nil:
		add(muted, "docker ok")
		add(inkCrit, "nginx ×")
	case s.dep != nil && s.kind == layoutFull:
		add(muted, "docker ok · nginx ok")
	case s.dep != nil:
		add(muted, "docker, nginx ok")
	}
	if m.latest == nil {
		return out
	}
	for _, src := range m.latest.Sources {
		if !src.OK {
			add(inkCrit, clean(src.Name)+" × "+age(m.now.Sub(src.Since)))
		}
	}
	if m.latest.Counts.Lines > 0 {
		add(muted, fmt.Sprintf("lag %.1fs", m.latest.Lag.Seconds()))
	}
	return out
}

// foremost is the alert that stands in the second row: the gravest that nobody has
// acknowledged, else the gravest.
func (p *eventPanel) foremost() *alert.Event {
	for i := range p.firing {
		if p.waits(&p.firing[i]) {
			return &p.firing[i]
		}
	}
	return &p.firing[0]
}

// drawAlert draws the second row: what fires, or that nothing does.
func (m *Model) drawAlert(c canvas, s *scene) {
	firing := m.events.firing
	if len(firing) == 0 {
		m.drawCalm(c, s)
		return
	}
	ev := m.events.foremost()
	keys := "[a] alerts"
	if m.deps.Acknowledge != nil && m.opts.Access != ReadOnly && s.kind == layoutFull && m.events.unattended() > 0 {
		keys += "  [x] ack"
	}
	if s.kind == layoutFull && m.opts.Access != ReadOnly && ev.Command != "" && strings.HasPrefix(ev.Command, "bgctl switch") {
		keys += "  [s] switch"
	}
	end := c.rect.w - 1
	if c.rect.w >= compactWidth {
		end = c.right(end, 0, muted, keys) - 2
	}
	st := inkWarn | bold
	if ev.Severity == alert.Critical {
		st = inkCrit | bold | reverse
	}
	lead := fmt.Sprintf("▲ %d %s", len(firing), plural(len(firing), "ALERT", "ALERTS"))
	if a := m.events.acks.about(ev); a != nil {
		st, lead = plain, "△ "+ackWords(a, m.now.Location())
	}
	x := c.put(1, 0, st, lead) + 2
	since := ev.Since
	if since.IsZero() {
		since = ev.Time
	}
	text := clean(ev.Summary)
	if n := len(firing) - 1; n > 0 {
		end = c.right(end, 0, bold, fmt.Sprintf(" +%d more", n)) - 1
	}
	short := " for " + age(m.now.Sub(since))
	for _, more := range []string{short + " (since " + clock(since) + ")", short} {
		if x+width(text)+width(more) <= end {
			text += more
			break
		}
	}
	c.fit(x, 0, end-x, bold, text)
}

// drawCalm is the second row while nothing fires: what is wrong otherwise, or nothing.
func (m *Model) drawCalm(c canvas, s *scene) {
	st, text := muted, "✓ no alert is firing"
	src := s.logDown()
	switch {
	case s.feed == nil && s.dep == nil && m.depErr == nil:
		text = "◌ waiting for the first look at the deployment"
	case m.phase() != nil && m.depErr == nil:
		st, text = m.phase().explain(m, c.rect.w)
	case m.depErr != nil:
		st, text = inkWarn, "▲ old values, no writing keys, R retries · docker: "+clean(m.depErr.Error())
	case src != nil:
		st, text = inkWarn, "▲ log: "+clean(src.Detail)+" · retry in "+age(src.RetryIn)
	case s.dep != nil && s.dep.Router == nil:
		st, text = inkWarn, "▲ nginx: "+clean(s.dep.RouterErr)
	case m.muted() != "":
		st, text = inkWarn, "‖ "+m.muted()
	case m.watcherGone():
		st, text = inkWarn, "▲ the watcher does not run: nobody is told of alerts · start it: bgctl up"
	case m.faults() != "":
		st, text = inkWarn, "▲ "+m.faults()+" · H heals"
	}
	c.fit(1, 0, c.rect.w-2, st, text)
}

// muted says that messages are muted, and until when.
func (m *Model) muted() string {
	if m.latest == nil {
		return ""
	}
	mt := m.latest.Maintenance
	if mt.Scope == alert.ScopeNone || !mt.Until.IsZero() && !m.now.Before(mt.Until) {
		return ""
	}
	what := "every message"
	if mt.Scope == alert.ScopePools {
		what = "messages about failovers and switches"
	}
	text := "MAINTENANCE: " + what + " muted"
	if by := clean(m.latest.MutedBy); by != "" {
		text = "MAINTENANCE by " + by + ": " + what + " muted"
	}
	if !mt.Until.IsZero() {
		text += " until " + clock(mt.Until.In(m.now.Location()))
	}
	if m.maintainable() {
		text += " · M ends it"
	}
	return text
}

// watcherGone reports whether there is no running watcher although the engine answers.
func (m *Model) watcherGone() bool {
	return m.dep != nil && m.depErr == nil && (m.dep.Watcher == nil || m.dep.Watcher.State != "running")
}

// faults says which injected faults are not yet undone.
func (m *Model) faults() string {
	if m.dep == nil {
		return ""
	}
	var out []string
	for _, pool := range bluegreen.Pools() {
		if f := m.dep.Pool(pool).Fault; f != nil {
			out = append(out, fmt.Sprintf("injected fault on %s: %s by %s, %s ago", upper(pool), f.Mode, clean(f.By.User), age(m.now.Sub(f.Since))))
		}
	}
	return strings.Join(out, "; ")
}

// slowAfter is how long an observation may take before the screen says so.
const slowAfter = 3 * time.Second

// slow reports whether the engine has not answered for a while.
func (m *Model) slow() bool {
	return m.observing && m.now.Sub(m.askedAt) > slowAfter
}
