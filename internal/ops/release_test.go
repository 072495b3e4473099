package ops

import (
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
)

// rel is a release of the tests.
func rel(id string) *bluegreen.Release {
	return &bluegreen.Release{ID: id, Image: "shop:" + id, ImageID: "sha256:" + id}
}

// project is a file that gives both pools a release, by its name alone where the
// variable RELEASE_ID is not set.
func project(blue, green bluegreen.Release) *compose.Project {
	service := func(rel bluegreen.Release) types.ServiceConfig {
		s := types.ServiceConfig{Image: rel.Image, Environment: types.MappingWithEquals{}}
		if rel.ID != "" {
			s.Environment[deployment.ReleaseEnv] = &rel.ID
		}
		return s
	}
	return &compose.Project{Project: &types.Project{Name: "shop", Services: types.Services{
		"app_blue": service(blue), "app_green": service(green),
	}}}
}

// running is a deployment whose pools hold two releases; blue takes traffic.
func running(blue, green *bluegreen.Release) *bluegreen.Deployment {
	pool := func(p bluegreen.Pool, r *bluegreen.Release) bluegreen.PoolState {
		return bluegreen.PoolState{Pool: p, Containers: []bluegreen.Container{{Image: r.Image, ImageID: r.ImageID, Release: r.ID, State: "running"}}}
	}
	return &bluegreen.Deployment{
		Project: "shop", Router: &bluegreen.RouterStatus{Active: bluegreen.Blue},
		Blue: pool(bluegreen.Blue, blue), Green: pool(bluegreen.Green, green),
	}
}

// deployed is a journal entry of a deploy to blue that replaced one release by another.
func deployed(before, old, now *bluegreen.Release) bluegreen.Operation {
	return bluegreen.Operation{
		ID: "deploy-1", Kind: bluegreen.ActDeploy, From: bluegreen.Green, To: bluegreen.Blue, Before: before, Old: old, New: now,
		Ending: bluegreen.EndDone, Finished: time.Unix(1000, 0), By: bluegreen.Holder{User: "ana", Host: "desk"},
	}
}

func TestWishes_JudgeByValues(t *testing.T) {
	history := []bluegreen.Operation{deployed(rel("v1"), rel("v2"), rel("v3"))}
	local := map[string]compose.ObservedImage{"shop:v1": {ID: "sha256:v1"}, "shop:v3": {ID: "sha256:v3"}, "shop:moved": {ID: "sha256:v9"}}
	for name, tt := range map[string]struct {
		file bluegreen.Release
		have *bluegreen.Release
		want verdict
	}{
		"what the pool holds":               {*rel("v3"), rel("v3"), inStep},
		"the same without a release's name": {bluegreen.Release{Image: "shop:v3"}, rel("v3"), inStep},
		"what stood there before":           {*rel("v1"), rel("v3"), stale},
		"what took traffic before":          {*rel("v2"), rel("v3"), stale},
		"a release nobody has seen":         {*rel("v4"), rel("v3"), intent},
		"a known image by a new name":       {bluegreen.Release{ID: "v3b", Image: "shop:v3"}, rel("v3"), intent},
		"a tag that means new bytes":        {bluegreen.Release{ID: "v3", Image: "shop:moved"}, &bluegreen.Release{ID: "v3", Image: "shop:moved", ImageID: "sha256:v3"}, intent},
	} {
		t.Run(name, func(t *testing.T) {
			p := project(tt.file, *rel("v2"))
			got := wishes(running(tt.have, rel("v2")), p, local, history)[bluegreen.Blue]
			if got.verdict != tt.want {
				t.Errorf("verdict %d, want %d: file %+v, have %+v", got.verdict, tt.want, got.file, got.have)
			}
			if held := got.target(); tt.want != intent && held.ImageID != tt.have.ImageID {
				t.Errorf("the pool shall hold %+v, want what it holds", held)
			}
		})
	}
}

// A pool that a person changed by hand holds what its container runs, not what the
// deployment's record says.
func TestHolds_TheContainerIsBelieved(t *testing.T) {
	d := running(rel("v2"), rel("v1"))
	d.Router.Standing = []bluegreen.Standing{{Pool: bluegreen.Blue, Release: *rel("v3")}, {Pool: bluegreen.Green, Release: bluegreen.Release{ID: "v1", Image: "shop:one", ImageID: "sha256:v1"}}}
	if got := holds(d, bluegreen.Blue); got.ImageID != "sha256:v2" {
		t.Errorf("blue holds %+v, want v2", got)
	}
	d.Blue.Containers = nil
	if got := holds(d, bluegreen.Blue); got == nil || got.ImageID != "sha256:v3" {
		t.Errorf("blue, whose container has gone, holds %+v, want what the record has", got)
	}
	if got := holds(d, bluegreen.Green); got.Image != "shop:one" {
		t.Errorf("green holds %+v, want it by the name that it was asked for", got)
	}
}

func TestNotes_SayWhatIsLiveSinceWhenAndByWhom(t *testing.T) {
	history := []bluegreen.Operation{deployed(rel("v1"), rel("v2"), rel("v3"))}
	d := running(rel("v3"), rel("v2"))
	w := wishes(d, project(*rel("v1"), *rel("v2")), nil, history)[bluegreen.Blue]
	for _, want := range []string{"v1 (shop:v1)", "blue holds v3 (shop:v3)", "since 1970-01-01", "ana@desk", "--release-from-env"} {
		if text := staleNote(d, bluegreen.Blue, w, history); !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	for _, want := range []string{"ACTIVE_POOL=green", "blue takes traffic", "ana@desk", "bgctl switch green"} {
		if text := activeNote(d, bluegreen.Green, history); !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
}
