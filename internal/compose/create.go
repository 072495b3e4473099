package compose

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-connections/nat"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// spec is what the engine needs to create a container.
type spec struct {
	Config  *container.Config
	Host    *container.HostConfig
	Network *network.NetworkingConfig
	// Later are the networks that engines before API 1.44 have to be told one by one.
	Later map[string]*network.EndpointSettings

	platform *ocispec.Platform
}

// blueprint is what a container is made from besides the service.
type blueprint struct {
	project    *Project
	service    types.ServiceConfig
	number     int
	apiVersion string
	imageID    string
	replaces   string             // name without project of the container being replaced
	inherit    *ObservedContainer // whose anonymous volumes are taken over
	imageVols  map[string]struct{}
}

// spec translates a service as docker compose does.
func (b blueprint) spec() (spec, error) {
	labels, err := b.labels()
	if err != nil {
		return spec{}, err
	}
	binds, mounts := b.volumes()
	s := b.service
	config := &container.Config{
		Hostname: s.Hostname, Domainname: s.DomainName, User: s.User,
		ExposedPorts: exposedPorts(s), Tty: s.Tty, OpenStdin: s.StdinOpen,
		AttachStdout: true, AttachStderr: true,
		Cmd: []string(s.Command), Entrypoint: []string(s.Entrypoint),
		Image: b.project.ImageRef(s), WorkingDir: s.WorkingDir,
		Labels: labels, StopSignal: s.StopSignal, Env: envList(s.Environment),
		Healthcheck: healthConfig(s.HealthCheck), StopTimeout: wholeSeconds(s.StopGracePeriod),
	}
	host := &container.HostConfig{
		Binds: binds, Mounts: mounts, CapAdd: s.CapAdd, CapDrop: s.CapDrop,
		Init: s.Init, ReadonlyRootfs: s.ReadOnly, RestartPolicy: restartPolicy(s.Restart),
		ShmSize: int64(s.ShmSize), Sysctls: s.Sysctls, PortBindings: portBindings(s),
		Resources: resources(s), DNS: s.DNS, DNSSearch: s.DNSSearch, DNSOptions: s.DNSOpts,
		ExtraHosts: extraHosts(s), Privileged: s.Privileged,
		Tmpfs: tmpfs(s), GroupAdd: s.GroupAdd,
	}
	if err := securityOptions(b.project, s.SecurityOpt, host); err != nil {
		return spec{}, fmt.Errorf("services.%s.security_opt: %w", s.Name, err)
	}
	if s.Logging != nil {
		host.LogConfig = container.LogConfig{Type: s.Logging.Driver, Config: s.Logging.Options}
	}
	out := spec{Config: config, Host: host}
	b.connect(&out)
	return out, nil
}

func (b blueprint) labels() (map[string]string, error) {
	hash, err := ServiceHash(b.service)
	if err != nil {
		return nil, err
	}
	files, err := filesHash(b.project, b.service)
	if err != nil {
		return nil, err
	}
	labels := maps.Clone(map[string]string(b.service.Labels))
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, b.project.customLabels(b.service.Name))
	labels[hashLabel] = hash
	labels[numberLabel] = strconv.Itoa(b.number)
	var deps []string
	for _, name := range sortedKeys(b.service.DependsOn) {
		dep := b.service.DependsOn[name]
		deps = append(deps, fmt.Sprintf("%s:%s:%t", name, dep.Condition, dep.Restart))
	}
	labels[dependsOnLabel] = strings.Join(deps, ",")
	if b.imageID != "" {
		labels[imageLabel] = b.imageID
	}
	if files != "" {
		labels[filesHashLabel] = files
	}
	if b.replaces != "" {
		labels[replaceLabel] = b.replaces
	}
	return labels, nil
}

// connect sets the networks: the one of highest priority at creation, the
// others too if the engine can, else afterwards.
func (b blueprint) connect(out *spec) {
	keys := b.service.NetworksByPriority()
	if len(keys) == 0 {
		out.Host.NetworkMode = "none"
		return
	}
	out.Network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	out.Later = map[string]*network.EndpointSettings{}
	for i, key := range keys {
		name := b.project.Networks[key].Name
		endpoint := b.endpoint(key)
		if i == 0 {
			out.Host.NetworkMode = container.NetworkMode(name)
		}
		if i == 0 || versions.GreaterThanOrEqualTo(b.apiVersion, "1.44") {
			out.Network.EndpointsConfig[name] = endpoint
			continue
		}
		out.Later[name] = endpoint
	}
}

func (b blueprint) endpoint(key string) *network.EndpointSettings {
	endpoint := &network.EndpointSettings{
		Aliases: []string{containerName(b.project, b.service, b.number), b.service.Name},
	}
	if config := b.service.Networks[key]; config != nil {
		endpoint.Aliases = append(endpoint.Aliases, config.Aliases...)
		endpoint.IPAMConfig = &network.EndpointIPAMConfig{
			IPv4Address: config.Ipv4Address, IPv6Address: config.Ipv6Address,
		}
	}
	return endpoint
}

func envList(environment types.MappingWithEquals) []string {
	env := make([]string, 0, len(environment))
	for _, key := range sortedKeys(environment) {
		if value := environment[key]; value != nil {
			env = append(env, key+"="+*value)
			continue
		}
		// A key without a value removes one that the image sets.
		env = append(env, key)
	}
	return env
}

func exposedPorts(s types.ServiceConfig) nat.PortSet {
	ports := nat.PortSet{}
	for _, port := range s.Expose {
		ports[nat.Port(port)] = struct{}{}
	}
	for _, port := range s.Ports {
		ports[portOf(port)] = struct{}{}
	}
	return ports
}

func portBindings(s types.ServiceConfig) nat.PortMap {
	bindings := nat.PortMap{}
	for _, port := range s.Ports {
		bindings[portOf(port)] = append(bindings[portOf(port)],
			nat.PortBinding{HostIP: port.HostIP, HostPort: port.Published})
	}
	return bindings
}

func portOf(port types.ServicePortConfig) nat.Port {
	return nat.Port(fmt.Sprintf("%d/%s", port.Target, port.Protocol))
}

func extraHosts(s types.ServiceConfig) []string {
	hosts := s.ExtraHosts.AsList(":")
	slices.Sort(hosts)
	return hosts
}

func tmpfs(s types.ServiceConfig) map[string]string {
	out := map[string]string{}
	for _, entry := range s.Tmpfs {
		target, options, _ := strings.Cut(entry, ":")
		out[target] = options
	}
	return out
}

func healthConfig(check *types.HealthCheckConfig) *container.HealthConfig {
	if check == nil {
		return nil
	}
	out := &container.HealthConfig{
		Test: check.Test, Interval: asDuration(check.Interval), Timeout: asDuration(check.Timeout),
		StartPeriod: asDuration(check.StartPeriod), StartInterval: asDuration(check.StartInterval),
	}
	if check.Disable {
		out.Test = []string{"NONE"}
	}
	if check.Retries != nil {
		out.Retries = int(min(*check.Retries, 1<<30))
	}
	return out
}

func asDuration(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

func wholeSeconds(d *types.Duration) *int {
	if d == nil {
		return nil
	}
	seconds := int(time.Duration(*d).Seconds())
	return &seconds
}

func restartPolicy(text string) container.RestartPolicy {
	name, attempts, _ := strings.Cut(text, ":")
	count, _ := strconv.Atoi(attempts)
	return container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: count}
}
