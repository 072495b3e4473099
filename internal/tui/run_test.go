package tui_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/vt"

	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
)

func TestRun_RefusesWhatIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	deps := live(t, usual(80, 24)).deps
	if err := tui.Run(t.Context(), deps, tui.Options{}, r, w); !errors.Is(err, tui.ErrNoTerminal) {
		t.Errorf("Run on a pipe: %v, want ErrNoTerminal", err)
	}
	w.Close()
	if out, _ := io.ReadAll(r); len(out) > 0 {
		t.Errorf("Run wrote %q into the pipe", out)
	}
}

// crlf turns the renderer's line feeds into what a terminal makes of them.
type crlf struct{ *vt.SafeEmulator }

// Write implements io.Writer.
func (w crlf) Write(p []byte) (int, error) {
	_, err := w.SafeEmulator.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
	return len(p), err
}

func TestProgram_DrawsOnATerminalAndQuits(t *testing.T) {
	em := vt.NewSafeEmulator(80, 24)
	go func() { _, _ = io.Copy(io.Discard, em) }()
	u := usual(80, 24)
	deps := live(t, u).deps
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	keys, typist := io.Pipe()
	p := tea.NewProgram(tui.New(ctx, deps, u.opts), tea.WithContext(ctx), tea.WithInput(keys), tea.WithOutput(crlf{em}),
		tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm-256color"}), tea.WithoutSignals())
	ended := make(chan error, 1)
	go func() { _, err := p.Run(); ended <- err }()
	shows := func(text string) {
		t.Helper()
		for !strings.Contains(em.Render(), text) {
			select {
			case <-ctx.Done():
				t.Fatalf("the terminal never showed %q:\n%s", text, em.Render())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	shows("v1.4.2")
	_, _ = typist.Write([]byte("s"))
	shows("Switch traffic")
	_, _ = typist.Write([]byte("y"))
	shows("receipt: 412 sent, 0 failed")
	_, _ = typist.Write([]byte("q"))
	if err := <-ended; err != nil {
		t.Errorf("the program ended with %v", err)
	}
	_ = typist.Close()
}

// TestRun_ActsWhileAReleaseBakes: a deploy only watches any more, for minutes, and the
// operator ends that or takes the release back from the same screen.
func TestRun_ActsWhileAReleaseBakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bake := make(chan struct{})
		deps := tui.Deps{Execute: func(_ context.Context, p bluegreen.Plan, _ func(bluegreen.Progress)) (bluegreen.Outcome, error) {
			if p.Action == bluegreen.ActDeploy {
				<-bake
			}
			return bluegreen.Outcome{}, nil
		}}
		wait := tui.Tracked(&deps)
		go func() { _, _ = deps.Execute(t.Context(), bluegreen.Plan{Action: bluegreen.ActDeploy}, nil) }()
		synctest.Wait()
		promoted := make(chan struct{})
		go func() {
			_, _ = deps.Execute(t.Context(), bluegreen.Plan{Action: bluegreen.ActPromote}, nil)
			close(promoted)
		}()
		synctest.Wait()
		select {
		case <-promoted:
		default:
			t.Error("the promote waits for the bake that it is to end")
		}
		left := make(chan struct{})
		go func() { wait(); close(left) }()
		synctest.Wait()
		select {
		case <-left:
			t.Error("the screen leaves while an act runs")
		default:
		}
		close(bake)
		<-left
		<-promoted
	})
}
