package compose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// asideSuffix ends the name of a container that was replaced and can still be put back.
const asideSuffix = ".before"

// IsAside reports whether a container's name says that the container was set aside by
// [Client.ReplaceService].
func IsAside(name string) bool { return strings.HasSuffix(name, asideSuffix) }

// ReplaceService makes every container of a service new, with overrides, and starts them.
// The old ones are stopped and set aside under another name, with all that they are: until
// [Client.DropAside] removes them, [Client.PutBack] brings them back. Once the first one
// is stopped, the rest is carried out although ctx ends.
func (c *Client) ReplaceService(ctx context.Context, p *Project, service string, opts ServiceOptions, progress Progress) error {
	changed, err := p.WithOverrides(service, opts)
	if err != nil {
		return err
	}
	seen, err := c.Observe(ctx, changed)
	if err != nil {
		return err
	}
	plan := &Plan{project: changed.only(service), observed: seen, options: UpOptions{StopTimeout: opts.Timeout}}
	run := &execution{client: c, plan: plan, report: reporter{progress}}
	config := changed.Services[service]
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	for number := 1; number <= config.GetScale(); number++ {
		op := Operation{
			Action: ActionRecreate, Kind: KindContainer, Name: containerName(changed, config, number),
			service: service, number: number, Cause: "release",
		}
		tell := run.report.step(op)
		tell(StepWorking, op.Cause)
		if err := run.replace(ctx, op); err != nil {
			tell(StepError, err.Error())
			return err
		}
		tell(StepDone, "")
	}
	return nil
}

// replace makes one container new and sets the old one aside.
func (e *execution) replace(ctx context.Context, op Operation) error {
	old := e.named(op.Name)
	making, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	if old == nil {
		if _, err := e.create(making, op, op.Name, nil); err != nil {
			return err
		}
		return e.run(ctx, op.Name, op.Name)
	}
	temporary := temporaryName(old.ID, op.Name)
	if _, err := e.create(making, op, temporary, old); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := e.stop(ctx, old.ID, op.service); err != nil {
		return err
	}
	swap, cancelSwap := context.WithTimeout(ctx, quickLimit)
	defer cancelSwap()
	if err := e.client.api.ContainerRename(swap, old.ID, op.Name+asideSuffix); err != nil {
		return e.client.wrap("set the old container of "+op.Name+" aside", err)
	}
	if err := e.client.api.ContainerRename(swap, temporary, op.Name); err != nil {
		return e.client.wrap("rename the new container to "+op.Name, err)
	}
	return e.run(ctx, op.Name, op.Name)
}

// named finds an observed container by its name.
func (e *execution) named(name string) *ObservedContainer {
	for i := range e.plan.observed.Containers {
		if e.plan.observed.Containers[i].Name == name {
			return &e.plan.observed.Containers[i]
		}
	}
	return nil
}

// PutBack undoes [Client.ReplaceService], whatever of it was done: the containers that
// were set aside take their names again and are started, and those that took their place
// are removed. It reports false when nothing was set aside; then the containers that are
// there are started, because a replacement that was cut off may have stopped them.
func (c *Client) PutBack(ctx context.Context, p *Project, service string) (put bool, err error) {
	seen := &Observed{}
	if err := c.observeContainers(ctx, p, seen); err != nil {
		return false, err
	}
	run := &execution{client: c, plan: &Plan{project: p, observed: seen}}
	var errs []error
	for i := range seen.Containers {
		actual := &seen.Containers[i]
		name, aside := strings.CutSuffix(actual.Name, asideSuffix)
		if actual.Service != service || !aside {
			continue
		}
		put = true
		errs = append(errs, run.putBack(ctx, actual, name))
	}
	if !put {
		errs = append(errs, run.startAll(ctx, service))
	}
	return put, errors.Join(errs...)
}

// putBack gives one container its name back and starts it.
func (e *execution) putBack(ctx context.Context, old *ObservedContainer, name string) error {
	ctx, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	for _, other := range e.plan.observed.Containers {
		if other.Name != name && other.Name != temporaryName(old.ID, name) {
			continue
		}
		err := e.client.api.ContainerRemove(ctx, other.ID, container.RemoveOptions{Force: true})
		if err != nil && !errdefs.IsNotFound(err) {
			return e.client.wrap("remove container "+other.Name, err)
		}
	}
	if err := e.client.api.ContainerRename(ctx, old.ID, name); err != nil {
		return e.client.wrap("rename container to "+name, err)
	}
	return e.run(ctx, old.ID, name)
}

// startAll removes what a replacement that was cut off had only created, and starts what
// it had only stopped.
func (e *execution) startAll(ctx context.Context, service string) error {
	ctx, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	var errs []error
	for _, actual := range e.plan.observed.Containers {
		switch {
		case actual.Service != service || actual.OneOff:
		case isTemporary(actual.Name, containerName(e.plan.project, e.plan.project.Services[service], actual.Number)):
			err := e.client.api.ContainerRemove(ctx, actual.ID, container.RemoveOptions{Force: true})
			errs = append(errs, e.client.wrap("remove container "+actual.Name, err))
		case actual.State == container.StateExited, actual.State == container.StateCreated:
			errs = append(errs, e.run(ctx, actual.ID, actual.Name))
		}
	}
	return errors.Join(errs...)
}

// DropAside removes the containers of a service that were set aside.
func (c *Client) DropAside(ctx context.Context, p *Project, service string) error {
	seen := &Observed{}
	if err := c.observeContainers(ctx, p, seen); err != nil {
		return err
	}
	ctx, cancel := uncancelled(ctx, quickLimit)
	defer cancel()
	var errs []error
	for _, actual := range seen.Containers {
		if actual.Service != service || !IsAside(actual.Name) {
			continue
		}
		err := c.api.ContainerRemove(ctx, actual.ID, container.RemoveOptions{Force: true})
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, c.wrap("remove container "+actual.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Check runs a container's own health check once. It returns nil when the check passes, or
// when the container has none.
func (c *Client) Check(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	info, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return c.wrap("inspect container "+shortID(id), err)
	}
	command := checkCommand(info.Config)
	if len(command) == 0 {
		return nil
	}
	result, err := c.Exec(ctx, id, ExecOptions{Cmd: command})
	switch {
	case err != nil:
		return err
	case result.ExitCode != 0:
		return fmt.Errorf("the health check of %s ended with code %d", strings.TrimPrefix(info.Name, "/"), result.ExitCode)
	}
	return nil
}
