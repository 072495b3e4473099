package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

const (
	parallelSteps = 8
	quickLimit    = 30 * time.Second // creating a network or a volume, removing, renaming
	createLimit   = 2 * time.Minute  // the engine may have to fill a volume from the image
)

// errSkipped marks a step that turned out not to be needed or possible, which is no failure.
var errSkipped = errors.New("skipped")

// Execute carries a plan out: independent steps at once, the others in order.
// It stops at the first failure; a recreate that has begun to replace its
// container is finished first. progress may be nil.
func (c *Client) Execute(ctx context.Context, plan *Plan, progress Progress) error {
	_, err := c.execute(ctx, plan, progress)
	return err
}

// execute returns the steps that were done.
func (c *Client) execute(ctx context.Context, plan *Plan, progress Progress) ([]Operation, error) {
	run := &execution{
		client: c, plan: plan, report: reporter{progress},
		finished: map[string]chan struct{}{}, slots: make(chan struct{}, parallelSteps),
	}
	for _, op := range plan.Operations {
		run.finished[op.ID()] = make(chan struct{})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, op := range plan.Operations {
		group.Go(func() error { return run.step(ctx, op) })
	}
	err := group.Wait()
	return run.done, err
}

type execution struct {
	client   *Client
	plan     *Plan
	report   reporter
	finished map[string]chan struct{}
	slots    chan struct{}

	// starting serialises starts: the engine assigns ports out of a range
	// without looking at the one it assigns beside it.
	starting sync.Mutex
	mu       sync.Mutex
	done     []Operation
}

func (e *execution) step(ctx context.Context, op Operation) error {
	for _, id := range op.After {
		if finished, ok := e.finished[id]; ok {
			select {
			case <-finished:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	// A wait costs nothing but would hold back what it waits for.
	if op.Action != ActionWait {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	tell := e.report.step(op)
	tell(StepWorking, op.Cause)
	err := e.do(ctx, op, func(detail string) { tell(StepWorking, detail) })
	switch {
	case errors.Is(err, errSkipped):
		tell(StepSkipped, err.Error())
	case err != nil:
		tell(StepError, err.Error())
		return err
	default:
		tell(StepDone, "")
		e.mu.Lock()
		e.done = append(e.done, op)
		e.mu.Unlock()
	}
	close(e.finished[op.ID()])
	return nil
}

func (e *execution) do(ctx context.Context, op Operation, report func(string)) error {
	switch op.Kind {
	case KindNetwork:
		return e.network(ctx, op)
	case KindVolume:
		return e.volume(ctx, op)
	case KindImage:
		return e.image(ctx, op, report)
	case KindContainer:
		return e.container(ctx, op)
	default:
		return fmt.Errorf("no step is known for a %s", op.Kind)
	}
}

func (e *execution) network(ctx context.Context, op Operation) error {
	ctx, cancel := uncancelled(ctx, quickLimit)
	defer cancel()
	if op.Action == ActionRemove {
		if op.leftover {
			return e.client.removeStaging(ctx, op.containerID)
		}
		err := e.client.api.NetworkRemove(ctx, op.containerID)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if errdefs.IsConflict(err) || errdefs.IsPermissionDenied(err) {
			// "has active endpoints" is a 403 up to today's engines.
			return fmt.Errorf("%w: in use by a container outside the project", errSkipped)
		}
		return e.client.wrap("remove network "+op.Name, err)
	}
	config := e.plan.project.Networks[op.key]
	hash, err := networkHash(config)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	maps.Copy(labels, config.Labels)
	maps.Copy(labels, e.plan.project.ownLabels())
	maps.Copy(labels, map[string]string{
		projectLabel: e.plan.project.Name, networkLabel: op.key, versionLabel: composeVersion, hashLabel: hash,
	})
	options := network.CreateOptions{
		Driver: config.Driver, Options: config.DriverOpts, Internal: config.Internal,
		Attachable: config.Attachable, EnableIPv6: config.EnableIPv6, Labels: labels,
	}
	if config.Ipam.Driver != "" || len(config.Ipam.Config) > 0 {
		options.IPAM = &network.IPAM{Driver: config.Ipam.Driver, Options: config.Ipam.Options}
		for _, pool := range config.Ipam.Config {
			options.IPAM.Config = append(options.IPAM.Config, network.IPAMConfig{
				Subnet: pool.Subnet, IPRange: pool.IPRange, Gateway: pool.Gateway, AuxAddress: pool.AuxiliaryAddresses,
			})
		}
	}
	_, err = e.client.api.NetworkCreate(ctx, op.Name, options)
	return e.client.wrap("create network "+op.Name, err)
}

func (e *execution) volume(ctx context.Context, op Operation) error {
	ctx, cancel := uncancelled(ctx, quickLimit)
	defer cancel()
	if op.Action == ActionRemove {
		err := e.client.api.VolumeRemove(ctx, op.Name, false)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if errdefs.IsConflict(err) {
			return fmt.Errorf("%w: in use by a container outside the project", errSkipped)
		}
		return e.client.wrap("remove volume "+op.Name, err)
	}
	config := e.plan.project.Volumes[op.key]
	hash, err := volumeHash(config)
	if err != nil {
		return err
	}
	labels := map[string]string{}
	maps.Copy(labels, config.Labels)
	maps.Copy(labels, e.plan.project.ownLabels())
	maps.Copy(labels, map[string]string{
		projectLabel: e.plan.project.Name, volumeLabel: op.key, versionLabel: composeVersion, hashLabel: hash,
	})
	_, err = e.client.api.VolumeCreate(ctx, volume.CreateOptions{
		Name: op.Name, Driver: config.Driver, DriverOpts: config.DriverOpts, Labels: labels,
	})
	return e.client.wrap("create volume "+op.Name, err)
}

// uncancelled is for short requests that change something. The engine carries
// them out even if the caller has gone: a network whose creation was given up
// appears a moment later, and the next one of that name makes it ambiguous.
func uncancelled(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
