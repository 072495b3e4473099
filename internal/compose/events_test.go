package compose

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEvents_ReconnectsWithoutDoublesAndGaps(t *testing.T) {
	var calls atomic.Int32
	event := func(action string, nano int64) map[string]any {
		return map[string]any{
			"Type": "container", "Action": action, "timeNano": nano,
			"Actor": map[string]any{"ID": "id", "Attributes": map[string]string{serviceLabel: "app", "exitCode": "3", "name": "shop-app-1"}},
		}
	}
	rounds := [][]map[string]any{
		{event("create", 1_000_000_001), event("exec_start: x", 1_000_000_002), event("start", 1_000_000_003)},
		nil, // refused
		{event("start", 1_000_000_003), event("die", 1_000_000_003), event("destroy", 1_000_000_009)},
	}
	done := make(chan struct{})
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1)) - 1
		if n >= len(rounds) {
			<-done
			return
		}
		if n == 1 {
			refuse(w, http.StatusServiceUnavailable, "starting")
			return
		}
		if want := []string{"", "", "1.000000003"}[n]; r.URL.Query().Get("since") != want {
			t.Errorf("round %d: since %q", n, r.URL.Query().Get("since"))
		}
		for _, one := range rounds[n] {
			_ = json.NewEncoder(w).Encode(one)
		}
		w.(http.Flusher).Flush()
		if n == len(rounds)-1 {
			<-done
		}
	}))
	t.Cleanup(func() { close(done) })
	var got []string
	timeout := time.After(10 * time.Second)
	events := c.Events(t.Context(), "shop")
	for len(got) < 6 {
		select {
		case one := <-events:
			got = append(got, string(one.Kind)+" "+one.Action)
			if one.Kind == EventContainer && (one.Service != "app" || one.ExitCode != 3 || one.ContainerID != "id" || one.Name != "shop-app-1" || one.At.Unix() != 1) {
				t.Errorf("%+v", one)
			}
			if one.Kind == EventLost && one.Err == nil {
				t.Error("lost without a reason")
			}
		case <-timeout:
			t.Fatalf("only %q", got)
		}
	}
	want := []string{"container create", "container start", "lost ", "resync ", "container die", "container destroy"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEvents_EndsWithItsContext(t *testing.T) {
	server := fakeEngine(t, "1.41", nil)
	c := connectTo(t, server)
	server.Close()
	events := c.Events(t.Context(), "shop")
	if one := <-events; one.Kind != EventLost {
		t.Errorf("%+v", one)
	}
}
