package compose

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

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

func (o ServiceOptions) upOptions() UpOptions {
	return UpOptions{StopTimeout: o.Timeout, Images: o.Images, RegistryAuth: o.RegistryAuth, WaitTimeout: o.WaitTimeout}
}

// PlanService plans the convergence of one service alone, with overrides. Its
// dependencies and dependents are left as they are. The config hash covers the
// overrides: an [PlanUp] of files that say the same changes nothing afterwards.
func (c *Client) PlanService(ctx context.Context, p *Project, service string, opts ServiceOptions) (*Plan, error) {
	changed, err := p.withOverrides(service, opts)
	if err != nil {
		return nil, err
	}
	seen, err := c.Observe(ctx, changed)
	if err != nil {
		return nil, err
	}
	return PlanUp(changed.only(service), seen, opts.upOptions())
}

func (p *Project) withOverrides(name string, opts ServiceOptions) (*Project, error) {
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
