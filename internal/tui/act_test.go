package tui_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
)

// settle runs a command and the batches inside it, and feeds what comes back.
// Commands that wait for time or input are left alone.
func (s *screen) settle(cmd tea.Cmd) {
	s.tb.Helper()
	for queue := []tea.Cmd{cmd}; len(queue) > 0; {
		next := queue[0]
		queue = queue[1:]
		if next == nil {
			continue
		}
		done := make(chan tea.Msg, 1)
		go func() { done <- next() }()
		select {
		case msg := <-done:
			if batch, ok := msg.(tea.BatchMsg); ok {
				queue = append(queue, batch...)
			} else if msg != nil {
				queue = append(queue, s.send(msg))
			}
		case <-time.After(5 * time.Second):
			s.tb.Fatal("a command did not end")
		}
	}
}

func TestModel_SwitchesTrafficWhenTheDialogIsConfirmed(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("s")
	s.contains("Switch traffic BLUE → GREEN", "rename active/blue to active/green", "undo: bgctl switch blue", "[ Cancel ]")
	s.settle(s.press("y"))
	s.contains("active ▶ GREEN v1.5.0", "traffic: blue → green", "receipt: 412 sent, 0 failed", "undo: bgctl switch blue")
}

func TestModel_UndoAsksForTheWayBack(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("s")
	s.settle(s.press("y"))
	s.press("u")
	s.contains("Switch traffic GREEN → BLUE", "runs: bgctl switch blue")
	s.settle(s.press("y"))
	s.contains("active ▶ BLUE v1.4.2")
}

func TestModel_EnterOnAFreshDialogCancels(t *testing.T) {
	s := live(t, usual(120, 36))
	if cmd := s.press("s", "enter"); cmd != nil {
		t.Error("enter on a fresh dialog started something")
	}
	s.lacks("Switch traffic")
	s.contains("active ▶ BLUE")
}

func TestModel_TabMovesToTheVerb(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("s", "tab")
	s.contains("[ Switch ]")
	s.settle(s.press("enter"))
	s.contains("active ▶ GREEN")
}

func TestModel_KillingTheActivePoolWantsItsName(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("K")
	s.contains("Break BLUE (kill)", "Type blue to confirm:")
	if cmd := s.press("y", "enter"); cmd != nil {
		t.Error("a wrong word started something")
	}
	if v := s.View(); v.Cursor == nil {
		t.Error("the cursor is not where one types")
	}
	s.press("backspace")
	s.typed("blue")
	s.press("enter")
	s.contains("[ Kill ]")
	s.settle(s.press("enter"))
	s.contains("FAULT kill", "× exit 137", "undo: bgctl heal blue")
	s.press("H")
	s.contains("Heal BLUE")
	s.settle(s.press("y"))
	s.lacks("FAULT kill")
}

func TestModel_KillIsAboutTheFocusedPool(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("2", "K")
	s.contains("Break GREEN (kill)", "GREEN is standby: no user is on it.")
	s.lacks("to confirm:")
}

func TestModel_SwitchToABrokenPoolIsForcedAndTyped(t *testing.T) {
	s := open(t, usual(120, 36))
	s.observe(func(d *bluegreen.Deployment) { d.Green.Containers[0].Health = "unhealthy" })
	s.press("s")
	s.contains("FORCED, this gate fails: green is unhealthy", "check FAIL", "Type green to confirm:")
}

func TestModel_DialogRefusesWhenTheWorldChanged(t *testing.T) {
	for name, change := range map[string]func(*bluegreen.Deployment){
		"GREEN is active now":            func(d *bluegreen.Deployment) { d.Router.Active = bluegreen.Green },
		"GREEN has other containers now": func(d *bluegreen.Deployment) { d.Green.Containers[0].ID = "new" },
	} {
		s := live(t, usual(120, 36))
		s.press("s")
		s.observe(change)
		s.contains(name + ", nothing done")
		if cmd := s.press("y"); cmd != nil {
			t.Errorf("%s: the plan ran", name)
		}
		s.contains("state changed: " + name)
	}
}

func TestModel_ReadOnlyHidesAndRefusesEveryWritingKey(t *testing.T) {
	u := usual(120, 36)
	u.opts.Access = tui.ReadOnly
	s := live(t, u)
	s.contains("READ-ONLY")
	s.lacks("s switch", "K kill")
	for _, k := range []string{"s", "K", "H", "u"} {
		if cmd := s.press(k); cmd != nil {
			t.Errorf("%s did something", k)
		}
		s.lacks("[ Cancel ]")
	}
	s.contains("nothing done: read-only")
}

func TestModel_WritingKeysAreOffWhileDockerIsGone(t *testing.T) {
	s := live(t, usual(120, 36))
	s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
	s.press("s")
	s.contains("× DISCONNECTED", "docker does not answer", "as of 14:32:07")
	s.lacks("[ Cancel ]")
}

func TestModel_UpdateNeverWaitsForTheWorld(t *testing.T) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	deps := live(t, usual(120, 36)).deps
	observed, err := deps.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deps.Observe = func(context.Context) (bluegreen.Deployment, error) { <-block; return observed, nil }
	deps.Execute = func(context.Context, bluegreen.Plan, func(bluegreen.Progress)) (bluegreen.Outcome, error) {
		<-block
		return bluegreen.Outcome{}, nil
	}
	m := tui.New(t.Context(), deps, usual(120, 36).opts)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Init()
		m.Update(tea.WindowSizeMsg{Width: 120, Height: 36})
		m.Update(tui.Observed(observed, nil))
		for _, k := range []string{"s", "y", "R", "R", "space", "?"} {
			m.Update(keyOf(k))
			m.Update(tui.Ticked())
			m.View()
		}
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("Update waits for the world")
	}
	if frame := ansi.Strip(m.View().Content); !strings.Contains(frame, "SWITCHING BLUE → GREEN") {
		t.Errorf("the act does not show:\n%s", frame)
	}
}

func TestModel_SaysWhenDockerDoesNotAnswer(t *testing.T) {
	s := live(t, usual(120, 36))
	s.clock = s.clock.Add(2 * time.Second)
	s.send(tui.Ticked())
	s.clock = s.clock.Add(5 * time.Second)
	s.send(tui.Ticked())
	s.contains("▲ NO ANSWER docker 5s")
}

func TestModel_AsksBeforeItLeavesAnAct(t *testing.T) {
	s := live(t, usual(120, 36))
	switching(s)
	if cmd := s.press("q"); cmd != nil {
		t.Error("q left without asking")
	}
	s.contains("Leave while bgctl works?", "SWITCHING BLUE → GREEN has not ended.")
	if cmd := s.press("ctrl+c"); cmd == nil {
		t.Error("the second ctrl+c does not leave")
	} else if _, ok := cmd().(tea.QuitMsg); !ok {
		t.Error("ctrl+c does not quit")
	}
}

func TestModel_OneActAtATime(t *testing.T) {
	s := live(t, usual(120, 36))
	switching(s)
	s.press("esc", "K")
	s.contains("nothing done: SWITCHING BLUE → GREEN has not ended yet")
}

// undoing stops in the middle of the undoing of a deploy whose release did not get ready.
func undoing(s *screen) {
	s.look()
	d, _ := s.sim.Observe(s.tb.Context())
	plan, err := bluegreen.PlanDeploy(&d, bluegreen.Release{ID: "v2", Image: "shop:2"}, bluegreen.DeployOptions{})
	if err != nil {
		s.tb.Fatal(err)
	}
	n := len(plan.Steps)
	var reports []bluegreen.Progress
	for i, step := range plan.Steps {
		p := bluegreen.Progress{Index: i, Total: n, Step: step, State: bluegreen.StepDone, Elapsed: 40 * time.Millisecond}
		if step.Op == bluegreen.OpReady {
			p.State, p.Detail = bluegreen.StepFailed, "green did not become ready: exited (code 1)"
			reports = append(reports, p)
			break
		}
		reports = append(reports, p)
	}
	for i, text := range []string{"put v1 back into green: the same containers", "wait until green is ready"} {
		p := bluegreen.Progress{Index: n + i, Total: n + 4, Step: bluegreen.Step{Text: text}, State: bluegreen.StepDone, Elapsed: 700 * time.Millisecond}
		if i == 1 {
			p.State = bluegreen.StepWorking
		}
		reports = append(reports, p)
	}
	s.Started(plan, reports...)
	s.clock = s.clock.Add(300 * time.Millisecond)
	s.send(tui.Ticked())
}

// TestModel_ShowsHowAFailedActIsUndone: the steps that undo it come behind the plan's, the
// counter counts them, and nobody is told that they could be aborted.
func TestModel_ShowsHowAFailedActIsUndone(t *testing.T) {
	s := live(t, usual(120, 36))
	undoing(s)
	n, ready := len(s.Plan()), 0
	for i, step := range s.Plan() {
		if step.Op == bluegreen.OpReady {
			ready = i + 1
		}
	}
	s.contains("UNDOING the deploy to GREEN", fmt.Sprintf("%d/%d", ready+2, ready+4), "put v1 back into green", "● wait until green is ready", "what failed is undone")
	s.lacks("aborts until traffic moves", "DEPLOYING", "rename active/blue")
	s.send(s.Reported(bluegreen.Progress{Index: n + 3, Total: n + 4, Step: bluegreen.Step{Text: "note in the journal"}, State: bluegreen.StepDone}))
	s.contains(fmt.Sprintf("%d/%d", ready+4, ready+4), "note in the journal")
	s.send(s.Reported(bluegreen.Progress{Index: n + 1000, Step: bluegreen.Step{Text: "far away"}}))
	s.lacks("far away")
	s.send(s.Ended(bluegreen.Outcome{}, errors.New("green did not become ready; traffic stays on blue, and green holds v1 again")))
	s.contains("holds v1 again")
	s.lacks("UNDOING")
}

// TestModel_ConfirmsWhatCutOffCommandsLeftAndNotes: they are read before the steps, and no
// foreign text among them looks like a line of the dialog's own.
func TestModel_ConfirmsWhatCutOffCommandsLeftAndNotes(t *testing.T) {
	u := usual(120, 36)
	u.deps = func(d *tui.Deps) {
		plan := d.PlanDeploy
		d.PlanDeploy = func(dep *bluegreen.Deployment, image string) (bluegreen.Plan, error) {
			p, err := plan(dep, image)
			p.Recovers = []string{"the deploy by eve\x1b[31m@host was cut off"}
			p.Notes = []string{"the file has an older release\nundo: FORGED"}
			p.Steps[1].Detail = []string{"one", "two", "three", "four", "five", "six", "seven", "eight"}
			return p, err
		}
	}
	s := live(t, u)
	s.press(":")
	s.typed("deploy shop:2")
	s.press("enter")
	s.contains("▲ first: the deploy by eve", "was cut off", "note: the file has an older release", "five", "… and 3 more")
	s.lacks("║ undo: FORGED", "six")
	frame := ansi.Strip(s.View().Content)
	first, note, lock := strings.Index(frame, "▲ first:"), strings.Index(frame, "note:"), strings.Index(frame, "take the deployment's lock")
	if first < 0 || note < first || lock < note {
		t.Errorf("the order is wrong:\n%s", frame)
	}
}

// TestModel_AsksThePoolAndNotOnlyTheEngine: a pool is as the proxy finds it.
func TestModel_AsksThePoolAndNotOnlyTheEngine(t *testing.T) {
	s := live(t, usual(120, 36))
	s.observe(func(d *bluegreen.Deployment) { d.Green.Answer = &bluegreen.ProbeResult{Err: "no answer within 1s"} })
	s.contains("× silent 1/1", "DEGRADED")
	s.observe(func(d *bluegreen.Deployment) {
		d.Green.Containers[0].Health, d.Green.Answer = "starting", &bluegreen.ProbeResult{Status: 200}
	})
	s.contains("starting 0/1")
	s.lacks("× starting", "DEGRADED")
}

// TestModel_TimesAStepFromItsBeginning: a step that tells how far it is goes on being timed.
func TestModel_TimesAStepFromItsBeginning(t *testing.T) {
	s := live(t, usual(120, 36))
	switching(s)
	step := s.Plan()[4]
	s.send(s.Reported(bluegreen.Progress{Index: 4, Step: step, State: bluegreen.StepWorking, Detail: "half done"}))
	s.clock = s.clock.Add(700 * time.Millisecond)
	s.send(tui.Ticked())
	s.contains("half done", "1.0 s")
}

// TestModel_UndoesAfterTheToastHasGone: the toast is a reminder, not the chance itself.
func TestModel_UndoesAfterTheToastHasGone(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("u")
	s.lacks("Switch traffic")
	s.press("s")
	s.settle(s.press("y"))
	s.contains("undo: bgctl switch blue")
	s.press("esc")
	s.lacks("undo: bgctl switch blue")
	s.press("u")
	s.contains("Switch traffic GREEN → BLUE")
	s.press("esc")
	s.observe(func(d *bluegreen.Deployment) { d.Router.Active = bluegreen.Blue }) // somebody else was faster
	s.press("u")
	s.lacks("Switch traffic")
}
