package compose

import (
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

func loadVectors(t *testing.T) *Project {
	t.Helper()
	dir, err := filepath.Abs("testdata/vectors")
	if err != nil {
		t.Fatal(err)
	}
	project, err := Load(t.Context(), LoadOptions{
		WorkingDir: dir, Environ: []string{"VEC_TOKEN=t", "PASSED=through"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// The values are the config-hash labels that docker compose 2.40.3 put on the
// containers, networks and volumes it created from testdata/vectors.
func TestServiceHash_EqualsDockerCompose(t *testing.T) {
	project := loadVectors(t)
	want := map[string]string{
		"app":     "3fb64c1584f026975d81b93053ca7ba02b5ddc8450f1b28ed0a7a036ebf63ab0",
		"limited": "59b194b1c145dd92195baa95461cf91fa81a3500fea5c03bb9d9bbd908840732",
		"nginx":   "aa2b3e9e9a36375af4dc24eca8a5e87b4180d3c1b21638c4a2682a9749bec047",
		"plain":   "54a44fc9dfbad02d0c0ce84a66630d5e8c6e5f262fd4588bcdb5954ebf25abed",
	}
	got := map[string]string{}
	for name, service := range project.Services {
		hash, err := ServiceHash(service)
		if err != nil {
			t.Fatal(err)
		}
		got[name] = hash
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	app := project.Services["app"]
	if replicas := app.GetScale(); replicas != 2 {
		t.Errorf("hashing changed the project: scale of app = %d", replicas)
	}
}

func TestNetworkAndVolumeHash_EqualDockerCompose(t *testing.T) {
	project := loadVectors(t)
	want := map[string]string{
		"back":    "314c09bc30c795c91878399cf859fe4fe49733bf17a2339cab8cc4ede7184fbc",
		"default": "e8c79c330cfa76fa5c5419ca702b903d71455e4cfa51d507936170cfd2d84a7e",
		"logs":    "9e67387214646626332c2565a25eb2e448d24d4bb5901dacaf57283aa04884d7",
	}
	got := map[string]string{}
	for key, network := range project.Networks {
		got[key], _ = networkHash(network)
	}
	for key, volume := range project.Volumes {
		got[key], _ = volumeHash(volume)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHashWithEnv(t *testing.T) {
	green, blue := "green", "blue"
	service := types.ServiceConfig{Image: "x", Environment: types.MappingWithEquals{"ACTIVE_POOL": &green, "A": &blue}}
	was := types.ServiceConfig{Image: "x", Environment: types.MappingWithEquals{"ACTIVE_POOL": &blue, "A": &blue}}
	want, err := ServiceHash(was)
	if err != nil {
		t.Fatal(err)
	}
	got, err := hashWithEnv(service, map[string]*string{"ACTIVE_POOL": &blue})
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("hash with the old value = %s, want %s", got, want)
	}
	if *service.Environment["ACTIVE_POOL"] != green {
		t.Error("hashWithEnv changed its argument")
	}
}
