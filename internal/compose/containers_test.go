package compose

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
)

func TestContainers_SkipsOneOffsAndWhatVanishes(t *testing.T) {
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/containers/json":
			if got := r.URL.Query().Get("filters"); !strings.Contains(got, projectLabel+"=shop") || r.URL.Query().Get("all") != "1" {
				t.Errorf("query %v", r.URL.Query())
			}
			answer(t, w, []map[string]any{
				{"Id": "b"}, {"Id": "gone"}, {"Id": "run", "Labels": map[string]string{oneoffLabel: "True"}}, {"Id": "a"},
			})
		case "/containers/a/json", "/containers/b/json":
			id := r.URL.Path[12:13]
			answer(t, w, map[string]any{"Id": id, "Name": "/shop-" + id, "Config": map[string]any{"Labels": map[string]string{serviceLabel: id}}})
		default:
			refuse(w, http.StatusNotFound, "No such container")
		}
	}))
	list, err := c.Containers(t.Context(), "shop")
	if err != nil || len(list) != 2 || list[0].Name != "shop-a" || list[1].Service != "b" {
		t.Errorf("%+v, %v", list, err)
	}
	if len(FindService(list, "b")) != 1 || len(FindService(list, "c")) != 0 {
		t.Error("lookups")
	}
}

func TestContainer_Ready(t *testing.T) {
	tests := []struct {
		state, health string
		want          bool
	}{
		{"running", "", true},
		{"running", "healthy", true},
		{"running", "starting", false},
		{"running", "unhealthy", false},
		{"paused", "healthy", false},
		{"restarting", "", false},
		{"exited", "healthy", false},
		{"created", "", false},
	}
	for _, tt := range tests {
		if got := (Container{State: tt.state, Health: tt.health}).Ready(); got != tt.want {
			t.Errorf("%s %s: %v", tt.state, tt.health, got)
		}
	}
}

func TestContainerFrom(t *testing.T) {
	if got := containerFrom(container.InspectResponse{}); got.ID != "" || got.Ready() {
		t.Errorf("an empty answer: %+v", got)
	}
	in := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: "id", Name: "/shop-app-1", RestartCount: 3,
			State: &container.State{
				Status: "running", Paused: true, Pid: 7, StartedAt: "2026-01-02T03:04:05.6Z", FinishedAt: "0001-01-01T00:00:00Z",
				Health: &container.Health{Status: "healthy", Log: []*container.HealthcheckResult{{Output: "old"}, {Output: "new"}}},
			},
		},
		Config: &container.Config{Env: []string{"A=1=2", "B"}, Labels: map[string]string{serviceLabel: "app", numberLabel: "x"}},
		NetworkSettings: &container.NetworkSettings{
			Networks: map[string]*network.EndpointSettings{"n": {NetworkID: "nid", IPAddress: "10.0.0.2", Aliases: []string{"app"}}, "nil": nil},
		},
	}
	got := containerFrom(in)
	want := Container{
		ID: "id", Name: "shop-app-1", Service: "app", State: "paused", Health: "healthy", HealthOutput: "new", RestartCount: 3, Pid: 7,
		StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC),
		Networks:  map[string]NetworkInfo{"n": {ID: "nid", IP: "10.0.0.2", Aliases: []string{"app"}}},
		Labels:    map[string]string{serviceLabel: "app", numberLabel: "x"}, Env: map[string]string{"A": "1=2", "B": ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGraceSeconds(t *testing.T) {
	for grace, want := range map[time.Duration]int{0: 0, -time.Second: 0, time.Millisecond: 1, time.Second: 1, 1500 * time.Millisecond: 2} {
		if got := *graceSeconds(grace); got != want {
			t.Errorf("%v: %d, want %d", grace, got, want)
		}
	}
}

// A start that the engine refuses over what the last run left behind is tried again;
// any other refusal is the answer.
func TestClient_StartsAgainWhileTheLastRunIsStillThere(t *testing.T) {
	for message, want := range map[string]int{
		"Cannot restart container x: id already in use": 3,
		"Cannot start container x: no such file":        1,
	} {
		for verb, do := range map[string]func(*Client) error{
			"start":   func(c *Client) error { return c.Start(t.Context(), "x") },
			"restart": func(c *Client) error { return c.Restart(t.Context(), "x", 0) },
		} {
			calls := 0
			c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				if calls++; r.URL.Path != "/containers/x/"+verb {
					t.Errorf("asked for %s", r.URL.Path)
				}
				if calls == 3 {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				refuse(w, http.StatusInternalServerError, message)
			}))
			if err := do(c); calls != want || (err == nil) != (want == 3) {
				t.Errorf("%s, %s: %d calls, %v", verb, message, calls, err)
			}
		}
	}
}
