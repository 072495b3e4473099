package tui_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// errDocker is what a lost engine answers.
var errDocker = errors.New("cannot connect to the Docker daemon")

// screen drives a model without a terminal, on a clock of its own.
type screen struct {
	*tui.Model
	tb    testing.TB
	clock time.Time
	sim   *sim.Stack
	deps  tui.Deps
}

// setup is what a screen is made of.
type setup struct {
	w, h int
	opts tui.Options
	sim  sim.Options
	deps func(*tui.Deps)
}

// noon is when every test starts.
func noon() time.Time { return time.Date(2026, 3, 4, 14, 32, 7, 0, time.UTC) }

// usual is the setup of most tests.
func usual(w, h int) setup {
	return setup{
		w: w, h: h,
		opts: tui.Options{Project: "shop", URL: "localhost:8080", Alert: alert.DefaultConfig(), Latency: 300 * time.Millisecond, Theme: tui.ThemeDark, User: "ana"},
		sim:  sim.Options{Seed: 1, Rate: 60, Alert: alert.DefaultConfig(), Warm: 5 * time.Minute},
	}
}

// open returns a screen that has drawn nothing but its frame yet.
func open(tb testing.TB, u setup) *screen {
	tb.Helper()
	s := &screen{tb: tb, clock: noon()}
	u.sim.Now = func() time.Time { return s.clock }
	s.sim = sim.New(u.sim)
	s.deps = s.sim.Deps()
	if u.deps != nil {
		u.deps(&s.deps)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	tb.Cleanup(cancel)
	s.Model = tui.New(ctx, s.deps, u.opts)
	s.send(tea.WindowSizeMsg{Width: u.w, Height: u.h})
	return s
}

// live returns a screen that has seen everything once.
func live(tb testing.TB, u setup) *screen {
	tb.Helper()
	s := open(tb, u)
	s.look()
	return s
}

// send gives the model a message and forgets its command.
func (s *screen) send(msg tea.Msg) tea.Cmd {
	_, cmd := s.Update(msg)
	return cmd
}

// observe shows the model the deployment as change leaves it.
func (s *screen) observe(change func(*bluegreen.Deployment)) {
	s.tb.Helper()
	d, err := s.sim.Observe(s.tb.Context())
	if err != nil {
		s.tb.Fatal(err)
	}
	if change != nil {
		change(&d)
	}
	s.send(tui.Observed(d, nil))
}

// feed shows the model what the log says, as change leaves it.
func (s *screen) feed(change func(*tui.FeedSnapshot)) {
	snap := s.sim.Take()
	if change != nil {
		change(&snap)
	}
	s.send(tui.Fed(snap))
}

// look shows the model everything.
func (s *screen) look() {
	s.observe(nil)
	s.feed(nil)
}

// pass lets time go by, a second at a time.
func (s *screen) pass(d time.Duration) {
	for end := s.clock.Add(d); s.clock.Before(end); {
		s.clock = s.clock.Add(time.Second)
		s.look()
	}
}

// press presses keys by the names that Bubble Tea gives them.
func (s *screen) press(keys ...string) tea.Cmd {
	var cmd tea.Cmd
	for _, k := range keys {
		cmd = s.send(keyOf(k))
	}
	return cmd
}

// typed presses the keys of a text.
func (s *screen) typed(text string) {
	for _, r := range text {
		s.press(string(r))
	}
}

// keyOf is the message of a key.
func keyOf(name string) tea.KeyPressMsg {
	codes := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "space": tea.KeySpace, "up": tea.KeyUp,
		"down": tea.KeyDown, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "f1": tea.KeyF1,
	}
	mod := tea.KeyMod(0)
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
		mod, name = tea.ModCtrl, rest
	}
	if rest, ok := strings.CutPrefix(name, "shift+"); ok {
		mod, name = tea.ModShift, rest
	}
	if code, ok := codes[name]; ok {
		k := tea.KeyPressMsg{Code: code, Mod: mod}
		if name == "space" {
			k.Text = " "
		}
		return k
	}
	k := tea.KeyPressMsg{Code: []rune(name)[0], Mod: mod}
	if mod == 0 {
		k.Text = name
	}
	return k
}

// text is the frame without colours.
func (s *screen) text() string { return ansi.Strip(s.View().Content) }

// exact fails unless the frame is exactly w by h cells.
func exact(tb testing.TB, frame string, w, h int) {
	tb.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		tb.Errorf("frame has %d rows, want %d", len(lines), h)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != w {
			tb.Errorf("row %d is %d cells wide, want %d: %q", i, got, w, ansi.Strip(l))
		}
	}
}

// contains fails unless the frame shows every text.
func (s *screen) contains(texts ...string) {
	s.tb.Helper()
	frame := s.text()
	for _, t := range texts {
		if !strings.Contains(frame, t) {
			s.tb.Errorf("the screen does not show %q:\n%s", t, frame)
		}
	}
}

// lacks fails when the frame shows a text.
func (s *screen) lacks(texts ...string) {
	s.tb.Helper()
	frame := s.text()
	for _, t := range texts {
		if strings.Contains(frame, t) {
			s.tb.Errorf("the screen shows %q:\n%s", t, frame)
		}
	}
}

// Part returns the rows from to to of the frame.
func (s *screen) Part(from, to int) string {
	return strings.Join(strings.Split(s.text(), "\n")[from:to], "\n")
}
