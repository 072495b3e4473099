package tui_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

func TestModel_RollsBackRestartsAndDeploys(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("b")
	s.contains("Roll back BLUE → GREEN", "runs: bgctl rollback", "[ Cancel ]")
	s.settle(s.press("y"))
	s.contains("active ▶ GREEN", "rolled back: blue → green")
	s.press("5", "r")
	s.contains("Restart BLUE", "restart shop-app_blue-1")
	s.settle(s.press("y"))
	s.observe(nil)
	s.contains("a container of blue was restarted", "1 ▲")
	s.press("esc", "D")
	s.contains("deploy into BLUE, image:")
	s.typed("shop:2.0.0")
	s.press("enter")
	s.contains("Deploy shop:2.0.0 to BLUE", "runs: bgctl deploy shop:2.0.0", "recreate the containers of blue with shop:2.0.0")
	s.settle(s.press("y"))
	s.observe(nil)
	s.contains("active ▶ BLUE v2.0.0", "deployed to blue", "undo: bgctl rollback")
	s.press("u")
	s.contains("Roll back BLUE → GREEN")
}

func TestModel_RestartInTheActivePoolWantsItsName(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("5", "r")
	s.contains("Restart BLUE", "Type blue to confirm:")
}

func TestModel_KeysWithoutAFunctionAreNotOffered(t *testing.T) {
	u := usual(120, 36)
	u.deps = func(d *tui.Deps) {
		*d = tui.Deps{Observe: d.Observe, Execute: d.Execute, Feed: d.Feed, Now: d.Now}
	}
	s := live(t, u)
	s.lacks("b rollback", "D deploy", "l output")
	for _, k := range []string{"b", "D", "P", "M", "S", "l", "x"} {
		if cmd := s.press(k); cmd != nil {
			t.Errorf("%s did something", k)
		}
	}
	s.press("5", "r")
	s.lacks("[ Cancel ]", "image:")
	s.press(":")
	s.typed("deploy x")
	s.press("enter")
	s.lacks("[ Cancel ]")
}

func TestModel_TheBakeRunsInTheBackground(t *testing.T) {
	s := live(t, usual(120, 36))
	d, _ := s.sim.Observe(t.Context())
	plan, err := s.deps.PlanDeploy(&d, "shop:2.0.0")
	if err != nil {
		t.Fatal(err)
	}
	last := len(plan.Steps) - 1
	s.Started(plan, bluegreen.Progress{Index: 0, State: bluegreen.StepDone, Step: plan.Steps[0]})
	s.press("K")
	s.contains("DEPLOYING to GREEN has not ended yet")
	s.send(s.Reported(bluegreen.Progress{Index: last, State: bluegreen.StepWorking, Step: plan.Steps[last]}))
	s.press("esc", "s")
	s.observe(nil)
	s.contains("Switch traffic", "[ Cancel ]")
	s.press("esc")
	s.send(s.EndedBake(bluegreen.Outcome{Message: "baked"}, nil))
	s.contains("baked")
}

func TestModel_AKeyWaitsForTheLookAfterAnAct(t *testing.T) {
	locked := func(d *bluegreen.Deployment) {
		d.Router.Lock = &bluegreen.Holder{User: "ana", Host: "desk", PID: 1, What: "bgctl dashboard"}
	}
	// between shows a screen whose act has ended, and whose look of the time before
	// that, still locked, is on its way.
	between := func() *screen {
		s := live(t, usual(120, 36))
		switching(s)
		s.press("R")
		s.send(s.Ended(bluegreen.Outcome{Message: "traffic: blue → green"}, nil))
		return s
	}
	s := between()
	s.press("s")
	s.observe(locked)
	s.lacks("nothing done", "LOCKED by", "[ Cancel ]")
	s.observe(func(d *bluegreen.Deployment) { d.Router.Active = bluegreen.Green })
	s.contains("Switch traffic GREEN → BLUE")

	s = between()
	s.press("s", "R")
	s.observe(locked)
	s.observe(nil)
	s.lacks("[ Cancel ]") // another key came after it

	s = between()
	s.observe(nil)
	s.observe(locked) // somebody else's
	s.press("s")
	s.contains("LOCKED by ana@desk", "nothing done: locked by ana@desk")
}

func TestWrapped_KeepsColumns(t *testing.T) {
	for text, want := range map[string][]string{
		"1. env  keep A in .env in step":   {"1. env  keep A in .env", "        in step"},
		"1. env          keep A in step":   {"1. env          keep A", "   in step"}, // no room below it
		"  two   and a half and then more": {"  two   and a half and", "        then more"},
		"there is no label in this line":   {"there is no label in", "   this line"},
		"short   enough":                   {"short   enough"},
		"ends here                 ":       {"ends here"},
		"averyverylongwordthatis uncut so": {"averyverylongwordthatis", "   uncut so"},
	} {
		if diff := cmp.Diff(want, tui.Wrapped(text, 24)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestModel_AcknowledgesTheGravestAlert(t *testing.T) {
	u := usual(120, 36)
	u.sim.Spells = sim.BadNow
	var asked alert.Event
	u.deps = func(d *tui.Deps) {
		d.Acknowledge = func(_ context.Context, ev alert.Event) (string, error) { asked = ev; return "acknowledged", nil }
	}
	s := live(t, u)
	s.contains("[x] ack", "x ack")
	s.settle(s.press("x"))
	if asked.Type != alert.ErrorRate {
		t.Errorf("asked about %+v", asked)
	}
	s.contains("△ ack by ana 14:32", "△ 2 firing, ack")
	s.lacks("[x] ack")
	if cmd := s.press("x"); cmd != nil {
		t.Error("an acknowledged alert is acknowledged again")
	}
}

func TestModel_ReadOnlyNeitherAcknowledgesNorMutes(t *testing.T) {
	u := usual(120, 36)
	u.sim.Spells, u.opts.Access = sim.BadNow, tui.ReadOnly
	s := live(t, u)
	for _, keys := range [][]string{{"x"}, {"M"}, {"b"}, {"D"}, {"r"}} {
		if cmd := s.press(keys...); cmd != nil {
			t.Errorf("%v did something", keys)
		}
		s.contains("read-only")
		s.press("esc")
	}
	s.press(":")
	s.typed("maintenance on")
	if cmd := s.press("enter"); cmd != nil {
		t.Error("the palette mutes on a read-only screen")
	}
	s.contains("nothing done: read-only")
}

func TestModel_MaintenanceMutesAndSaysUntilWhen(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("M")
	s.contains("mute every message for 30 minutes")
	s.settle(s.press("enter"))
	s.contains("messages are muted until 15:02:07")
	s.press("esc")
	s.look()
	s.contains("‖ MAINTENANCE: every message muted until 15:02:07", "M ends it")
	s.press("M")
	s.settle(s.press("enter"))
	s.look()
	s.lacks("MAINTENANCE:")
}

func TestModel_ShortActsSayWhyTheyFailed(t *testing.T) {
	u := usual(120, 36)
	u.deps = func(d *tui.Deps) {
		d.Maintain = func(context.Context, tui.Maintenance) (string, error) {
			return "", errors.New("the watcher does not answer")
		}
	}
	s := live(t, u)
	s.press("M")
	s.settle(s.press("enter"))
	s.contains("maintenance: the watcher does not answer")
}

func TestModel_RolledBackStaysUntilItIsSeen(t *testing.T) {
	u := usual(120, 36)
	phased(rolledBack())(&u)
	s := live(t, u)
	s.contains("▲ ROLLED BACK to BLUE", "err 4.1% above 2%")
	s.press("enter")
	s.contains("traffic was moved back to BLUE", "e and E go through the errors")
	s.press("esc", "esc")
	s.lacks("ROLLED BACK")
}

func TestHelp_RowsCanBeCarriedOut(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("5", "?")
	s.contains("Here: containers", "restart the selected container")
	s.press("G", "k", "k", "k") // mouse, redraw, suspend, help, quit from the end
	s.press("k", "enter")
	s.contains("mouse on: shift+drag selects")
	s.press("m", "?", "esc")
	s.lacks("╔═ Keys")
}

func TestHelp_SaysWhyARowCannotBeDone(t *testing.T) {
	u := usual(120, 36)
	u.opts.Access = tui.ReadOnly
	s := live(t, u)
	s.press(":")
	s.typed("switch green")
	s.press("enter")
	s.contains("nothing done: read-only")
}

func TestPalette_FindsByLettersAndWords(t *testing.T) {
	for typed, want := range map[string]string{
		"swg": "switch green", "chaos blue pause": "chaos blue --mode pause", "heal b": "heal blue",
		"theme l": "theme light", "win 1h": "window 1h", "next-err": "next-error",
	} {
		s := live(t, usual(120, 36))
		s.press(":")
		s.typed(typed)
		for line := range strings.SplitSeq(s.text(), "\n") {
			if strings.Contains(line, "▸") && strings.Contains(line, want) {
				want = ""
				break
			}
		}
		if want != "" {
			t.Errorf("%q does not select %q:\n%s", typed, want, s.text())
		}
	}
	s := live(t, usual(120, 36))
	s.press(":")
	s.typed("chaos green --mode pause")
	s.press("enter")
	s.contains("Break GREEN (pause)", "freeze every container of green")
	s.press("esc", ":")
	s.typed("deploy shop:3")
	s.press("enter")
	s.contains("Deploy shop:3 to GREEN")
	s.press("esc", ":")
	s.typed("zzzz")
	s.contains("no such command")
	s.press("enter", "esc")
	s.lacks("no such command")
}

// lines is a tail whose lines the test gives.
type lines struct {
	give   []string
	err    error
	closed bool
}

// Take implements tui.Tail.
func (l *lines) Take() tui.TailSnapshot {
	s := tui.TailSnapshot{Lines: l.give, Err: l.err}
	l.give = nil
	return s
}

// Close implements tui.Tail.
func (l *lines) Close() { l.closed = true }

func TestTail_FollowsFindsAndEnds(t *testing.T) {
	src := &lines{give: []string{"first line", "\x1b[31mred\x1b[0m \x07bell", "third " + strings.Repeat("x", 200) + " END"}}
	u := usual(80, 24)
	u.deps = func(d *tui.Deps) { d.Logs = func(context.Context, string) (tui.Tail, error) { return src, nil } }
	s := live(t, u)
	s.press("5")
	s.settle(s.press("l"))
	s.contains("Output of shop-app_blue-1", "first line", "red bell", "END", "FOLLOW")
	exact(t, s.View().Content, 80, 24)
	for i := range 60 {
		src.give = append(src.give, "line "+string(rune('a'+i%26)))
	}
	s.settle(s.Taken())
	s.lacks("first line")
	s.press("g")
	s.contains("first line", "newer, G follows")
	s.press("G", "/")
	s.typed("RED")
	s.contains("1 match")
	s.press("enter")
	s.contains("red bell", "/red 1")
	src.err = io.EOF
	s.press("G")
	s.settle(s.Taken())
	s.contains("the container stopped")
	s.press("esc", "esc")
	s.lacks("Output of")
	if !src.closed {
		t.Error("the output is still followed")
	}
}

func TestTail_SaysWhyThereIsNone(t *testing.T) {
	u := usual(80, 24)
	u.deps = func(d *tui.Deps) {
		d.Logs = func(context.Context, string) (tui.Tail, error) {
			return nil, errors.New("the logging driver cannot be read")
		}
	}
	s := live(t, u)
	s.press("5")
	s.settle(s.press("l"))
	s.contains("the logging driver cannot be read")
}

func TestTail_ThatOpensTooLateIsClosed(t *testing.T) {
	src := &lines{}
	u := usual(80, 24)
	u.deps = func(d *tui.Deps) { d.Logs = func(context.Context, string) (tui.Tail, error) { return src, nil } }
	s := live(t, u)
	s.press("5")
	cmd := s.press("l")
	s.press("esc")
	s.settle(cmd)
	if !src.closed {
		t.Error("nobody closes the output")
	}
	s.lacks("Output of")
}

func TestMouse_FocusesSelectsScrollsAndNeverActs(t *testing.T) {
	u := usual(120, 36)
	u.opts.Mouse = tui.MouseOn
	s := live(t, u)
	click := func(x, y int) tea.Cmd { return s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	if v := s.View(); v.MouseMode != tea.MouseModeCellMotion {
		t.Error("the mouse is not asked for")
	}
	click(10, 21) // the second container
	s.contains("▸ app_green-1")
	s.send(tea.MouseWheelMsg{X: 10, Y: 30, Button: tea.MouseWheelUp})
	s.contains("newer, G follows")
	s.send(tea.MouseWheelMsg{X: 10, Y: 30, Button: tea.MouseWheelDown})
	s.send(tea.MouseWheelMsg{X: 10, Y: 30, Button: tea.MouseWheelDown})
	s.contains("FOLLOW ▼")
	foot := strings.Split(s.text(), "\n")[35]
	click(strings.Index(foot, "s switch"), 35)
	s.contains("Switch traffic", "[ Cancel ]")
	for x := range 120 {
		for y := range 36 {
			if cmd := click(x, y); cmd != nil {
				t.Fatalf("a click at %d,%d into the dialog acts", x, y)
			}
		}
	}
	s.contains("Switch traffic")
	s.press("esc", "m")
	if v := s.View(); v.MouseMode != tea.MouseModeNone {
		t.Error("m does not give the mouse back")
	}
}

func TestKeys_CanBeRebound(t *testing.T) {
	u := usual(120, 36)
	u.opts.Keys = map[string][]string{"switch": {"W"}, "quit": {"Q"}}
	s := live(t, u)
	s.contains("W switch", "Q quit")
	s.press("s")
	s.lacks("[ Cancel ]")
	s.press("W")
	s.contains("Switch traffic")
	s.press("esc")
	if cmd := s.press("ctrl+c"); cmd == nil {
		t.Error("ctrl+c does not quit any more")
	}
}

func TestKeys_AClashKeepsTheDefaultsAndNamesBoth(t *testing.T) {
	u := usual(120, 36)
	u.opts.Keys = map[string][]string{"switch": {"K"}}
	s := live(t, u)
	s.contains("keys: K is bound to switch and to kill", "the default keys", "s switch")
	s.press("s")
	s.contains("Switch traffic")
}

func TestEvents_ToldTwiceAreShownOnce(t *testing.T) {
	s := live(t, usual(120, 36))
	ev := alert.Event{ID: "failover-1", Type: alert.Failover, Status: alert.Firing, Severity: alert.Critical, Time: s.clock, Summary: "told twice"}
	for range 2 {
		s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{ev} })
	}
	if n := strings.Count(s.text(), "FIRING told twice"); n != 1 {
		t.Errorf("it is shown %d times:\n%s", n, s.text())
	}
	ev.Time = ev.Time.Add(time.Hour) // another watcher that counts from one again
	s.feed(func(f *tui.FeedSnapshot) { f.Events = []alert.Event{ev} })
	if n := strings.Count(s.text(), "FIRING told twice"); n != 2 {
		t.Errorf("another event of the same number is shown %d times in all", n)
	}
}

func TestPalette_TabCompletesWhatIsSelected(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press(":")
	s.typed("chg pau")
	s.press("tab")
	s.contains("chaos green --mode pause")
	s.press("enter")
	s.contains("Break GREEN (pause)")
	s.press("esc", ":")
	s.typed("deploy")
	s.press("tab")
	s.press("ctrl+u")
	s.typed("win")
	s.press("down", "tab", "enter")
	s.contains("Error rate 5 min")
	s.press(":")
	s.typed("zzzz")
	s.press("tab") // nothing is selected: what is typed stays
	s.contains("zzzz", "no such command")
}
