package drill

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/drill/outpost"
)

// BurstFacts is what an error burst measured.
type BurstFacts struct {
	Skipped string // why there was none
	Failed  int    // requests of the drill that failed until the event
	Total   int    // failed requests sent
	Fired   *Told
	Ears    Ears
	Need    int     // failed requests the window's settings imply
	Rate    float64 // of the window after the good traffic that followed; negative: not known
	Clear   float64 // rate at and below which the alert is on its way to resolve
	Hold    time.Duration
	Waited  bool
	Over    *Told // the resolved event
}

// JudgeBurst judges an error burst.
func JudgeBurst(f *BurstFacts) []Judgement {
	const fires, resolves = "the error rate fires", "the error rate resolves"
	if f.Skipped != "" {
		return []Judgement{skipped(fires, f.Skipped)}
	}
	bar := fmt.Sprintf("by %d failed requests (+%d)", f.Need, burstMargin)
	var out []Judgement
	switch {
	case f.Ears != Hearing:
		return []Judgement{f.Ears.unheard(fires, bar)}
	case f.Fired == nil:
		return []Judgement{judged(fires, bar, fmt.Sprintf("never, %d failed", f.Total), false)}
	default:
		j := judged(fires, bar, fmt.Sprintf("after %d", f.Failed), f.Failed <= f.Need+burstMargin)
		j.Why = f.Fired.Event.ID
		if why := f.Fired.Muted(); why != "" {
			j.Why += ", muted: " + why
		}
		out = append(out, j)
	}
	switch {
	case f.Over != nil:
		j := judged(resolves, "resolved, or muted with a reason", "resolved", true)
		if why := f.Over.Muted(); why != "" {
			j.Measured += ", muted: " + why
		}
		return append(out, j)
	case f.Waited:
		return append(out, judged(resolves, "resolved", "it still fires", false))
	case f.Rate < 0:
		return append(out, skipped(resolves, "the watcher's window cannot be read"))
	}
	j := judged(resolves, fmt.Sprintf("back at %.3g %% or less", f.Clear), fmt.Sprintf("%.3g %%", f.Rate), f.Rate <= f.Clear)
	j.Why = fmt.Sprintf("told after %s of good traffic; --wait waits for it", f.Hold)
	return append(out, j)
}

// AlertFacts is what the alerts are judged by.
type AlertFacts struct {
	Ears      Ears
	Began     time.Time // of the drill
	Expected  []Expectation
	Told      []Told
	Receivers []string // whose reports count
	StandIn   bool     // the receiver is the drill's own
	Messages  []outpost.Message
}

// Expectation is an event that a drill has to cause.
type Expectation struct {
	Type   alert.Type   `json:"type"`
	Status alert.Status `json:"status"`
}

// String is the expectation in words.
func (e Expectation) String() string { return string(e.Type) + " " + string(e.Status) }

// JudgeAlerts compares the alerts with what was expected and with what was received.
func JudgeAlerts(f *AlertFacts) []Judgement {
	if f.Ears != Hearing {
		return []Judgement{f.Ears.unheard("alerts as expected", list(f.Expected))}
	}
	out := []Judgement{judgeExpected(f)}
	if len(f.Receivers) == 0 {
		return append(out, judged("posted alerts delivered", "once each", "nobody receives", false))
	}
	for _, r := range f.Receivers {
		out = append(out, judgeDelivered(f, r), judgeOrder(f, r))
	}
	out = append(out, judgeMuted(f))
	if f.StandIn {
		out = append(out, judgeMessages(f))
	}
	return out
}

// list joins expectations.
func list(all []Expectation) string {
	if len(all) == 0 {
		return "none"
	}
	words := make([]string, len(all))
	for i, e := range all {
		words[i] = e.String()
	}
	return strings.Join(words, ", ")
}

// judgeExpected finds what is missing and what is too much. What belongs to a state
// from before the drill (a deferred post, a resolved alert) and what follows from
// drills in a row (flapping) is no surprise.
func judgeExpected(f *AlertFacts) Judgement {
	open := map[Expectation]int{}
	for _, e := range f.Expected {
		open[e]++
	}
	var wrong []string
	ids := map[string]bool{}
	for i := range f.Told {
		ev := &f.Told[i].Event
		if ids[ev.ID] {
			wrong = append(wrong, ev.ID+" twice")
		}
		ids[ev.ID] = true
		key := Expectation{ev.Type, ev.Status}
		switch old := ev.Status == alert.Resolved && ev.Since.Before(f.Began); {
		case open[key] > 0 && !old:
			open[key]--
		case !old && !extra(ev):
			wrong = append(wrong, ev.ID+" ("+key.String()+") was not expected")
		}
	}
	for _, e := range f.Expected {
		if open[e] > 0 {
			open[e]--
			wrong = append(wrong, e.String()+" is missing")
		}
	}
	j := judged("alerts as expected", list(f.Expected), fmt.Sprintf("%d events", len(f.Told)), len(wrong) == 0)
	j.Why = strings.Join(wrong, "; ")
	return j
}

// extra reports whether an event may come although the drill did not ask for it.
func extra(ev *alert.Event) bool {
	switch ev.Type {
	case alert.Flapping, alert.Notice, alert.NoTraffic, alert.Degraded, alert.Latency, alert.Upkeep, alert.Acked:
		return true
	case alert.ErrorRate: // an earlier drill's resolves, or this one's has become critical
		return ev.Deferred || ev.Status == alert.Resolved || ev.Severity == alert.Critical
	case alert.Failover, alert.AllDown, alert.Switch, alert.SourceLost:
	}
	return ev.Deferred
}

// judgeDelivered judges that each posted alert was accepted exactly once.
func judgeDelivered(f *AlertFacts, receiver string) Judgement {
	posted, ok := 0, 0
	var wrong []string
	for i := range f.Told {
		t := &f.Told[i]
		if t.Muted() != "" {
			continue
		}
		posted++
		_, n := t.sent(receiver)
		switch {
		case n == 1, n == 0 && f.toldWith(t, receiver):
			ok++
		case n == 0:
			wrong = append(wrong, t.Event.ID+" "+t.trouble(receiver))
		default:
			wrong = append(wrong, fmt.Sprintf("%s %d times", t.Event.ID, n))
		}
	}
	j := judged("posted alerts delivered to "+receiver, "once each", fmt.Sprintf("%d of %d", ok, posted), len(wrong) == 0)
	j.Why = strings.Join(wrong, "; ")
	return j
}

// toldWith reports whether another event's message, which was sent, told this one too.
func (f *AlertFacts) toldWith(t *Told, receiver string) bool {
	id := t.merged(receiver)
	for i := range f.Told {
		if other := &f.Told[i]; id != "" && other.Event.ID == id {
			_, n := other.sent(receiver)
			return n > 0 || other != t && f.toldWith(other, receiver)
		}
	}
	return false
}

// judgeOrder judges that messages left in the order of their events.
func judgeOrder(f *AlertFacts, receiver string) Judgement {
	var last time.Time
	var order []string
	ok := true
	for i := range f.Told {
		at, n := f.Told[i].sent(receiver)
		if n == 0 {
			continue
		}
		ok = ok && !at.Before(last)
		last = at
		order = append(order, f.Told[i].Event.ID)
	}
	measured := strings.Join(order, ", ")
	if measured == "" {
		measured = "none"
	}
	return judged("in the order of their events", "in order", measured, ok)
}

// judgeMuted judges that what was not posted says why, and was not sent all the same.
func judgeMuted(f *AlertFacts) Judgement {
	var muted []string
	ok := true
	for i := range f.Told {
		t := &f.Told[i]
		if t.Muted() == "" {
			continue
		}
		_, n := t.sent("")
		ok = ok && n == 0
		muted = append(muted, t.Event.ID+": "+t.Muted())
	}
	j := judged("muted alerts stay silent", "0 sent", fmt.Sprintf("%d muted", len(muted)), ok)
	j.Why = strings.Join(muted, "; ")
	return j
}

// judgeMessages compares the messages of the stand-in with the posted events.
func judgeMessages(f *AlertFacts) Judgement {
	want := map[string]bool{}
	for i := range f.Told {
		t := &f.Told[i]
		if t.Muted() == "" && t.merged(f.Receivers[0]) == "" {
			want[t.Event.ID] = true
		}
	}
	got := map[string]int{}
	var wrong []string
	for _, m := range f.Messages {
		if got[m.ID]++; got[m.ID] > 1 {
			wrong = append(wrong, m.ID+" twice")
		}
		if !want[m.ID] {
			wrong = append(wrong, fmt.Sprintf("unknown message %q", m.ID))
		}
	}
	for i := range f.Told {
		if id := f.Told[i].Event.ID; want[id] && got[id] == 0 {
			wrong = append(wrong, id+" did not arrive")
		}
	}
	j := judged("messages received over HTTP", fmt.Sprintf("%d, each once", len(want)), strconv.Itoa(len(f.Messages)), len(wrong) == 0)
	j.Why = strings.Join(wrong, "; ")
	return j
}
