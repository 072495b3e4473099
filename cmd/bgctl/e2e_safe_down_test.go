//go:build e2e

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The four names under which compose finds a file.
var composeNames = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// Intent: init writes beside no project, and never over a .env: its file would win over
// theirs, and their containers would count as ours.
func TestSafe_InitBesideAProject(t *testing.T) {
	for _, name := range composeNames {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			theirs := map[string]string{name: "services: {web: {image: " + shop("v1") + "}}\n", ".env": "DB_PASSWORD=secret\n"}
			for file, text := range theirs {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := &stack{dir: dir, project: "bgctl-e2e-init", env: os.Environ()}
			for _, args := range [][]string{{"init", "--dry-run"}, {"init"}} {
				if r := s.run(args...); r.code != 2 && r.code != 4 || !oneLine(r.err, name) {
					t.Errorf("%v: got exit %d and %q, want exit 2 or 4 and one line that names %s", args, r.code, r.err, name)
				}
			}
			files, err := os.ReadDir(dir)
			if err != nil || len(files) != len(theirs) {
				t.Errorf("files: got %v, %v; want %d as before", files, err, len(theirs))
			}
			for file, text := range theirs {
				if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != text {
					t.Errorf("%s: got %q, %v; want %q", file, got, err, text)
				}
			}
		})
	}
}

// foreign is somebody else's compose project, brought up with docker compose.
type foreign struct{ dir, name string }

// The foreign project when it came up, and as its file is now: a service and a volume
// have left the file, and another volume is protected.
const (
	foreignBefore = `name: %[1]s
services:
  web: {image: %[2]s, volumes: ["uploads:/data", "outside:/outside"]}
  db: {image: %[2]s, volumes: ["pgdata:/data"]}
  redis: {image: %[2]s}
  worker: {image: %[2]s, volumes: ["kept:/data"]}
  old: {image: %[2]s, volumes: ["gone:/data"]}
volumes:
  pgdata: {}
  uploads: {}
  kept: {}
  gone: {}
  outside: {external: true, name: %[1]s-outside}
`
	foreignNow = `name: %[1]s
services:
  web: {image: %[2]s, volumes: ["uploads:/data", "outside:/outside"]}
  db: {image: %[2]s, volumes: ["pgdata:/data"]}
  redis: {image: %[2]s}
  worker: {image: %[2]s, volumes: ["kept:/data"]}
volumes:
  pgdata: {}
  uploads: {}
  kept: {external: true, name: %[1]s_kept}
  outside: {external: true, name: %[1]s-outside}
`
	foreignPlain = `name: %[1]s
services:
  web: {image: %[2]s, volumes: ["uploads:/data"]}
  db: {image: %[2]s, volumes: ["pgdata:/data"]}
  redis: {image: %[2]s}
  worker: {image: %[2]s}
  cron: {image: %[2]s}
volumes:
  pgdata: {}
  uploads: {}
`
)

// newForeign brings a foreign project up.
func newForeign(t *testing.T, name, file string) *foreign {
	t.Helper()
	if err := shopImages(); err != nil {
		t.Fatal(err)
	}
	f := &foreign{dir: filepath.Join(t.TempDir(), "theirs"), name: fmt.Sprintf("bgctl-e2e-%s-%d", name, os.Getpid())}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	outside := f.name + "-outside"
	t.Cleanup(func() {
		if err := wipeProject(f.name); err != nil {
			t.Error(err)
		}
		docker(t, "volume", "rm", "-f", outside)
	})
	docker(t, "volume", "create", outside)
	f.write(t, file)
	f.compose(t, "up", "-d")
	return f
}

// write replaces the project's file.
func (f *foreign) write(t *testing.T, file string) {
	t.Helper()
	text := fmt.Sprintf(file, f.name, shop("v1"))
	if err := os.WriteFile(filepath.Join(f.dir, "docker-compose.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compose runs docker compose in the project's folder.
func (f *foreign) compose(t *testing.T, args ...string) {
	t.Helper()
	words := append(strings.Fields(os.Getenv("DOCKER_COMPOSE")), args...)
	if len(words) == len(args) {
		t.Fatal("DOCKER_COMPOSE is not set: run make e2e, it finds docker compose")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = f.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// left is what the engine has of the project, by names without that of the project.
func (f *foreign) left(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, list := range [][]string{
		{"ps", "-a", "--format", "container {{.Names}}"},
		{"network", "ls", "--format", "network {{.Name}}"},
		{"volume", "ls", "--format", "volume {{.Name}}"},
	} {
		for line := range strings.Lines(docker(t, append(list, "--filter", "name="+f.name)...)) {
			all = append(all, strings.TrimSpace(strings.Replace(line, f.name, "", 1)))
		}
	}
	slices.Sort(all)
	return all
}

// Intent: down in somebody's folder takes exactly what docker compose would take: what
// the file declares, never an external volume, never what has left the file.
func TestSafe_DownTakesWhatComposeWould(t *testing.T) {
	t.Parallel()
	twin := newForeign(t, "twin", foreignBefore)
	twin.write(t, foreignNow)
	f := newForeign(t, "theirs", foreignBefore)
	f.write(t, foreignNow)
	before := f.left(t)
	s := &stack{dir: f.dir, project: f.name, env: append(os.Environ(), "NO_COLOR=1")}

	dry := s.run("down", "--volumes", "--dry-run")
	told := dry.out + dry.err
	if dry.code != 0 || !strings.Contains(told, f.name+"_pgdata") || !strings.Contains(told, f.name+"_uploads") {
		t.Errorf("down --volumes --dry-run: got exit %d, %q; want exit 0 and the volumes pgdata and uploads in it", dry.code, told)
	}
	for line := range strings.Lines(told) {
		for _, never := range []string{"_kept", "_gone", "-outside"} {
			if strings.HasPrefix(strings.TrimSpace(line), "remove ") && strings.Contains(line, f.name+never) {
				t.Errorf("down --volumes --dry-run: got %q, want no %s among what is removed", line, never)
			}
		}
	}
	r := s.run("down", "--volumes")
	if r.code != 2 && r.code != 4 || !oneLine(r.err, "--yes") {
		t.Errorf("down --volumes with nobody to ask: got exit %d and %q; want exit 2 or 4 and one line that names --yes", r.code, r.err)
	}
	if got := f.left(t); !slices.Equal(got, before) {
		t.Fatalf("neither --dry-run nor a refusal may change anything: got %q, want %q", got, before)
	}

	twin.compose(t, "down", "-v")
	want := twin.left(t)
	r = s.run("down", "--volumes", "--yes")
	if r.code != 0 {
		t.Errorf("down --volumes --yes: got exit %d, want 0\n%s%s", r.code, r.out, r.err)
	}
	if got := f.left(t); !slices.Equal(got, want) {
		t.Errorf("left: got %q, want what docker compose down -v leaves: %q", got, want)
	}
}

// Intent: a name is no proof: in an empty folder nothing of a project that we did not
// make is deleted, whether the name is given or is the folder's.
func TestSafe_DownByNameAlone(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"-p NAME", "folder's name"} {
		t.Run(way, func(t *testing.T) {
			f := newForeign(t, "named", foreignPlain)
			before := f.left(t)
			s := &stack{dir: t.TempDir(), env: append(os.Environ(), "NO_COLOR=1")}
			args := []string{"-p", f.name}
			if way != "-p NAME" {
				s.dir = filepath.Join(s.dir, f.name)
				if err := os.Mkdir(s.dir, 0o700); err != nil {
					t.Fatal(err)
				}
				args = nil
			}
			for _, yes := range [][]string{nil, {"--yes"}} {
				r := s.launchBare(t, slices.Concat(args, []string{"down", "--volumes"}, yes)...).wait(time.Minute)
				if got := f.left(t); !slices.Equal(got, before) {
					t.Fatalf("left: got %q, want all of it: %q\n%s%s", got, before, r.out, r.err)
				}
				if r.code != 2 && r.code != 4 || !oneLine(r.err, f.name) {
					t.Errorf("down --volumes %v: got exit %d and %q%q; want exit 2 or 4 and one line that names %s", yes, r.code, r.out, r.err, f.name)
				}
			}
		})
	}
}
