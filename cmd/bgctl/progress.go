package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"bgctl/internal/compose"
	"bgctl/internal/sanitize"
)

// upProgress prints the steps of an `up` or `down`: one line for each that ended,
// and on a terminal one line in place that says what is worked on. It follows the
// standard error stream.
type upProgress struct {
	mu   sync.Mutex
	a    *app
	json bool
	live bool
	work []string // steps under way, oldest first
}

// newUpProgress returns a progress for the app's streams.
func newUpProgress(a *app, asJSON bool) *upProgress {
	return &upProgress{a: a, json: asJSON, live: isTerminal(a.err) && a.env("TERM") != "dumb"}
}

// stepJSON is a step in JSON.
type stepJSON struct {
	Action  string `json:"action"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Detail  string `json:"detail,omitempty"`
	Elapsed int64  `json:"elapsed_ms"`
}

// Update implements [compose.Progress].
func (p *upProgress) Update(e compose.StepEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = writeJSON(p.a.out, stepJSON{ // a reader that has gone shows at the result
			Action: string(e.Action), Kind: string(e.Kind), Name: e.Name, State: string(e.State),
			Detail: e.Detail, Elapsed: e.Elapsed.Milliseconds(),
		})
		return
	}
	what := clean(fmt.Sprintf("%s %s %s", e.Action, e.Kind, e.Name))
	if e.State == compose.StepWorking {
		p.begin(what)
		return
	}
	p.end(what)
	if e.State == compose.StepSkipped {
		p.show()
		return
	}
	mark := "✓"
	if e.State == compose.StepError {
		mark = "×"
	}
	p.clear()
	fmt.Fprintf(p.a.err, "  %s %s  %s\n", mark, what, e.Elapsed.Round(10*time.Millisecond))
	p.show()
}

// begin notes a step under way.
func (p *upProgress) begin(what string) {
	if slices.Contains(p.work, what) {
		return
	}
	p.work = append(p.work, what)
	p.clear()
	p.show()
}

// end forgets a step under way.
func (p *upProgress) end(what string) {
	for i, w := range p.work {
		if w == what {
			p.work = append(p.work[:i], p.work[i+1:]...)
			return
		}
	}
}

// clear removes the line in place.
func (p *upProgress) clear() {
	if p.live {
		fmt.Fprint(p.a.err, sanitize.EraseLine)
	}
}

// show prints the line in place.
func (p *upProgress) show() {
	if !p.live || len(p.work) == 0 {
		return
	}
	more := ""
	if n := len(p.work) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	p.clear()
	fmt.Fprintf(p.a.err, "  · %.60s%s", p.work[0], more)
}
