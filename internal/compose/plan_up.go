package compose

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
)

const (
	// conditionRunning waits for a healthy container, or a running one without a check, or
	// a job that has ended well.
	conditionRunning = "running_or_healthy"
	// conditionSteady waits for a container that runs, is healthy if it has a check, and was
	// not restarted by the engine.
	conditionSteady = "steady"
)

// PlanUp decides what makes the engine match the project. It asks nobody: the
// same project and snapshot give the same plan.
func PlanUp(p *Project, seen *Observed, opts UpOptions) (*Plan, error) {
	planner := &upPlanner{p: p, seen: seen, opts: opts, plan: &Plan{
		project: p, observed: seen, options: opts, LiveDrift: map[string]map[string]Drift{},
	}, interrupted: map[string]bool{}}
	steps := []func() error{planner.checkEngine, planner.networks, planner.volumes, planner.images, planner.services, planner.staging}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	planner.waitAtTheEnd()
	planner.imagesFirst()
	return planner.plan, nil
}

type upPlanner struct {
	p    *Project
	seen *Observed
	opts UpOptions
	plan *Plan
	// interrupted are the IDs of containers whose recreate did not come to its end.
	interrupted map[string]bool
}

// leaves tells whether the existing containers of a service are the caller's business.
func (u *upPlanner) leaves(service string) bool { return u.opts.Leave != nil && u.opts.Leave(service) }

// left reports a container that is left, with the first cause.
func (u *upPlanner) left(actual ObservedContainer, cause string) {
	if slices.ContainsFunc(u.plan.Left, func(l Left) bool { return l.ID == actual.ID }) {
		return
	}
	u.plan.Left = append(u.plan.Left, Left{Service: actual.Service, Container: actual.Name, ID: actual.ID, Cause: cause})
}

// imagesFirst lets everything that touches containers wait for all images: a pull or
// build that fails leaves the project as it was, not half updated.
func (u *upPlanner) imagesFirst() {
	var images []string
	for _, op := range u.plan.Operations {
		if op.Kind == KindImage {
			images = append(images, op.ID())
		}
	}
	for i := range u.plan.Operations {
		op := &u.plan.Operations[i]
		if op.Kind != KindContainer || op.Action == ActionWait {
			continue
		}
		for _, id := range images {
			if !slices.Contains(op.After, id) {
				op.After = append(op.After, id)
			}
		}
	}
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
		if have, exists := u.seen.Volumes[want.Name]; exists {
			if err := u.checkVolume(key, want, have); err != nil {
				return err
			}
			continue
		}
		if want.External {
			return fmt.Errorf("volume %s is external and does not exist: create it with docker volume create", want.Name)
		}
		u.plan.add(Operation{Action: ActionCreate, Kind: KindVolume, Name: want.Name, key: key, Cause: "missing"})
	}
	return nil
}

// checkVolume warns of a volume that is not what the file says. It stays as it is:
// recreating it would lose its data.
func (u *upPlanner) checkVolume(key string, want types.VolumeConfig, have ObservedVolume) error {
	if want.External {
		return nil
	}
	hash, err := volumeHash(want)
	if err != nil {
		return err
	}
	owner, label := have.Labels[projectLabel], have.Labels[hashLabel]
	warn := func(text string) {
		u.plan.Warnings = append(u.plan.Warnings, "volume "+want.Name+" "+text)
	}
	switch {
	case owner == "":
		warn("was not made for this project and is used as it is: declare it external, or give it another name")
	case owner != u.p.Name:
		warn("belongs to project " + owner + " and is used as it is: declare it external, or give it another name")
	case have.Labels[volumeLabel] != key:
		warn(fmt.Sprintf("is volume %q of this project, not %q, and is used as it is: give it another name",
			have.Labels[volumeLabel], key))
	case label != "" && label != hash:
		warn("exists with another configuration and stays as it is, with its data: " +
			"to renew it, save the data, take the project down and remove it with docker volume rm")
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
	// Orphans go first: they may have a port or a name that is wanted now.
	u.orphans()
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
		if cause := "more than scale " + strconv.Itoa(scale); i >= scale {
			if u.leaves(service.Name) {
				u.left(actual, cause)
				continue
			}
			u.plan.add(Operation{
				Action: ActionRemove, Kind: KindContainer, Name: actual.Name,
				service: service.Name, containerID: actual.ID, Cause: cause,
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

func (u *upPlanner) create(service types.ServiceConfig, number int) {
	op := Operation{
		Action: ActionCreate, Kind: KindContainer, Name: containerName(u.p, service, number),
		service: service.Name, number: number, Cause: "missing", After: u.needs(service),
	}
	for _, other := range u.plan.Operations {
		// Removing what is in the way comes first: the name has to be free.
		if other.Action == ActionRemove && (other.service == service.Name || other.Name == op.Name) {
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
	after = append(after, u.inTheWay(service.Name)...)
	of.Action, of.Kind, of.Cause, of.service = ActionStart, KindContainer, cause, service.Name
	of.After = append(after, u.dependencies(service)...)
	u.plan.add(of)
}

// stateOf tells what a kept container needs in order to run.
func (u *upPlanner) stateOf(service types.ServiceConfig, actual ObservedContainer) string {
	switch actual.State {
	case container.StateRunning, container.StateRestarting:
		return ""
	case container.StatePaused:
		return "paused"
	case container.StateExited:
		if actual.ExitedWell && u.awaited(service.Name) != nil {
			// It has done its work; docker compose would run it again on every up.
			return ""
		}
		return "stopped"
	default:
		return "not started"
	}
}
