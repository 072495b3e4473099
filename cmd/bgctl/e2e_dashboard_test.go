//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bgctl/internal/load"
)

// terminal is a dashboard in a tmux of its own.
type terminal struct {
	t      *testing.T
	socket string
	exit   string // file that gets the exit code
	pid    int
}

// openScreen runs the dashboard in a terminal of w by h cells.
func openScreen(t *testing.T, s *stack, w, h int, args ...string) *terminal {
	t.Helper()
	return openProgram(t, s, w, h, append([]string{bin(), "-p", s.project, "dashboard"}, args...)...)
}

// openProgram runs a program in the stack's directory and knows its process.
func openProgram(t *testing.T, s *stack, w, h int, words ...string) *terminal {
	t.Helper()
	dir := t.TempDir()
	// The shell's own words: quoted for it, and the exit code written at the end.
	for i := range words {
		words[i] = "'" + strings.ReplaceAll(words[i], "'", `'\''`) + "'"
	}
	script := fmt.Sprintf("cd '%s' && %s 2>'%s/stderr'; echo $? >'%s/exit'", s.dir, strings.Join(words, " "), dir, dir)
	term := openTerminal(t, dir, w, h, script)
	shell, err := strconv.Atoi(strings.TrimSpace(term.tmux("list-panes", "-F", "#{pane_pid}")))
	if err != nil {
		t.Fatal(err)
	}
	term.pid = child(t, shell)
	return term
}

// openShell opens a terminal with a shell that has job control.
func openShell(t *testing.T, s *stack, w, h int) *terminal {
	t.Helper()
	return openTerminal(t, t.TempDir(), w, h, fmt.Sprintf("cd '%s' && exec bash --norc --noprofile -i", s.dir))
}

// openTerminal runs a script in a tmux of its own.
func openTerminal(t *testing.T, dir string, w, h int, script string) *terminal {
	t.Helper()
	term := &terminal{t: t, socket: filepath.Join(dir, "tmux"), exit: filepath.Join(dir, "exit")}
	cmd := exec.CommandContext(t.Context(), "tmux", "-S", term.socket, "-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), script)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CONFIG_HOME="+dir, "TERM=xterm-256color", "DOCKER_CONFIG="+os.Getenv("HOME")+"/.docker")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tmux: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		shell, err := exec.Command("tmux", "-S", term.socket, "list-panes", "-F", "#{pane_pid}").Output()
		if err != nil {
			return // it has ended already
		}
		_ = exec.Command("tmux", "-S", term.socket, "kill-server").Run()
		// What runs there may write to its home until it has ended.
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if _, err := os.Stat("/proc/" + strings.TrimSpace(string(shell))); err != nil {
				return
			}
		}
	})
	return term
}

// child is the process that a shell runs.
func child(t *testing.T, shell int) (pid int) {
	t.Helper()
	eventually(t, 5*time.Second, "the shell starts bgctl", func() bool {
		out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", shell, shell))
		fields := strings.Fields(string(out))
		if err != nil || len(fields) == 0 {
			return false
		}
		pid, err = strconv.Atoi(fields[0])
		return err == nil
	})
	return pid
}

// tmux runs one tmux command.
func (x *terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// text is what the terminal shows.
func (x *terminal) text() string {
	x.t.Helper()
	return x.tmux("capture-pane", "-p")
}

// shows waits until the terminal shows every text.
func (x *terminal) shows(texts ...string) {
	x.t.Helper()
	for _, want := range texts {
		begin := time.Now()
		for !strings.Contains(x.text(), want) {
			if time.Since(begin) > 40*time.Second {
				x.t.Fatalf("the terminal never showed %q:\n%s", want, x.text())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// hides waits until the terminal does not show a text any more.
func (x *terminal) hides(text string) {
	x.t.Helper()
	eventually(x.t, 20*time.Second, "the terminal stops showing "+text, func() bool { return !strings.Contains(x.text(), text) })
}

// press presses keys by tmux's names; a longer text is typed.
func (x *terminal) press(keys ...string) {
	x.t.Helper()
	for _, k := range keys {
		x.tmux("send-keys", k)
	}
}

// escape presses esc until what it closes is gone. A key that follows esc at once
// would be taken for one that is pressed together with alt.
func (x *terminal) escape(text string) {
	x.t.Helper()
	x.press("Escape")
	x.hides(text)
}

// typed types a text as it is.
func (x *terminal) typed(text string) {
	x.t.Helper()
	x.tmux("send-keys", "-l", text)
}

// ended waits for the end and returns the exit code.
func (x *terminal) ended() string {
	x.t.Helper()
	var code []byte
	eventually(x.t, 15*time.Second, "the dashboard ends", func() bool {
		code, _ = os.ReadFile(x.exit)
		return len(code) > 0
	})
	return strings.TrimSpace(string(code))
}

// toastEnd stands in the frame of every toast, and nowhere else.
const toastEnd = " esc ─╮"

// The tour is the same on the simulated deployment and on a real one: what the demo
// shows must be what the product does.
func tour(t *testing.T, x *terminal, word string) {
	t.Helper()
	x.shows("1 BLUE  ▶ ACTIVE", "100% of traffic", "FOLLOW ▼", "no alert is firing")
	x.press("s")
	x.shows("Switch traffic BLUE → GREEN", "undo: bgctl switch blue", "[ Cancel ]")
	x.press("y")
	x.shows("2 GREEN  ▶ ACTIVE", "receipt:")
	x.escape(toastEnd)
	x.press("K")
	x.shows("Break GREEN (kill)", "Type green to confirm")
	x.typed("green")
	x.press("Enter")
	x.shows("[ Kill ]")
	x.press("Enter")
	x.shows("FAULT kill", "1 BLUE  ● SERVES as backup", "FIRING failover", "× exit 137")
	x.escape(toastEnd)
	x.press("H")
	x.shows("Heal GREEN")
	x.press("y")
	x.hides("FAULT kill")
	x.shows(toastEnd)
	x.escape(toastEnd)
	x.press("/")
	x.typed(word)
	x.shows("match")
	x.press("Enter")
	x.shows("/"+word, "newer, G follows")
	x.escape("match")
	x.press("G")
	x.shows("FOLLOW ▼")
	x.tmux("resize-window", "-x", "80", "-y", "24")
	x.shows("5 Containers 6 Events [7 Logs]")
	x.tmux("resize-window", "-x", "30", "-y", "8")
	x.shows("need 40x10")
	x.tmux("resize-window", "-x", "40", "-y", "10")
	x.shows("[Logs]")
	x.tmux("resize-window", "-x", "120", "-y", "36")
	x.shows("8 window")
	x.press("8", "z")
	x.shows("enough requests")
	x.escape("enough requests")
	x.press("S")
	x.shows("saved to")
	x.press("q")
	if code := x.ended(); code != "0" {
		t.Errorf("the dashboard ended with %s", code)
	}
}

// A demo that needs no engine must let an operator do everything.
func TestDashboard_TourOfTheDemo(t *testing.T) {
	s := &stack{project: "demo", dir: t.TempDir()}
	x := openScreen(t, s, 120, 36, "--demo")
	x.shows("first time here?", "simulated")
	tour(t, x, "cart")
}

// The same tour on a real stack under traffic must move, break and mend it.
func TestDashboard_TourOfARealStack(t *testing.T) {
	shared.reset(t)
	t.Cleanup(func() { shared.reset(t) })
	tr := shared.start(t, load.Config{Clients: 4, Rate: 60})
	x := openScreen(t, shared, 120, 36)
	tour(t, x, "get")
	tr.stop()
	saved, err := filepath.Glob(filepath.Join(shared.dir, "bgctl-*", "metrics.json"))
	if err != nil || len(saved) != 1 {
		t.Errorf("saved metrics: %v, %v", saved, err)
	}
	if got := shared.active(t); got != "green" {
		t.Errorf("active is %s after the tour, want green", got)
	}
}

// A terminal that is closed must end the process, and q must give the terminal back.
func TestDashboard_EndsWithItsTerminal(t *testing.T) {
	s := &stack{project: "demo", dir: t.TempDir()}
	x := openScreen(t, s, 80, 24, "--demo")
	x.shows("● LIVE")
	x.tmux("kill-server")
	eventually(t, 10*time.Second, "the process ends with its terminal", func() bool {
		return syscall.Kill(x.pid, 0) != nil
	})
}

// A proxy that is made anew must not stop the log.
func TestDashboard_FollowsARecreatedProxy(t *testing.T) {
	shared.reset(t)
	x := openScreen(t, shared, 120, 36)
	x.shows("1 BLUE  ▶ ACTIVE")
	get(t, shared.url()+"/before-the-proxy")
	x.shows("/before-the-proxy")
	id := shared.container(t, "nginx")
	docker(t, "rm", "-f", id)
	x.shows("×")
	shared.must(t, "up", "--demo")
	eventually(t, 30*time.Second, "the proxy answers", func() bool { return answers(shared.url()) })
	get(t, shared.url()+"/after-the-proxy")
	x.shows("/after-the-proxy", "● LIVE")
	x.press("q")
	if code := x.ended(); code != "0" {
		t.Errorf("the dashboard ended with %s", code)
	}
}

// answers reports whether url answers at all.
func answers(url string) bool {
	return exec.Command("curl", "-fsS", "-o", "/dev/null", "--max-time", "2", url).Run() == nil
}
