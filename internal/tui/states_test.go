package tui_test

import (
	"fmt"
	"strconv"
	"time"

	"bgctl/internal/alert"
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
	out := append(plainStates(), actingStates()...)
	return append(append(out, boxStates()...), plotStates()...)
}

// plainStates are what the world does.
func plainStates() []state {
	return []state{
		{name: "loading", make: func(*screen) {}},
		{name: "live", make: (*screen).look},
		{name: "empty", tune: func(u *setup) { u.sim.Rate = 0 }, make: (*screen).look},
		{name: "went-quiet", make: wentQuiet},
		{name: "disconnected", make: disconnected},
		{name: "nginx-silent", make: func(s *screen) {
			s.observe(func(d *bluegreen.Deployment) { d.Router, d.RouterErr = nil, "no answer on the private listener" })
			s.feed(nil)
		}},
		{name: "no-watcher", make: func(s *screen) {
			s.look()
			s.observe(func(d *bluegreen.Deployment) { d.Watcher = nil })
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
		{name: "rows-lost", make: func(s *screen) {
			s.look()
			s.feed(func(f *tui.FeedSnapshot) { f.DroppedRows = 41_200 })
		}},
		{name: "alert", tune: func(u *setup) { u.sim.Spells = sim.BadNow }, make: (*screen).look},
		{name: "acknowledged", tune: func(u *setup) { u.sim.Spells = sim.BadNow }, make: func(s *screen) {
			s.look()
			s.settle(s.press("x"))
			s.feed(nil)
			s.press("esc")
		}},
		{name: "muted", make: func(s *screen) {
			s.look()
			s.feed(func(f *tui.FeedSnapshot) {
				f.Maintenance = alert.Maintenance{Scope: alert.ScopeAll, Until: s.clock.Add(20 * time.Minute)}
			})
		}},
		{name: "failover", make: failover},
		{name: "down", make: func(s *screen) {
			s.look()
			s.observe(func(d *bluegreen.Deployment) {
				for _, pool := range bluegreen.Pools() {
					c := &d.Pool(pool).Containers[0]
					c.State, c.ExitCode = "exited", 1
				}
			})
		}},
		{name: "locked", make: func(s *screen) {
			s.look()
			s.observe(func(d *bluegreen.Deployment) {
				d.Router.Lock = &bluegreen.Holder{User: "ben", Host: "ops1", PID: 812, What: "bgctl switch green", Since: s.clock.Add(-9 * time.Second)}
			})
		}},
		{name: "draining", tune: phased(tui.Phase{Kind: tui.PhaseDraining, Pool: bluegreen.Blue, Since: noon().Add(-8 * time.Second), Until: noon().Add(22 * time.Second), InFlight: 14}), make: (*screen).look},
		{name: "baking", tune: phased(tui.Phase{Kind: tui.PhaseBaking, Pool: bluegreen.Green, Since: noon().Add(-372 * time.Second), Until: noon().Add(228 * time.Second), Rate: 0.1, Threshold: 2}), make: (*screen).look},
		{name: "rolled-back", tune: phased(rolledBack()), make: (*screen).look},
	}
}

// rolledBack is the phase after a bad release.
func rolledBack() tui.Phase {
	return tui.Phase{ID: "r1", Kind: tui.PhaseRolledBack, Pool: bluegreen.Blue, Since: noon().Add(-60 * time.Second), Until: noon().Add(-5 * time.Second), Rate: 4.1, Threshold: 2, Text: "err 4.1% above 2% for 30 s on GREEN"}
}

// phased is a setup whose deployment is in a phase.
func phased(p tui.Phase) func(*setup) {
	return func(u *setup) {
		u.deps = func(d *tui.Deps) { d.Phase = func(*bluegreen.Deployment) *tui.Phase { return &p } }
	}
}

// actingStates are what happens around an act.
func actingStates() []state {
	return []state{
		{name: "switch-dialog", make: func(s *screen) { s.look(); s.press("s") }},
		{name: "forced-dialog", make: func(s *screen) {
			s.look()
			s.observe(func(d *bluegreen.Deployment) { d.Green.Containers[0].Health = "unhealthy" })
			s.press("s")
		}},
		{name: "changed-dialog", make: func(s *screen) {
			s.look()
			s.press("s")
			s.observe(func(d *bluegreen.Deployment) { d.Router.Active = bluegreen.Green })
		}},
		{name: "kill-dialog", make: func(s *screen) { s.look(); s.press("K"); s.typed("blu") }},
		{name: "rollback-dialog", make: func(s *screen) { s.look(); s.press("b") }},
		{name: "restart-dialog", make: func(s *screen) { s.look(); s.press("5", "j", "r") }},
		{name: "deploy-prompt", make: func(s *screen) { s.look(); s.press("D"); s.typed("shop:1.6.0") }},
		{name: "deploy-dialog", make: func(s *screen) { s.look(); s.press("D"); s.typed("shop:1.6.0"); s.press("enter") }},
		{name: "switching", make: switching},
		{name: "undoing", make: undoing},
		{name: "switched", make: switched},
		{name: "act-failed", make: func(s *screen) {
			switching(s)
			s.send(s.Ended(bluegreen.Outcome{}, &bluegreen.RefusedError{Action: bluegreen.ActSwitch, Reasons: []string{"green does not answer"}, Hint: "look at it: bgctl logs app_green"}))
		}},
		{name: "quit-dialog", make: func(s *screen) { switching(s); s.press("q") }},
	}
}

// boxStates are what an operator opens.
func boxStates() []state {
	open := func(keys ...string) func(*screen) {
		return func(s *screen) { s.look(); s.press(keys...) }
	}
	return []state{
		{name: "paused", make: func(s *screen) { s.look(); s.press("space"); s.pass(3 * time.Second) }},
		{name: "find", make: func(s *screen) { s.look(); s.press("/"); s.typed("cart"); s.press("enter") }},
		{name: "find-prompt", make: func(s *screen) { s.look(); s.press("/"); s.typed("cart") }},
		{name: "filter", make: func(s *screen) { s.look(); s.press("f"); s.typed("!get"); s.press("enter") }},
		{name: "bookmarks", make: open("k", "k", "B", "k", "B", "T")},
		{name: "wrap", make: open("w")},
		{name: "read-only", tune: func(u *setup) { u.opts.Access = tui.ReadOnly }, make: (*screen).look},
		{name: "help", make: open("?")},
		{name: "palette", make: func(s *screen) { s.look(); s.press(":"); s.typed("chb") }},
		{name: "maintenance-menu", make: open("M")},
		{name: "request", make: open("k", "enter")},
		{name: "container", make: open("5", "enter")},
		{name: "event", make: func(s *screen) { failover(s); s.press("a", "enter") }},
		{name: "events", make: func(s *screen) { failover(s); s.press("a") }},
		{name: "delivery", make: deliveries},
		{name: "output", make: func(s *screen) { s.look(); s.press("5"); s.settle(s.press("l")) }},
		{name: "first-run", tune: func(u *setup) { u.opts.FirstRun = true }, make: (*screen).look},
		{name: "key-clash", tune: func(u *setup) { u.opts.Keys = map[string][]string{"switch": {"K"}} }, make: (*screen).look},
		{name: "mouse", tune: func(u *setup) { u.opts.Mouse = tui.MouseOn }, make: (*screen).look},
	}
}

// plotStates are the plots and the window.
func plotStates() []state {
	open := func(keys ...string) func(*screen) {
		return func(s *screen) { failover(s); s.press(keys...) }
	}
	return []state{
		{name: "zoom", make: open("3", "z")},
		{name: "latency-bands", make: open("4", "t", "t", "z")},
		{name: "rates", make: open("4", "t", "t", "t", "z")},
		{name: "mix", make: open("4", "t", "t", "t", "t", "z")},
		{name: "one-minute", make: open("[")},
		{name: "one-hour", make: open("]", "]")},
		{name: "window", make: open("8", "z")},
		{name: "window-firing", tune: func(u *setup) { u.sim.Spells = sim.BadNow }, make: func(s *screen) { s.look(); s.press("8", "z") }},
		{name: "braille", tune: func(u *setup) { u.opts.Graph = tui.GraphBraille }, make: (*screen).look},
		{name: "graph-ascii", tune: func(u *setup) { u.opts.Graph = tui.GraphASCII }, make: (*screen).look},
	}
}

// wentQuiet has seen traffic, which ended ten minutes ago.
func wentQuiet(s *screen) {
	s.look()
	s.clock = s.clock.Add(10 * time.Minute)
	s.observe(nil)
	s.feed(func(f *tui.FeedSnapshot) {
		for i := range f.Pools {
			f.Pools[i] = tui.PoolStats{Series: make([]tui.Point, 600)}
		}
		f.Rows = nil
	})
}

// disconnected has lost the engine twelve seconds ago.
func disconnected(s *screen) {
	s.look()
	s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
	s.clock = s.clock.Add(12 * time.Second)
	s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
	s.feed(nil)
}

// deliveries shows a message in every state.
func deliveries(s *screen) {
	s.look()
	s.feed(func(f *tui.FeedSnapshot) {
		states := []alert.Delivery{
			{State: alert.Queued},
			{State: alert.Sent, Attempt: 1},
			{State: alert.Retrying, Attempt: 3, Reason: "503 from the receiver", Until: s.clock.Add(8 * time.Second)},
			{State: alert.Muted, Reason: "cooldown", Until: s.clock.Add(4 * time.Minute)},
			{State: alert.Muted, Reason: "maintenance", Until: s.clock.Add(20 * time.Minute)},
			{State: alert.Dropped, Reason: "the receiver says 410"},
		}
		for i, d := range states {
			id := fmt.Sprintf("notice-%d", i)
			f.Events = append(f.Events, alert.Event{ID: id, Type: alert.Notice, Status: alert.Info, Severity: alert.Note, Time: s.clock.Add(time.Duration(i) * time.Second), Summary: "message " + strconv.Itoa(i)})
			d.Event, d.Receiver, d.Time = id, "slack", s.clock
			f.Deliveries = append(f.Deliveries, d)
		}
	})
	s.press("a")
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
	for i := range 5 {
		p := bluegreen.Progress{Index: i, Total: len(plan.Steps), Step: plan.Steps[i], State: bluegreen.StepDone, Elapsed: 40 * time.Millisecond}
		if i == 3 {
			p.Detail = "3 of 3 ok, worst 9 ms"
		}
		if i == 4 {
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
