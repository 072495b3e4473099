package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/sanitize"
)

// failpointEnv names the point at which this process kills itself: the tests of
// what a cut-off command leaves behind set it.
const failpointEnv = "BGCTL_FAILPOINT"

// failpoint returns the controller's failpoint, nil when none is asked for.
func (a *app) failpoint() func(string) {
	point := a.env(failpointEnv)
	if point == "" {
		return nil
	}
	return func(name string) {
		if name == point {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way; nothing more may be done
		}
	}
}

// clean makes foreign text safe for a terminal.
func clean(s string) string { return sanitize.Line(s) }

// confirm asks before a severe plan. Without a terminal on both ends there is
// nobody to ask, and the command was typed on purpose.
func (a *app) confirm(plan *bluegreen.Plan, f *actFlags) error {
	if !plan.Severe || f.yes || f.force || plan.Empty() {
		return nil
	}
	if a.flags.noInput {
		return usagef("%s needs a confirmation; pass --yes", plan.Command)
	}
	if !isTerminal(a.in) || !isTerminal(a.err) {
		return nil
	}
	fmt.Fprint(a.err, plan.String())
	fmt.Fprintf(a.err, "%s takes traffic. Type %s to go on: ", plan.To, plan.To)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != plan.To.String() {
		return &bluegreen.RefusedError{Action: plan.Action, Reasons: []string{"not confirmed"}, Hint: "nothing was changed"}
	}
	return nil
}

// progress prints steps to the standard error stream as they end.
func (a *app) progress() func(bluegreen.Progress) {
	return func(p bluegreen.Progress) {
		mark := "✓"
		switch p.State {
		case bluegreen.StepWorking:
			if p.Step.Op == bluegreen.OpHold {
				fmt.Fprintf(a.err, "  · %s\n", p.Step.Text)
			}
			return
		case bluegreen.StepFailed:
			mark = "×"
		case bluegreen.StepDone, bluegreen.StepSkipped:
		}
		detail := ""
		if p.Detail != "" && p.State == bluegreen.StepDone {
			detail = " (" + clean(p.Detail) + ")"
		}
		fmt.Fprintf(a.err, "  %s %s%s  %d ms\n", mark, p.Step.Text, detail, p.Elapsed.Milliseconds())
	}
}

// proxyURL is the proxy's published address as this machine reaches it, "" when
// it publishes none.
func (a *app) proxyURL(t *target, d *bluegreen.Deployment) string {
	if d.Proxy == nil || d.Proxy.Published == "" {
		return ""
	}
	host, port, err := net.SplitHostPort(d.Proxy.Published)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if remote := remoteHost(t.client.Info().Host); remote != "" {
		host = remote
	}
	return "http://" + net.JoinHostPort(host, port)
}

// remoteHost is the host of an engine elsewhere, "" for a local one.
func remoteHost(engine string) string {
	u, err := url.Parse(engine)
	if err != nil || u.Scheme != "tcp" && u.Scheme != "ssh" {
		return ""
	}
	return u.Hostname()
}

// envPath is the file that ACTIVE_POOL is kept in step in.
func (a *app) envPath() string {
	if n := len(a.flags.envFiles); n > 0 {
		return a.flags.envFiles[n-1]
	}
	return filepath.Join(a.dir, ".env")
}

// envTime is when that file was last written; the zero time when there is none.
func (a *app) envTime() time.Time {
	fi, err := os.Stat(a.envPath())
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

// envSaver returns what keeps ACTIVE_POOL in .env in step, nil when there is no .env.
func (a *app) envSaver() func(context.Context, bluegreen.Pool) error {
	path := a.envPath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return func(_ context.Context, pool bluegreen.Pool) error { return saveEnv(path, "ACTIVE_POOL", pool.String()) }
}

// saveEnv sets one variable in an env file and leaves every other byte, the
// file's mode and its owner as they are. The file is replaced by one rename.
func saveEnv(path, name, value string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := setEnv(string(old), name, value)
	if text == string(old) {
		return nil
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".env-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(fi.Mode().Perm()), sameOwner(tmp, fi), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// sameOwner gives the new file the old one's owner; only root can change it.
func sameOwner(f *os.File, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// setEnv sets a variable in the text of an env file. The last assignment counts,
// so that one is changed; a file without any gets one at its end.
func setEnv(text, name, value string) string {
	lines := strings.SplitAfter(text, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimLeft(lines[i], " \t")
		line = strings.TrimLeft(strings.TrimPrefix(line, "export "), " \t")
		rest, ok := strings.CutPrefix(line, name)
		if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "=") {
			continue
		}
		head, tail, _ := strings.Cut(lines[i], "=")
		if old := envValue(tail); old == value {
			return text
		}
		lines[i] = head + "=" + value + comment(tail) + ending(lines[i])
		return strings.Join(lines, "")
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + name + "=" + value + "\n"
}

// envValue is the value of an assignment's right side.
func envValue(tail string) string {
	tail = strings.TrimSpace(tail)
	if unquoted, err := strconv.Unquote(tail); err == nil {
		return unquoted
	}
	value, _, _ := strings.Cut(tail, " #")
	return strings.TrimSpace(strings.Trim(value, "'"))
}

// comment is the comment behind a value, with its leading blank.
func comment(tail string) string {
	if i := strings.Index(tail, " #"); i >= 0 {
		return strings.TrimRight(tail[i:], "\r\n")
	}
	return ""
}

// ending is a line's line ending.
func ending(line string) string {
	switch {
	case strings.HasSuffix(line, "\r\n"):
		return "\r\n"
	case strings.HasSuffix(line, "\n"):
		return "\n"
	}
	return ""
}
