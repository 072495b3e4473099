package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
)

const leftByRecreate = "left by an interrupted recreate"

// settleLeftovers finds what an interrupted recreate or replacement left: a container
// under a temporary name. Of all that have the same number one counts; the others are
// removed. One that is staged never counts: nobody reaches it. It returns those that count,
// by number.
func (u *upPlanner) settleLeftovers(service types.ServiceConfig) []ObservedContainer {
	numbers, staged := map[int][]ObservedContainer{}, map[int]bool{}
	for _, actual := range u.seen.Containers {
		switch {
		case actual.Service != service.Name, actual.OneOff, IsAside(actual.Name):
		case actual.Staged:
			staged[actual.Number] = true
			u.removeLeft(actual)
		default:
			numbers[actual.Number] = append(numbers[actual.Number], actual)
		}
	}
	var counted []ObservedContainer
	for _, number := range slices.Sorted(maps.Keys(numbers)) {
		all := numbers[number]
		temporary := func(c ObservedContainer) bool {
			return isTemporary(c.Name, containerName(u.p, service, number))
		}
		if !slices.ContainsFunc(all, temporary) {
			for _, actual := range all {
				// The killed command may have told it to stop.
				u.interrupted[actual.ID] = u.interrupted[actual.ID] || staged[number]
			}
			counted = append(counted, all...)
			continue
		}
		winner := u.winner(service, all, temporary)
		u.interrupted[winner.ID] = true
		counted = append(counted, winner)
		for _, actual := range all {
			switch {
			case actual.ID == winner.ID:
			case isUp(actual) && u.leaves(service.Name):
				u.left(actual, leftByRecreate)
			default:
				u.removeLeft(actual)
			}
		}
	}
	return counted
}

// removeLeft plans the removal of a container that an interrupted command left.
func (u *upPlanner) removeLeft(actual ObservedContainer) {
	u.plan.add(Operation{
		Action: ActionRemove, Kind: KindContainer, Name: actual.Name, leftover: true,
		service: actual.Service, containerID: actual.ID, Cause: leftByRecreate,
	})
}

// winner chooses the container that counts: one that runs before one that does not, then
// the one with the proper name, then the one that is what the file says.
func (u *upPlanner) winner(service types.ServiceConfig, all []ObservedContainer, temporary func(ObservedContainer) bool) ObservedContainer {
	// A service that cannot be hashed is reported where its containers are judged.
	hash, _ := ServiceHash(service)
	return slices.MaxFunc(all, func(a, b ObservedContainer) int {
		rank := func(c ObservedContainer) int {
			var rank int
			if isUp(c) {
				rank += 4
			}
			if !temporary(c) {
				rank += 2
			}
			if c.Labels[hashLabel] == hash {
				rank++
			}
			return rank
		}
		return rank(a) - rank(b)
	})
}

func isUp(actual ObservedContainer) bool {
	switch actual.State {
	case container.StateRunning, container.StateRestarting, container.StatePaused:
		return true
	default:
		return false
	}
}

// staging plans the removal of the network that an interrupted replacement left, after
// that of its container.
func (u *upPlanner) staging() error {
	if u.seen.Staging == "" {
		return nil
	}
	op := Operation{
		Action: ActionRemove, Kind: KindNetwork, Name: stagingNetwork(u.p.Name), leftover: true,
		containerID: u.seen.Staging, Cause: "left by an interrupted replacement",
	}
	for _, other := range u.plan.Operations {
		if other.Kind == KindContainer && other.leftover {
			op.After = append(op.After, other.ID())
		}
	}
	u.plan.add(op)
	return nil
}

// inTheWay lists the removals that come before a container of the service takes its
// name or its ports.
func (u *upPlanner) inTheWay(service string) []string {
	var ids []string
	for _, op := range u.plan.Operations {
		if op.Action == ActionRemove && (op.leftover && op.service == service || !u.p.known(op.service)) {
			ids = append(ids, op.ID())
		}
	}
	return ids
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
