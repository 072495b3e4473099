package compose

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

// StartService starts the stopped containers of one service, without its dependencies.
func (c *Client) StartService(ctx context.Context, p *Project, service string, progress Progress) error {
	return c.actOn(ctx, p, Operation{Action: ActionStart, service: service}, UpOptions{}, progress)
}

// ServiceOptions steer what is done to one service.
type ServiceOptions struct {
	// Timeout overrides stop_grace_period.
	Timeout *time.Duration
	// Image and Env override the file; a nil value removes a variable.
	Image string
	Env   map[string]*string
	// Images is asked before an image is pulled; may be nil.
	Images ImageProvider
	// RegistryAuth returns the encoded credentials for an image reference; may be nil.
	RegistryAuth func(ref string) (string, error)
	// WaitTimeout bounds the wait for health; 5 minutes when zero.
	WaitTimeout time.Duration
}

// StopService stops the running containers of one service; its dependents stay.
func (c *Client) StopService(ctx context.Context, p *Project, service string, opts ServiceOptions, progress Progress) error {
	return c.actOn(ctx, p, Operation{Action: ActionStop, service: service}, UpOptions{StopTimeout: opts.Timeout}, progress)
}

// RestartService stops and starts the containers of one service.
func (c *Client) RestartService(ctx context.Context, p *Project, service string, opts ServiceOptions, progress Progress) error {
	if err := c.StopService(ctx, p, service, opts, progress); err != nil {
		return err
	}
	return c.StartService(ctx, p, service, progress)
}

// actOn does what the operation says to every container of its service.
func (c *Client) actOn(ctx context.Context, p *Project, op Operation, opts UpOptions, ps Progress) error {
	seen := &Observed{}
	if err := c.observeContainers(ctx, p, seen); err != nil {
		return err
	}
	plan := &Plan{project: p, observed: seen, options: opts}
	found := false
	for _, actual := range seen.Containers {
		if actual.Service != op.service || actual.OneOff {
			continue
		}
		found = true
		if (actual.State == container.StateRunning) == (op.Action == ActionStart) {
			continue
		}
		plan.add(Operation{
			Action: op.Action, Kind: KindContainer, Name: actual.Name, Cause: "asked for",
			service: op.service, number: actual.Number, containerID: actual.ID,
		})
	}
	if !found {
		return fmt.Errorf("%s service %s: project %s has no container of it", op.Action, op.service, p.Name)
	}
	return c.Execute(ctx, plan, ps)
}

// PlanService plans the convergence of one service alone, with overrides. Its
// dependencies and dependents are left as they are. The config hash covers the
// overrides: an [PlanUp] of files that say the same changes nothing afterwards.
func (c *Client) PlanService(ctx context.Context, p *Project, service string, opts ServiceOptions) (*Plan, error) {
	changed, err := p.WithOverrides(service, opts)
	if err != nil {
		return nil, err
	}
	seen, err := c.Observe(ctx, changed)
	if err != nil {
		return nil, err
	}
	up := UpOptions{
		StopTimeout: opts.Timeout, Images: opts.Images, RegistryAuth: opts.RegistryAuth, WaitTimeout: opts.WaitTimeout,
	}
	return PlanUp(changed.only(service), seen, up)
}

// RecreateService carries [Client.PlanService] out and waits until the service
// runs, and is healthy if it has a check.
func (c *Client) RecreateService(ctx context.Context, p *Project, service string, opts ServiceOptions, progress Progress) error {
	plan, err := c.PlanService(ctx, p, service, opts)
	if err != nil {
		return err
	}
	if err := c.Execute(ctx, plan, progress); err != nil {
		return err
	}
	config := plan.project.Services[service]
	for number := range config.GetScale() {
		name := containerName(p, config, number+1)
		if err := c.waitFor(ctx, name, conditionRunning, opts.WaitTimeout); err != nil {
			return err
		}
	}
	return nil
}

// WithOverrides is the project with what opts gives one of its services.
func (p *Project) WithOverrides(name string, opts ServiceOptions) (*Project, error) {
	service, ok := p.Services[name]
	if !ok {
		return nil, fmt.Errorf("project %s has no service %q", p.Name, name)
	}
	if opts.Image != "" {
		// The image is given: it is not built any more.
		service.Image, service.Build = opts.Image, nil
	}
	if len(opts.Env) > 0 {
		env := maps.Clone(service.Environment)
		if env == nil {
			env = types.MappingWithEquals{}
		}
		for key, value := range opts.Env {
			if value == nil {
				delete(env, key)
				continue
			}
			env[key] = value
		}
		service.Environment = env
	}
	return p.WithService(service)
}

// only leaves one service; the others count as known, so they are no orphans.
func (p *Project) only(service string) *Project {
	inner := *p.Project
	inner.Services = types.Services{service: p.Services[service]}
	inner.DisabledServices = maps.Clone(p.DisabledServices)
	if inner.DisabledServices == nil {
		inner.DisabledServices = types.Services{}
	}
	for name, other := range p.Services {
		if name != service {
			inner.DisabledServices[name] = other
		}
	}
	out := *p
	out.Project = &inner
	return &out
}
