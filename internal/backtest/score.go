package backtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bgctl/internal/alert"
)

// Sweep compares settings on one log.
type Sweep struct {
	IncidentRate float64    `json:"incident_rate"` // percent
	Incidents    []Incident `json:"incidents"`
	Settings     []Setting  `json:"settings"`
	Recommended  int        `json:"recommended"` // index into Settings
	Reason       string     `json:"reason"`
}

// Setting is one combination and how it did.
type Setting struct {
	Window     int     `json:"window"`
	Threshold  float64 `json:"threshold"` // percent
	MinSamples int     `json:"min_samples"`
	Cooldown   float64 `json:"cooldown_seconds"`

	Alerts   int      `json:"alerts"`   // error-rate alerts that fired
	Messages int      `json:"messages"` // messages posted, of all types
	Firing   float64  `json:"firing_minutes"`
	Missed   int      `json:"missed"`        // incidents during which nothing began to fire
	False    int      `json:"false"`         // error-rate alerts that began outside of every incident
	Delay    *float64 `json:"delay_seconds"` // median from the first failed request to firing; null: no incident seen
	DelayMax *float64 `json:"delay_max_seconds"`
}

const (
	// grace is how long after an incident's last failure an alert still belongs to it.
	grace = time.Minute
	// fresh is how long an alert has told something to those it was sent to: one
	// that fires for hours says nothing of the incident that begins meanwhile.
	fresh = 5 * time.Minute
)

// score judges a player by the incidents.
func score(p *player, incidents []Incident, end time.Time) Setting {
	s := Setting{
		Window: p.cfg.Window, Threshold: p.cfg.ThresholdPercent, MinSamples: min(p.cfg.MinSamples, p.cfg.Window),
		Cooldown: p.cfg.Cooldown.Seconds(), Messages: p.messages,
	}
	spans := slices.Clone(p.spans)
	for i := range spans {
		if spans[i].to.IsZero() {
			spans[i].to = end
		}
		if spans[i].typ == alert.ErrorRate {
			s.Alerts++
			s.Firing += spans[i].to.Sub(spans[i].from).Minutes()
			if !slices.ContainsFunc(incidents, spans[i].belongs) {
				s.False++
			}
		}
	}
	var delays []float64
	for _, in := range incidents {
		if delay, ok := in.delay(spans); ok {
			delays = append(delays, delay.Seconds())
		} else {
			s.Missed++
		}
	}
	if slices.Sort(delays); len(delays) > 0 {
		median, most := delays[(len(delays)-1)/2], delays[len(delays)-1]
		s.Delay, s.DelayMax = &median, &most
	}
	return s
}

// belongs reports whether the alert began during the incident.
func (s span) belongs(in Incident) bool {
	return !s.from.Before(in.Start) && !s.from.After(in.End.Add(grace))
}

// warns reports whether whom the alert was sent to knows of the incident.
func (s span) warns(in Incident) bool {
	before := s.from.Before(in.Start) && in.Start.Sub(s.from) <= fresh && !s.to.Before(in.Start)
	return before || s.belongs(in)
}

// delay is the time until something fired: the error rate, a failover or all down.
// It is zero when one of them had just begun to.
func (in Incident) delay(spans []span) (time.Duration, bool) {
	least, seen := time.Duration(0), false
	for _, s := range spans {
		tells := s.typ == alert.ErrorRate || s.typ == alert.Failover || s.typ == alert.AllDown
		if !tells || !s.warns(in) {
			continue
		}
		if d := max(s.from.Sub(in.Start), 0); !seen || d < least {
			least, seen = d, true
		}
	}
	return least, seen
}

// compare puts the better setting first: one that misses fewer incidents, then
// one that cries wolf less often, then the faster, the quieter, and the one that
// is nearer to what is configured.
func compare(a, b Setting, base alert.Config) int {
	return cmp.Or(
		cmp.Compare(a.Missed, b.Missed),
		cmp.Compare(a.False, b.False),
		cmp.Compare(seconds(a.Delay), seconds(b.Delay)),
		cmp.Compare(seconds(a.DelayMax), seconds(b.DelayMax)),
		cmp.Compare(a.Messages, b.Messages),
		cmp.Compare(a.far(base), b.far(base)),
	)
}

// seconds rounds a delay up: less than a second makes no difference to anybody.
func seconds(f *float64) float64 {
	if f == nil {
		return 0
	}
	return math.Ceil(*f)
}

// far is how much a setting differs from what is configured, in no unit.
func (s Setting) far(base alert.Config) float64 {
	apart := func(a, b float64) float64 { return max(a, b) / max(min(a, b), 0.01) }
	return apart(float64(s.Window), float64(base.Window)) + apart(s.Threshold, base.ThresholdPercent) +
		apart(s.Cooldown, base.Cooldown.Seconds()) + apart(float64(s.MinSamples), float64(base.MinSamples))
}

// sweep judges all settings and recommends one.
func (r *replay) sweep() *Sweep {
	s := &Sweep{IncidentRate: float64(r.faults.allow) * 100 / point, Incidents: r.faults.list}
	for _, p := range players(r.lanes) {
		s.Settings = append(s.Settings, score(p, s.Incidents, r.totals.To))
	}
	for i := range s.Settings {
		if compare(s.Settings[i], s.Settings[s.Recommended], r.cfg.Alert) < 0 {
			s.Recommended = i
		}
	}
	s.Reason = s.reason()
	return s
}

// reason says in a sentence why the recommended setting is.
func (s *Sweep) reason() string {
	best := s.Settings[s.Recommended]
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", best.name())
	switch n := len(s.Incidents); {
	case n == 0 && best.False == 0:
		b.WriteString("the log holds no incident, and it stays silent; a log with an incident tells more")
		return b.String()
	case n == 0:
		fmt.Fprintf(&b, "the log holds no incident, and it gives the fewest false alerts, %d", best.False)
		return b.String()
	case best.Missed == 0:
		fmt.Fprintf(&b, "it sees %s", plural(n, "incident", "all %d incidents"))
	default:
		fmt.Fprintf(&b, "no setting sees more than %d of %d incidents", n-best.Missed, n)
	}
	if best.False == 0 {
		b.WriteString(" without a false alert")
	} else {
		fmt.Fprintf(&b, " with the fewest false alerts, %d", best.False)
	}
	if best.Delay != nil {
		fmt.Fprintf(&b, ", half of them within %s and the last within %s", secs(*best.Delay), secs(*best.DelayMax))
	}
	missed, wolf := 0, 0
	for _, o := range s.Settings {
		if o.Missed > best.Missed {
			missed++
		}
		if o.False > best.False {
			wolf++
		}
	}
	if missed > 0 {
		fmt.Fprintf(&b, "; %d of the %d settings miss more", missed, len(s.Settings))
	}
	if wolf > 0 {
		fmt.Fprintf(&b, "; %d of the %d raise more false alerts", wolf, len(s.Settings))
	}
	return b.String()
}

func (s Setting) name() string {
	return fmt.Sprintf("window %d, threshold %g %%", s.Window, s.Threshold)
}

// plural is "the only …" for one and the format for more.
func plural(n int, one, many string) string {
	if n == 1 {
		return "the only " + one
	}
	return fmt.Sprintf(many, n)
}

func secs(s float64) string { return short(time.Duration(s * float64(time.Second))) }

// short rounds a duration for people.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
