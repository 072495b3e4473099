package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// watcherFileMax bounds a file of the watcher: its history is shorter.
const watcherFileMax = 16 << 20

// ErrNotRunning marks a watcher that exists and cannot run a command.
var ErrNotRunning = errors.New("not running")

// Watcher is the watcher's container. Its state directory can be read in any
// state, a command needs a running one.
type Watcher struct {
	compose.Container
	client *compose.Client
}

// WatcherFile is [Watcher.File] of a container that an observation has found.
func (s *Stack) WatcherFile(ctx context.Context, id, name string) ([]byte, error) {
	w := Watcher{Container: compose.Container{ID: id}, client: s.Client}
	return w.File(ctx, name)
}

// Watcher finds the watcher; the running one where there are several.
func (s *Stack) Watcher(ctx context.Context) (*Watcher, error) {
	containers, err := s.Client.Containers(ctx, s.Project)
	if err != nil {
		return nil, err
	}
	var found *Watcher
	for i := range containers {
		if role(&containers[i]) == bluegreen.RoleWatcher && (found == nil || containers[i].State == "running") {
			found = &Watcher{Container: containers[i], client: s.Client}
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: project %q has no watcher; bring it up: bgctl up", ErrNoStack, s.Project)
	}
	return found, nil
}

// File returns a file of the state directory, nil when there is none.
func (w *Watcher) File(ctx context.Context, name string) ([]byte, error) {
	data, err := w.client.ReadFile(ctx, w.ID, path.Join(proxy.StateDir, name), watcherFileMax)
	if errors.Is(err, compose.ErrNotFound) {
		return nil, nil
	}
	return data, err
}

// Reachable says why a command could not be run in the watcher's container, nil when it
// could.
func (w *Watcher) Reachable() error {
	if w.State != "running" {
		return fmt.Errorf("the watcher is %s: %w; start it: bgctl up", w.State, ErrNotRunning)
	}
	return nil
}

// Run runs bgctl with args in the watcher's container, on its state directory, and
// returns what it printed.
func (w *Watcher) Run(ctx context.Context, args ...string) ([]byte, error) {
	if err := w.Reachable(); err != nil {
		return nil, err
	}
	out, err := w.client.Exec(ctx, w.ID, compose.ExecOptions{Cmd: w.command(args)})
	if err != nil {
		return nil, err
	}
	if out.ExitCode != 0 {
		return nil, fmt.Errorf("in the watcher's container: %s", bytes.TrimPrefix(bytes.TrimSpace(out.Stderr), []byte("bgctl: ")))
	}
	return out.Stdout, nil
}

// Follow is [Watcher.Run] for a command that goes on until its standard input
// ends, which closing the reader brings about.
func (w *Watcher) Follow(ctx context.Context, args ...string) (*CommandOutput, error) {
	if w.State != "running" {
		return nil, fmt.Errorf("the watcher is %s: %w", w.State, ErrNotRunning)
	}
	stream, err := w.client.ExecStream(ctx, w.ID, compose.ExecOptions{Cmd: w.command(args)})
	if err != nil {
		return nil, err
	}
	return &CommandOutput{logStream{stream}}, nil
}

// CommandOutput is what a command in a container prints while it runs.
type CommandOutput struct{ logStream }

// Stderr returns the end of what it wrote to its standard error so far. Foreign.
func (o *CommandOutput) Stderr() string { return string(o.stream.Stderr()) }

// command names the binary by its path: the image has nothing else, no PATH either.
func (w *Watcher) command(args []string) []string {
	return append([]string{"/bgctl"}, append(args, "--state", proxy.StateDir)...)
}
