package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
	"bgctl/internal/sanitize"
	"bgctl/stack"
)

const (
	// confPath is where the rendered configuration goes: the container's root is read-only.
	confPath = "/tmp/nginx.conf"
	// pidPath is where nginx.conf has nginx write its process ID.
	pidPath = "/tmp/nginx.pid"
)

// newAgentCommand returns the commands that run inside the proxy's container.
func newAgentCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "agent", Hidden: true,
		Short: "Work inside the proxy's container",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "run [nginx]", Short: "Prepare the state, run nginx and rotate its log", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, _ []string) error { return a.agentRun(cmd.Context()) },
		},
		&cobra.Command{
			Use: "check", Short: "Test the settings in the environment with nginx", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.agentCheck(cmd.Context()) },
		},
		&cobra.Command{
			Use: "session", Short: "Answer requests on the standard streams", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				conf := a.nginxConf()
				agent := &proxy.Agent{Dir: conf.Dir, HTTP: proxy.NewPrivate(), Conf: conf, Version: version()}
				return agent.Serve(cmd.Context(), a.in, sanitize.Unwrap(a.out))
			},
		},
		&cobra.Command{
			Use: "tail [FILE]", Short: "Serve the access log on the standard streams", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				path := append(args, proxy.AccessLog)[0]
				return logstream.ServeFile(cmd.Context(), logstream.FileConfig{Path: path}, a.in, sanitize.Unwrap(a.out))
			},
		},
		newPastCommand(a),
		newExamineCommand(a),
		newDrillReceiverCommand(a),
	)
	return cmd
}

// nginxConf is the configuration of the nginx in this container.
func (a *app) nginxConf() *proxy.Conf {
	return &proxy.Conf{
		Dir: &proxy.Dir{Path: proxy.StateDir}, Env: a.env, Template: stack.NginxTemplate,
		Path: confPath, Log: proxy.AccessLog, Resolver: proxy.Resolver("/etc/resolv.conf"),
		Nginx: &proxy.Master{Program: "nginx", PIDFile: pidPath},
	}
}

// agentRun is the container's first process.
func (a *app) agentRun(ctx context.Context) error {
	conf := a.nginxConf()
	active, err := conf.Start()
	if err != nil {
		return err
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return fmt.Errorf("this image has no nginx: %w", err)
	}
	fmt.Fprintf(a.err, "bgctl: %s is active, nginx starts\n", active)
	runtime.GOMAXPROCS(1) // the processors are nginx's
	first := &proxy.Supervisor{
		Argv:    []string{nginx, "-e", "stderr", "-c", confPath, "-g", "daemon off;"},
		Environ: a.environ,
		Rotate: func(ctx context.Context, pid int) {
			go func() {
				late := proxy.LateNetwork{
					Hosts: conf.Hosts(), Lookup: lookup, Routes: proxy.Routes, Reload: proxy.SignalReload(pid),
				}
				if err := late.Run(ctx); err != nil {
					fmt.Fprintln(a.err, "bgctl:", err)
				}
			}()
			r := &proxy.Rotator{Path: conf.Log, Limits: conf.Limits, Reopen: proxy.SignalReopen(pid)}
			r.Run(ctx, func(err error) { fmt.Fprintln(a.err, "bgctl:", err) })
		},
	}
	// A signal is nginx's to obey, and ends this process by way of it.
	code, err := first.Run(context.WithoutCancel(ctx))
	if err != nil {
		a.report(err)
	}
	if code != exitOK {
		return codeError(code)
	}
	return nil
}

// lookup asks the name server of the container for a host's addresses. The dot ends the
// name: it belongs to no search domain.
func lookup(ctx context.Context, host string) error {
	_, err := (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip4", strings.TrimSuffix(host, ".")+".")
	return err
}

// agentCheck tests the settings before the proxy is started for the first time.
func (a *app) agentCheck(ctx context.Context) error {
	err := a.nginxConf().CheckEnv(ctx)
	if _, bad := errors.AsType[*bluegreen.SettingError](err); bad {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "nginx accepts the settings")
	return nil
}
