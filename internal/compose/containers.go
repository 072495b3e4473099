package compose

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"
)

// Labels of docker compose that these files read.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
	numberLabel  = "com.docker.compose.container-number"
	oneoffLabel  = "com.docker.compose.oneoff"
)

// Container is one container of a project as the engine sees it now. Every
// text in it is foreign.
type Container struct {
	ID            string
	Name          string // without the leading slash
	Service       string
	Number        int
	Image         string // reference it was created with
	ImageID       string
	State         string // created, running, paused, restarting, removing, exited, dead
	Health        string // "", starting, healthy, unhealthy
	HealthOutput  string // what the last probe printed
	Error         string // why the engine could not start it
	ExitCode      int
	OOMKilled     bool // reset at the next start
	RestartCount  int
	StartedAt     time.Time
	FinishedAt    time.Time
	Ports         []Port
	Networks      map[string]NetworkInfo
	Labels        map[string]string
	Env           map[string]string
	RestartPolicy string
	Tty           bool
	LogDriver     string
	LogOptions    map[string]string
	Pid           int // on the engine's host
}

// Port is one published port.
type Port struct {
	HostIP        string
	HostPort      int
	ContainerPort int
	Protocol      string // tcp, udp, sctp
}

// NetworkInfo is a container's place in one network.
type NetworkInfo struct {
	ID      string
	IP      string
	Aliases []string
}

// Ready reports whether the container takes work: running, not paused, and
// healthy if it has a health check. The state is looked at first: what health a
// paused container reads depends on the engine.
func (c Container) Ready() bool {
	return c.State == container.StateRunning && (c.Health == "" || c.Health == container.Healthy)
}

// Containers lists a project's containers in all states, one-off containers
// (docker compose run) excluded, and those that a [Replacement] has started and that
// nobody reaches yet, ordered by service, number and name.
func (c *Client) Containers(ctx context.Context, project string) ([]Container, error) {
	return c.ContainersEarly(ctx, project, nil)
}

// ContainersEarly is [Client.Containers] that calls early, which may be nil, as soon as
// the engine has listed the containers, with ID, service, labels and state of each: what
// begins there runs beside the longer look at them all.
func (c *Client) ContainersEarly(ctx context.Context, project string, early func([]Container)) ([]Container, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	list, err := c.api.ContainerList(ctx, container.ListOptions{
		All:     true,
		Filters: filters.NewArgs(filters.Arg("label", projectLabel+"="+project)),
	})
	if err != nil {
		return nil, c.wrap("list the containers of project "+project, err)
	}
	if early != nil {
		early(headsOf(list))
	}
	found := make([]*Container, len(list))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, summary := range list {
		if strings.EqualFold(summary.Labels[oneoffLabel], "true") {
			continue
		}
		group.Go(func() error {
			one, err := c.Container(groupCtx, summary.ID)
			if err == nil && onlyStaged(slices.Collect(maps.Keys(one.Networks)), one.Labels) {
				return nil
			}
			if errors.Is(err, ErrNotFound) {
				return nil // removed since the list was made
			}
			if err == nil {
				found[i] = &one
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := make([]Container, 0, len(found))
	for _, one := range found {
		if one != nil {
			out = append(out, *one)
		}
	}
	slices.SortFunc(out, compareContainers)
	return out, nil
}

// headsOf is what a list of the engine says of containers.
func headsOf(list []container.Summary) []Container {
	var heads []Container
	for i := range list {
		heads = append(heads, Container{ID: list[i].ID, Service: list[i].Labels[serviceLabel], Labels: list[i].Labels, State: list[i].State})
	}
	return heads
}

// Container inspects one container by ID or name.
func (c *Client) Container(ctx context.Context, id string) (Container, error) {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	inspect, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return Container{}, c.wrap("inspect container "+shortID(id), err)
	}
	return containerFrom(inspect), nil
}

// FindService returns the containers of one service, in the given order.
func FindService(containers []Container, name string) []Container {
	var out []Container
	for _, one := range containers {
		if one.Service == name {
			out = append(out, one)
		}
	}
	return out
}

func compareContainers(a, b Container) int {
	if order := strings.Compare(a.Service, b.Service); order != 0 {
		return order
	}
	if a.Number != b.Number {
		return a.Number - b.Number
	}
	return strings.Compare(a.Name, b.Name)
}

// containerFrom copies what an inspect says. Podman and stopped containers
// leave parts out, so every pointer is checked.
func containerFrom(in container.InspectResponse) Container {
	out := Container{Networks: map[string]NetworkInfo{}, Labels: map[string]string{}, Env: map[string]string{}}
	if base := in.ContainerJSONBase; base != nil {
		out.ID = base.ID
		out.Name = strings.TrimPrefix(base.Name, "/")
		out.ImageID = base.Image
		out.RestartCount = base.RestartCount
		if base.HostConfig != nil {
			out.RestartPolicy = string(base.HostConfig.RestartPolicy.Name)
			out.LogDriver = base.HostConfig.LogConfig.Type
			out.LogOptions = base.HostConfig.LogConfig.Config
		}
		if base.State != nil {
			out.readState(*base.State)
		}
	}
	if in.Config != nil {
		out.readConfig(*in.Config)
	}
	if in.NetworkSettings != nil {
		out.readNetworks(*in.NetworkSettings)
	}
	return out
}

func (c *Container) readState(state container.State) {
	c.State = state.Status
	c.Error = state.Error
	c.ExitCode = state.ExitCode
	c.OOMKilled = state.OOMKilled
	c.Pid = state.Pid
	c.StartedAt = engineTime(state.StartedAt)
	c.FinishedAt = engineTime(state.FinishedAt)
	if state.Paused {
		c.State = container.StatePaused
	}
	if state.Health == nil || state.Health.Status == container.NoHealthcheck {
		return
	}
	c.Health = state.Health.Status
	if !c.Ready() && stopped(state.Health) {
		c.Health = container.Starting
	}
	if log := state.Health.Log; len(log) > 0 && log[len(log)-1] != nil {
		c.HealthOutput = log[len(log)-1].Output
	}
}

// stopped reports whether a verdict is none: Engine 20.10 calls a container unhealthy, with no
// failed check, from the moment at which it is paused until the first check after that.
func stopped(h *container.Health) bool {
	return h.Status == container.Unhealthy && h.FailingStreak == 0
}

func (c *Container) readConfig(config container.Config) {
	c.Image = config.Image
	c.Tty = config.Tty
	if config.Labels != nil {
		c.Labels = config.Labels
	}
	c.Service = c.Labels[serviceLabel]
	if number, err := strconv.Atoi(c.Labels[numberLabel]); err == nil {
		c.Number = number
	}
	for _, entry := range config.Env {
		key, value, _ := strings.Cut(entry, "=")
		c.Env[key] = value
	}
}

func (c *Container) readNetworks(settings container.NetworkSettings) {
	for name, endpoint := range settings.Networks {
		if endpoint != nil {
			c.Networks[name] = NetworkInfo{ID: endpoint.NetworkID, IP: endpoint.IPAddress, Aliases: endpoint.Aliases}
		}
	}
	for port, bindings := range settings.Ports {
		for _, binding := range bindings {
			hostPort, err := strconv.Atoi(binding.HostPort)
			if err != nil {
				continue
			}
			c.Ports = append(c.Ports, Port{
				HostIP: binding.HostIP, HostPort: hostPort,
				ContainerPort: port.Int(), Protocol: port.Proto(),
			})
		}
	}
	slices.SortFunc(c.Ports, func(a, b Port) int {
		if a.ContainerPort != b.ContainerPort {
			return a.ContainerPort - b.ContainerPort
		}
		if a.HostPort != b.HostPort {
			return a.HostPort - b.HostPort
		}
		return strings.Compare(a.HostIP+a.Protocol, b.HostIP+b.Protocol)
	})
}

// engineTime is the zero time for "never", which the engine writes as year 1.
func engineTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() <= 1 {
		return time.Time{}
	}
	return at
}

// shortID shortens a full ID for messages and leaves names alone.
func shortID(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
