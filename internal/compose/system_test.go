package compose

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Intent: the engine's clock is compared with this machine's, within the time that the
// answer took.
func TestSystem_ComparesTheClocks(t *testing.T) {
	for _, off := range []time.Duration{0, -90 * time.Second, time.Hour} {
		server := fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
			answer(t, w, map[string]any{"SystemTime": time.Now().Add(off).Format(time.RFC3339Nano), "DockerRootDir": "/data"})
		})
		s, err := connectTo(t, server).System(t.Context())
		if err != nil || s.DataRoot != "/data" || (s.Off-off).Abs() > s.Trip+50*time.Millisecond {
			t.Errorf("%s: %+v, %v", off, s, err)
		}
	}
	server := fakeEngine(t, "1.41", func(w http.ResponseWriter, _ *http.Request) { answer(t, w, map[string]any{}) })
	if s, err := connectTo(t, server).System(t.Context()); err != nil || !s.Now.IsZero() || s.Off != 0 {
		t.Errorf("an engine without a time: %+v, %v", s, err)
	}
}

// Intent: past events are read to their end, for one action of one project.
func TestPastEvents_EndsWithWhatTheEngineHas(t *testing.T) {
	server := fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.URL.Path != "/events" || q.Get("until") == "" || !strings.Contains(q.Get("filters"), "oom") || !strings.Contains(q.Get("filters"), "project=shop") {
			t.Errorf("asked %s", r.URL)
		}
		for range 2 {
			answer(t, w, map[string]any{"Type": "container", "Action": "oom", "timeNano": int64(1e18), "Actor": map[string]any{
				"ID": "abc", "Attributes": map[string]string{"name": "shop-web-1", serviceLabel: "web"},
			}})
		}
	})
	got, err := connectTo(t, server).PastEvents(t.Context(), "shop", "oom", time.Now().Add(-time.Hour))
	if err != nil || len(got) != 2 || got[0].Name != "shop-web-1" || got[0].Service != "web" || got[0].Action != "oom" || got[0].At.Unix() != 1e9 {
		t.Errorf("%+v, %v", got, err)
	}
}
