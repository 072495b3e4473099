package compose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
)

// conditionRunning waits for a healthy container, or a running one without a check.
const conditionRunning = "running_or_healthy"

// PlanUp decides what makes the engine match the project. It asks nobody: the
// same project and snapshot give the same plan.
func PlanUp(p *Project, seen *Observed, opts UpOptions) (*Plan, error) {
	planner := &upPlanner{p: p, seen: seen, opts: opts, plan: &Plan{
		project: p, observed: seen, options: opts, LiveDrift: map[string]map[string]Drift{},
	}}
	steps := []func() error{planner.checkEngine, planner.networks, planner.volumes, planner.images, planner.services}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	planner.orphans()
	if opts.WaitHealthy {
		planner.waitForAll()
	}
	return planner.plan, nil
}

type upPlanner struct {
	p    *Project
	seen *Observed
	opts UpOptions
	plan *Plan
}

func (u *upPlanner) checkEngine() error {
	var found []string
	for _, name := range u.p.ServiceNames() {
		check := u.p.Services[name].HealthCheck
		if check != nil && check.StartInterval != nil && versions.LessThan(u.seen.APIVersion, "1.44") {
			found = append(found, "services."+name+".healthcheck.start_interval: needs Docker Engine 25")
		}
	}
	if len(found) > 0 {
		return &UnsupportedError{Attributes: found}
	}
	return nil
}

func (u *upPlanner) networks() error {
	for _, key := range sortedKeys(u.p.Networks) {
		want := u.p.Networks[key]
		have, exists := u.seen.Networks[want.Name]
		switch {
		case exists && bool(want.External):
		case bool(want.External):
			return fmt.Errorf("network %s is external and does not exist: create it with docker network create", want.Name)
		case !exists:
			u.plan.add(Operation{Action: ActionCreate, Kind: KindNetwork, Name: want.Name, key: key, Cause: "missing"})
		case have.Labels[networkLabel] != key:
			return fmt.Errorf("network %s exists but is not network %q of this project: declare it external or rename it",
				want.Name, key)
		default:
			hash, err := networkHash(want)
			if err != nil {
				return err
			}
			if label := have.Labels[hashLabel]; label != "" && label != hash {
				return fmt.Errorf("network %s exists with another configuration: take the project down first", want.Name)
			}
		}
	}
	return nil
}

func (u *upPlanner) volumes() error {
	for _, key := range sortedKeys(u.p.Volumes) {
		want := u.p.Volumes[key]
		if _, exists := u.seen.Volumes[want.Name]; exists {
			// One that differs stays as it is: recreating it would lose its data.
			continue
		}
		if want.External {
			return fmt.Errorf("volume %s is external and does not exist: create it with docker volume create", want.Name)
		}
		u.plan.add(Operation{Action: ActionCreate, Kind: KindVolume, Name: want.Name, key: key, Cause: "missing"})
	}
	return nil
}

// images plans the builds first, because an image may be built by one service
// and only used by another.
func (u *upPlanner) images() error {
	for _, name := range u.p.ServiceNames() {
		service := u.p.Services[name]
		if service.Build == nil || service.GetScale() == 0 {
			continue
		}
		if cause := u.buildCause(service); cause != "" {
			u.plan.add(Operation{
				Action: ActionBuild, Kind: KindImage, Name: u.p.ImageRef(service), service: name, Cause: cause,
			})
		}
	}
	for _, name := range u.p.ServiceNames() {
		service := u.p.Services[name]
		if service.Build != nil || service.GetScale() == 0 || u.imageOp(service) != "" {
			continue
		}
		if cause := u.pullCause(service); cause != "" {
			u.plan.add(Operation{
				Action: u.pullAction(service.Image), Kind: KindImage, Name: service.Image, service: name, Cause: cause,
			})
		}
	}
	if err := u.rebuildOnNewBases(); err != nil {
		return err
	}
	return u.orderBuilds()
}

// orderBuilds lets a build wait for the step that provides its base image.
func (u *upPlanner) orderBuilds() error {
	for i := range u.plan.Operations {
		op := &u.plan.Operations[i]
		if op.Action != ActionBuild {
			continue
		}
		service := u.p.Services[op.service]
		if u.p.Context(service) == nil {
			continue
		}
		bases, err := baseImages(u.p, service)
		if err != nil {
			return err
		}
		for _, other := range u.plan.Operations {
			if other.Kind == KindImage && other.Name != op.Name && slices.Contains(bases, other.Name) {
				op.After = append(op.After, other.ID())
			}
		}
	}
	return nil
}

// imageOp is the ID of the step that provides the image of a service, "" when it is there.
func (u *upPlanner) imageOp(service types.ServiceConfig) string {
	ref := u.p.ImageRef(service)
	for _, op := range u.plan.Operations {
		if op.Kind == KindImage && op.Name == ref {
			return op.ID()
		}
	}
	return ""
}

func (u *upPlanner) services() error {
	for _, name := range dependencyOrder(u.p) {
		if err := u.service(u.p.Services[name]); err != nil {
			return err
		}
	}
	return nil
}

// dependencyOrder lists services so that each comes after those it depends on;
// compose-go has refused cycles.
func dependencyOrder(p *Project) []string {
	var order []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		service, ok := p.Services[name]
		if seen[name] || !ok {
			return
		}
		seen[name] = true
		for _, dep := range sortedKeys(service.DependsOn) {
			visit(dep)
		}
		order = append(order, name)
	}
	for _, name := range p.ServiceNames() {
		visit(name)
	}
	return order
}

func (u *upPlanner) service(service types.ServiceConfig) error {
	containers := u.settleLeftovers(service)
	scale := service.GetScale()
	taken := map[int]bool{}
	for i, actual := range containers {
		if i >= scale {
			u.plan.add(Operation{
				Action: ActionRemove, Kind: KindContainer, Name: actual.Name,
				service: service.Name, containerID: actual.ID, Cause: "more than scale " + strconv.Itoa(scale),
			})
			continue
		}
		taken[actual.Number] = true
		if err := u.container(service, actual); err != nil {
			return err
		}
	}
	number := 1
	for range scale - len(containers) {
		for taken[number] {
			number++
		}
		taken[number] = true
		u.create(service, number)
	}
	return nil
}

// settleLeftovers finds what an interrupted recreate left: the new container
// under its temporary name. With the old one still there it is removed; without,
// it takes the old one's place. It returns the containers that count, by number.
func (u *upPlanner) settleLeftovers(service types.ServiceConfig) []ObservedContainer {
	var proper, leftover []ObservedContainer
	for _, actual := range u.seen.Containers {
		switch {
		case actual.Service != service.Name || actual.OneOff:
		case isTemporary(actual.Name, containerName(u.p, service, actual.Number)):
			leftover = append(leftover, actual)
		default:
			proper = append(proper, actual)
		}
	}
	for _, actual := range leftover {
		replaced := slices.ContainsFunc(proper, func(c ObservedContainer) bool { return c.Number == actual.Number })
		if !replaced {
			proper = append(proper, actual)
			continue
		}
		u.plan.add(Operation{
			Action: ActionRemove, Kind: KindContainer, Name: actual.Name,
			service: service.Name, containerID: actual.ID, Cause: "left by an interrupted recreate",
		})
	}
	slices.SortStableFunc(proper, func(a, b ObservedContainer) int { return a.Number - b.Number })
	return proper
}

// containerName is the name docker compose gives to a container.
func containerName(p *Project, service types.ServiceConfig, number int) string {
	if service.ContainerName != "" {
		return service.ContainerName
	}
	return fmt.Sprintf("%s-%s-%d", p.Name, service.Name, number)
}

// temporaryName is the name a new container has until the old one is gone.
func temporaryName(oldID, name string) string { return oldID[:min(12, len(oldID))] + "_" + name }

func isTemporary(actual, name string) bool {
	prefix, ok := strings.CutSuffix(actual, "_"+name)
	return ok && len(prefix) == 12 && strings.Trim(prefix, "0123456789abcdef") == ""
}

func (u *upPlanner) create(service types.ServiceConfig, number int) {
	op := Operation{
		Action: ActionCreate, Kind: KindContainer, Name: containerName(u.p, service, number),
		service: service.Name, number: number, Cause: "missing", After: u.needs(service),
	}
	for _, other := range u.plan.Operations {
		// Removing what is in the way comes first: the name has to be free.
		if other.Action == ActionRemove && other.service == service.Name {
			op.After = append(op.After, other.ID())
		}
	}
	created := u.plan.add(op)
	u.start(service, op, []string{created}, "created")
}

// needs lists the steps a container of the service cannot be created before.
func (u *upPlanner) needs(service types.ServiceConfig) []string {
	var ids []string
	for _, op := range u.plan.Operations {
		var wanted bool
		switch op.Kind {
		case KindNetwork:
			_, wanted = service.Networks[op.key]
		case KindVolume:
			wanted = slices.ContainsFunc(service.Volumes, func(v types.ServiceVolumeConfig) bool {
				return v.Type == types.VolumeTypeVolume && v.Source == op.key
			})
		case KindImage:
			wanted = op.Name == u.p.ImageRef(service)
		case KindContainer:
		}
		if wanted {
			ids = append(ids, op.ID())
		}
	}
	return ids
}

// start adds the start of a container after everything its service depends on.
func (u *upPlanner) start(service types.ServiceConfig, of Operation, after []string, cause string) {
	waits := u.dependencies(service)
	u.plan.add(Operation{
		Action: ActionStart, Kind: KindContainer, Name: of.Name, service: service.Name,
		number: of.number, containerID: of.containerID, Cause: cause, After: append(after, waits...),
	})
}

// stateOf tells what a kept container needs in order to run.
func (u *upPlanner) stateOf(service types.ServiceConfig, actual ObservedContainer) string {
	switch actual.State {
	case container.StateRunning, container.StateRestarting:
		return ""
	case container.StatePaused:
		return "paused"
	case container.StateExited:
		if actual.ExitedWell && u.isAwaitedToComplete(service.Name) {
			// It has done its work; docker compose would run it again on every up.
			return ""
		}
		return "stopped"
	default:
		return "not started"
	}
}

func (u *upPlanner) isAwaitedToComplete(name string) bool {
	for _, service := range u.p.Services {
		if service.DependsOn[name].Condition == types.ServiceConditionCompletedSuccessfully {
			return true
		}
	}
	return false
}
