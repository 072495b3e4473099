package compose

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// dyingEngine answers what dies does not match, and cuts every connection from the first
// request on that it does match, as an engine that dies in the middle of its work.
func dyingEngine(t *testing.T, dies string, rest http.HandlerFunc) *Client {
	t.Helper()
	var dead atomic.Bool
	return connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Method+" "+r.URL.Path, dies) {
			dead.Store(true)
		}
		if dead.Load() {
			if strings.HasSuffix(dies, "images/create") {
				// The engine has begun its answer.
				_, _ = w.Write([]byte(`{"status":"Pulling"}`))
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}
		rest(w, r)
	}))
}

func TestExecute_SaysThatTheEngineIsGone(t *testing.T) {
	const file = `
name: demo
services:
  db: {image: app:1, volumes: [data:/data]}
  web: {image: app:1, depends_on: {db: {condition: service_healthy}}}
volumes: {data: }
`
	project := loadText(t, file)
	tests := map[string]struct{ dies string }{
		"pull an image":         {"POST /images/create"},
		"create a network":      {"POST /networks/create"},
		"create a volume":       {"POST /volumes/create"},
		"inspect an image":      {"GET /images/app:1/json"},
		"create a container":    {"POST /containers/create"},
		"start a container":     {"POST /containers/demo-db-1/start"},
		"wait for a dependency": {"GET /containers/demo-db-1/json"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := dyingEngine(t, tt.dies, func(w http.ResponseWriter, r *http.Request) {
				switch r.Method + " " + r.URL.Path {
				case "POST /images/create":
				case "GET /images/app:1/json":
					answer(t, w, map[string]any{"Id": "sha256:1"})
				case "GET /containers/demo-db-1/json":
					answer(t, w, map[string]any{"Id": "1", "State": map[string]any{"Status": "running", "Running": true}})
				case "POST /containers/demo-db-1/start":
					w.WriteHeader(http.StatusNoContent)
				default:
					answer(t, w, map[string]any{"Id": "1"})
				}
			})
			plan := mustPlan(t, project, &Observed{APIVersion: "1.41"}, UpOptions{})
			mustBeUnreachable(t, c.Execute(t.Context(), plan, nil))
		})
	}
}

func TestObserveAndPlanDown_SayThatTheEngineIsGone(t *testing.T) {
	project := loadText(t, planFile)
	for _, dies := range []string{"GET /containers/json", "GET /networks", "GET /volumes", "GET /images/"} {
		rest := func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.URL.Path, "/volumes"):
				answer(t, w, map[string]any{})
			case strings.HasPrefix(r.URL.Path, "/images"):
				answer(t, w, map[string]any{"Id": "sha256:1"})
			default:
				answer(t, w, []any{})
			}
		}
		_, err := dyingEngine(t, dies, rest).Observe(t.Context(), project)
		mustBeUnreachable(t, err)
		if strings.HasPrefix(dies, "GET /images") {
			continue // a removal looks at no image
		}
		_, err = dyingEngine(t, dies, rest).PlanDown(t.Context(), project, DownOptions{Volumes: true})
		mustBeUnreachable(t, err)
	}
}

func TestTakeDown_SaysThatTheEngineIsGone(t *testing.T) {
	project := loadText(t, planFile)
	plan := planDown(project, settled(t, project), DownOptions{Volumes: true})
	for _, dies := range []string{"POST /containers/", "DELETE /containers/", "DELETE /networks/", "DELETE /volumes/"} {
		c := dyingEngine(t, dies, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		_, err := c.TakeDown(t.Context(), plan, nil)
		mustBeUnreachable(t, err)
	}
}

func mustBeUnreachable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrUnreachable) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line that is ErrUnreachable", err)
	}
}

func TestBuild_SaysThatTheEngineIsGone(t *testing.T) {
	project := loadText(t, "name: demo\nservices: {web: {build: {context: ., dockerfile_inline: FROM scratch}}}")
	c := dyingEngine(t, "POST /build", nil)
	mustBeUnreachable(t, c.buildService(t.Context(), project, project.Services["web"], func(string) {}))
}
