package tui

import (
	"fmt"
	"math"
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// takeover is what the log shows of a failover that goes on. nginx fails over by
// itself, request by request: there are no steps that could be watched, only attempts
// that fail on one pool and answers that come from the other.
type takeover struct {
	from, to        bluegreen.Pool
	since           time.Time
	failures        float64 // attempts on the pool that fails
	answered, saved float64 // requests by the other; those that had failed before
}

// takeover sums up the failover that fires, nil when none does.
func (m *Model) takeover() *takeover {
	i := slices.IndexFunc(m.events.firing, func(ev alert.Event) bool { return ev.Type == alert.Failover })
	if i < 0 || m.feed == nil {
		return nil
	}
	ev := &m.events.firing[i]
	if ev.From == bluegreen.NoPool || ev.To == bluegreen.NoPool {
		return nil
	}
	t := &takeover{from: ev.From, to: ev.To, since: ev.Since}
	if t.since.IsZero() {
		t.since = ev.Time
	}
	first := max(t.since.Unix(), m.feed.End.Unix()-historySeconds+1)
	for at := first; at <= m.feed.End.Unix(); at++ {
		from, to := m.hist.at(index(t.from), at), m.hist.at(index(t.to), at)
		t.failures += from.Failures
		t.answered, t.saved = t.answered+to.Requests, t.saved+to.Saved
	}
	return t
}

// whole writes a count that is kept as a float.
func whole(v float64) string { return count(uint64(math.Max(0, math.Round(v)))) }

// failing says what happens on the pool that fails.
func (t *takeover) failing() string {
	// Not "of so many": the second in which it began has attempts from before.
	return fmt.Sprintf("▲ %s attempts failed since %s", whole(t.failures), clock(t.since))
}

// answering says what the other pool does.
func (t *takeover) answering() string {
	return fmt.Sprintf("● answers for %s: %s, %s saved after a failure", upper(t.from), whole(t.answered), whole(t.saved))
}

// row draws what there is to say about a pool and reports whether there was anything.
func (t *takeover) row(c canvas, y int, pool bluegreen.Pool) bool {
	switch {
	case t == nil:
		return false
	case pool == t.from:
		text := t.failing()
		if c.rect.w < 50 {
			text = fmt.Sprintf("▲ %s attempts failed", whole(t.failures))
		}
		c.fit(1, y, c.rect.w-2, inkCrit|bold, text)
	case pool == t.to:
		c.fit(1, y, c.rect.w-2, inkWarn|bold, t.answering())
	}
	return true
}

// details are the same facts in a box.
func (t *takeover) details() []string {
	return []string{
		pad("observed", 10) + t.failing()[len("▲ "):] + " on " + upper(t.from),
		pad("", 10) + fmt.Sprintf("%s answered %s, %s of them saved after a failure", upper(t.to), whole(t.answered), whole(t.saved)),
		pad("", 10) + "nginx fails over request by request: there are no steps",
	}
}

// eventDetails are the details of an event, with what a failover does meanwhile.
func (m *Model) eventDetails(i int) []string {
	lines := m.events.details(i)
	if t := m.takeover(); t != nil && m.events.fires(i) && m.events.entries[i].event.Type == alert.Failover {
		lines = append(lines, t.details()...)
	}
	return lines
}
