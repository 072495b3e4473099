package compose

import (
	"context"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// The daemon does not cancel a stop or a kill when the caller goes away: the
// deadlines here end the waiting, not the act.

// Kill sends a signal ("KILL", "TERM", …). With any signal the engine marks
// the container as stopped by hand: its restart policy is off until the next
// start. Never use it to tell a process something; run a command by [Client.Exec].
func (c *Client) Kill(ctx context.Context, id, signal string) error {
	return c.act(ctx, "kill", id, actTimeout, func(ctx context.Context) error {
		return c.api.ContainerKill(ctx, id, signal)
	})
}

// Stop asks with the image's stop signal and kills after grace. Like [Client.Kill] it
// turns the restart policy off until the next start.
func (c *Client) Stop(ctx context.Context, id string, grace time.Duration) error {
	return c.act(ctx, "stop", id, grace+actTimeout, func(ctx context.Context) error {
		return c.api.ContainerStop(ctx, id, container.StopOptions{Timeout: graceSeconds(grace)})
	})
}

// Restart stops with grace and starts again; the restart policy is on afterwards.
func (c *Client) Restart(ctx context.Context, id string, grace time.Duration) error {
	return c.act(ctx, "restart", id, grace+2*actTimeout, func(ctx context.Context) error {
		return insist(ctx, func() error {
			return c.api.ContainerRestart(ctx, id, container.StopOptions{Timeout: graceSeconds(grace)})
		})
	})
}

// Start starts a created or stopped container; a running one is left alone.
// A start that fails over a taken port leaves the container "created", and no
// restart policy tries again.
func (c *Client) Start(ctx context.Context, id string) error {
	return c.act(ctx, "start", id, 2*actTimeout, func(ctx context.Context) error {
		return insist(ctx, func() error { return c.api.ContainerStart(ctx, id, container.StartOptions{}) })
	})
}

// Pause freezes every process. The health check stops too: some engines keep
// the health as it was, others say unhealthy. Exec is refused.
func (c *Client) Pause(ctx context.Context, id string) error {
	return c.act(ctx, "pause", id, actTimeout, func(ctx context.Context) error {
		return c.api.ContainerPause(ctx, id)
	})
}

// Unpause undoes [Client.Pause].
func (c *Client) Unpause(ctx context.Context, id string) error {
	return c.act(ctx, "unpause", id, actTimeout, func(ctx context.Context) error {
		return c.api.ContainerUnpause(ctx, id)
	})
}

func (c *Client) act(ctx context.Context, verb, id string, limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := within(ctx, limit)
	defer cancel()
	return c.wrap(verb+" container "+shortID(id), do(ctx))
}

// How long a start is tried again, and how often.
const (
	insistLimit = 5 * time.Second
	insistPause = 200 * time.Millisecond
)

// insist starts a container again while the engine still holds what its last run left in
// containerd: a busy engine refuses a start right after an exit with "id already in use"
// (github.com/moby/moby/issues/40613; once in some hundred restarts on 20.10), and
// leaves the container stopped.
func insist(ctx context.Context, start func() error) error {
	limited, cancel := context.WithTimeout(ctx, insistLimit)
	defer cancel()
	pause := time.NewTicker(insistPause)
	defer pause.Stop()
	for {
		err := start()
		if err == nil || !strings.Contains(err.Error(), "id already in use") {
			return err
		}
		select {
		case <-pause.C:
		case <-limited.Done():
			return err
		}
	}
}

// graceSeconds rounds up: the API knows whole seconds, and 0 would kill at once.
func graceSeconds(grace time.Duration) *int {
	seconds := int((max(grace, 0) + time.Second - 1) / time.Second)
	return &seconds
}
