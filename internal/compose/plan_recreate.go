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
	op := Operation{
		Kind: KindContainer, Name: containerName(u.p, service, actual.Number), service: service.Name,
		number: actual.Number, containerID: actual.ID,
	}
	if cause == "" && u.imageOp(service) != "" {
		cause, op.imageMoved = "if its image is another one by then", true
	}
	if cause != "" && !u.leaves(service.Name) {
		op.Action, op.Cause = ActionRecreate, cause
		waits := u.dependencies(service)
		op.After = slices.Concat(u.needs(service), waits, u.inTheWay(service.Name))
		u.plan.add(op)
		return nil
	}
	if len(drift) > 0 {
		u.plan.LiveDrift[service.Name] = drift
	}
	if cause != "" {
		u.left(actual, cause)
		if actual.State == "dead" || (!isUp(actual) && u.vanishedNetwork(service, actual) != "") {
			return nil // it cannot be started either
		}
		op.imageMoved, op.asItIs = false, true
	}
	u.keep(service, actual, op)
	return nil
}

// keep plans what a container needs that is not recreated.
func (u *upPlanner) keep(service types.ServiceConfig, actual ObservedContainer, op Operation) {
	after := u.inTheWay(service.Name)
	if actual.Name != op.Name {
		rename := op
		rename.Action, rename.Cause, rename.After = ActionRename, leftByRecreate, after
		after = append(slices.Clone(after), u.plan.add(rename))
	}
	state := u.stateOf(service, actual)
	switch {
	case state != "":
		u.start(service, op, after, state)
	case u.restartWith(service, actual, op):
	case u.interrupted[actual.ID]:
		op.Action, op.settle, op.After = ActionStart, true, after
		op.Cause = "if the interrupted recreate has told it to stop"
		u.plan.add(op)
	}
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
		if drift, onlyLive, err = liveDrift(service, actual, u.live(service)); err != nil {
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
func (u *upPlanner) restartWith(service types.ServiceConfig, actual ObservedContainer, of Operation) bool {
	first := -1
	for i, op := range u.plan.Operations {
		if op.Action == ActionRecreate && service.DependsOn[op.service].Restart {
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return false
	}
	cause := "restarts with " + u.plan.Operations[first].service
	if u.leaves(service.Name) {
		u.left(actual, cause)
		return false
	}
	stop := of
	stop.Action, stop.Cause = ActionStop, cause
	for i := range u.plan.Operations {
		op := &u.plan.Operations[i]
		if op.Action == ActionRecreate && service.DependsOn[op.service].Restart {
			op.After = append(op.After, stop.ID())
		}
	}
	u.plan.Operations = slices.Insert(u.plan.Operations, first, stop)
	u.start(service, of, []string{stop.ID()}, "restarts with its dependency")
	return true
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

// waitAtTheEnd adds the waits that decide whether the plan has done its work. They come
// after all starts: one service that fails does not keep the others from being started.
func (u *upPlanner) waitAtTheEnd() {
	var starts []string
	for _, op := range u.plan.Operations {
		if op.Action == ActionStart || op.Action == ActionRecreate {
			starts = append(starts, op.ID())
		}
	}
	for _, name := range dependencyOrder(u.p) {
		condition := u.finalWait(name)
		if condition == nil {
			continue
		}
		service := u.p.Services[name]
		for number := range service.GetScale() {
			before := len(u.plan.Operations)
			u.wait(service, number+1, *condition)
			if len(u.plan.Operations) > before {
				u.plan.Operations[before].After = starts
			}
		}
	}
}

// finalWait is what a service is waited for at the end, nil when there is nothing to wait for.
func (u *upPlanner) finalWait(name string) *types.ServiceDependency {
	begun := len(u.startsOf(name)) > 0
	if job := u.awaited(name); job != nil {
		// A job that fails is a failure even when all that depends on it runs already.
		if begun || (u.opts.WaitHealthy && u.isRunning(name)) {
			return job
		}
		return nil
	}
	if !u.opts.WaitHealthy || (!begun && (u.isSettled(name) || u.isLeft(name))) {
		return nil
	}
	return &types.ServiceDependency{Condition: conditionRunning, Required: true}
}

// awaited is the condition under which others wait for the service to complete, nil
// when nobody does.
func (u *upPlanner) awaited(name string) *types.ServiceDependency {
	var found *types.ServiceDependency
	for _, service := range u.p.Services {
		dependency := service.DependsOn[name]
		if dependency.Condition == types.ServiceConditionCompletedSuccessfully && (found == nil || dependency.Required) {
			found = &dependency
		}
	}
	return found
}

func (u *upPlanner) isRunning(service string) bool {
	return slices.ContainsFunc(u.seen.Containers, func(c ObservedContainer) bool {
		return c.Service == service && !c.OneOff && isUp(c)
	})
}

func (u *upPlanner) isLeft(service string) bool {
	return slices.ContainsFunc(u.plan.Left, func(l Left) bool { return l.Service == service })
}

// isSettled reports whether what runs of a service needs no wait. A container whose first
// check is still to come, up to an interval after its start, was waited for by the `up` that
// started it.
func (u *upPlanner) isSettled(service string) bool {
	return !slices.ContainsFunc(u.seen.Containers, func(c ObservedContainer) bool {
		return c.Service == service && c.Health == container.Unhealthy
	})
}

func (u *upPlanner) orphans() {
	for _, actual := range u.seen.Containers {
		const cause = "its service is not in the project"
		switch {
		case actual.OneOff || u.p.known(actual.Service):
		case !u.p.made(actual.Labels):
			u.plan.Kept = append(u.plan.Kept, "container "+actual.Name+": "+notOurs(u.p, actual.Labels))
		case !u.opts.RemoveOrphans:
			u.plan.Orphans = append(u.plan.Orphans, actual.Name)
		case u.leaves(actual.Service):
			u.left(actual, cause)
		default:
			u.plan.add(Operation{
				Action: ActionRemove, Kind: KindContainer, Name: actual.Name, containerID: actual.ID,
				service: actual.Service, Cause: cause,
			})
		}
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

// live lists the variables of a service that change in the running container.
func (u *upPlanner) live(service types.ServiceConfig) []string {
	keys := LiveEnv(service)
	if u.opts.Live == nil {
		return keys
	}
	keys = slices.Concat(keys, u.opts.Live(service.Name))
	slices.Sort(keys)
	return slices.Compact(keys)
}
