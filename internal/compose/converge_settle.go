package compose

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// The engine carries the requests of a command that was killed out to their end. What
// this file does settles what such a request does in the middle of our own run.

const (
	stopGrace  = 10 * time.Second // the engine's default
	settleMost = 30 * time.Second
)

// createAs creates a container. A name that is taken by a container of the same service
// that was never started is what a killed command's request has just left: it is removed.
func (c *Client) createAs(ctx context.Context, made spec, name string) (string, error) {
	for {
		created, err := c.api.ContainerCreate(ctx, made.Config, made.Host, made.Network, made.platform, name)
		if !errdefs.IsConflict(err) {
			return created.ID, err
		}
		holder, lookErr := c.api.ContainerInspect(ctx, name)
		switch {
		case errdefs.IsNotFound(lookErr): // it is being removed
		case lookErr != nil:
			return "", lookErr
		case !neverRan(holder) || !sameService(holder.Config.Labels, made.Config.Labels):
			return "", err
		default:
			if err := c.removeAndWait(ctx, holder.ID, container.RemoveOptions{Force: true}); err != nil {
				return "", err
			}
		}
		if pause(ctx, pollInterval) != nil {
			return "", err
		}
	}
}

func neverRan(info container.InspectResponse) bool {
	return info.ContainerJSONBase != nil && info.State != nil && info.Config != nil && info.State.Status == container.StateCreated
}

func sameService(a, b map[string]string) bool {
	return a[projectLabel] == b[projectLabel] && a[serviceLabel] == b[serviceLabel] && a[numberLabel] == b[numberLabel]
}

// removeAndWait removes a container and returns when it is gone, whoever removes it: until
// then its name is taken.
func (c *Client) removeAndWait(ctx context.Context, id string, options container.RemoveOptions) error {
	for {
		err := c.api.ContainerRemove(ctx, id, options)
		if errdefs.IsNotFound(err) {
			return nil
		}
		// A conflict is a removal that is under way.
		if !errdefs.IsConflict(err) || pause(ctx, pollInterval) != nil {
			return err
		}
	}
}

// rename gives a container its name, as soon as the name is free. A container that has
// the name already is left alone.
func (c *Client) rename(ctx context.Context, id, name string) error {
	for {
		err := c.api.ContainerRename(ctx, id, name)
		if err == nil {
			return nil
		}
		info, lookErr := c.api.ContainerInspect(ctx, id)
		if lookErr == nil && strings.TrimPrefix(info.Name, "/") == name {
			return nil
		}
		_, lookErr = c.api.ContainerInspect(ctx, name)
		if !errdefs.IsConflict(err) || lookErr == nil || pause(ctx, pollInterval) != nil {
			return c.wrap("rename container "+shortID(id)+" to "+name, err)
		}
	}
}

// settleStop waits as long as a stop takes that a killed command may have asked for. It
// starts the container if it stops, and creates it if it was removed.
func (e *execution) settleStop(ctx context.Context, op Operation) error {
	limit := stopGrace
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for begin := time.Now(); time.Since(begin) < min(limit, settleMost)+time.Second; {
		info, err := e.client.api.ContainerInspect(ctx, op.containerID)
		switch {
		case errdefs.IsNotFound(err):
			making, cancel := uncancelled(ctx, createLimit)
			defer cancel()
			id, err := e.create(making, op, op.Name, nil)
			if err != nil {
				return err
			}
			return e.run(ctx, id, op.Name)
		case err != nil:
			return e.client.wrap("inspect container "+op.Name, err)
		case info.State != nil && !info.State.Running:
			return e.run(ctx, op.containerID, op.Name)
		}
		if info.Config != nil && info.Config.StopTimeout != nil {
			limit = time.Duration(*info.Config.StopTimeout) * time.Second
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("%w: it goes on running", errSkipped)
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
