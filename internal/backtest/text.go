package backtest

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

const (
	shown   = "2006-01-02 15:04:05"
	percent = " %"
)

// WriteText prints the report for people. Names from the log or the command line
// pass through clean first.
func (r *Report) WriteText(w io.Writer, clean func(string) string) error {
	out := &strings.Builder{}
	r.writeTotals(out, clean)
	if r.Sweep != nil {
		r.Sweep.write(out)
	} else {
		r.writeAlerts(out, clean)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Report) writeTotals(w io.Writer, clean func(string) string) {
	c := r.Counts
	fmt.Fprintf(w, "%s: %s lines, %s understood (%s)", clean(list(r.Inputs)), group(c.Lines), group(c.Parsed), r.Format)
	if lost := c.Bad + c.TooLong; lost > 0 {
		fmt.Fprintf(w, ", %s not", group(lost))
		if c.FirstBad != "" {
			fmt.Fprintf(w, ", the first: %s", clean(c.FirstBad))
		}
	}
	fmt.Fprintln(w)
	if !r.From.IsZero() {
		fmt.Fprintf(w, "span      %s to %s UTC, %s\n", r.From.UTC().Format(shown), r.To.UTC().Format(shown), short(r.To.Sub(r.From)))
	}
	q := r.Requests
	fmt.Fprintf(w, "requests  blue %s, green %s, no pool %s, not proxied %s\n", group(q.Blue), group(q.Green), group(q.NoPool), group(q.NotProxied))
	e := r.Errors
	fmt.Fprintf(w, "errors    %s of %s (%s), saved by a retry %s, client gone %s\n",
		group(e.Failed), group(e.Of), rate(e.Failed, e.Of), group(e.Retried), group(e.ClientGone))
	s := r.Settings
	fmt.Fprintf(w, "settings  window %d, threshold %g %%, min samples %d, cooldown %s, errors are %s\n\n",
		s.Window, s.Threshold, s.MinSamples, time.Duration(s.Cooldown*float64(time.Second)), s.Classes)
}

func (r *Report) writeAlerts(w io.Writer, clean func(string) string) {
	if len(r.Alerts) == 0 {
		fmt.Fprintln(w, "no alert would have fired")
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME (UTC)\tALERT\tLASTED\tPEAK\tMESSAGE\tCAUSE")
	firing := 0
	for i := range r.Alerts {
		a := &r.Alerts[i]
		peak := "–"
		if a.Peak > 0 {
			peak = strconv.FormatFloat(a.Peak, 'f', 1, 64) + percent
		}
		if a.Status == alert.Firing {
			firing++
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Start.UTC().Format(shown), a.what(), a.lasted(), peak, a.message(), clean(a.Cause))
	}
	_ = tw.Flush() // into memory
	fmt.Fprintf(w, "\n%d alerts, %d messages", len(r.Alerts), r.Messages)
	if firing > 0 {
		fmt.Fprintf(w, "; %d still firing where the log ends", firing)
	}
	fmt.Fprintln(w)
}

func (a *Alert) what() string {
	name := strings.ReplaceAll(string(a.Type), "_", " ")
	if a.To != bluegreen.NoPool {
		name += " " + a.From.String() + "→" + a.To.String()
	}
	if a.Severity == alert.Critical && a.Type == alert.ErrorRate {
		name += " (critical)"
	}
	return name
}

func (a *Alert) lasted() string {
	switch a.Status {
	case alert.Info:
		return "–"
	case alert.Firing:
		return short(time.Duration(a.Seconds*float64(time.Second))) + "+"
	case alert.Resolved:
	}
	return short(time.Duration(a.Seconds * float64(time.Second)))
}

// message tells what became of the message when the alert fired.
func (a *Alert) message() string {
	switch {
	case a.Type == alert.Notice:
		return "none: a notice"
	case a.Muted == "":
		return "posted"
	case a.Posted.IsZero():
		return "muted: " + a.Muted
	}
	return "posted " + a.Posted.UTC().Format("15:04:05") + ", " + a.Muted
}

func (s *Sweep) write(w io.Writer) {
	fmt.Fprintf(w, "%d incidents: stretches in which more than %g %% of the requests failed\n", len(s.Incidents), s.IncidentRate)
	for _, in := range s.Incidents {
		fmt.Fprintf(w, "  %s  %s, %d of %d requests failed\n", in.Start.UTC().Format(shown), short(in.End.Sub(in.Start)), in.Failed, in.Requests)
	}
	fmt.Fprintln(w)
	cooldown, samples := s.varies()
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "window\tthreshold\t")
	if samples {
		fmt.Fprint(tw, "min samples\t")
	}
	if cooldown {
		fmt.Fprint(tw, "cooldown\t")
	}
	fmt.Fprintln(tw, "alerts\tmessages\tfiring\tdelay\tlongest\tmissed\tfalse\t\t")
	for i := range s.Settings {
		o := &s.Settings[i]
		fmt.Fprintf(tw, "%d\t%g %%\t", o.Window, o.Threshold)
		if samples {
			fmt.Fprintf(tw, "%d\t", o.MinSamples)
		}
		if cooldown {
			fmt.Fprintf(tw, "%gs\t", o.Cooldown)
		}
		mark := " "
		if i == s.Recommended {
			mark = "◀"
		}
		fmt.Fprintf(tw, "%d\t%d\t%.1f min\t%s\t%s\t%d\t%d\t%s\t\n",
			o.Alerts, o.Messages, o.Firing, delay(o.Delay), delay(o.DelayMax), o.Missed, o.False, mark)
	}
	_ = tw.Flush() // into memory
	fmt.Fprintf(w, "\nrecommended: %s\n", s.Reason)
}

// varies tells which of the rarer settings differ between the rows.
func (s *Sweep) varies() (cooldown, samples bool) {
	for i := range s.Settings {
		cooldown = cooldown || s.Settings[i].Cooldown != s.Settings[0].Cooldown
		samples = samples || s.Settings[i].MinSamples != s.Settings[0].MinSamples
	}
	return cooldown, samples
}

func delay(s *float64) string {
	if s == nil {
		return "–"
	}
	return secs(*s)
}

// list joins names, the middle of a long list left out.
func list(names []string) string {
	if len(names) > 4 {
		return fmt.Sprintf("%s, %s … %s (%d files)", names[0], names[1], names[len(names)-1], len(names))
	}
	return strings.Join(names, ", ")
}

// group writes a number with commas.
func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func rate(part, whole uint64) string {
	if whole == 0 {
		return "0" + percent
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 2, 64) + percent
}
