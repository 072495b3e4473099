package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

const (
	// portsLimit is how long a port may take to come free after its container has ended.
	portsLimit = 5 * time.Second
	// cutLimit is how long a container may take to end when its requests are cut.
	cutLimit = 2 * time.Second
)

// stagingNetwork is the name of the internal network on which a new container starts that
// shall not take its ports yet: an internal network publishes none.
func stagingNetwork(project string) string { return project + "_bgctl-staging" }

// onlyStaged tells whether a container is on the staging network of its project alone.
func onlyStaged(networks []string, labels map[string]string) bool {
	return len(networks) == 1 && networks[0] == stagingNetwork(labels[projectLabel])
}

// stage starts the new container on the staging network and waits until it is ready, when
// that makes the swap shorter. An engine that cannot do so leaves it created.
func (r *Replacement) stage(ctx context.Context) error {
	can, err := r.canStage(ctx)
	if err != nil || !can {
		return err
	}
	making, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	if err := r.moveAside(making); err != nil {
		// There may be no address left for a network. A swap takes longer then, that is
		// all: the container is made again, on its own networks.
		if err := r.Discard(making); err != nil {
			return err
		}
		return r.make(ctx)
	}
	if err := r.run.run(making, r.id, r.op.Name); err != nil {
		return err
	}
	if err := pause(ctx, steadyAfter); err != nil {
		return err
	}
	return r.run.client.waitFor(ctx, r.id, conditionSteady, r.run.plan.options.WaitTimeout)
}

// canStage tells whether the old container holds a port of the host, and the new one is on
// networks that it can be connected to later.
func (r *Replacement) canStage(ctx context.Context) (bool, error) {
	service := r.run.plan.project.Services[r.op.service]
	if r.old.State != container.StateRunning || len(service.Networks) == 0 || len(service.Ports) == 0 {
		return false, nil
	}
	info, err := r.run.client.api.ContainerInspect(ctx, r.old.ID)
	if err != nil {
		return false, r.run.client.wrap("inspect container "+r.op.Name, err)
	}
	return info.NetworkSettings != nil && publishes(info.NetworkSettings.Ports), nil
}

// publishes tells whether a container has a port of the host.
func publishes(ports nat.PortMap) bool {
	for _, bindings := range ports {
		if len(bindings) > 0 {
			return true
		}
	}
	return false
}

// moveAside takes the new container from its networks and puts it on the staging network.
func (r *Replacement) moveAside(ctx context.Context) error {
	client, project := r.run.client, r.run.plan.project
	labels := project.ownLabels()
	labels[projectLabel], labels[stagingLabel] = project.Name, r.op.service
	name := stagingNetwork(project.Name)
	made, err := client.api.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Internal: true, Labels: labels})
	if err != nil {
		return client.wrap("create network "+name, err)
	}
	r.staging = made.ID
	info, err := client.api.ContainerInspect(ctx, r.id)
	if err != nil {
		return client.wrap("inspect the new container of "+r.op.Name, err)
	}
	for _, on := range sortedKeys(info.NetworkSettings.Networks) {
		if err := client.api.NetworkDisconnect(ctx, on, r.id, true); err != nil {
			return client.wrap("disconnect the new container from network "+on, err)
		}
	}
	return client.wrap("connect the new container to network "+name, client.api.NetworkConnect(ctx, made.ID, r.id, nil))
}

// end stops the old container. Its requests under way have a while to come to their ends:
// the stop signal is the one that the image or the file names for an orderly end, and TERM
// is what ends a server that still waits for a client.
func (r *Replacement) end(ctx context.Context, patience time.Duration) error {
	if patience <= 0 || r.old.State != container.StateRunning {
		return r.run.stop(ctx, r.old.ID, r.op.service)
	}
	client := r.run.client
	info, err := client.api.ContainerInspect(ctx, r.old.ID)
	if err != nil {
		return client.wrap("inspect container "+r.op.Name, err)
	}
	limited, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	ended, failed := client.api.ContainerWait(limited, r.old.ID, container.WaitConditionNotRunning)
	signal := "TERM"
	if info.Config != nil && info.Config.StopSignal != "" {
		signal = info.Config.StopSignal
	}
	for _, step := range []struct {
		signal string
		limit  time.Duration
	}{{signal, patience}, {"TERM", cutLimit}} {
		if err := client.api.ContainerKill(limited, r.old.ID, step.signal); err != nil && !errdefs.IsConflict(err) {
			return client.wrap("stop container "+r.op.Name, err)
		}
		timer := time.NewTimer(step.limit)
		select {
		case <-ended:
			timer.Stop()
			return nil
		case err := <-failed:
			timer.Stop()
			return client.wrap("wait for the end of container "+r.op.Name, err)
		case <-timer.C:
		}
	}
	return client.Stop(ctx, r.old.ID, 0)
}

// attach connects the new container to its own networks, in the order in which it would be
// created on them, and tells whether the engine has published its ports with that. A fixed
// address is free: the old container has ended.
func (r *Replacement) attach(ctx context.Context) (published bool, err error) {
	client, plan := r.run.client, r.run.blueprint(r.op, &r.old)
	// An engine answers this when it has let go of all that the old container had.
	_, _ = client.api.ContainerInspect(ctx, r.old.ID)
	for i, key := range plan.service.NetworksByPriority() {
		name := plan.project.Networks[key].Name
		connect := func() error { return client.api.NetworkConnect(ctx, name, r.id, plan.endpoint(key)) }
		if err := whileTaken(ctx, connect); err != nil {
			return false, client.explainStart(ctx, err, r.op.Name)
		}
		if i > 0 {
			continue
		}
		info, err := client.api.ContainerInspect(ctx, r.id)
		if err != nil {
			return false, client.wrap("inspect the new container of "+r.op.Name, err)
		}
		published = info.NetworkSettings != nil && publishes(info.NetworkSettings.Ports)
	}
	return published, nil
}

// whileTaken does something again while a port or an address is still taken.
func whileTaken(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, portsLimit)
	defer cancel()
	for {
		err := do()
		if err == nil || !isTaken(err) || pause(ctx, askEvery) != nil {
			return err
		}
	}
}

func isTaken(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "already allocated") || strings.Contains(text, "already in use")
}

// unstage removes the staging network, with the new container's place on it.
func (r *Replacement) unstage(ctx context.Context) error {
	if r.staging == "" {
		return nil
	}
	err := r.run.client.removeStaging(ctx, r.staging)
	if err == nil {
		r.staging = ""
	}
	return err
}

// removeStaging removes a staging network and disconnects what is still on it.
func (c *Client) removeStaging(ctx context.Context, id string) error {
	info, err := c.api.NetworkInspect(ctx, id, network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return c.wrap("inspect network "+id, err)
	}
	var errs []error
	for _, on := range slices.Sorted(maps.Keys(info.Containers)) {
		if err := c.api.NetworkDisconnect(ctx, info.ID, on, true); err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, c.wrap(fmt.Sprintf("disconnect container %s from network %s", shortID(on), info.Name), err))
		}
	}
	err = c.api.NetworkRemove(ctx, info.ID)
	if errdefs.IsNotFound(err) {
		err = nil
	}
	return errors.Join(append(errs, c.wrap("remove network "+info.Name, err))...)
}
