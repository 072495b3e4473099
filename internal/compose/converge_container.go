package compose

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func (e *execution) container(ctx context.Context, op Operation) error {
	switch op.Action {
	case ActionWait:
		return e.wait(ctx, op)
	case ActionCreate:
		ctx, cancel := uncancelled(ctx, createLimit)
		defer cancel()
		_, err := e.create(ctx, op, op.Name, nil)
		return err
	case ActionRecreate:
		return e.recreate(ctx, op)
	case ActionRename:
		ctx, cancel := context.WithTimeout(ctx, quickLimit)
		defer cancel()
		return e.client.rename(ctx, op.containerID, op.Name)
	case ActionStart:
		return e.start(ctx, op)
	case ActionStop:
		return e.stop(ctx, op.containerID, op.service)
	case ActionRemove:
		return e.remove(ctx, op)
	case ActionBuild, ActionMake, ActionPull, ActionKeep:
	}
	return fmt.Errorf("no step %s is known for a container", op.Action)
}

func (e *execution) wait(ctx context.Context, op Operation) error {
	err := e.client.waitFor(ctx, op.Name, op.condition, e.plan.options.WaitTimeout)
	if err != nil && op.optional && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errSkipped, err)
	}
	return err
}

// create makes a container ready to start: created, connected, with its files in it.
// It returns the container's ID.
func (e *execution) create(ctx context.Context, op Operation, name string, old *ObservedContainer) (string, error) {
	plan := e.blueprint(op, old)
	img, err := e.client.api.ImageInspect(ctx, plan.project.ImageRef(plan.service))
	if err != nil {
		return "", e.client.wrap("inspect the image of "+op.Name, err)
	}
	plan.imageID = img.ID
	if img.Config != nil {
		plan.imageVols = img.Config.Volumes
	}
	made, err := plan.spec()
	if err != nil {
		return "", err
	}
	platform, err := parsePlatform(plan.service.Platform)
	if err != nil {
		return "", fmt.Errorf("services.%s.platform: %w", op.service, err)
	}
	made.platform = platform
	id, err := e.client.createAs(ctx, made, name)
	if err != nil {
		return "", e.client.wrap("create container "+op.Name, err)
	}
	if err := e.complete(ctx, plan, made, id); err != nil {
		// A half-made container would look like one that only needs a start.
		undo, cancel := uncancelled(ctx, quickLimit)
		defer cancel()
		_ = e.client.api.ContainerRemove(undo, id, container.RemoveOptions{Force: true})
		return "", err
	}
	return id, nil
}

func (e *execution) complete(ctx context.Context, plan blueprint, made spec, id string) error {
	for _, name := range sortedKeys(made.Later) {
		if err := e.client.api.NetworkConnect(ctx, name, id, made.Later[name]); err != nil {
			return e.client.wrap("connect "+plan.service.Name+" to network "+name, err)
		}
	}
	return e.client.injectFiles(ctx, plan.project, plan.service, id)
}

func (e *execution) blueprint(op Operation, old *ObservedContainer) blueprint {
	project := e.plan.project
	out := blueprint{
		project: project, service: project.Services[op.service], number: op.number,
		apiVersion: e.plan.observed.APIVersion, inherit: old,
	}
	if old != nil {
		out.replaces = strings.TrimPrefix(op.Name, project.Name+"-")
	}
	return out
}

// recreate replaces a container. From stopping the old one until starting the
// new one nothing serves, so that part is not given up when ctx ends.
func (e *execution) recreate(ctx context.Context, op Operation) error {
	old := e.observed(op.containerID)
	if old == nil {
		return fmt.Errorf("recreate %s: the plan does not know container %s", op.Name, op.containerID)
	}
	if op.imageMoved {
		if same, err := e.hasSameImage(ctx, op, old); err != nil || same {
			return err
		}
	}
	temporary := temporaryName(old.ID, op.Name)
	making, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	id, err := e.create(making, op, temporary, old)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if err := e.stop(ctx, old.ID, op.service); err != nil {
		return err
	}
	swap, cancelSwap := context.WithTimeout(ctx, quickLimit)
	defer cancelSwap()
	if err := e.client.removeAndWait(swap, old.ID, container.RemoveOptions{Force: true}); err != nil {
		return e.client.wrap("remove the old container of "+op.Name, err)
	}
	if err := e.client.rename(swap, id, op.Name); err != nil {
		return err
	}
	return e.run(ctx, id, op.Name)
}

// observed finds a container in the snapshot of the plan, nil when it is not there.
func (e *execution) observed(id string) *ObservedContainer {
	for i := range e.plan.observed.Containers {
		if e.plan.observed.Containers[i].ID == id {
			return &e.plan.observed.Containers[i]
		}
	}
	return nil
}

// hasSameImage tells whether the image step brought nothing new; the container
// then stays, and is started if it has to be.
func (e *execution) hasSameImage(ctx context.Context, op Operation, old *ObservedContainer) (bool, error) {
	img, err := e.client.api.ImageInspect(ctx, e.plan.project.ImageRef(e.plan.project.Services[op.service]))
	if err != nil {
		return false, e.client.wrap("inspect the image of "+op.Name, err)
	}
	if img.ID != old.Labels[imageLabel] || old.Name != op.Name {
		return false, nil
	}
	if old.State == container.StateRunning {
		return true, fmt.Errorf("%w: its image is the same", errSkipped)
	}
	return true, e.run(ctx, old.ID, op.Name)
}

func (e *execution) start(ctx context.Context, op Operation) error {
	id := op.containerID
	if id == "" {
		return e.run(ctx, op.Name, op.Name)
	}
	if seen := e.observed(id); seen != nil && seen.State == container.StatePaused {
		return e.client.wrap("unpause container "+op.Name, e.client.api.ContainerUnpause(ctx, id))
	}
	switch {
	case op.settle:
		return e.settleStop(ctx, op)
	case op.asItIs:
		return e.run(ctx, id, op.Name)
	}
	// A container that was created by an interrupted run may lack its files.
	if err := e.client.injectFiles(ctx, e.plan.project, e.plan.project.Services[op.service], id); err != nil {
		return err
	}
	return e.run(ctx, id, op.Name)
}

func (e *execution) run(ctx context.Context, id, name string) error {
	e.starting.Lock()
	defer e.starting.Unlock()
	ctx, cancel := uncancelled(ctx, createLimit)
	defer cancel()
	err := insist(ctx, func() error { return e.client.api.ContainerStart(ctx, id, container.StartOptions{}) })
	if err == nil {
		return nil
	}
	return e.client.explainStart(ctx, err, name)
}

var takenPort = regexp.MustCompile(
	`(?:Bind for|listen (?:tcp|udp)[46]?|exposing port (?:TCP|UDP)|host port(?: for)?) (?:[0-9.]+|\[[0-9a-f:]+\]):(\d+)`)

// explainStart recognises a taken port and looks for the container that has it.
func (c *Client) explainStart(ctx context.Context, err error, name string) error {
	text := err.Error()
	found := takenPort.FindStringSubmatch(text)
	taken := strings.Contains(text, "already allocated") || strings.Contains(text, "already in use")
	if found == nil || !taken {
		return c.wrap("start container "+name, err)
	}
	out := &PortError{Container: name, Port: found[1]}
	list, listErr := c.api.ContainerList(ctx, container.ListOptions{
		Filters: filters.NewArgs(filters.Arg("publish", found[1]), filters.Arg("publish", found[1]+"/udp")),
	})
	if listErr == nil && len(list) > 0 && len(list[0].Names) > 0 {
		out.Holder = strings.TrimPrefix(list[0].Names[0], "/")
	}
	return out
}

// stop gives the container its grace period: the option, else what it was created with.
func (e *execution) stop(ctx context.Context, id, service string) error {
	options := container.StopOptions{}
	grace := 10 * time.Second
	if p := e.plan.project.Services[service].StopGracePeriod; p != nil {
		grace = time.Duration(*p)
	}
	if limit := e.plan.options.StopTimeout; limit != nil {
		grace = *limit
		seconds := int(limit.Seconds())
		options.Timeout = &seconds
	}
	ctx, cancel := context.WithTimeout(ctx, grace+quickLimit)
	defer cancel()
	err := e.client.api.ContainerStop(ctx, id, options)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return e.client.wrap("stop a container of "+service, err)
}

func (e *execution) remove(ctx context.Context, op Operation) error {
	if err := e.stop(ctx, op.containerID, op.service); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, quickLimit)
	defer cancel()
	err := e.client.removeAndWait(ctx, op.containerID, container.RemoveOptions{
		Force: true, RemoveVolumes: op.condition == withVolumes,
	})
	return e.client.wrap("remove container "+op.Name, err)
}

func parsePlatform(text string) (*ocispec.Platform, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return nil, fmt.Errorf("%q is not os/arch or os/arch/variant", text)
	}
	out := &ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		out.Variant = parts[2]
	}
	return out, nil
}
