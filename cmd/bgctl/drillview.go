package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/charmbracelet/x/term"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill"
	"bgctl/internal/sanitize"
)

// drillView prints a drill's progress to the standard error stream: on a terminal a
// list that is redrawn in place, elsewhere a line for each phase that begins or ends.
type drillView struct {
	mu    sync.Mutex
	a     *app
	board *drill.Board
	live  bool
	drawn int
	stop  chan struct{}
	done  sync.WaitGroup
}

// redraw is how often the elapsed times move on.
const redraw = 100 * time.Millisecond

// newDrillView returns a view of a plan's phases.
func newDrillView(a *app, plan *drill.Plan) *drillView {
	v := &drillView{a: a, board: drill.NewBoard(plan), stop: make(chan struct{})}
	v.live = isTerminal(a.err) && a.env("TERM") != "dumb"
	if v.live {
		v.done.Go(v.tick)
	}
	return v
}

// tick redraws until the view is closed.
func (v *drillView) tick() {
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-ticker.C:
			v.mu.Lock()
			v.draw()
			v.mu.Unlock()
		}
	}
}

// update takes a change.
func (v *drillView) update(p drill.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p.Detail = clean(p.Detail)
	v.board.Update(p, time.Now())
	switch {
	case v.live:
		v.draw()
	case p.State != drill.Working || p.Detail != "":
		fmt.Fprintln(v.a.err, clean(drill.Line(p, p.Took)))
	}
}

// draw prints the list over itself.
func (v *drillView) draw() {
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	lines := v.board.Lines(time.Now(), v.width())
	for _, line := range lines {
		b.WriteString(sanitize.EraseLine + clean(line) + "\n")
	}
	v.drawn = len(lines)
	fmt.Fprint(sanitize.Unwrap(v.a.err), b.String())
}

// width is the terminal's, less one: a full line would wrap on some.
func (v *drillView) width() int {
	if f, ok := file(v.a.err); ok {
		if w, _, err := term.GetSize(f.Fd()); err == nil && w > 20 {
			return w - 1
		}
	}
	return 79
}

// close draws the end and stops redrawing.
func (v *drillView) close() {
	close(v.stop)
	v.done.Wait()
	if v.live {
		fmt.Fprintln(v.a.err)
	}
}

// drillRuns reports whether the drill that made a fault still runs. Another machine's
// counts as running until its fault was meant to be over.
func (a *app) drillRuns(f bluegreen.Fault) bool {
	if me := a.holder(); f.By.Host != me.Host {
		return time.Now().Before(f.Until)
	}
	if errors.Is(syscall.Kill(f.By.PID, 0), syscall.ESRCH) {
		return false
	}
	// The number may have been given to another process meanwhile.
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(f.By.PID), "cmdline"))
	if err != nil {
		return time.Now().Before(f.Until)
	}
	return slices.Contains(strings.Split(string(text), "\x00"), "drill")
}
