package compose

import (
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

// container plans what an existing container needs: nothing, a start, or a recreate.
func (u *upPlanner) container(service types.ServiceConfig, actual ObservedContainer) error {
	cause, drift, err := u.recreateCause(service, actual)
	if err != nil {
		return err
	}
	name := containerName(u.p, service, actual.Number)
	op := Operation{
		Kind: KindContainer, Name: name, service: service.Name,
		number: actual.Number, containerID: actual.ID,
	}
	imageOp := u.imageOp(service)
	if cause != "" || imageOp != "" {
		op.Action, op.Cause = ActionRecreate, cause
		if cause == "" {
			op.Cause, op.imageMoved = "if its image is another one by then", true
		}
		waits := u.dependencies(service)
		op.After = append(u.needs(service), waits...)
		u.plan.add(op)
		return nil
	}
	if len(drift) > 0 {
		u.plan.LiveDrift[service.Name] = drift
	}
	var after []string
	if actual.Name != name {
		op.Action, op.Cause = ActionRename, "left by an interrupted recreate"
		after = append(after, u.plan.add(op))
	}
	if state := u.stateOf(service, actual); state != "" {
		u.start(service, op, after, state)
		return nil
	}
	u.restartWith(service, op)
	return nil
}

// recreateCause applies docker compose's rules, in its order, and two of our
// own: a changed content of a config, and the live variables.
func (u *upPlanner) recreateCause(service types.ServiceConfig, actual ObservedContainer) (string, map[string]Drift, error) {
	if u.opts.ForceRecreate {
		return "recreation is asked for", nil, nil
	}
	hash, err := ServiceHash(service)
	if err != nil {
		return "", nil, err
	}
	var drift map[string]Drift
	if actual.Labels[hashLabel] != hash {
		var onlyLive bool
		if drift, onlyLive, err = liveDrift(service, actual); err != nil {
			return "", nil, err
		}
		if !onlyLive {
			return "configuration changed", nil, nil
		}
	}
	if local, ok := u.seen.Images[u.p.ImageRef(service)]; ok && actual.Labels[imageLabel] != local.ID {
		return "image changed", nil, nil
	}
	files, err := filesHash(u.p, service)
	if err != nil {
		return "", nil, err
	}
	// Without the label docker compose made the container: with a bind mount in the place
	// of a secret that is to be delivered.
	if label, ok := actual.Labels[filesHashLabel]; (ok || u.p.hasNews(service.Name)) && label != files {
		return "contents of configs or secrets changed", nil, nil
	}
	if actual.State == "dead" {
		return "dead", nil, nil
	}
	return u.missingResource(service, actual), drift, nil
}

func (u *upPlanner) missingResource(service types.ServiceConfig, actual ObservedContainer) string {
	if actual.State == container.StateRunning {
		for _, key := range sortedKeys(service.Networks) {
			have, ok := u.seen.Networks[u.p.Networks[key].Name]
			if !ok || !slices.Contains(actual.Networks, have.ID) {
				return "not connected to network " + u.p.Networks[key].Name
			}
		}
	} else if network := u.vanishedNetwork(service, actual); network != "" {
		return "network " + network + " is gone"
	}
	for _, volume := range service.Volumes {
		if volume.Type != types.VolumeTypeVolume || volume.Source == "" {
			continue
		}
		name := u.p.Volumes[volume.Source].Name
		mounted := slices.ContainsFunc(actual.Mounts, func(m ObservedMount) bool {
			return m.Type == types.VolumeTypeVolume && m.Name == name
		})
		if !mounted {
			return "volume " + name + " is not mounted"
		}
	}
	return ""
}

// vanishedNetwork finds a network that a stopped container cannot be started
// without: the container remembers the ID of the one that is gone, if it ever ran.
func (u *upPlanner) vanishedNetwork(service types.ServiceConfig, actual ObservedContainer) string {
	var ids []string
	for _, key := range sortedKeys(service.Networks) {
		have, ok := u.seen.Networks[u.p.Networks[key].Name]
		if !ok {
			return u.p.Networks[key].Name
		}
		ids = append(ids, have.ID)
	}
	for _, id := range actual.Networks {
		if id != "" && !slices.Contains(ids, id) {
			return id[:min(12, len(id))]
		}
	}
	return ""
}

// restartWith restarts a container that itself needs nothing, when a dependency
// with `restart: true` is recreated. The stop goes before that recreate.
func (u *upPlanner) restartWith(service types.ServiceConfig, of Operation) {
	first := -1
	for i, op := range u.plan.Operations {
		if op.Action == ActionRecreate && service.DependsOn[op.service].Restart {
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return
	}
	stop := of
	stop.Action, stop.Cause = ActionStop, "restarts with "+u.plan.Operations[first].service
	for i := range u.plan.Operations {
		op := &u.plan.Operations[i]
		if op.Action == ActionRecreate && service.DependsOn[op.service].Restart {
			op.After = append(op.After, stop.ID())
		}
	}
	u.plan.Operations = slices.Insert(u.plan.Operations, first, stop)
	u.start(service, of, []string{stop.ID()}, "restarts with its dependency")
}

// dependencies adds the waits a start has to come after and returns the IDs of
// all steps it has to come after.
func (u *upPlanner) dependencies(service types.ServiceConfig) []string {
	var ids []string
	for _, name := range sortedKeys(service.DependsOn) {
		dep, ok := u.p.Services[name]
		if !ok || dep.GetScale() == 0 {
			continue
		}
		condition := service.DependsOn[name]
		ids = append(ids, u.startsOf(name)...)
		if condition.Condition == types.ServiceConditionStarted {
			continue
		}
		for number := range dep.GetScale() {
			ids = append(ids, u.wait(dep, number+1, condition))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// startsOf lists the steps after which a service runs.
func (u *upPlanner) startsOf(service string) []string {
	var ids []string
	for _, op := range u.plan.Operations {
		if op.service == service && (op.Action == ActionStart || op.Action == ActionRecreate) {
			ids = append(ids, op.ID())
		}
	}
	return ids
}

func (u *upPlanner) wait(dep types.ServiceConfig, number int, condition types.ServiceDependency) string {
	op := Operation{
		Action: ActionWait, Kind: KindContainer, service: dep.Name, number: number,
		Name: containerName(u.p, dep, number), condition: condition.Condition,
		optional: !condition.Required, After: u.startsOf(dep.Name),
		Cause: "others depend on it",
	}
	for i := range u.plan.Operations {
		if u.plan.Operations[i].ID() == op.ID() && condition.Required {
			u.plan.Operations[i].optional = false
		}
	}
	return u.plan.add(op)
}

func (u *upPlanner) waitForAll() {
	for _, name := range dependencyOrder(u.p) {
		service := u.p.Services[name]
		if u.isAwaitedToComplete(name) {
			continue
		}
		starts := u.startsOf(name)
		for number := range service.GetScale() {
			if len(starts) == 0 && u.isSettled(name) {
				continue
			}
			u.wait(service, number+1, types.ServiceDependency{Condition: conditionRunning, Required: true})
		}
	}
}

func (u *upPlanner) isSettled(service string) bool {
	return !slices.ContainsFunc(u.seen.Containers, func(c ObservedContainer) bool {
		return c.Service == service && (c.Health == container.Starting || c.Health == container.Unhealthy)
	})
}

func (u *upPlanner) orphans() {
	for _, actual := range u.seen.Containers {
		if actual.OneOff || u.p.known(actual.Service) {
			continue
		}
		if !u.opts.RemoveOrphans {
			u.plan.Orphans = append(u.plan.Orphans, actual.Name)
			continue
		}
		u.plan.add(Operation{
			Action: ActionRemove, Kind: KindContainer, Name: actual.Name, containerID: actual.ID,
			service: actual.Service, Cause: "its service is not in the project",
		})
	}
}

// contextChanged compares context hashes "files-bases". Unknown base images, an
// empty second half, are no reason to rebuild what is there.
func contextChanged(label, now string) bool {
	if now == "" {
		return false
	}
	oldFiles, oldBases, _ := strings.Cut(label, "-")
	files, bases, _ := strings.Cut(now, "-")
	return oldFiles != files || (bases != "" && oldBases != bases)
}
