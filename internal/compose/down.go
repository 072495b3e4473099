package compose

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// withVolumes marks the removal of a container together with its anonymous volumes.
const withVolumes = "with its volumes"

// DownOptions steer [Client.Down].
type DownOptions struct {
	// Volumes removes the volumes that the file declares, and the containers' anonymous ones.
	Volumes bool
	// RemoveOrphans removes containers of services that are not in the file.
	RemoveOrphans bool
	// Timeout overrides stop_grace_period.
	Timeout *time.Duration
}

// DownReport says what [Client.Down] removed, and what it left and why.
type DownReport struct {
	Containers, Networks, Volumes []string
	Kept                          []string
}

// Down removes a project: see [Client.PlanDown].
func (c *Client) Down(ctx context.Context, p *Project, opts DownOptions, progress Progress) (DownReport, error) {
	plan, err := c.PlanDown(ctx, p, opts)
	if err != nil {
		return DownReport{}, err
	}
	return c.TakeDown(ctx, plan, progress)
}

// TakeDown carries out a plan of [Client.PlanDown].
func (c *Client) TakeDown(ctx context.Context, plan *Plan, progress Progress) (DownReport, error) {
	done, err := c.execute(ctx, plan, progress)
	report := DownReport{Kept: plan.Kept}
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
		}
	}
	for _, op := range plan.Operations {
		if err == nil && !removed[op.ID()] {
			report.Kept = append(report.Kept, string(op.Kind)+" "+op.Name+": not removed, the engine says that it is in use")
		}
	}
	return report, err
}

// PlanDown looks what there is of a project and plans its removal: dependents before
// what they depend on, then networks and volumes. A name is never enough: it removes
// what the file declares and what carries the project's labels. For the embedded
// project and for a [NamedProject], whose name may be that of a foreign project, it
// removes only what bgctl made for it. [Plan.Kept] lists the rest.
func (c *Client) PlanDown(ctx context.Context, p *Project, opts DownOptions) (*Plan, error) {
	seen, err := c.observeAll(ctx, p, opts)
	if err != nil {
		return nil, err
	}
	return planDown(p, seen, opts), nil
}

func planDown(p *Project, seen *Observed, opts DownOptions) *Plan {
	planner := downPlanner{p: p, opts: opts, plan: &Plan{
		project: p, observed: seen, options: UpOptions{StopTimeout: opts.Timeout},
	}}
	var all []string
	for _, actual := range seen.Containers {
		if reason := planner.keepsContainer(actual); reason != "" {
			planner.kept = append(planner.kept, actual)
			planner.keep(KindContainer, actual.Name, reason)
			continue
		}
		planner.targets = append(planner.targets, actual)
		op := Operation{
			Action: ActionRemove, Kind: KindContainer, Name: actual.Name, service: actual.Service,
			containerID: actual.ID, Cause: partOfProject,
		}
		if opts.Volumes {
			op.condition, op.Cause = withVolumes, partOfProject+anonymousVolumes(actual)
		}
		all = append(all, planner.plan.add(op))
	}
	for i := range planner.plan.Operations {
		planner.plan.Operations[i].After = dependentsOf(planner.plan.Operations[i], planner.targets, all)
	}
	sortByDependency(planner.plan)
	planner.networks(seen, all)
	if opts.Volumes {
		planner.volumes(seen, all)
	}
	return planner.plan
}

const partOfProject = "part of the project"

// anonymousVolumes says which data goes with a container.
func anonymousVolumes(actual ObservedContainer) string {
	var at []string
	for _, m := range actual.Mounts {
		if m.Type == types.VolumeTypeVolume && anonymousName.MatchString(m.Name) {
			at = append(at, m.Target)
		}
	}
	if len(at) == 0 {
		return ""
	}
	return "; its anonymous volumes at " + strings.Join(at, ", ") + " go with it"
}

var anonymousName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// downPlanner decides what of a project goes.
type downPlanner struct {
	p    *Project
	opts DownOptions
	plan *Plan
	// targets are the containers that go, kept those that stay.
	targets, kept []ObservedContainer
}

func (d *downPlanner) keep(kind ResourceKind, name, reason string) {
	d.plan.Kept = append(d.plan.Kept, string(kind)+" "+name+": "+reason)
}

// keepsContainer returns why a container stays, "" when it goes.
func (d *downPlanner) keepsContainer(actual ObservedContainer) string {
	switch {
	case !d.p.made(actual.Labels):
		return notOurs(d.p, actual.Labels)
	case d.p.isNameOnly(), d.p.known(actual.Service), d.opts.RemoveOrphans:
		return ""
	default:
		d.plan.Orphans = append(d.plan.Orphans, actual.Name)
		return "its service " + actual.Service + " is not in the file"
	}
}

// notOurs is the reason to leave what was not made for the project.
func notOurs(p *Project, labels map[string]string) string {
	what := "the built-in stack"
	if p.isNameOnly() {
		what = "this project by bgctl"
	}
	reason := "it was not made for " + what
	if files := labels[configFilesLabel]; files != "" {
		reason += ", but from " + files
	}
	return reason
}

func (d *downPlanner) networks(seen *Observed, after []string) {
	for _, name := range sortedKeys(seen.Networks) {
		found := seen.Networks[name]
		plain, _, _ := strings.Cut(name, " ")
		if found.Labels[stagingLabel] != "" && d.p.made(found.Labels) {
			d.plan.add(Operation{
				Action: ActionRemove, Kind: KindNetwork, Name: name, containerID: found.ID, leftover: true,
				Cause: "left by an interrupted replacement", After: after,
			})
			continue
		}
		want, declared := d.p.Networks[found.Labels[networkLabel]]
		declared = declared && want.Name == plain
		uses := func(c ObservedContainer) bool { return slices.Contains(c.Networks, found.ID) }
		if reason := d.keepsResource(found.Labels, declared, bool(want.External), uses); reason != "" {
			d.keep(KindNetwork, name, reason)
			continue
		}
		d.plan.add(Operation{
			Action: ActionRemove, Kind: KindNetwork, Name: name, containerID: found.ID, Cause: partOfProject, After: after,
		})
	}
}

func (d *downPlanner) volumes(seen *Observed, after []string) {
	for _, name := range sortedKeys(seen.Volumes) {
		labels := seen.Volumes[name].Labels
		want, declared := d.p.Volumes[labels[volumeLabel]]
		declared = declared && want.Name == name
		uses := func(c ObservedContainer) bool {
			return slices.ContainsFunc(c.Mounts, func(m ObservedMount) bool {
				return m.Type == types.VolumeTypeVolume && m.Name == name
			})
		}
		if reason := d.keepsResource(labels, declared, bool(want.External), uses); reason != "" {
			d.keep(KindVolume, name, reason)
			continue
		}
		d.plan.add(Operation{Action: ActionRemove, Kind: KindVolume, Name: name, Cause: partOfProject, After: after})
	}
}

// keepsResource returns why a network or volume stays, "" when it goes.
func (d *downPlanner) keepsResource(labels map[string]string, declared, external bool, uses func(ObservedContainer) bool) string {
	user := slices.IndexFunc(d.kept, uses)
	switch {
	case labels[projectLabel] != d.p.Name:
		return "it does not carry the label of this project"
	case !d.p.isNameOnly() && declared && external:
		return "the file says that it is external"
	case !d.p.isNameOnly() && !declared:
		return "no service of the file uses it"
	// Releases before the label left none: what only our own containers use is ours.
	case !d.p.made(labels) && (!d.p.Embedded || !slices.ContainsFunc(d.targets, uses)):
		return notOurs(d.p, labels)
	case user >= 0:
		return "container " + d.kept[user].Name + " uses it and stays"
	default:
		return ""
	}
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
	seen := &Observed{Networks: map[string]ObservedNetwork{}, Volumes: map[string]ObservedVolume{}}
	filter := projectFilter(p.Name)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filter})
		for i := range list {
			seen.Containers = append(seen.Containers, observedFrom(&list[i]))
		}
		return c.wrap("list the containers of "+p.Name, err)
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
		return c.wrap("list the networks of "+p.Name, err)
	})
	group.Go(func() error {
		if !opts.Volumes {
			return nil
		}
		list, err := c.api.VolumeList(ctx, volume.ListOptions{Filters: filter})
		for _, found := range list.Volumes {
			seen.Volumes[found.Name] = ObservedVolume{Labels: found.Labels}
		}
		return c.wrap("list the volumes of "+p.Name, err)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return seen, nil
}
