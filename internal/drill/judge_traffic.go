package drill

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"bgctl/internal/bluegreen"
)

// Tally sums up the requests of a phase.
type Tally struct {
	Sent     int            `json:"sent"`
	Lost     int            `json:"lost"` // no answer, or 500 and more
	ByMethod map[string]int `json:"by_method,omitempty"`
	LostBy   map[string]int `json:"lost_by_method,omitempty"`
	ByPool   map[string]int `json:"by_pool,omitempty"`
	ByStatus map[string]int `json:"by_status,omitempty"` // "0": no answer
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	Longest  float64        `json:"longest_ms"`
}

// tally counts shots.
func tally(shots []Shot) Tally {
	t := Tally{ByMethod: map[string]int{}, LostBy: map[string]int{}, ByPool: map[string]int{}, ByStatus: map[string]int{}}
	took := make([]time.Duration, 0, len(shots))
	for i := range shots {
		s := &shots[i]
		t.Sent++
		t.ByMethod[s.Method]++
		t.ByStatus[strconv.Itoa(s.Status)]++
		if s.Lost() {
			t.Lost++
			t.LostBy[s.Method]++
		}
		if s.Pool != bluegreen.NoPool {
			t.ByPool[s.Pool.String()]++
		}
		took = append(took, s.End.Sub(s.Start))
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		at := func(p int) float64 { return float64(took[min(n-1, n*p/100)].Microseconds()) / 1000 }
		t.P50, t.P99, t.Longest = at(50), at(99), at(100)
	}
	return t
}

// String is the tally in a few words.
func (t *Tally) String() string {
	if t.Sent == 0 {
		return "nothing sent"
	}
	return fmt.Sprintf("%d sent, %d lost, p99 %.1f ms", t.Sent, t.Lost, t.P99)
}

// JudgeBaseline judges traffic on an unbroken deployment.
func JudgeBaseline(shots []Shot, active bluegreen.Pool) []Judgement {
	t := tally(shots)
	enough := judged("traffic", "at least one answer", t.String(), t.Sent > t.Lost)
	if t.Sent == 0 {
		return []Judgement{enough}
	}
	out := []Judgement{enough, judged("no request lost", "0 lost", fmt.Sprintf("%d of %d", t.Lost, t.Sent), t.Lost == 0)}
	named := 0
	for _, n := range t.ByPool {
		named += n
	}
	if named == 0 {
		return append(out, skipped("all by the active pool", "neither the answers nor the log name a pool"))
	}
	by := t.ByPool[active.String()]
	return append(out, judged("all by the active pool", fmt.Sprintf("%d by %s", named, active), fmt.Sprintf("%d of %d", by, named), by == named))
}

// FailoverFacts is what a failover phase measured.
type FailoverFacts struct {
	Mode     bluegreen.FaultMode
	Active   bluegreen.Pool
	Shots    []Shot
	Broken   time.Time // when the fault was asked for
	Done     time.Time // when the engine had done it; zero: never
	Heal     time.Time // when heal was asked for
	HealedAt time.Time // when the pool was ready again; zero: it never was
	Ears     Ears
	Fired    *Told // nil: the watcher told no failover
	Resolved *Told
	Receiver string // whose acceptance counts, "" when nobody receives
}

// Timings are the figures of a drill in milliseconds, negative when not measured.
type Timings struct {
	Failover  float64 `json:"failover_ms"`  // to the first answer of the other pool
	Detection float64 `json:"detection_ms"` // to the watcher's event
	Alert     float64 `json:"alert_ms"`     // to the receiver's ok
	Recovery  float64 `json:"recovery_ms"`  // from heal to the first answer of the healed pool
	Resolved  float64 `json:"resolved_ms"`  // from that answer to the watcher's recovery event
}

// noTimings is when nothing was measured.
func noTimings() Timings { return Timings{-1, -1, -1, -1, -1} }

// answered returns the end of the first answer by pool to end after a moment.
func answered(shots []Shot, pool bluegreen.Pool, after time.Time) time.Time {
	var at time.Time
	for i := range shots {
		s := &shots[i]
		if s.Pool == pool && !s.Lost() && s.End.After(after) && (at.IsZero() || s.End.Before(at)) {
			at = s.End
		}
	}
	return at
}

// inFlight counts the requests that were under way while the fault was made.
func inFlight(shots []Shot, from, to time.Time) int {
	n := 0
	for i := range shots {
		if shots[i].Start.Before(to) && shots[i].End.After(from) {
			n++
		}
	}
	return n
}

// JudgeFailover judges a failover phase and returns its figures.
func JudgeFailover(f *FailoverFacts, s *Settings, o *Options) ([]Judgement, Timings) {
	b, times := barsFor(s, o), noTimings()
	// Times are counted from the ask; what the engine takes to do it is not the
	// deployment's affair.
	if engine := f.Done.Sub(f.Broken); engine > 0 {
		b.first, b.detect, b.alert = b.first+engine, b.detect+engine, b.alert+engine
	}
	out := judgeLost(f)
	other := f.Active.Other()
	switch at := answered(f.Shots, other, f.Broken); {
	case at.IsZero() && f.Mode == bluegreen.FaultSlow:
		out = append(out, skipped("the other pool answers", "a slow pool below the read timeout does not fail over"))
	case at.IsZero():
		out = append(out, judged("the other pool answers", "within "+ms(b.first), "never", false))
	default:
		out = append(out, within("the other pool answers", b.first, at.Sub(f.Broken), &times.Failover))
	}
	out = append(out, judgeTold(f, b, &times)...)
	return append(out, judgeRecovery(f, b, &times)...), times
}

// within judges a time and notes it.
func within(name string, bar, took time.Duration, figure *float64) Judgement {
	*figure = float64(took.Microseconds()) / 1000
	return judged(name, "within "+ms(bar), ms(took), took <= bar)
}

// judgeLost judges what users lost: no GET, and of POST what nginx could not repeat.
func judgeLost(f *FailoverFacts) []Judgement {
	t := tally(f.Shots)
	out := []Judgement{judged("no GET lost", "0 lost", fmt.Sprintf("%d of %d", t.LostBy["GET"], t.ByMethod["GET"]), t.ByMethod["GET"] > 0 && t.LostBy["GET"] == 0)}
	posts := slices.DeleteFunc(slices.Clone(f.Shots), func(s Shot) bool { return s.Method != "POST" })
	lost := slices.DeleteFunc(slices.Clone(posts), func(s Shot) bool { return !s.Lost() })
	measured := fmt.Sprintf("%d of %d", len(lost), len(posts))
	if f.Mode != bluegreen.FaultKill && f.Mode != bluegreen.FaultStop {
		j := skipped("POST lost only in flight", fmt.Sprintf("nginx repeats no POST, and each fail_timeout one of them tries the %s pool", map[bool]string{true: "frozen", false: "failing"}[f.Mode == bluegreen.FaultPause]))
		j.Measured = measured
		return append(out, j)
	}
	allowed := inFlight(posts, f.Broken, f.Done)
	stray := len(lost) - inFlight(lost, f.Broken, f.Done)
	return append(out, judged("POST lost only in flight", fmt.Sprintf("only of the %d in flight", allowed), measured, stray == 0))
}

// judgeTold judges what the watcher and the receiver made of the failover.
func judgeTold(f *FailoverFacts, b bars, times *Timings) []Judgement {
	const detected, accepted = "the watcher tells it", "the receiver has the alert"
	switch {
	case f.Ears != Hearing:
		return []Judgement{f.Ears.unheard(detected, "within "+ms(b.detect)), f.Ears.unheard(accepted, "within "+ms(b.alert))}
	case f.Fired == nil && f.Mode == bluegreen.FaultSlow:
		return []Judgement{skipped(detected, "a slow pool is no failover")}
	case f.Fired == nil:
		return []Judgement{judged(detected, "within "+ms(b.detect), "never", false), judged(accepted, "within "+ms(b.alert), "nothing to deliver", false)}
	}
	out := []Judgement{within(detected, b.detect, f.Fired.Seen.Sub(f.Broken), &times.Detection)}
	out[0].Why = f.Fired.Event.ID
	return append(out, judgeAccepted(accepted, f, b.alert, &times.Alert))
}

// judgeAccepted judges the delivery of the failover's message. A muted one is
// correct when it says why.
func judgeAccepted(name string, f *FailoverFacts, bar time.Duration, figure *float64) Judgement {
	if why := f.Fired.Muted(); why != "" {
		return judged(name, "or muted with a reason", "muted: "+why, true)
	}
	if f.Receiver == "" {
		return judged(name, "within "+ms(bar), "nobody receives", false)
	}
	at, n := f.Fired.sent(f.Receiver)
	if n == 0 {
		return judged(name, "within "+ms(bar), "not delivered; "+f.Fired.trouble(f.Receiver), false)
	}
	return within(name, bar, at.Sub(f.Broken), figure)
}

// judgeRecovery judges the way back.
func judgeRecovery(f *FailoverFacts, b bars, times *Timings) []Judgement {
	name := f.Active.String() + " answers again"
	if f.HealedAt.IsZero() {
		return []Judgement{judged(name, "after heal", "heal failed", false)}
	}
	// Under some faults the pool answers now and then while it is broken; what
	// counts is an answer after heal. How long the pool itself takes to start is the
	// application's affair.
	bar := b.recover + f.HealedAt.Sub(f.Heal)
	at := answered(f.Shots, f.Active, f.Heal)
	if at.IsZero() {
		return []Judgement{judged(name, "within "+ms(bar), "never", false)}
	}
	out := []Judgement{within(name, bar, at.Sub(f.Heal), &times.Recovery)}
	const resolved = "the watcher tells the recovery"
	switch {
	case f.Ears != Hearing:
		return append(out, f.Ears.unheard(resolved, "within "+ms(b.resolved)))
	case f.Fired == nil:
		return append(out, skipped(resolved, "no failover was told"))
	case f.Resolved == nil:
		return append(out, judged(resolved, "within "+ms(b.resolved), "never", false))
	}
	j := within(resolved, b.resolved, max(f.Resolved.Seen.Sub(at), 0), &times.Resolved)
	j.Why = f.Resolved.Event.ID
	if why := f.Resolved.Muted(); why != "" {
		j.Why += ", muted: " + why
	}
	return append(out, j)
}
