package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/sanitize"
	"bgctl/stack"
)

// app is the process: its streams, its environment and the global flags. What is
// written to out and err is made safe for a terminal by [sanitize.Writer]; data that
// no person reads goes to [sanitize.Unwrap] of them.
type app struct {
	in      io.Reader
	out     io.Writer
	err     io.Writer
	env     func(string) string
	environ []string
	dir     string
	flags   globalFlags
}

// globalFlags are the flags of every command.
type globalFlags struct {
	files    []string
	project  string
	envFiles []string
	host     string
	context  string
	debug    bool
	noInput  bool
	color    string
}

// main runs the command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	a.out, a.err = sanitize.NewWriter(a.out), sanitize.NewWriter(a.err)
	root := newRootCommand(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	// A call that was cut off by a signal fails with whatever error it met.
	if ctx.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(context.Canceled, err)
	}
	a.report(err)
	return exitCode(err)
}

// connect reaches the engine.
func (a *app) connect(ctx context.Context) (*compose.Client, error) {
	return compose.Connect(ctx, a.connectOptions())
}

// connectOptions say where the engine is.
func (a *app) connectOptions() compose.ConnectOptions {
	return compose.ConnectOptions{Host: a.flags.host, Context: a.flags.context, Env: a.env, ConfigDir: a.configDir()}
}

// configDir is the Docker client's configuration directory.
func (a *app) configDir() string {
	if dir := a.env("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	return a.env("HOME") + "/.docker"
}

// load reads the compose project: -f, a file in this directory, or the embedded
// stack with its overrides.
func (a *app) load(ctx context.Context, overrides ...[]byte) (*compose.Project, error) {
	fsys, err := stack.ProxyContext()
	if err != nil {
		return nil, err
	}
	opts := a.loadOptions()
	opts.Embedded = &compose.Embedded{
		Name: "compose.yaml", Content: stack.Compose, Overrides: overrides, Contexts: map[string]fs.FS{"proxy": fsys},
	}
	return compose.Load(ctx, opts)
}

// loadOptions say where the project comes from, but for the embedded one.
func (a *app) loadOptions() compose.LoadOptions {
	return compose.LoadOptions{
		WorkingDir: a.dir, Files: a.flags.files, ProjectName: a.flags.project,
		EnvFiles: a.flags.envFiles, Environ: a.environ,
	}
}

// target is what most commands work on: an engine, a project, its deployment.
type target struct {
	client  *compose.Client
	project *compose.Project
	stack   *deployment.Stack
}

// open loads the project and reaches the engine.
func (a *app) open(ctx context.Context, overrides ...[]byte) (*target, error) {
	var project *compose.Project
	var client *compose.Client
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		project, err = a.load(both, overrides...)
		return err
	})
	var unreachable error
	group.Go(func() error {
		client, unreachable = a.connect(ctx)
		return nil // what is wrong with the file is said first
	})
	if err := group.Wait(); err != nil {
		if client != nil {
			_ = client.Close() // nothing is in flight
		}
		return nil, err
	}
	if unreachable != nil {
		return nil, unreachable
	}
	return a.target(client, project), nil
}

// reach reaches the engine for a project.
func (a *app) reach(ctx context.Context, project *compose.Project) (*target, error) {
	client, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	return a.target(client, project), nil
}

// target is a project on an engine.
func (a *app) target(client *compose.Client, project *compose.Project) *target {
	return &target{
		client: client, project: project,
		stack: &deployment.Stack{Client: client, Project: project.Name, Now: time.Now},
	}
}

// close ends the connections.
func (t *target) close() {
	t.stack.Close()
	if t.client != nil {
		_ = t.client.Close() // nothing is in flight any more
	}
}

// holder names this process in locks and journals.
func (a *app) holder() bluegreen.Holder {
	h := bluegreen.Holder{PID: os.Getpid(), User: "unknown", Host: "unknown"}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		h.Host = host
	}
	return h
}

// report prints an error as one line.
func (a *app) report(err error) {
	if _, said := errors.AsType[codeError](err); said {
		return
	}
	if a.flags.debug {
		// Each line says whose it is: a foreign text must not make one of its own.
		for line := range strings.Lines(fmt.Sprintf("%+v", err)) {
			fmt.Fprintln(a.err, "bgctl:", clean(strings.TrimRight(line, "\r\n")))
		}
		return
	}
	fmt.Fprintln(a.err, "bgctl:", oneLine(err))
}

// newRootCommand returns bgctl.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "bgctl",
		Short:         "Blue-green deployment on plain Docker, from one terminal",
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		// With TraverseChildren cobra takes an unknown command for an argument of
		// the root, and prints the help with code 0.
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; see bgctl --help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; see %s --help", err, cmd.CommandPath())
	})
	root.SetVersionTemplate("bgctl {{.Version}}\n")
	f := root.PersistentFlags()
	f.StringVarP(&a.flags.project, "project-name", "p", "", "project `name` (default: as docker compose)")
	f.StringArrayVar(&a.flags.envFiles, "env-file", nil, "`file`s with variables (default: .env here)")
	f.StringVarP(&a.flags.host, "host", "H", "", "Docker engine to use (default: DOCKER_HOST, or the docker context)")
	f.StringVar(&a.flags.context, "context", "", "docker context to use")
	f.BoolVar(&a.flags.debug, "debug", false, "print the whole chain of an error")
	f.BoolVar(&a.flags.noInput, "no-input", false, "never ask: a question is an error")
	f.StringVar(&a.flags.color, "color", "auto", "colours: auto, always, never")
	addCommands(root, a)
	// --file is spelled -f, as in docker compose, but for the commands that follow
	// something: there -f is --follow, and --file's short form goes in front.
	root.TraverseChildren = true
	for _, cmd := range append(root.Commands(), root) {
		onlyItsOwn(cmd)
		short := "f"
		if cmd.Flags().ShorthandLookup("f") != nil {
			short = ""
		}
		cmd.Flags().StringArrayVarP(&a.flags.files, "file", short, nil, "compose `file`s (default: compose.yaml here, else the embedded stack)")
	}
	return root
}

// onlyItsOwn makes a word that is none of a command's own commands an error; cobra prints
// the help and ends well.
func onlyItsOwn(cmd *cobra.Command) {
	if !cmd.HasSubCommands() || cmd.Runnable() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown command %q; see %s --help", args[0], cmd.CommandPath())
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}
