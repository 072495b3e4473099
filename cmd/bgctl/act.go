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
	fmt.Fprint(a.err, sanitize.Copy(plan).String())
	fmt.Fprintf(a.err, "%s takes traffic. Type %s to go on: ", plan.To, plan.To)
	line, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != plan.To.String() {
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
