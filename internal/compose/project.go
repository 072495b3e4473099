package compose

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// ExtensionKey is the service extension that bgctl reads.
const ExtensionKey = "x-bgctl"

// Project is a loaded, checked compose project.
type Project struct {
	*types.Project

	// Files are the compose files it came from, absolute, in order of merging;
	// for an embedded project the name of the embedded file.
	Files []string
	// EnvFiles are the files given explicitly instead of .env.
	EnvFiles []string
	// Embedded says that no file was found and the built-in one is used.
	Embedded bool

	contexts   map[string]fs.FS
	deliveries map[string][]delivery // by service
}

// NamedProject is a project of which only the name is known: enough for [Client.Down],
// which then removes only what carries bgctl's own label with that name.
func NamedProject(name string) *Project {
	return &Project{Project: &types.Project{Name: name}}
}

// isNameOnly tells a [NamedProject] from a loaded one.
func (p *Project) isNameOnly() bool { return len(p.Files) == 0 }

// made tells whether a resource with these labels may be taken for one that was made
// for this project. A file in the project's directory is word enough; a name alone is not.
func (p *Project) made(labels map[string]string) bool {
	switch {
	case p.isNameOnly():
		return labels[stackLabel] == p.Name
	case p.Embedded:
		return labels[embeddedLabel] != "" || labels[configFilesLabel] == strings.Join(p.Files, ",")
	default:
		return true
	}
}

// ownLabels are bgctl's labels on everything that it makes for the project.
func (p *Project) ownLabels() map[string]string {
	labels := map[string]string{stackLabel: p.Name}
	if p.Embedded {
		labels[embeddedLabel] = "true"
	}
	return labels
}

// Context returns the embedded build context of a service, or nil when the
// service is built from a directory.
func (p *Project) Context(service types.ServiceConfig) fs.FS {
	if !p.Embedded || service.Build == nil {
		return nil
	}
	key := service.Build.Context
	if rel, err := filepath.Rel(p.WorkingDir, key); err == nil {
		key = filepath.ToSlash(rel)
	}
	return p.contexts[key]
}

// ImageRef is the reference a service runs: its image, or the name docker
// compose gives to the image that it builds.
func (p *Project) ImageRef(service types.ServiceConfig) string {
	if service.Image != "" {
		return service.Image
	}
	return p.Name + "-" + service.Name
}

// LiveEnv lists the environment keys of a service that are changed in the
// running container, so that a difference in them alone is no reason to recreate.
func LiveEnv(service types.ServiceConfig) []string {
	extension, _ := service.Extensions[ExtensionKey].(map[string]any)
	list, _ := extension["live_env"].([]any)
	var keys []string
	for _, item := range list {
		if key, ok := item.(string); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// WithService returns a copy of the project in which one service has another
// definition; the receiver is not changed.
func (p *Project) WithService(service types.ServiceConfig) (*Project, error) {
	if _, ok := p.Services[service.Name]; !ok {
		return nil, fmt.Errorf("project %s has no service %q", p.Name, service.Name)
	}
	inner, err := p.WithServicesTransform(func(name string, old types.ServiceConfig) (types.ServiceConfig, error) {
		if name == service.Name {
			return service, nil
		}
		return old, nil
	})
	if err != nil {
		return nil, fmt.Errorf("replace service %s: %w", service.Name, err)
	}
	out := *p
	out.Project = inner
	return &out, nil
}

// customLabels are the labels that docker compose and bgctl put on every container of a
// service. They are not part of the config hash.
func (p *Project) customLabels(service string) types.Labels {
	labels := types.Labels{
		projectLabel:     p.Name,
		serviceLabel:     service,
		versionLabel:     composeVersion,
		workingDirLabel:  p.WorkingDir,
		configFilesLabel: strings.Join(p.Files, ","),
		oneoffLabel:      "False",
	}
	maps.Copy(labels, p.ownLabels())
	if len(p.EnvFiles) > 0 {
		labels[envFileLabel] = strings.Join(p.EnvFiles, ",")
	}
	return labels
}

// known tells whether a service is in the files, enabled or not.
func (p *Project) known(service string) bool {
	return slices.Contains(p.ServiceNames(), service) ||
		slices.Contains(p.DisabledServiceNames(), service)
}

// sortedKeys returns the keys of m in order: plans have to be deterministic.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
