//go:build !e2e

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/drill"
	"bgctl/internal/sanitize"
)

// safeText fails when text would do anything on a terminal but be shown, or holds a
// line that a foreign text made.
func safeText(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\n") {
		if plain := strings.ReplaceAll(line, "\t", ""); string(sanitize.AppendLine(nil, []byte(plain), 0)) != plain {
			t.Errorf("not safe on a terminal: %q", line)
		}
		if strings.HasPrefix(strings.TrimSpace(line), "undo: FORGED") {
			t.Errorf("a line is forged: %q", line)
		}
	}
}

// safeJSON is safeText for output of which every line is JSON.
func safeJSON(t *testing.T, text string) {
	t.Helper()
	safeText(t, text)
	for dec := json.NewDecoder(strings.NewReader(text)); ; {
		var v any
		if err := dec.Decode(&v); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("no JSON: %v in %q", err, text)
			return
		}
	}
}

// bgctl runs a command line in a directory against an engine.
func bgctl(t *testing.T, dir, host string, args ...string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"DOCKER_HOST": host, "HOME": dir}
	a := &app{
		in: strings.NewReader(""), out: &stdout, err: &stderr, dir: dir,
		env: func(name string) string { return env[name] }, environ: []string{"DOCKER_HOST=" + host, "HOME=" + dir},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code = a.main(ctx, args)
	return stdout.String(), stderr.String(), code
}

// commandLines are the commands that print what a deployment holds.
func commandLines() []string {
	return []string{
		"status", "status --watch --until active=blue --timeout 500ms", "history", "top", "up --dry-run", "up", "down",
		"switch green --dry-run", "switch green", "switch green --force --yes --no-receipt", "switch green --force --dry-run",
		"deploy " + "shop:2 --dry-run --force", "deploy shop:2 --force", "deploy shop:2 --no-switch --force --dry-run", "rollback --force --dry-run", "rollback", "promote",
		"restart green --dry-run --force", "restart green --force", "restart nothing", "chaos green --dry-run --force", "chaos green --force", "heal green --dry-run",
		"drill --dry-run --force",
		"logs", "logs nothing", "logs -t nginx", "events", "events --type error_rate", "ack", "ack error_rate --dry-run", "ack --off", "ack nothing",
		"maintenance status", "maintenance on", "maintenance on --dry-run", "maintenance off", "maintenance off --dry-run", "config", "image",
	}
}

// TestForeignText_IsSafeWhereverACommandPrintsIt runs every command on a deployment
// whose every text is hostile.
func TestForeignText_IsSafeWhereverACommandPrintsIt(t *testing.T) {
	for name, make := range map[string]func() *hostileEngine{
		"running":      func() *hostileEngine { return &hostileEngine{state: "running"} },
		"silent agent": func() *hostileEngine { return &hostileEngine{state: "running", mute: true} },
		"odd states":   func() *hostileEngine { return &hostileEngine{state: hostile} },
		"locked":       func() *hostileEngine { return &hostileEngine{state: "running"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := make()
			host := newHostileEngine(t, e)
			if name == "locked" {
				e.lock()
			}
			shown := 0
			for _, line := range commandLines() {
				if name != "running" && (strings.HasPrefix(line, "top") || strings.Contains(line, "--watch")) {
					continue // they take seconds, and print what status does
				}
				dir := filepath.Join(t.TempDir(), "shop")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				for _, flag := range []string{"", "--debug", "--json"} {
					args := strings.Fields(line)
					switch flag {
					case "--debug":
						args = append([]string{flag}, args...)
					case "--json":
						args = append(args, flag)
					}
					t.Run(strings.Join(args, " "), func(t *testing.T) {
						out, errs, code := bgctl(t, dir, host, args...)
						if strings.Contains(out+errs, "evil") {
							shown++
						}
						if flag == "--json" && code != exitUsage {
							safeJSON(t, out)
						}
						safeText(t, out)
						safeText(t, errs)
						if testing.Verbose() {
							t.Logf("exit %d\n%s%s", code, out, errs)
						}
					})
				}
			}
			if shown < len(commandLines()) {
				t.Errorf("only %d outputs show the hostile text: the test does not test", shown)
			}
		})
	}
}

// TestForeignText_IsSafeInResults prints what a command prints only when an engine
// does real work: values whose every text is hostile.
func TestForeignText_IsSafeInResults(t *testing.T) {
	outcome, report, plan := filled[bluegreen.Outcome](), filled[drill.Report](), filled[bluegreen.Plan]()
	plan.Severe, plan.To = true, bluegreen.Green
	unready, unhealthy := filled[bluegreen.UnreadyError](), filled[compose.UnhealthyError]()
	for name, print := range map[string]func(*app, *actFlags) error{
		"outcome": func(a *app, f *actFlags) error { return a.finish(&outcome, nil, f) },
		"failed outcome": func(a *app, f *actFlags) error {
			a.report(a.finish(&outcome, errors.New(hostile), f))
			return nil
		},
		"unready": func(a *app, f *actFlags) error {
			a.report(a.finish(&bluegreen.Outcome{}, &unready, f))
			return nil
		},
		"plan": func(a *app, f *actFlags) error { return a.showPlan(&plan, f) },
		"report": func(a *app, f *actFlags) error {
			return a.finishDrill(&report, errors.New(hostile), &drillFlags{actFlags: *f})
		},
		"unhealthy": func(a *app, _ *actFlags) error {
			a.report(a.explain(&unhealthy))
			return nil
		},
		"steps": func(a *app, _ *actFlags) error {
			p := a.steps()
			for _, state := range []bluegreen.StepState{bluegreen.StepWorking, bluegreen.StepDone, bluegreen.StepFailed} {
				step := filled[bluegreen.Progress]()
				step.State = state
				p.update(step)
			}
			return nil
		},
		"up": func(a *app, f *actFlags) error {
			p := newUpProgress(a, f.json)
			for _, state := range []compose.StepState{compose.StepWorking, compose.StepDone, compose.StepError} {
				step := filled[compose.StepEvent]()
				step.State = state
				p.Update(step)
			}
			return nil
		},
		"status": func(a *app, _ *actFlags) error {
			d := filled[bluegreen.Deployment]()
			d.Router.Active, d.Router.Standing[0].Pool = bluegreen.Blue, bluegreen.Blue
			s := a.summary(&target{}, &d)
			fmt.Fprintln(a.out, changeLine(&s))
			return printStatus(a.out, &s, &d)
		},
		"history": func(a *app, _ *actFlags) error {
			return printHistory(a.out, []bluegreen.Operation{filled[bluegreen.Operation]()})
		},
	} {
		for _, asJSON := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var out, errs bytes.Buffer
				a := &app{in: strings.NewReader(""), out: sanitize.NewWriter(&out), err: sanitize.NewWriter(&errs), env: func(string) string { return "" }}
				_ = print(a, &actFlags{json: asJSON}) // the error is no output
				if !strings.Contains(out.String()+errs.String(), "evil") {
					t.Errorf("nothing hostile was printed: %q %q", out.String(), errs.String())
				}
				safeText(t, out.String())
				safeText(t, errs.String())
				if asJSON && name != "unhealthy" && name != "steps" && name != "history" && name != "status" {
					safeJSON(t, out.String())
				}
			})
		}
	}
}

// TestForeignText_IsSafeOnATerminal looks at what only a terminal is shown: lines that
// are drawn over, questions, the access log.
func TestForeignText_IsSafeOnATerminal(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal("no terminal can be opened:", err)
	}
	defer func() { _ = master.Close() }()
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(master)
		shown <- string(text)
	}()
	e := &hostileEngine{state: "running"}
	host := newHostileEngine(t, e)
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DOCKER_HOST": host, "HOME": dir, "TERM": "xterm"}
	a := &app{
		in: tty, out: tty, err: tty, dir: dir,
		env: func(name string) string { return env[name] }, environ: []string{"DOCKER_HOST=" + host},
	}
	for _, line := range []string{"logs --access", "switch blue --no-receipt", "down"} {
		_ = a.main(t.Context(), strings.Fields(line)) // fails or not: it prints
	}
	p := newUpProgress(a, false)
	work := filled[compose.StepEvent]()
	work.State = compose.StepWorking
	p.Update(work)
	p.clear()
	_ = tty.Close()
	text := <-shown
	if !strings.Contains(text, sanitize.EraseLine) || !strings.Contains(text, "evil") {
		t.Errorf("no line was drawn over, or nothing hostile was shown: %q", text)
	}
	safeText(t, strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), sanitize.EraseLine, ""))
}
