package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the report for people: what was found first, with evidence and remedy,
// then remarks and what was skipped, and what is well in one line a group.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	name := r.Project
	if name == "" {
		name = "no project"
	}
	fmt.Fprintf(&b, "%s: %d failed, %d warnings, %d ok, %d skipped\n", name, r.Counts.Failed, r.Counts.Warning, r.Counts.OK, r.Counts.Skipped)
	r.found(&b)
	r.remarks(&b)
	r.well(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// found prints the findings, the worst first.
func (r *Report) found(b *strings.Builder) {
	for _, v := range []Verdict{Failed, Warning} {
		for _, e := range r.Checks {
			if e.Verdict != v {
				continue
			}
			fmt.Fprintf(b, "\n%-8s %s\n", strings.ToUpper(string(v)), about(&e))
			fmt.Fprintf(b, "         should be: %s\n", e.Title)
			fmt.Fprintf(b, "         seen:      %s\n", e.Evidence)
			if e.Remedy != "" {
				fmt.Fprintf(b, "         do:        %s\n", e.Remedy)
			}
		}
	}
}

// remarks prints what needs no act and is worth a line. Checks that were skipped for the
// same reason share one.
func (r *Report) remarks(b *strings.Builder) {
	b.WriteString("\n")
	var reasons []string
	skipped := map[string][]string{}
	for _, e := range r.Checks {
		switch {
		case e.Verdict == OK && e.Evidence != "":
			fmt.Fprintf(b, "ok       %s: %s", about(&e), e.Evidence)
			if e.Remedy != "" {
				fmt.Fprintf(b, " (%s)", e.Remedy)
			}
			b.WriteString("\n")
		case e.Verdict == Skipped:
			if skipped[e.Evidence] == nil {
				reasons = append(reasons, e.Evidence)
			}
			skipped[e.Evidence] = append(skipped[e.Evidence], about(&e))
		}
	}
	for _, reason := range reasons {
		fmt.Fprintf(b, "skipped  %s (%s)\n", reason, strings.Join(skipped[reason], "; "))
	}
}

// well prints what is well.
func (r *Report) well(b *strings.Builder) {
	group := ""
	for _, e := range r.Checks {
		if e.Verdict != OK || e.Evidence != "" {
			continue
		}
		if e.Group != group {
			group = e.Group
			fmt.Fprintf(b, "\nok       %s:", group)
		} else {
			b.WriteString(",")
		}
		b.WriteString(" " + e.ID)
	}
	b.WriteString("\n")
}

// List names all checks and says what each wants.
func List() string {
	var b strings.Builder
	for _, c := range checks() {
		fmt.Fprintf(&b, "  %-15s %s\n", c.id, c.title)
	}
	return b.String()
}

// about names a check and its subject.
func about(e *Entry) string {
	if e.Subject == "" {
		return e.ID
	}
	return e.ID + ", " + e.Subject
}
