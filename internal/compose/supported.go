package compose

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// supportedService lists, by their names in the file, the attributes of a
// service that are implemented. `*` stands for any key. A name without deeper
// ones stands for everything below it.
const supportedService = `
image build.context build.dockerfile build.dockerfile_inline build.args build.target build.labels
pull_policy command entrypoint environment env_file ports expose
volumes.type volumes.source volumes.target volumes.read_only volumes.consistency
volumes.bind.propagation volumes.bind.create_host_path volumes.bind.selinux
volumes.volume.nocopy volumes.tmpfs
tmpfs networks.*.aliases networks.*.ipv4_address networks.*.ipv6_address networks.*.priority
depends_on healthcheck restart labels user working_dir init read_only cap_add cap_drop security_opt
pids_limit mem_limit mem_reservation memswap_limit cpus ulimits sysctls dns dns_opt dns_search
extra_hosts hostname domainname stop_signal stop_grace_period logging shm_size stdin_open tty
container_name platform group_add privileged profiles scale
deploy.replicas deploy.resources.limits.cpus deploy.resources.limits.memory deploy.resources.limits.pids
deploy.resources.reservations.memory
secrets configs`

// supportedTop does the same for networks, volumes, configs and secrets.
const supportedTop = `
networks.*.name networks.*.driver networks.*.driver_opts networks.*.external networks.*.internal
networks.*.attachable networks.*.labels networks.*.enable_ipv6
networks.*.ipam.driver networks.*.ipam.options networks.*.ipam.config
volumes.*.name volumes.*.driver volumes.*.driver_opts volumes.*.external volumes.*.labels
configs.*.name configs.*.content configs.*.file configs.*.environment
secrets.*.name secrets.*.file secrets.*.environment secrets.*.content`

// checkSupported reports everything set in the project that bgctl does not carry out.
func checkSupported(p *Project) error {
	var found []string
	for _, name := range p.ServiceNames() {
		service := p.Services[name]
		check := checker{allowed: strings.Fields(supportedService)}
		check.walk(reflect.ValueOf(service), "", "services."+name)
		found = append(found, check.found...)
		found = append(found, checkValues(p, service)...)
	}
	top := struct {
		Networks types.Networks `yaml:"networks"`
		Volumes  types.Volumes  `yaml:"volumes"`
		Configs  types.Configs  `yaml:"configs"`
		Secrets  types.Secrets  `yaml:"secrets"`
		Models   types.Models   `yaml:"models"`
	}{p.Networks, p.Volumes, p.Configs, p.Secrets, p.Models}
	check := checker{allowed: strings.Fields(supportedTop)}
	check.walk(reflect.ValueOf(top), "", "")
	found = append(found, check.found...)
	if len(found) > 0 {
		return &UnsupportedError{Attributes: found}
	}
	return nil
}

type checker struct {
	allowed []string
	found   []string
}

// walk visits what is set. path is matched against the list, shown is what the
// user reads.
func (c *checker) walk(v reflect.Value, path, shown string) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0 {
		return
	}
	if path != "" {
		switch c.match(path) {
		case whole:
			return
		case unknown:
			c.found = append(c.found, shown)
			return
		case deeper:
		}
	}
	switch v.Kind() { //nolint:exhaustive // every other kind is a plain value
	case reflect.Struct:
		c.walkStruct(v, path, shown)
	case reflect.Map:
		for _, key := range v.MapKeys() {
			c.walk(v.MapIndex(key), path+".*", shown+"."+key.String())
		}
		slices.Sort(c.found)
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i), path, shown)
		}
		c.found = slices.Compact(c.found)
	default:
		c.found = append(c.found, shown)
	}
}

func (c *checker) walkStruct(v reflect.Value, path, shown string) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		// Extensions and what compose-go keeps for itself are no attributes.
		if !field.IsExported() || name == "" || name == "-" || strings.HasPrefix(name, "#") || v.Field(i).IsZero() {
			continue
		}
		if path == "" && field.Name == "Name" {
			continue
		}
		c.walk(v.Field(i), join(path, name), join(shown, name))
	}
}

type support int

const (
	unknown support = iota
	whole
	deeper
)

func (c *checker) match(path string) support {
	for _, allowed := range c.allowed {
		if allowed == path {
			return whole
		}
		if strings.HasPrefix(allowed, path+".") {
			return deeper
		}
	}
	return unknown
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// checkValues reports values bgctl does not carry out, of attributes it does.
func checkValues(p *Project, service types.ServiceConfig) []string {
	at := "services." + service.Name + "."
	var found []string
	if service.Image == "" && service.Build == nil {
		found = append(found, at+"image: a service needs image or build")
	}
	switch service.PullPolicy {
	case "", types.PullPolicyAlways, types.PullPolicyNever, types.PullPolicyMissing,
		types.PullPolicyIfNotPresent, types.PullPolicyBuild:
	default:
		found = append(found, at+"pull_policy: "+service.PullPolicy)
	}
	for _, volume := range service.Volumes {
		switch volume.Type {
		case types.VolumeTypeBind, types.VolumeTypeVolume, types.VolumeTypeTmpfs:
		default:
			found = append(found, at+"volumes: type "+volume.Type)
		}
	}
	found = append(found, checkExtension(service, at)...)
	return append(found, checkFileReferences(p, service, at)...)
}

func checkExtension(service types.ServiceConfig, at string) []string {
	value, ok := service.Extensions[ExtensionKey]
	if !ok {
		return nil
	}
	extension, ok := value.(map[string]any)
	if !ok {
		return []string{at + ExtensionKey + ": not a mapping"}
	}
	var found []string
	for _, key := range sortedKeys(extension) {
		list, isList := extension[key].([]any)
		switch {
		case key != "live_env":
			found = append(found, at+ExtensionKey+"."+key)
		case !isList || len(LiveEnv(service)) != len(list):
			found = append(found, at+ExtensionKey+".live_env: not a list of names")
		}
	}
	return found
}

// checkFileReferences refuses what docker compose refuses, or ignores with a warning.
func checkFileReferences(p *Project, service types.ServiceConfig, at string) []string {
	var found []string
	for _, ref := range fileReferences(p, service) {
		where := fmt.Sprintf("%s%s.%s", at, ref.kind, ref.Source)
		copied := ref.object.File == ""
		if copied && service.ReadOnly {
			found = append(found, where+": cannot be copied into a read_only container, use `file:`")
		}
		if !copied && (ref.UID != "" || ref.GID != "" || ref.Mode != nil) {
			found = append(found, where+": uid, gid and mode with `file:`")
		}
	}
	return found
}
