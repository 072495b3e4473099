package main

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

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
	return a.ask(plan, fmt.Sprintf("%s takes traffic.", plan.To), plan.To.String())
}

// confirmChange asks before a plan of `up` or `down` that interrupts the service or
// deletes data. Where nobody can be asked, --yes is wanted.
func (a *app) confirmChange(plan *bluegreen.Plan, f *actFlags) error {
	if !plan.Severe || f.yes || plan.Empty() {
		return nil
	}
	why := "the service is interrupted while the proxy's container is replaced"
	if plan.Action == bluegreen.ActDown {
		why = "volumes and what is on them are deleted"
	}
	if a.flags.noInput || !isTerminal(a.in) || !isTerminal(a.err) {
		return usagef("%s: %s; nothing was changed; see what: %s --dry-run; do it: pass --yes", plan.Command, why, plan.Command)
	}
	return a.ask(plan, why+".", "yes")
}

// ask shows a plan and goes on when the word is typed.
func (a *app) ask(plan *bluegreen.Plan, why, word string) error {
	fmt.Fprint(a.err, sanitize.Copy(plan).String())
	fmt.Fprintf(a.err, "%s Type %s to go on: ", why, word)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != word {
		return &bluegreen.RefusedError{Action: plan.Action, Reasons: []string{"not confirmed"}, Hint: "nothing was changed"}
	}
	return nil
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
