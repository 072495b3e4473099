//go:build e2e

package compose

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// dockerCompose is the command of the real docker compose, which make e2e finds.
func dockerCompose(t *testing.T) []string {
	t.Helper()
	words := strings.Fields(os.Getenv("DOCKER_COMPOSE"))
	if len(words) == 0 {
		t.Fatal("DOCKER_COMPOSE is not set: run make e2e, it finds docker compose")
	}
	return words
}

// compose runs the real docker compose in the project's directory.
func (s *upStage) compose(args ...string) string {
	s.t.Helper()
	words := slices.Concat(dockerCompose(s.t), []string{"-p", s.name}, args)
	cmd := exec.CommandContext(s.t.Context(), words[0], words[1:]...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (s *upStage) ids() map[string]string {
	s.t.Helper()
	seen := &Observed{}
	if err := s.c.observeContainers(s.t.Context(), NamedProject(s.name), seen); err != nil {
		s.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, found := range seen.Containers {
		ids[found.Name] = found.ID
	}
	return ids
}

func TestE2E_DockerComposeTakesOverAndBack(t *testing.T) {
	t.Parallel()
	s := newUpStage(t)
	project := s.load(fourServices)
	s.mustUp(project, UpOptions{WaitHealthy: true})
	ours := s.ids()
	s.compose("up", "-d")
	for name, id := range s.ids() {
		if ours[name] != id {
			t.Errorf("docker compose recreated %s", name)
		}
	}
	if got := s.compose("ps", "-aq"); len(strings.Fields(got)) != 4 {
		t.Errorf("docker compose ps lists %q", got)
	}
	s.compose("down", "-v")
	if left := s.ids(); len(left) != 0 {
		t.Errorf("docker compose down left %v", left)
	}
	s.compose("up", "-d")
	s.mustBeSettled(project)
}
