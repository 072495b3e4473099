package compose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "My Shop")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad_WhereTheProjectComesFrom(t *testing.T) {
	const web = "services: {web: {image: '${IMG:-default}'}}"
	embedded := &Embedded{Name: "built-in", Content: []byte("services: {inner: {image: '${IMG:-e}'}}")}
	tests := []struct {
		name  string
		files map[string]string
		opts  LoadOptions
		want  string // project name, files, images
	}{
		{"compose.yaml", map[string]string{"compose.yaml": web, "docker-compose.yml": "x"}, LoadOptions{}, "myshop compose.yaml default"},
		{".env", map[string]string{"compose.yml": web, ".env": "IMG=env"}, LoadOptions{}, "myshop compose.yml env"},
		{"environment wins over .env", map[string]string{"compose.yaml": web, ".env": "IMG=env"}, LoadOptions{Environ: []string{"IMG=os"}}, "myshop compose.yaml os"},
		{"explicit env file replaces .env", map[string]string{"compose.yaml": web, ".env": "IMG=env", "prod.env": "IMG=prod"}, LoadOptions{EnvFiles: []string{"prod.env"}}, "myshop compose.yaml prod"},
		{"override", map[string]string{"compose.yaml": web, "compose.override.yaml": "services: {web: {image: over}}"}, LoadOptions{}, "myshop compose.yaml compose.override.yaml over"},
		{"explicit file, without its override", map[string]string{"a/x.yaml": web, "a/compose.override.yaml": "bad", "a/.env": "IMG=beside"}, LoadOptions{Files: []string{"a/x.yaml"}}, "a a/x.yaml beside"},
		{"COMPOSE_FILE", map[string]string{"b.yaml": web}, LoadOptions{Environ: []string{"COMPOSE_FILE=b.yaml"}}, "myshop b.yaml default"},
		{"COMPOSE_FILE in .env", map[string]string{"b.yaml": web, ".env": "COMPOSE_FILE=b.yaml"}, LoadOptions{Embedded: embedded}, "myshop b.yaml default"},
		{"name in the file", map[string]string{"compose.yaml": "name: n\n" + web}, LoadOptions{}, "n compose.yaml default"},
		{"COMPOSE_PROJECT_NAME", map[string]string{"compose.yaml": "name: n\n" + web}, LoadOptions{Environ: []string{"COMPOSE_PROJECT_NAME=e"}}, "e compose.yaml default"},
		{"-p", map[string]string{"compose.yaml": "name: n\n" + web}, LoadOptions{ProjectName: "p", Environ: []string{"COMPOSE_PROJECT_NAME=e"}}, "p compose.yaml default"},
		{"embedded", map[string]string{".env": "IMG=env"}, LoadOptions{Embedded: embedded}, "myshop built-in env"},
		{"a file wins over embedded", map[string]string{"compose.yaml": web}, LoadOptions{Embedded: embedded}, "myshop compose.yaml default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeFiles(t, tt.files)
			tt.opts.WorkingDir = dir
			project, err := Load(t.Context(), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{project.Name}
			for _, file := range project.Files {
				got = append(got, strings.TrimPrefix(file, dir+"/"))
			}
			for _, service := range project.Services {
				got = append(got, service.Image)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
			if project.Embedded != (project.Files[0] == "built-in") {
				t.Errorf("Embedded = %t", project.Embedded)
			}
		})
	}
}

func TestLoad_DoesNotLookIntoParents(t *testing.T) {
	dir := writeFiles(t, map[string]string{"compose.yaml": "services: {a: {image: b}}", "sub/x": ""})
	_, err := Load(t.Context(), LoadOptions{WorkingDir: filepath.Join(dir, "sub")})
	if !errors.Is(err, ErrNoProject) {
		t.Errorf("error %v", err)
	}
}

func TestLoad_EmbeddedContext(t *testing.T) {
	context := fstest.MapFS{"Dockerfile": {Data: []byte("ARG BASE=nginx:1\nFROM ${BASE} AS x\nFROM x\nFROM scratch\n")}}
	project, err := Load(t.Context(), LoadOptions{WorkingDir: t.TempDir(), Embedded: &Embedded{
		Name: "built-in", Content: []byte("services: {p: {build: {context: ./nginx, args: {BASE: 'nginx:2'}}}}"),
		Contexts: map[string]fs.FS{"nginx": context},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if project.Context(project.Services["p"]) == nil {
		t.Fatal("the context is not found")
	}
	bases, err := baseImages(project, project.Services["p"])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"nginx:2"}, bases); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_NamesEverythingUnsupported(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string
	}{
		{"nothing", "services: {a: {image: x, x-other: {a: 1}}}", nil},
		{
			"service", "services: {a: {image: x, network_mode: host, ipc: host}, b: {image: y, devices: ['/dev/a:/dev/a'], pid: host}}",
			[]string{"services.a.ipc", "services.a.network_mode", "services.b.devices", "services.b.pid"},
		},
		{
			"deeper", "services: {a: {image: x, build: {context: ., network: host}, deploy: {restart_policy: {condition: any}}}}",
			[]string{"services.a.build.network", "services.a.deploy.restart_policy"},
		},
		{
			"in a list", "services: {a: {image: x, volumes: [{type: volume, source: v, target: /v, volume: {subpath: s}}]}}\nvolumes: {v: }",
			[]string{"services.a.volumes.volume.subpath"},
		},
		{
			"top level", "services: {a: {image: x, configs: [c], networks: [n]}}\nnetworks: {n: {enable_ipv4: false}}\nconfigs: {c: {external: true}}",
			[]string{"configs.c.external", "networks.n.enable_ipv4"},
		},
		{
			"values", "services: {a: {image: x, pull_policy: daily}}",
			[]string{"services.a.pull_policy: daily"},
		},
		{
			"read-only with a copied config", "services: {a: {image: x, read_only: true, configs: [c]}}\nconfigs: {c: {content: x}}",
			[]string{"services.a.configs.c: cannot be copied into a read_only container, use `file:`"},
		},
		{
			"our extension", "services: {a: {image: x, x-bgctl: {live_env: A, more: 1}}}",
			[]string{"services.a.x-bgctl.live_env: not a list of names", "services.a.x-bgctl.more"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tryLoad(t, tt.file)
			if len(tt.want) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var unsupported *UnsupportedError
			if !errors.As(err, &unsupported) || !errors.Is(err, ErrUnsupported) {
				t.Fatalf("error %v", err)
			}
			sort := cmp.Transformer("set", func(in []string) map[string]bool {
				out := map[string]bool{}
				for _, s := range in {
					out[s] = true
				}
				return out
			})
			if diff := cmp.Diff(tt.want, unsupported.Attributes, sort); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPackContext_IsStableAndHonoursDockerignore(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"compose.yaml":   "services: {a: {build: {context: ctx}}}",
		"ctx/Dockerfile": "FROM scratch", "ctx/.dockerignore": "*\n!keep", "ctx/keep/a": "1", "ctx/drop/b": "2",
	})
	project, err := Load(t.Context(), LoadOptions{WorkingDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	service := project.Services["a"]
	first, _, err := packContext(project, service)
	if err != nil {
		t.Fatal(err)
	}
	second, _, _ := packContext(project, service)
	if string(first) != string(second) {
		t.Error("two packs of one context differ")
	}
	for name, want := range map[string]bool{"Dockerfile": true, "keep/a": true, "drop/b": false} {
		if got := strings.Contains(string(first), name); got != want {
			t.Errorf("%s packed: %t", name, got)
		}
	}
}

func TestContextChanged(t *testing.T) {
	tests := []struct {
		label, now string
		want       bool
	}{
		{"a-1", "a-1", false},
		{"a-1", "b-1", true},
		{"a-1", "a-2", true},
		{"a-1", "a-", false}, // base image gone: what is there still works
		{"a-1", "", false},   // not an embedded context
		{"", "a-1", true},
	}
	for _, tt := range tests {
		if got := contextChanged(tt.label, tt.now); got != tt.want {
			t.Errorf("contextChanged(%q, %q) = %t", tt.label, tt.now, got)
		}
	}
}

func TestSpec(t *testing.T) {
	project := loadVectors(t)
	service := project.Services["nginx"]
	made, err := blueprint{project: project, service: service, number: 1, apiVersion: "1.41", imageID: "sha256:1"}.spec()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vectors_logs:/var/log/app:rw"}, made.Host.Binds); diff != "" {
		t.Error(diff)
	}
	if got := string(made.Host.NetworkMode); got != "vectors_back" {
		t.Errorf("first network %s, want the one of highest priority", got)
	}
	if _, ok := made.Later["vectors_default"]; !ok || len(made.Network.EndpointsConfig) != 1 {
		t.Errorf("API 1.41 takes one network at creation: %v, later %v", made.Network.EndpointsConfig, made.Later)
	}
	endpoint := made.Network.EndpointsConfig["vectors_back"]
	if diff := cmp.Diff([]string{"vectors-nginx-1", "nginx", "proxy"}, endpoint.Aliases); diff != "" {
		t.Error(diff)
	}
	if got := made.Config.Labels[dependsOnLabel]; got != "app:service_healthy:true" {
		t.Errorf("depends_on label %q", got)
	}
	newer, err := blueprint{project: project, service: service, number: 1, apiVersion: "1.44"}.spec()
	if err != nil {
		t.Fatal(err)
	}
	if len(newer.Later) != 0 || len(newer.Network.EndpointsConfig) != 2 {
		t.Error("API 1.44 takes all networks at creation")
	}
}

func TestTakenPort(t *testing.T) {
	tests := map[string]string{
		"driver failed programming external connectivity on endpoint a (b): Bind for 0.0.0.0:8080 failed: port is already allocated":    "8080",
		"Error starting userland proxy: listen tcp4 0.0.0.0:8081: bind: address already in use":                                         "8081",
		"failed to bind host port for 127.0.0.1:8082:172.18.0.2:80/tcp: address already in use":                                         "8082",
		"failed to bind host port 127.0.0.1:8083/tcp: address already in use":                                                           "8083",
		"ports are not available: exposing port TCP 0.0.0.0:8084 -> 127.0.0.1:0: listen tcp 0.0.0.0:8084: bind: address already in use": "8084",
	}
	for text, want := range tests {
		found := takenPort.FindStringSubmatch(text)
		if found == nil || found[1] != want {
			t.Errorf("%q: %v, want %s", text, found, want)
		}
	}
}

func TestErrors_AreRecognised(t *testing.T) {
	for sentinel, err := range map[error]error{
		ErrUnsupported: &UnsupportedError{}, ErrImageMissing: &ImageError{}, ErrUnhealthy: &UnhealthyError{},
		ErrPortTaken: &PortError{}, ErrBuild: &BuildError{},
	} {
		if !errors.Is((&Client{}).wrap("do it", err), sentinel) {
			t.Errorf("%T is not %v", err, sentinel)
		}
	}
}

func TestFollowBuild_TellsTheReason(t *testing.T) {
	body := `{"stream":"Step 1/2 : RUN false\n"}` + "\n" + `{"errorDetail":{},"error":"The command '/bin/sh -c false' returned a non-zero code: 1"}`
	err := followBuild(strings.NewReader(body), "x:1", func(string) {})
	var failed *BuildError
	if !errors.As(err, &failed) || !strings.Contains(failed.Error(), "non-zero code: 1") || !strings.Contains(failed.Output, "RUN false") {
		t.Errorf("error %v", err)
	}
}

func TestFilesTar_ReportsAMissingVariable(t *testing.T) {
	project := loadText(t, "services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {environment: NO_SUCH_VARIABLE}}")
	_, err := filesTar(project, project.Services["a"])
	if err == nil || !strings.Contains(err.Error(), "NO_SUCH_VARIABLE") {
		t.Errorf("error %v", err)
	}
}

func TestLiveEnv(t *testing.T) {
	service := types.ServiceConfig{Extensions: types.Extensions{ExtensionKey: map[string]any{"live_env": []any{"A", "B"}}}}
	if diff := cmp.Diff([]string{"A", "B"}, LiveEnv(service)); diff != "" {
		t.Error(diff)
	}
}

// The name that is expected is the one that the load finds, but for a name in the file.
func TestExpectedName(t *testing.T) {
	for name, tt := range map[string]struct {
		opts  LoadOptions
		files map[string]string
	}{
		"the folder":             {},
		"the environment":        {opts: LoadOptions{Environ: []string{"COMPOSE_PROJECT_NAME=shop"}}},
		"the flag":               {opts: LoadOptions{ProjectName: "shop", Environ: []string{"COMPOSE_PROJECT_NAME=other"}}},
		".env":                   {files: map[string]string{".env": "COMPOSE_PROJECT_NAME=shop\n"}},
		"an env file":            {opts: LoadOptions{EnvFiles: []string{"prod.env"}}, files: map[string]string{"prod.env": "COMPOSE_PROJECT_NAME=shop\n"}},
		"the folder of the file": {opts: LoadOptions{Files: []string{"sub/compose.yaml"}}, files: map[string]string{"sub/compose.yaml": "services: {a: {image: x}}\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range tt.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			opts := tt.opts
			opts.WorkingDir, opts.Embedded = dir, &Embedded{Name: "compose.yaml", Content: []byte("services: {a: {image: x}}\n")}
			got := ExpectedName(opts)
			p, err := Load(t.Context(), opts)
			if err != nil || got != p.Name {
				t.Errorf("expected %q, loaded %+v, %v", got, p, err)
			}
		})
	}
}
