package main

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

// toldEvery is how often a long step says how far it is where no line can be
// written over.
const toldEvery = 15 * time.Second

// stepPrinter prints the steps of a plan to the standard error stream as they end,
// and on a terminal one line in place for how far the step under way is.
type stepPrinter struct {
	a    *app
	live bool
	told time.Time
}

// steps returns a printer for the app's standard error stream.
func (a *app) steps() *stepPrinter {
	return &stepPrinter{a: a, live: isTerminal(a.err) && a.env("TERM") != "dumb"}
}

// update prints one report.
func (p *stepPrinter) update(s bluegreen.Progress) {
	if s.State == bluegreen.StepWorking {
		p.working(&s)
		return
	}
	p.clear()
	mark, detail := "✓", ""
	if s.State == bluegreen.StepFailed {
		mark = "×"
	}
	if s.Detail != "" && s.State == bluegreen.StepDone {
		detail = " (" + clean(s.Detail) + ")"
	}
	fmt.Fprintf(p.a.err, "  %s %s%s  %d ms\n", mark, clean(s.Step.Text), detail, s.Elapsed.Milliseconds())
}

// working says what is under way. Without a terminal only the long steps do, now
// and then.
func (p *stepPrinter) working(s *bluegreen.Progress) {
	text := clean(s.Step.Text)
	if s.Detail != "" {
		text = clean(s.Detail)
	}
	switch {
	case p.live:
		p.clear()
		fmt.Fprintf(p.a.err, "  · %.100s", text)
	case s.Step.Op == bluegreen.OpHold && s.Detail == "":
		fmt.Fprintf(p.a.err, "  · %s\n", text)
	case s.Step.Op == bluegreen.OpBake && time.Since(p.told) >= toldEvery:
		p.told = time.Now()
		fmt.Fprintf(p.a.err, "  · %s\n", text)
	}
}

// clear removes the line in place.
func (p *stepPrinter) clear() {
	if p.live {
		fmt.Fprint(p.a.err, "\r\x1b[K")
	}
}

// lastWords prints why a release did not become ready: its last health check and
// the end of its log.
func (a *app) lastWords(e *bluegreen.UnreadyError) {
	for line := range strings.Lines(e.Output) {
		fmt.Fprintf(a.err, "  %s health check | %s\n", clean(e.Container), clean(strings.TrimRight(line, "\r\n")))
	}
	for line := range strings.Lines(e.Log) {
		fmt.Fprintf(a.err, "  %s | %s\n", clean(e.Container), clean(strings.TrimRight(line, "\r\n")))
	}
}
