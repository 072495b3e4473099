package drill

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/alert"
)

// String is the scorecard as `bgctl drill` prints it.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "drill of %s: %s, active %s, %s, %g requests/s, id %s\n\n", r.Project, strings.ToUpper(string(r.Result)), r.Active, r.Mode, r.Rate, r.ID)
	for i := range r.Phases {
		r.Phases[i].print(&b)
	}
	r.figures(&b)
	r.Alerts.print(&b)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "%s: %d passed, %d failed, %d skipped in %.1f s\n", r.Result, r.Score.Passed, r.Score.Failed, r.Score.Skipped, r.Took/1000)
	return b.String()
}

// print prints one phase.
func (p *PhaseReport) print(b *strings.Builder) {
	fmt.Fprintf(b, "%s %s", glyph(p.State), p.Phase)
	if p.Requests != nil {
		fmt.Fprintf(b, "  (%s)", p.Requests)
	}
	b.WriteByte('\n')
	for i := range p.Judgements {
		p.Judgements[i].print(b)
	}
	if p.Error != "" {
		fmt.Fprintf(b, "  × %s\n", p.Error)
	}
}

// print prints one judgement: its mark, its name, what was measured, its bar.
func (j *Judgement) print(b *strings.Builder) {
	mark := map[Verdict]string{Pass: "✓", Fail: "×", Skip: "-"}[j.Verdict]
	fmt.Fprintf(b, "  %s %-45s", mark, j.Name)
	measured := j.Measured
	if j.Verdict == Skip {
		measured = strings.TrimPrefix(measured+"; skipped: "+j.Why, "; ")
	}
	fmt.Fprintf(b, " %s", measured)
	if j.Bar != "" && j.Bar != j.Measured {
		fmt.Fprintf(b, "  [%s]", j.Bar)
	}
	if j.Why != "" && j.Verdict != Skip {
		fmt.Fprintf(b, "  %s", j.Why)
	}
	b.WriteByte('\n')
}

// figures prints the times and the sums.
func (r *Report) figures(b *strings.Builder) {
	fmt.Fprintf(b, "\nrequests: %s\n", &r.Requests)
	t := &r.Timings
	for _, f := range []struct {
		name string
		ms   float64
	}{
		{"failover (other pool answers)", t.Failover},
		{"detection (watcher's event)", t.Detection},
		{"alert (receiver's ok)", t.Alert},
		{"recovery (heal to first answer)", t.Recovery},
		{"recovery told after that answer", t.Resolved},
	} {
		if f.ms >= 0 {
			fmt.Fprintf(b, "%-38s %8.0f ms\n", f.name, f.ms)
		}
	}
}

// print prints what was told and what became of it.
func (a *AlertReport) print(b *strings.Builder) {
	if len(a.Expected)+len(a.Told) == 0 {
		return
	}
	to := strings.Join(a.Receivers, ", ")
	if a.StandIn {
		to = "the drill, in place of a webhook"
	}
	if to == "" {
		to = "nobody"
	}
	fmt.Fprintf(b, "alerts to %s; expected: %s\n", to, list(a.Expected))
	for i := range a.Told {
		t := &a.Told[i]
		fmt.Fprintf(b, "  %s %-18s %-9s %s\n", t.Seen.Format(time.TimeOnly), t.Event.ID, t.Event.Status, t.outcome(a.Receivers))
	}
	b.WriteByte('\n')
}

// outcome says what became of a message.
func (t *Told) outcome(receivers []string) string {
	if why := t.Muted(); why != "" {
		return "muted: " + why
	}
	var out []string
	for _, r := range receivers {
		switch at, n := t.sent(r); {
		case n > 0:
			out = append(out, fmt.Sprintf("%s %s after %s", r, alert.Sent, ms(at.Sub(t.Seen))))
		case t.merged(r) != "":
			out = append(out, r+" told with "+t.merged(r))
		default:
			out = append(out, r+" "+t.trouble(r))
		}
	}
	if len(out) == 0 {
		return "posted to nobody"
	}
	return strings.Join(out, ", ")
}
