package compose

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// withVolumes marks the removal of a container together with its anonymous volumes.
const withVolumes = "with its volumes"

// DownOptions steer [Client.Down].
type DownOptions struct {
	// Volumes removes named and anonymous volumes too.
	Volumes bool
	// Images is "", "local" (what was built for the project) or "all".
	Images string
	// RemoveOrphans removes containers of services that are not in the file;
	// with only a name known, every container is removed anyway.
	RemoveOrphans bool
	// Timeout overrides stop_grace_period.
	Timeout *time.Duration
}

// DownReport says what [Client.Down] removed, and what it left because others use it.
type DownReport struct {
	Containers, Networks, Volumes, Images []string
	Kept                                  []string
}

// Down removes a project, found by its labels alone, so that it also works when
// the file has changed or is gone: see [NamedProject].
func (c *Client) Down(ctx context.Context, p *Project, opts DownOptions, progress Progress) (DownReport, error) {
	plan, err := c.PlanDown(ctx, p, opts)
	if err != nil {
		return DownReport{}, err
	}
	done, err := c.execute(ctx, plan, progress)
	var report DownReport
	removed := map[string]bool{}
	for _, op := range done {
		removed[op.ID()] = true
		switch op.Kind {
		case KindContainer:
			report.Containers = append(report.Containers, op.Name)
		case KindNetwork:
			report.Networks = append(report.Networks, op.Name)
		case KindVolume:
			report.Volumes = append(report.Volumes, op.Name)
		case KindImage:
			report.Images = append(report.Images, op.Name)
		}
	}
	for _, op := range plan.Operations {
		if !removed[op.ID()] {
			report.Kept = append(report.Kept, string(op.Kind)+" "+op.Name)
		}
	}
	return report, err
}

// PlanDown looks what there is of a project and plans its removal:
// dependents before what they depend on, then networks, volumes and images.
func (c *Client) PlanDown(ctx context.Context, p *Project, opts DownOptions) (*Plan, error) {
	seen, err := c.observeAll(ctx, p, opts)
	if err != nil {
		return nil, err
	}
	return planDown(p, seen, opts)
}

func planDown(p *Project, seen *Observed, opts DownOptions) (*Plan, error) {
	if opts.Images != "" && opts.Images != "local" && opts.Images != "all" {
		return nil, fmt.Errorf("images to remove are %q: use local or all", opts.Images)
	}
	plan := &Plan{project: p, observed: seen, options: UpOptions{StopTimeout: opts.Timeout}}
	var targets []ObservedContainer
	for _, actual := range seen.Containers {
		if !p.IsNameOnly() && !opts.RemoveOrphans && !p.known(actual.Service) {
			plan.Orphans = append(plan.Orphans, actual.Name)
			continue
		}
		targets = append(targets, actual)
	}
	var all []string
	for _, actual := range targets {
		op := Operation{
			Action: ActionRemove, Kind: KindContainer, Name: actual.Name, service: actual.Service,
			containerID: actual.ID, Cause: "part of the project",
		}
		if opts.Volumes {
			op.condition = withVolumes
		}
		all = append(all, plan.add(op))
	}
	for i := range plan.Operations {
		plan.Operations[i].After = dependentsOf(plan.Operations[i], targets, all)
	}
	sortByDependency(plan)
	rest := func(kind ResourceKind, names []string) {
		for _, name := range names {
			plan.add(Operation{Action: ActionRemove, Kind: kind, Name: name, Cause: "part of the project", After: all})
		}
	}
	for _, name := range sortedKeys(seen.Networks) {
		plan.add(Operation{
			Action: ActionRemove, Kind: KindNetwork, Name: name, containerID: seen.Networks[name].ID,
			Cause: "part of the project", After: all,
		})
	}
	rest(KindVolume, sortedKeys(seen.Volumes))
	rest(KindImage, sortedKeys(seen.Images))
	return plan, nil
}

// dependentsOf finds, by the labels, the removals that come before that of op.
func dependentsOf(op Operation, targets []ObservedContainer, ids []string) []string {
	var after []string
	for i, other := range targets {
		for dep := range strings.SplitSeq(other.Labels[dependsOnLabel], ",") {
			name, _, _ := strings.Cut(dep, ":")
			if name != "" && name == op.service && other.Service != name {
				after = append(after, ids[i])
			}
		}
	}
	return after
}

// sortByDependency puts every step after those it waits for. Labels may be from
// different versions of the file and form a cycle: then the wait is dropped.
func sortByDependency(plan *Plan) {
	state := map[string]int{}
	byID := map[string]*Operation{}
	for i := range plan.Operations {
		byID[plan.Operations[i].ID()] = &plan.Operations[i]
	}
	var sorted []Operation
	var visit func(id string) bool
	visit = func(id string) bool {
		if state[id] == 1 {
			return false
		}
		if state[id] == 2 {
			return true
		}
		state[id] = 1
		op := *byID[id]
		var after []string
		for _, before := range op.After {
			if visit(before) {
				after = append(after, before)
			}
		}
		op.After = after
		state[id] = 2
		sorted = append(sorted, op)
		return true
	}
	for _, op := range plan.Operations {
		visit(op.ID())
	}
	plan.Operations = sorted
}

// observeAll finds everything that carries the project's label.
func (c *Client) observeAll(ctx context.Context, p *Project, opts DownOptions) (*Observed, error) {
	seen := &Observed{
		Networks: map[string]ObservedNetwork{}, Volumes: map[string]ObservedVolume{},
		Images: map[string]ObservedImage{},
	}
	filter := projectFilter(p.Name)
	var used []string
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filter})
		for i := range list {
			seen.Containers = append(seen.Containers, observedFrom(&list[i]))
			used = append(used, list[i].Image)
		}
		return explain(err, "list the containers of "+p.Name)
	})
	group.Go(func() error {
		list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: filter})
		for i := range list {
			key := list[i].Name
			if _, twice := seen.Networks[key]; twice {
				// Engines before 25 allow two networks of one name.
				key += " " + list[i].ID[:min(12, len(list[i].ID))]
			}
			seen.Networks[key] = ObservedNetwork{ID: list[i].ID, Labels: list[i].Labels}
		}
		return explain(err, "list the networks of "+p.Name)
	})
	group.Go(func() error {
		if !opts.Volumes {
			return nil
		}
		list, err := c.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
		for _, found := range list.Volumes {
			seen.Volumes[found.Name] = ObservedVolume{Labels: found.Labels}
		}
		return explain(err, "list the volumes of "+p.Name)
	})
	group.Go(func() error {
		if opts.Images == "" {
			return nil
		}
		return c.observeBuilt(ctx, p, seen)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if opts.Images == "all" {
		for _, ref := range used {
			seen.Images[ref] = ObservedImage{}
		}
		for _, service := range p.Services {
			seen.Images[p.ImageRef(service)] = ObservedImage{}
		}
	}
	return seen, nil
}

// observeBuilt finds the images that were built for the project.
func (c *Client) observeBuilt(ctx context.Context, p *Project, seen *Observed) error {
	list, err := c.api.ImageList(ctx, image.ListOptions{Filters: projectFilter(p.Name)})
	for i := range list {
		tags := list[i].RepoTags
		if len(tags) == 0 || tags[0] == "<none>:<none>" {
			tags = []string{list[i].ID} // an older build whose name went to a newer one
		}
		for _, tag := range tags {
			seen.Images[tag] = ObservedImage{ID: list[i].ID}
		}
	}
	return explain(err, "list the images of "+p.Name)
}
