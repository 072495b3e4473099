package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"bgctl/internal/bluegreen"
)

// ErrNoTerminal is returned by [Run] when input or output is not a terminal. A
// full-screen program that starts anyway writes escape sequences into files.
var ErrNoTerminal = errors.New("the dashboard needs a terminal for input and output; use: bgctl status")

// ErrInterrupted is returned by [Run] when a signal ended the screen.
var ErrInterrupted = errors.New("interrupted")

// lingerFor is how long Run waits for an act that was cut off.
const lingerFor = 5 * time.Second

// framesPerSecond bounds drawing. Data comes ten times a second, but a key has to be
// answered at once: at 20 frames it would wait for up to 50 ms.
const framesPerSecond = 60

// Run shows the dashboard until the operator quits or ctx ends. The terminal is
// restored whatever happens, SIGHUP and SIGTERM included.
func Run(ctx context.Context, deps Deps, opts Options, in, out *os.File) error {
	if !term.IsTerminal(in.Fd()) || !term.IsTerminal(out.Fd()) {
		return ErrNoTerminal
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	executing := newTracker(&deps)
	m := New(ctx, deps, opts)
	popts := []tea.ProgramOption{
		tea.WithInput(in), tea.WithOutput(out), tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler(),
	}
	if opts.Theme == ThemeMono {
		popts = append(popts, tea.WithColorProfile(colorprofile.ASCII))
	}
	p := tea.NewProgram(m, popts...)
	stop := quitOn(ctx, p)
	_, err := p.Run()
	caught := stop()
	cancel()
	executing.wait()
	if opts.Farewell != nil {
		farewell(opts.Farewell, m)
	}
	switch {
	case err != nil:
		return fmt.Errorf("dashboard: %w", err)
	case caught != nil:
		return fmt.Errorf("%w: %s", ErrInterrupted, caught)
	}
	return nil
}

// quitOn ends the program on a signal or with ctx. What it returns stops it and
// tells the signal it caught.
func quitOn(ctx context.Context, p *tea.Program) func() os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	done, ended := make(chan struct{}), make(chan os.Signal, 1)
	go func() {
		select {
		case s := <-signals:
			ended <- s
			p.Quit()
		case <-ctx.Done():
			ended <- nil
			p.Quit()
		case <-done:
			ended <- nil
		}
	}()
	return func() os.Signal {
		close(done)
		signal.Stop(signals)
		return <-ended
	}
}

// tracker knows whether an act still runs after the screen is gone.
type tracker struct{ running sync.WaitGroup }

// newTracker wraps deps.Execute. Acts overlap: while a deploy only watches its release
// any more, that is ended or taken back by another act.
func newTracker(deps *Deps) *tracker {
	t := &tracker{}
	execute := deps.Execute
	deps.Execute = func(ctx context.Context, plan bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error) {
		t.running.Add(1)
		defer t.running.Done()
		return execute(ctx, plan, on)
	}
	return t
}

// wait waits until no act runs, but not for ever.
func (t *tracker) wait() {
	idle := make(chan struct{})
	go func() {
		t.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-time.After(lingerFor):
	}
}

// farewell says in one line how the deployment was left.
func farewell(w io.Writer, m *Model) {
	if m.dep == nil || m.dep.Active() == bluegreen.NoPool {
		return
	}
	line := fmt.Sprintf("active: %s %s", m.dep.Active(), clean(m.dep.Pool(m.dep.Active()).Release()))
	if n := len(m.events.firing); n > 0 {
		line += fmt.Sprintf(" · %d %s firing", n, plural(n, "alert", "alerts"))
	}
	_, _ = fmt.Fprintln(w, line)
}
