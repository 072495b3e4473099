package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const planFile = `
name: demo
services:
  db:
    image: app:1
    healthcheck: {test: [CMD, /app]}
    volumes: [data:/data]
  web:
    image: app:1
    environment: {ACTIVE_POOL: blue, OTHER: x}
    depends_on:
      db: {condition: service_healthy, restart: true}
    x-bgctl: {live_env: [ACTIVE_POOL]}
volumes: {data: }
`

func loadText(t *testing.T, content string) *Project {
	t.Helper()
	project, err := tryLoad(t, content)
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func tryLoad(t *testing.T, content string) (*Project, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(t.Context(), LoadOptions{WorkingDir: dir})
}

// settled is what the engine has after a successful up of the project.
func settled(t *testing.T, p *Project) *Observed {
	t.Helper()
	seen := &Observed{
		APIVersion: "1.41", Networks: map[string]ObservedNetwork{}, Volumes: map[string]ObservedVolume{},
		Images: map[string]ObservedImage{},
	}
	for key, network := range p.Networks {
		seen.Networks[network.Name] = ObservedNetwork{ID: "id-" + network.Name, Labels: map[string]string{projectLabel: p.Name, networkLabel: key}}
	}
	for key, volume := range p.Volumes {
		seen.Volumes[volume.Name] = ObservedVolume{Labels: map[string]string{projectLabel: p.Name, volumeLabel: key}}
	}
	for _, name := range p.ServiceNames() {
		service := p.Services[name]
		ref := p.ImageRef(service)
		seen.Images[ref] = ObservedImage{ID: "sha256:" + ref}
		for number := range service.GetScale() {
			labels, err := blueprint{
				project: p, service: service, number: number + 1, imageID: "sha256:" + ref,
			}.labels()
			if err != nil {
				t.Fatal(err)
			}
			actual := ObservedContainer{
				ID: strings.Repeat("0", 11) + string(rune('a'+len(seen.Containers))) + "rest", Service: name,
				Name: containerName(p, service, number+1), Number: number + 1, State: "running", Labels: labels,
			}
			for key := range service.Networks {
				actual.Networks = append(actual.Networks, "id-"+p.Networks[key].Name)
			}
			for _, volume := range service.Volumes {
				actual.Mounts = append(actual.Mounts, ObservedMount{
					Type: volume.Type, Name: p.Volumes[volume.Source].Name, Target: volume.Target,
				})
			}
			seen.Containers = append(seen.Containers, actual)
		}
	}
	return seen
}

func (o *Observed) container(t *testing.T, name string) *ObservedContainer {
	t.Helper()
	for i := range o.Containers {
		if o.Containers[i].Name == name {
			return &o.Containers[i]
		}
	}
	t.Fatalf("no container %s", name)
	return nil
}

func TestPlanUp(t *testing.T) {
	tests := []struct {
		name   string
		file   string // what is in the file now; planFile when empty
		change func(t *testing.T, seen *Observed)
		opts   UpOptions
		want   string
	}{
		{
			name: "fresh",
			change: func(_ *testing.T, seen *Observed) {
				*seen = Observed{APIVersion: "1.41", Images: seen.Images}
			},
			want: `
create network demo_default: missing
create volume demo_data: missing
create container demo-db-1: missing
start container demo-db-1: created
create container demo-web-1: missing
wait container demo-db-1 healthy: others depend on it
start container demo-web-1: created
`,
		},
		{name: "idempotent", change: func(*testing.T, *Observed) {}, want: "\n"},
		{
			name: "image missing",
			change: func(_ *testing.T, seen *Observed) {
				*seen = Observed{APIVersion: "1.41", Networks: seen.Networks, Volumes: seen.Volumes}
			},
			want: `
pull image app:1: missing
create container demo-db-1: missing
start container demo-db-1: created
create container demo-web-1: missing
wait container demo-db-1 healthy: others depend on it
start container demo-web-1: created
`,
		},
		{
			name: "image changed",
			change: func(_ *testing.T, seen *Observed) {
				seen.Images["app:1"] = ObservedImage{ID: "sha256:newer"}
			},
			want: `
recreate container demo-db-1: image changed
wait container demo-db-1 healthy: others depend on it
recreate container demo-web-1: image changed
`,
		},
		{
			name:   "environment changed",
			file:   strings.Replace(planFile, "OTHER: x", "OTHER: y", 1),
			change: func(*testing.T, *Observed) {},
			want: `
wait container demo-db-1 healthy: others depend on it
recreate container demo-web-1: configuration changed
`,
		},
		{
			name: "only a live variable changed",
			file: strings.Replace(planFile, "ACTIVE_POOL: blue", "ACTIVE_POOL: green", 1),
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.container(t, "demo-web-1").Env = map[string]string{"ACTIVE_POOL": "blue", "OTHER": "x", "PATH": "/"}
			},
			want: `
keep service web: ACTIVE_POOL changes live from "blue" to "green"
`,
		},
		{
			name: "a live variable and another one changed",
			file: strings.NewReplacer("ACTIVE_POOL: blue", "ACTIVE_POOL: green", "OTHER: x", "OTHER: y").Replace(planFile),
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.container(t, "demo-web-1").Env = map[string]string{"ACTIVE_POOL": "blue", "OTHER": "x"}
			},
			want: `
wait container demo-db-1 healthy: others depend on it
recreate container demo-web-1: configuration changed
`,
		},
		{
			name: "orphan stays",
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.Containers = append(seen.Containers, ObservedContainer{ID: "x", Name: "demo-old-1", Service: "old", State: "running"})
			},
			want: "\n",
		},
		{
			name: "orphan removed",
			opts: UpOptions{RemoveOrphans: true},
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.Containers = append(seen.Containers,
					ObservedContainer{ID: "x", Name: "demo-old-1", Service: "old", State: "running"},
					ObservedContainer{ID: "y", Name: "demo-web-run-1", Service: "web", OneOff: true})
			},
			want: `
remove container demo-old-1: its service is not in the project
`,
		},
		{
			name: "network missing",
			change: func(_ *testing.T, seen *Observed) {
				seen.Networks = nil
			},
			want: `
create network demo_default: missing
recreate container demo-db-1: not connected to network demo_default
wait container demo-db-1 healthy: others depend on it
recreate container demo-web-1: not connected to network demo_default
`,
		},
		{
			name: "volume not mounted",
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.container(t, "demo-db-1").Mounts = nil
			},
			want: `
stop container demo-web-1: restarts with db
recreate container demo-db-1: volume demo_data is not mounted
wait container demo-db-1 healthy: others depend on it
start container demo-web-1: restarts with its dependency
`,
		},
		{
			name: "interrupted recreate, old one still there",
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				left := *seen.container(t, "demo-web-1")
				left.ID, left.Name, left.State = "new", "0123456789ab_demo-web-1", "created"
				seen.Containers = append(seen.Containers, left)
			},
			want: `
remove container 0123456789ab_demo-web-1: left by an interrupted recreate
start container demo-web-1: if the interrupted recreate has told it to stop
`,
		},
		{
			name: "interrupted recreate, old one gone",
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				left := seen.container(t, "demo-web-1")
				left.Name, left.State = "0123456789ab_demo-web-1", "created"
			},
			want: `
rename container demo-web-1: left by an interrupted recreate
wait container demo-db-1 healthy: others depend on it
start container demo-web-1: not started
`,
		},
		{
			name: "stopped, paused",
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.container(t, "demo-db-1").State = "paused"
				seen.container(t, "demo-web-1").State = "exited"
			},
			want: `
start container demo-db-1: paused
wait container demo-db-1 healthy: others depend on it
start container demo-web-1: stopped
`,
		},
		{
			name: "wait for a container that is not healthy",
			opts: UpOptions{WaitHealthy: true},
			change: func(t *testing.T, seen *Observed) {
				t.Helper()
				seen.container(t, "demo-db-1").Health = "unhealthy"
			},
			want: `
wait container demo-db-1 running_or_healthy: others depend on it
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := settled(t, loadText(t, planFile))
			tt.change(t, seen)
			file := tt.file
			if file == "" {
				file = planFile
			}
			plan, err := PlanUp(loadText(t, file), seen, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, "\n"+plan.String()); diff != "" {
				t.Error(diff)
			}
			checkOrder(t, plan)
		})
	}
}
