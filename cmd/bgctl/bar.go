package main

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/sanitize"
)

// bar shows how far a long read is: on a terminal only, in one line in place, and
// only when it takes long enough to wonder.
type bar struct {
	a     *app
	live  bool
	begun time.Time
	drawn time.Time
}

const (
	barAfter = 500 * time.Millisecond
	barEvery = 100 * time.Millisecond
	barWidth = 24
)

// newBar returns a bar that begins now. It follows the standard error stream.
func newBar(a *app) *bar {
	return &bar{a: a, live: isTerminal(a.err) && a.env("TERM") != "dumb", begun: time.Now()}
}

// show tells that done of total bytes are read; a total of 0 is not known.
func (b *bar) show(done, total int64) {
	if !b.live {
		return
	}
	now := time.Now()
	if now.Sub(b.begun) < barAfter || now.Sub(b.drawn) < barEvery {
		return
	}
	b.drawn = now
	fmt.Fprint(b.a.err, sanitize.EraseLine)
	fmt.Fprint(b.a.err, barText(done, total, now.Sub(b.begun)))
}

// barText is the line of a bar.
func barText(done, total int64, took time.Duration) string {
	read := fmt.Sprintf("%d MB", done>>20)
	if total <= 0 || done > total {
		return "  " + read + " read"
	}
	part := float64(done) / float64(total)
	full := int(part * barWidth)
	left := "?"
	if done > 0 {
		left = time.Duration(float64(took) * (1 - part) / part).Round(time.Second).String()
	}
	return fmt.Sprintf("  %s%s %3.0f %%  %s of %d MB, %s left",
		strings.Repeat("█", full), strings.Repeat("░", barWidth-full), 100*part, read, total>>20, left)
}

// clear removes the line.
func (b *bar) clear() {
	if b.live && !b.drawn.IsZero() {
		fmt.Fprint(b.a.err, sanitize.EraseLine)
	}
}
