package compose

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"
)

// Observed is a snapshot of what an engine has of a project. [PlanUp] decides
// from it alone.
type Observed struct {
	APIVersion string
	Containers []ObservedContainer
	Networks   map[string]ObservedNetwork // by name
	// Staging is the ID of the staging network that a replacement left, "" for none.
	Staging string
	Volumes map[string]ObservedVolume // by name
	Images  map[string]ObservedImage  // by reference; a missing one is absent
	// Contexts are the hashes of embedded build contexts, by service.
	Contexts map[string]string
}

// ObservedContainer is one container of the project, whoever created it.
type ObservedContainer struct {
	ID      string
	Name    string
	Service string
	Number  int
	OneOff  bool
	State   string // created, running, paused, restarting, exited, dead
	Health  string // "", starting, healthy, unhealthy
	// ExitedWell says that it exited with 0.
	ExitedWell bool
	Labels     map[string]string
	Networks   []string // IDs
	// Staged says that it is on a staging network alone: nobody reaches it.
	Staged bool
	Mounts []ObservedMount
	// Env is known only where the configuration is not the file's.
	Env map[string]string
}

// ObservedMount is a volume or bind of a container.
type ObservedMount struct {
	Type, Name, Source, Target string
	ReadOnly                   bool
}

// ObservedNetwork is an existing network.
type ObservedNetwork struct {
	ID     string
	Labels map[string]string
}

// ObservedVolume is an existing volume.
type ObservedVolume struct{ Labels map[string]string }

// ObservedImage is a local image.
type ObservedImage struct {
	ID     string
	Labels map[string]string
}

// Observe takes a snapshot with one list call per kind and one inspect per image, all at once.
func (c *Client) Observe(ctx context.Context, p *Project) (*Observed, error) {
	seen := &Observed{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.observeContainers(ctx, p, seen) })
	group.Go(func() error { return c.observeNetworks(ctx, p, seen) })
	group.Go(func() error { return c.observeVolumes(ctx, p, seen) })
	group.Go(func() error { return c.observeImages(ctx, p, seen) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	seen.APIVersion = c.api.ClientVersion()
	return seen, nil
}

func projectFilter(name string) filters.Args {
	return filters.NewArgs(filters.Arg("label", projectLabel+"="+name))
}

func (c *Client) observeContainers(ctx context.Context, p *Project, seen *Observed) error {
	list, err := c.api.ContainerList(ctx, container.ListOptions{All: true, Filters: projectFilter(p.Name)})
	if err != nil {
		return c.wrap("list the containers of "+p.Name, err)
	}
	for i := range list {
		seen.Containers = append(seen.Containers, observedFrom(&list[i]))
	}
	slices.SortFunc(seen.Containers, func(a, b ObservedContainer) int { return strings.Compare(a.Name, b.Name) })
	group, ctx := errgroup.WithContext(ctx)
	for i := range seen.Containers {
		target := &seen.Containers[i]
		service, ok := p.Services[target.Service]
		if !ok {
			continue
		}
		if hash, err := ServiceHash(service); err != nil || hash == target.Labels[hashLabel] {
			continue
		}
		group.Go(func() error {
			env, err := c.containerEnv(ctx, target.ID)
			target.Env = env
			return err
		})
	}
	return group.Wait()
}

func observedFrom(in *container.Summary) ObservedContainer {
	out := ObservedContainer{
		ID: in.ID, State: in.State, Labels: in.Labels,
		Service: in.Labels[serviceLabel],
		OneOff:  in.Labels[oneoffLabel] == "True",
		Health:  healthOf(in.Status),

		ExitedWell: strings.HasPrefix(in.Status, "Exited (0)"),
	}
	if len(in.Names) > 0 {
		out.Name = strings.TrimPrefix(in.Names[0], "/")
	}
	out.Number, _ = strconv.Atoi(in.Labels[numberLabel])
	if in.NetworkSettings != nil {
		for _, name := range sortedKeys(in.NetworkSettings.Networks) {
			out.Networks = append(out.Networks, in.NetworkSettings.Networks[name].NetworkID)
		}
		out.Staged = onlyStaged(slices.Collect(maps.Keys(in.NetworkSettings.Networks)), in.Labels)
	}
	for _, m := range in.Mounts {
		out.Mounts = append(out.Mounts, ObservedMount{
			Type: string(m.Type), Name: m.Name, Source: m.Source, Target: m.Destination, ReadOnly: !m.RW,
		})
	}
	return out
}

// healthOf reads "Up 2 minutes (healthy)": the list has no other field for it before API 1.52.
func healthOf(status string) string {
	switch {
	case strings.Contains(status, "(healthy)"):
		return container.Healthy
	case strings.Contains(status, "(unhealthy)"):
		return container.Unhealthy
	case strings.Contains(status, "(health: starting)"):
		return container.Starting
	default:
		return ""
	}
}

func (c *Client) containerEnv(ctx context.Context, id string) (map[string]string, error) {
	info, err := c.api.ContainerInspect(ctx, id)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.wrap("inspect container "+shortID(id), err)
	}
	env := map[string]string{}
	for _, pair := range info.Config.Env {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	return env, nil
}

func (c *Client) observeNetworks(ctx context.Context, p *Project, seen *Observed) error {
	seen.Networks = map[string]ObservedNetwork{}
	args := filters.NewArgs(filters.Arg("name", stagingNetwork(p.Name)))
	for _, net := range p.Networks {
		args.Add("name", net.Name)
	}
	list, err := c.api.NetworkList(ctx, network.ListOptions{Filters: args})
	if err != nil {
		return c.wrap("list the networks of "+p.Name, err)
	}
	// The engine's name filter matches parts of names too; the plan looks names up exactly.
	for i := range list {
		if list[i].Name == stagingNetwork(p.Name) && list[i].Labels[stagingLabel] != "" {
			seen.Staging = list[i].ID
			continue
		}
		seen.Networks[list[i].Name] = ObservedNetwork{ID: list[i].ID, Labels: list[i].Labels}
	}
	return nil
}

func (c *Client) observeVolumes(ctx context.Context, p *Project, seen *Observed) error {
	seen.Volumes = map[string]ObservedVolume{}
	args := filters.NewArgs()
	for _, vol := range p.Volumes {
		args.Add("name", vol.Name)
	}
	if args.Len() == 0 {
		return nil
	}
	list, err := c.api.VolumeList(ctx, volume.ListOptions{Filters: args})
	if err != nil {
		return c.wrap("list the volumes of "+p.Name, err)
	}
	for _, vol := range list.Volumes {
		seen.Volumes[vol.Name] = ObservedVolume{Labels: vol.Labels}
	}
	return nil
}

func (c *Client) observeImages(ctx context.Context, p *Project, seen *Observed) error {
	refs, bases := map[string]bool{}, map[string][]string{}
	for name, service := range p.Services {
		refs[p.ImageRef(service)] = true
		if p.Context(service) == nil {
			continue
		}
		base, err := baseImages(p, service)
		if err != nil {
			return err
		}
		bases[name] = base
		for _, ref := range base {
			refs[ref] = true
		}
	}
	found, err := c.localImages(ctx, slices.Sorted(maps.Keys(refs)))
	if err != nil {
		return err
	}
	seen.Images = found
	seen.Contexts = map[string]string{}
	for name, base := range bases {
		hash, err := contextHash(p, p.Services[name], idsOf(base, found))
		if err != nil {
			return err
		}
		seen.Contexts[name] = hash
	}
	return nil
}

// localImages inspects images in parallel: listing them all is slow on engines that have many.
func (c *Client) localImages(ctx context.Context, refs []string) (map[string]ObservedImage, error) {
	var mu sync.Mutex
	found := map[string]ObservedImage{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, ref := range refs {
		group.Go(func() error {
			info, err := c.api.ImageInspect(ctx, ref)
			if errdefs.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return c.wrap("inspect image "+ref, err)
			}
			img := ObservedImage{ID: info.ID}
			if info.Config != nil {
				img.Labels = info.Config.Labels
			}
			mu.Lock()
			defer mu.Unlock()
			found[ref] = img
			return nil
		})
	}
	return found, group.Wait()
}

// idsOf returns the IDs of images in the order of refs, "" for a missing one.
func idsOf(refs []string, found map[string]ObservedImage) []string {
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = found[ref].ID
	}
	return ids
}

// liveDrift compares the environment a container runs with to what the file
// says now, for the live keys only. ok is false when anything else differs too.
func liveDrift(service types.ServiceConfig, actual ObservedContainer, live []string) (drift map[string]Drift, ok bool, err error) {
	if actual.Env == nil || len(live) == 0 {
		return nil, false, nil
	}
	old := map[string]*string{}
	drift = map[string]Drift{}
	for _, key := range live {
		var from, to string
		if value, set := actual.Env[key]; set {
			from = value
			old[key] = &value
		} else {
			old[key] = nil
		}
		if value := service.Environment[key]; value != nil {
			to = *value
		}
		if from != to {
			drift[key] = Drift{From: from, To: to}
		}
	}
	hash, err := hashWithEnv(service, old)
	return drift, err == nil && hash == actual.Labels[hashLabel], err
}
