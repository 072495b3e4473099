package compose

import (
	"context"
	"errors"
	"fmt"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/image"
)

func (e *execution) image(ctx context.Context, op Operation, report func(string)) error {
	switch op.Action {
	case ActionBuild:
		return e.build(ctx, op, report)
	case ActionPull, ActionMake:
		return e.provide(ctx, e.plan.project.Services[op.service], op.Name, report)
	case ActionCreate, ActionRecreate, ActionRename, ActionStart, ActionStop, ActionRemove, ActionWait, ActionKeep:
	}
	return fmt.Errorf("step %q makes no sense for an image", op.ID())
}

// build provides the base images first: the engine's own error for a missing
// one names neither the service nor a remedy.
func (e *execution) build(ctx context.Context, op Operation, report func(string)) error {
	project := e.plan.project
	service := project.Services[op.service]
	bases, err := baseImages(project, service)
	if err != nil {
		return err
	}
	local, err := e.client.localImages(ctx, bases)
	if err != nil {
		return err
	}
	for _, base := range bases {
		have, exists := local[base]
		if exists && e.outdated(base, have) == "" {
			continue
		}
		report("base image " + base)
		if err := e.provide(ctx, types.ServiceConfig{Name: op.service, Platform: service.Platform}, base, report); err != nil {
			return err
		}
	}
	return e.client.buildService(ctx, project, service, report)
}

func (e *execution) outdated(ref string, have ObservedImage) string {
	if checker, ok := e.plan.options.Images.(ImageChecker); ok {
		return checker.Outdated(ref, have)
	}
	return ""
}

// provide asks the caller's provider, then the registry.
func (e *execution) provide(ctx context.Context, service types.ServiceConfig, ref string, report func(string)) error {
	if provider := e.plan.options.Images; provider != nil {
		handled, err := provider.Ensure(ctx, ref, report)
		if handled || err != nil {
			if err != nil {
				return fmt.Errorf("provide image %s: %w", ref, err)
			}
			return nil
		}
	}
	if service.PullPolicy == types.PullPolicyNever {
		return &ImageError{Ref: ref, Reason: "pull_policy is never", Remedy: "load or build it on the engine"}
	}
	err := e.pull(ctx, service, ref, report)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrUnreachable) {
		return err
	}
	if _, exists := e.plan.observed.Images[ref]; exists {
		// pull_policy always, offline: what is there is better than nothing running.
		report("kept the local image: " + firstLine(err.Error()))
		return nil
	}
	return &ImageError{
		Ref: ref, Reason: firstLine(err.Error()),
		Remedy: "check the name and the registry, or load it with docker load",
	}
}

func (e *execution) pull(ctx context.Context, service types.ServiceConfig, ref string, report func(string)) error {
	options := image.PullOptions{Platform: service.Platform}
	if auth := e.plan.options.RegistryAuth; auth != nil {
		encoded, err := auth(ref)
		if err != nil {
			return fmt.Errorf("credentials for %s: %w", ref, err)
		}
		options.RegistryAuth = encoded
	}
	stream, err := e.client.api.ImagePull(ctx, ref, options)
	if err != nil {
		return e.client.lost(err)
	}
	defer stream.Close() //nolint:errcheck // read to its end or abandoned
	return e.client.lost(followMessages(stream, report))
}
