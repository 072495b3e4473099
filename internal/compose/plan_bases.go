package compose

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// rebuildOnNewBases adds the builds whose base image this very plan renews: what
// was observed of them is out of date by then.
func (u *upPlanner) rebuildOnNewBases() error {
	for _, name := range u.p.ServiceNames() {
		service := u.p.Services[name]
		if u.p.Context(service) == nil || service.GetScale() == 0 || u.imageOp(service) != "" {
			continue
		}
		bases, err := baseImages(u.p, service)
		if err != nil {
			return err
		}
		for _, op := range u.plan.Operations {
			if op.Kind == KindImage && slices.Contains(bases, op.Name) {
				u.plan.add(Operation{
					Action: ActionBuild, Kind: KindImage, Name: u.p.ImageRef(service), service: name,
					Cause: "its base image " + op.Name + " is renewed",
				})
				break
			}
		}
	}
	return nil
}

func (u *upPlanner) buildCause(service types.ServiceConfig) string {
	local, exists := u.seen.Images[u.p.ImageRef(service)]
	switch {
	case !exists:
		return "missing"
	case u.opts.Build:
		return "build is asked for"
	case service.PullPolicy == types.PullPolicyBuild:
		return "pull_policy is build"
	case contextChanged(local.Labels[contextHashLabel], u.seen.Contexts[service.Name]):
		return "its build context or base image changed"
	default:
		return ""
	}
}

// pullAction tells an image that the caller makes from one that a registry has.
func (u *upPlanner) pullAction(ref string) Action {
	if u.opts.Images != nil && u.opts.Images.Provides(ref) {
		return ActionMake
	}
	return ActionPull
}

func (u *upPlanner) pullCause(service types.ServiceConfig) string {
	local, exists := u.seen.Images[service.Image]
	if !exists {
		return "missing"
	}
	if service.PullPolicy == types.PullPolicyAlways {
		return "pull_policy is always"
	}
	if checker, ok := u.opts.Images.(ImageChecker); ok {
		return checker.Outdated(service.Image, local)
	}
	return ""
}
