// Package doctor examines a deployment for everything that is known to go wrong with
// one: files, engine, containers, log, alerts, pools, and what interrupted commands
// left behind. It only reads, and tells for each finding what was seen and what to do.
//
// A check is a small value: a name, a time limit and a function that returns findings.
// All checks run at once. What several of them need is asked for once, by the first
// one that needs it.
package doctor

import (
	"context"
	"errors"
	"sync"
	"time"

	"bgctl/internal/sanitize"
)

// Verdict is what a check came to.
type Verdict string

// The verdicts, from best to worst. Skipped says that a check could not be made.
const (
	OK      Verdict = "ok"
	Skipped Verdict = "skipped"
	Warning Verdict = "warning"
	Failed  Verdict = "failed"
)

// Entry is one line of a report. A check that found nothing has one entry, a check with
// several findings has one for each. Fields are added, never renamed.
type Entry struct {
	ID       string  `json:"id"`
	Group    string  `json:"group"`
	Subject  string  `json:"subject,omitempty"` // the container, pool or variable that it is about
	Verdict  Verdict `json:"verdict"`
	Title    string  `json:"title"`
	Evidence string  `json:"evidence"` // what was seen, and where; for Skipped the reason
	Remedy   string  `json:"remedy"`   // a command, or one sentence
}

// Report is the result of an examination.
type Report struct {
	Project  string        `json:"project"`
	Counts   Counts        `json:"counts"`
	Checks   []Entry       `json:"checks"`
	Duration time.Duration `json:"duration_ns"`

	// Unreachable says that there is no engine to talk to.
	Unreachable bool `json:"unreachable"`
}

// Counts are the entries by verdict.
type Counts struct {
	Failed  int `json:"failed"`
	Warning int `json:"warning"`
	OK      int `json:"ok"`
	Skipped int `json:"skipped"`
}

// Sick reports whether anything was found.
func (r *Report) Sick() bool { return r.Counts.Failed+r.Counts.Warning > 0 }

// finding is one thing that a check saw. With the verdict [OK] it is a remark.
type finding struct {
	verdict  Verdict
	subject  string
	evidence string
	remedy   string
}

// check is one question. Its function returns no finding when all is well, and an error
// when the question could not be answered.
type check struct {
	id    string
	group string
	title string
	limit time.Duration // 0: checkLimit
	run   func(ctx context.Context, p *patient) ([]finding, error)
}

// The time limits. A run is over after runLimit, whatever hangs.
const (
	checkLimit = 6 * time.Second
	runLimit   = 9500 * time.Millisecond
)

// Run makes all checks but those whose IDs are in skip.
func Run(ctx context.Context, src *Sources, skip []string) Report {
	begun := src.Now()
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	p := newPatient(src)
	list := leave(checks(), skip)
	results := make([][]Entry, len(list))
	var jobs sync.WaitGroup
	for i := range list {
		jobs.Go(func() { results[i] = list[i].entries(ctx, p) })
	}
	jobs.Wait()
	r := Report{Checks: []Entry{}, Unreachable: p.unreachable(ctx), Duration: src.Now().Sub(begun)}
	if project, err := p.project(ctx); err == nil {
		r.Project = project.Name
	}
	hide := p.secrets()
	for _, entries := range results {
		for _, e := range entries {
			e.Subject, e.Evidence, e.Remedy = hide.text(e.Subject), hide.text(e.Evidence), hide.text(e.Remedy)
			r.add(e)
		}
	}
	p.close(ctx)
	return r
}

// IDs are the names of all checks, in the order of a report.
func IDs() []string {
	list := checks()
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].id
	}
	return ids
}

// leave drops the checks that are not wanted.
func leave(list []check, skip []string) []check {
	out := make([]check, 0, len(list))
	for _, c := range list {
		wanted := true
		for _, id := range skip {
			wanted = wanted && id != c.id
		}
		if wanted {
			out = append(out, c)
		}
	}
	return out
}

// add counts and keeps an entry.
func (r *Report) add(e Entry) {
	switch e.Verdict {
	case OK:
		r.Counts.OK++
	case Skipped:
		r.Counts.Skipped++
	case Warning:
		r.Counts.Warning++
	case Failed:
		r.Counts.Failed++
	}
	r.Checks = append(r.Checks, e)
}

// entries makes the check within its limit.
func (c *check) entries(ctx context.Context, p *patient) []Entry {
	limit := c.limit
	if limit == 0 {
		limit = checkLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := c.run(ctx, p)
	if err != nil {
		reason := err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			reason = "there was no answer within " + limit.String()
		}
		found = append(found, finding{verdict: Skipped, evidence: reason})
	}
	if len(found) == 0 {
		found = []finding{{verdict: OK}}
	}
	out := make([]Entry, len(found))
	for i, f := range found {
		out[i] = Entry{
			ID: c.id, Group: c.group, Title: c.title, Subject: sanitize.Line(f.subject),
			Verdict: f.verdict, Evidence: sanitize.Line(f.evidence), Remedy: sanitize.Line(f.remedy),
		}
	}
	return out
}
