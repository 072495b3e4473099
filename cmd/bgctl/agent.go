package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"bgctl/internal/logstream"
	"bgctl/internal/proxy"
	"bgctl/stack"
)

// confPath is where the rendered configuration goes: the container's root is read-only.
const confPath = "/tmp/nginx.conf"

// newAgentCommand returns the commands that run inside the proxy's container.
func newAgentCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "agent", Hidden: true,
		Short: "Work inside the proxy's container",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "run [nginx]", Short: "Prepare the state and become nginx", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, _ []string) error { return a.agentRun(cmd.Context()) },
		},
		&cobra.Command{
			Use: "session", Short: "Answer requests on the standard streams", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				agent := &proxy.Agent{Dir: &proxy.Dir{Path: proxy.StateDir}, HTTP: proxy.NewPrivate(), Version: version()}
				return agent.Serve(cmd.Context(), a.in, a.out)
			},
		},
		&cobra.Command{
			Use: "tail [FILE]", Short: "Serve the access log on the standard streams", Args: cobra.MaximumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				path := append(args, proxy.AccessLog)[0]
				return logstream.ServeFile(cmd.Context(), logstream.FileConfig{Path: path}, a.in, a.out)
			},
		},
		&cobra.Command{
			Use: "rotate SIZE KEEP", Short: "Keep the access log within bounds", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error { return a.agentRotate(cmd.Context(), args) },
		},
		newPastCommand(a),
		newExamineCommand(a),
		newDrillReceiverCommand(a),
	)
	return cmd
}

// agentRun prepares the state directory, the log and the configuration, leaves
// the rotator behind and becomes nginx, so that nginx is the container's process.
func (a *app) agentRun(ctx context.Context) error {
	s, seed, err := proxy.LoadSettings(a.env, proxy.Resolver("/etc/resolv.conf"))
	if err != nil {
		return err
	}
	dir := &proxy.Dir{Path: proxy.StateDir}
	if s.Start, err = dir.Init(seed); err != nil {
		return err
	}
	if err := proxy.RegularLog(proxy.AccessLog); err != nil {
		return err
	}
	if err := renderConf(&s); err != nil {
		return err
	}
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		return fmt.Errorf("this image has no nginx: %w", err)
	}
	if err := a.startRotator(ctx, &s); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "bgctl: %s is active, nginx starts\n", s.Start)
	argv := []string{nginx, "-e", "stderr", "-c", confPath, "-g", "daemon off;"}
	if err := syscall.Exec(nginx, argv, a.environ); err != nil { //nolint:gosec // nginx found in this image's own path
		return fmt.Errorf("start nginx: %w", err)
	}
	return nil
}

// renderConf writes the configuration.
func renderConf(s *proxy.Settings) error {
	f, err := os.OpenFile(confPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the nginx configuration: %w", err)
	}
	return errors.Join(proxy.Render(f, stack.NginxTemplate, s), f.Close())
}

// startRotator starts the rotator as a child that outlives the exec of nginx.
func (a *app) startRotator(ctx context.Context, s *proxy.Settings) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own executable: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "agent", "rotate", //nolint:gosec // this very program
		strconv.FormatInt(s.LogMaxSize, 10), strconv.Itoa(s.LogKeep))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the log rotation: %w", err)
	}
	return nil
}

// agentRotate keeps the log of the nginx that is the container's first process.
func (a *app) agentRotate(ctx context.Context, args []string) error {
	size, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return usagef("size %q: %w", args[0], err)
	}
	keep, err := strconv.Atoi(args[1])
	if err != nil {
		return usagef("keep %q: %w", args[1], err)
	}
	r := &proxy.Rotator{Path: proxy.AccessLog, MaxSize: size, Keep: keep, Reopen: proxy.SignalMaster(1)}
	r.Run(ctx, func(err error) { fmt.Fprintln(a.err, "bgctl:", err) })
	return nil
}
