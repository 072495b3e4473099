package compose

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
)

// calls records what an engine is asked, and counts how often.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(r *http.Request) (count int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := r.Method + " " + r.URL.Path
	if name := r.URL.Query().Get("name"); name != "" {
		asked += " " + name
	}
	c.list = append(c.list, asked)
	for _, one := range c.list {
		if one == asked {
			count++
		}
	}
	return count
}

func (c *calls) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.list, "\n")
}

// The request of a command that was killed may create the container between our look and
// our own request.
func TestCreateAs_SettlesANameThatIsTaken(t *testing.T) {
	labels := map[string]string{projectLabel: "p", serviceLabel: "web", numberLabel: "1"}
	tests := map[string]struct {
		holder map[string]any // nil: it is being removed
		status string
		want   string // of the error
	}{
		"left by a killed command": {holder: map[string]any{"Config": map[string]any{"Labels": labels}}, status: "created"},
		"a removal is under way":   {},
		"it runs": {
			holder: map[string]any{"Config": map[string]any{"Labels": labels}}, status: "running", want: "in use",
		},
		"of another service": {
			holder: map[string]any{"Config": map[string]any{"Labels": labelled(labels, serviceLabel, "db")}}, status: "created", want: "in use",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var seen calls
			c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				count := seen.add(r)
				switch r.Method + " " + r.URL.Path {
				case "POST /containers/create":
					if count == 1 {
						refuse(w, http.StatusConflict, "Conflict. The container name is already in use")
						return
					}
					answer(t, w, map[string]any{"Id": "new"})
				case "GET /containers/name/json":
					if tt.holder == nil {
						refuse(w, http.StatusNotFound, "No such container")
						return
					}
					tt.holder["Id"], tt.holder["State"] = "left", map[string]any{"Status": tt.status}
					answer(t, w, tt.holder)
				case "DELETE /containers/left":
					if tt.want != "" {
						t.Error("somebody's container is removed")
					}
					w.WriteHeader(http.StatusNoContent)
				default:
					t.Errorf("asked %s", r.URL.Path)
				}
			}))
			id, err := c.createAs(t.Context(), spec{Config: &container.Config{Labels: labels}}, "name")
			if tt.want == "" && (err != nil || id != "new") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%q, %v\n%s", id, err, &seen)
			}
		})
	}
}

func TestRemoveAndWait_ReturnsWhenTheContainerIsGone(t *testing.T) {
	var seen calls
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		if seen.add(r) < 3 {
			refuse(w, http.StatusConflict, "removal of container x is already in progress")
			return
		}
		refuse(w, http.StatusNotFound, "No such container")
	}))
	if err := c.removeAndWait(t.Context(), "x", container.RemoveOptions{}); err != nil || strings.Count(seen.String(), "DELETE") != 3 {
		t.Errorf("%v\n%s", err, &seen)
	}
}

func TestRename_WaitsForAFreeNameAndAcceptsItsOwn(t *testing.T) {
	holder := http.StatusNotFound // who has the name that is wanted
	own := "/temporary"
	var seen calls
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		count := seen.add(r)
		switch {
		case r.Method == http.MethodPost && count < 3:
			refuse(w, http.StatusConflict, "Conflict. The container name is already in use")
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/containers/id/json":
			answer(t, w, map[string]any{"Id": "id", "Name": own})
		case holder == http.StatusNotFound:
			refuse(w, holder, "No such container")
		default:
			answer(t, w, map[string]any{"Id": "other"})
		}
	}))
	if err := c.rename(t.Context(), "id", "name"); err != nil {
		t.Errorf("a name that gets free: %v\n%s", err, &seen)
	}
	seen.list, holder = nil, http.StatusOK
	if err := c.rename(t.Context(), "id", "name"); !errors.Is(err, ErrConflict) {
		t.Errorf("a name that somebody has: %v", err)
	}
	seen.list, own = nil, "/name"
	if err := c.rename(t.Context(), "id", "name"); err != nil {
		t.Errorf("its own name: %v", err)
	}
}

// After a kill the engine goes on stopping the old container.
func TestSettleStop_StartsWhatStopsByItself(t *testing.T) {
	tests := map[string]struct {
		stopsAt  int // at which look the container has stopped; 0: never
		removed  bool
		skipped  bool
		mustAsk  string
		shortest time.Duration
	}{
		"it stops":        {stopsAt: 3, mustAsk: "POST /containers/old/start"},
		"it goes on":      {skipped: true, shortest: time.Second},
		"it is taken off": {stopsAt: 2, removed: true, mustAsk: "POST /containers/new/start"},
	}
	project := loadText(t, "name: demo\nservices: {web: {image: app:1}}")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var seen calls
			c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				count := seen.add(r)
				switch r.Method + " " + r.URL.Path {
				case "GET /containers/old/json":
					stopped := tt.stopsAt > 0 && count >= tt.stopsAt
					if stopped && tt.removed {
						refuse(w, http.StatusNotFound, "No such container")
						return
					}
					answer(t, w, map[string]any{
						"Id": "old", "State": map[string]any{"Running": !stopped}, "Config": map[string]any{"StopTimeout": 0},
					})
				case "GET /images/app:1/json", "POST /containers/create":
					answer(t, w, map[string]any{"Id": "new"})
				default:
					w.WriteHeader(http.StatusNoContent)
				}
			}))
			run := &execution{client: c, plan: &Plan{project: project, observed: &Observed{}}}
			begin := time.Now()
			err := run.start(t.Context(), Operation{service: "web", number: 1, Name: "demo-web-1", containerID: "old", settle: true})
			if errors.Is(err, errSkipped) != tt.skipped || (err != nil) != tt.skipped {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(seen.String(), tt.mustAsk) || (tt.skipped && strings.Contains(seen.String(), "/start")) {
				t.Errorf("asked:\n%s", &seen)
			}
			if took := time.Since(begin); took < tt.shortest {
				t.Errorf("took %s", took)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pause(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestJudge_TellsAJobFromAServer(t *testing.T) {
	tests := []struct {
		condition, policy, status string
		code, restarts            int
		met, failed               bool
	}{
		{condition: conditionRunning, policy: "no", status: "exited", met: true},
		{condition: conditionRunning, policy: "", status: "exited", met: true},
		{condition: conditionRunning, policy: "on-failure", status: "exited", met: true},
		{condition: conditionRunning, policy: "always", status: "exited", failed: true},
		{condition: conditionRunning, policy: "unless-stopped", status: "exited", failed: true},
		{condition: conditionRunning, policy: "no", status: "exited", code: 5, failed: true},
		{condition: "service_healthy", policy: "no", status: "exited", failed: true},
		{condition: "service_completed_successfully", policy: "no", status: "exited", code: 5, failed: true},
		{condition: "service_completed_successfully", policy: "no", status: "exited", met: true},
		{condition: conditionSteady, policy: "no", status: "exited", failed: true},
		{condition: conditionSteady, policy: "always", status: "running", met: true},
		{condition: conditionSteady, policy: "always", status: "running", restarts: 1, failed: true},
		{condition: conditionSteady, policy: "always", status: "restarting", failed: true},
	}
	for _, tt := range tests {
		met, reason := judge(container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{
			RestartCount: tt.restarts,
			State: &container.State{
				Status: tt.status, ExitCode: tt.code, Running: tt.status == "running", Restarting: tt.status == "restarting",
			},
			HostConfig: &container.HostConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(tt.policy)}},
		}}, tt.condition)
		if met != tt.met || (reason != "") != tt.failed {
			t.Errorf("%+v: met %v, %q", tt, met, reason)
		}
	}
}
