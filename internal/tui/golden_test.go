package tui_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// state is one state of the screen that a golden holds.
type state struct {
	name string
	tune func(*setup)
	make func(*screen)
}

// states are all states that an operator can meet.
func states() []state {
	return []state{
		{name: "loading", make: func(*screen) {}},
		{name: "live", make: (*screen).look},
		{name: "empty", tune: func(u *setup) { u.sim.Rate = 0 }, make: (*screen).look},
		{name: "disconnected", make: func(s *screen) {
			s.look()
			s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
			s.clock = s.clock.Add(12 * time.Second)
			s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
			s.feed(nil)
		}},
		{name: "nginx-silent", make: func(s *screen) {
			s.observe(func(d *bluegreen.Deployment) { d.Router, d.RouterErr = nil, "no answer on the private listener" })
			s.feed(nil)
		}},
		{name: "log-lost", make: func(s *screen) {
			s.look()
			s.feed(func(f *tui.FeedSnapshot) {
				f.Sources[0] = tui.SourceState{Name: "log", Detail: "the stream ended", Since: s.clock.Add(-9 * time.Second), RetryIn: 2 * time.Second}
			})
		}},
		{name: "log-format", make: func(s *screen) {
			s.observe(nil)
			s.feed(func(f *tui.FeedSnapshot) {
				*f = tui.FeedSnapshot{End: f.End, Window: f.Window, Sources: f.Sources}
				f.Window.N, f.Window.Errors, f.Window.Rate = 0, 0, 0
				f.Counts = logstream.Counts{Lines: 312, Bad: 312, FirstBad: `127.0.0.1 - - "GET / HTTP/1.1" 200`}
			})
		}},
		{name: "alert", tune: func(u *setup) { u.sim.Spells = sim.BadNow }, make: (*screen).look},
		{name: "failover", make: failover},
		{name: "switch-dialog", make: func(s *screen) { s.look(); s.press("s") }},
		{name: "kill-dialog", make: func(s *screen) { s.look(); s.press("K"); s.typed("blu") }},
		{name: "switching", make: switching},
		{name: "switched", make: switched},
		{name: "locked", make: func(s *screen) {
			s.look()
			s.observe(func(d *bluegreen.Deployment) {
				d.Router.Lock = &bluegreen.Holder{User: "ben", Host: "ops1", PID: 812, What: "bgctl switch green", Since: s.clock.Add(-9 * time.Second)}
			})
		}},
		{name: "paused", make: func(s *screen) { s.look(); s.press("space"); s.pass(3 * time.Second) }},
		{name: "find", make: func(s *screen) { s.look(); s.press("/"); s.typed("cart"); s.press("enter") }},
		{name: "read-only", tune: func(u *setup) { u.opts.Access = tui.ReadOnly }, make: (*screen).look},
		{name: "help", make: func(s *screen) { s.look(); s.press("?") }},
		{name: "events", make: func(s *screen) { failover(s); s.press("a") }},
		{name: "zoom", make: func(s *screen) { s.look(); s.press("3", "z") }},
		{name: "ascii", tune: func(u *setup) { u.opts.Theme, u.opts.Charset = tui.ThemeMono, tui.CharsetASCII }, make: failover},
		{name: "braille", tune: func(u *setup) { u.opts.Graph = tui.GraphBraille }, make: (*screen).look},
	}
}

// failover kills the active pool and waits until the alert fires.
func failover(s *screen) {
	s.look()
	d, _ := s.sim.Observe(s.tb.Context())
	plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
	if err != nil {
		s.tb.Fatal(err)
	}
	if _, err := s.sim.Execute(s.tb.Context(), plan, func(bluegreen.Progress) {}); err != nil {
		s.tb.Fatal(err)
	}
	s.pass(8 * time.Second)
}

// switching stops in the middle of a switch.
func switching(s *screen) {
	s.look()
	d, _ := s.sim.Observe(s.tb.Context())
	plan, _ := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
	var reports []bluegreen.Progress
	for i := range 4 {
		p := bluegreen.Progress{Index: i, Total: len(plan.Steps), Step: plan.Steps[i], State: bluegreen.StepDone, Elapsed: 40 * time.Millisecond}
		if i == 2 {
			p.Detail = "3 of 3 ok, worst 9 ms"
		}
		if i == 3 {
			p.State = bluegreen.StepWorking
		}
		reports = append(reports, p)
	}
	s.Started(plan, reports...)
	s.clock = s.clock.Add(300 * time.Millisecond)
	s.send(tui.Ticked())
}

// switched is right after a switch.
func switched(s *screen) {
	switching(s)
	d, _ := s.sim.Observe(s.tb.Context())
	plan, _ := bluegreen.PlanSwitch(&d, bluegreen.Green, bluegreen.SwitchOptions{})
	out, err := s.sim.Execute(s.tb.Context(), plan, func(bluegreen.Progress) {})
	if err != nil {
		s.tb.Fatal(err)
	}
	s.send(s.Ended(out, nil))
	s.pass(2 * time.Second)
}

// sizes are the sizes that goldens hold.
func sizes() [][2]int { return [][2]int{{120, 36}, {80, 24}, {40, 10}} }

func TestScreen_Golden(t *testing.T) {
	for _, st := range states() {
		for _, size := range sizes() {
			t.Run(fmt.Sprintf("%s-%dx%d", st.name, size[0], size[1]), func(t *testing.T) {
				u := usual(size[0], size[1])
				if st.tune != nil {
					st.tune(&u)
				}
				s := open(t, u)
				st.make(s)
				frame := s.View().Content
				exact(t, frame, size[0], size[1])
				golden.RequireEqual(t, ansi.Strip(frame))
			})
		}
	}
}

func TestScreen_GoldenWithColours(t *testing.T) {
	for _, theme := range []string{tui.ThemeDark, tui.ThemeLight, tui.ThemeMono} {
		t.Run(theme, func(t *testing.T) {
			u := usual(120, 36)
			u.opts.Theme, u.sim.Spells = theme, sim.BadNow
			golden.RequireEqual(t, live(t, u).View().Content)
		})
	}
}

func TestScreen_SaysWhatIsMissingWhenTooSmall(t *testing.T) {
	s := open(t, usual(32, 8))
	exact(t, s.View().Content, 32, 8)
	s.contains("terminal 32x8", "need 40x10", "q quits")
	if cmd := s.press("q"); cmd == nil {
		t.Error("q does not quit")
	}
}
