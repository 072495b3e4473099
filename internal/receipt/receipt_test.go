package receipt_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/receipt"
)

// router is a proxy in miniature: it answers from the pool it is told to use.
func router(t *testing.T, fail func(pool string) bool) (*httptest.Server, *atomic.Value) {
	t.Helper()
	var active atomic.Value
	active.Store("blue")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pool, _ := active.Load().(string)
		w.Header().Set("X-App-Pool", pool)
		if fail != nil && fail(pool) {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(srv.Close)
	return srv, &active
}

func TestMeter_CleanSwitch(t *testing.T) {
	srv, active := router(t, nil)
	m := (&receipt.Meter{URL: srv.URL}).Start(t.Context(), bluegreen.Blue, bluegreen.Green)
	m.Ready(t.Context())
	active.Store("green")
	r := m.Finish(t.Context(), time.Now())
	if r.Sent < 10 || r.Failed != 0 || r.Late != 0 || r.FirstNew <= 0 || r.FirstNew > 200 || r.Idle != "kept" || r.Long != "kept" {
		t.Errorf("%+v", r)
	}
}

func TestMeter_CountsWhatTheSwitchBroke(t *testing.T) {
	srv, active := router(t, func(pool string) bool { return pool == "green" })
	m := (&receipt.Meter{URL: srv.URL}).Start(t.Context(), bluegreen.Blue, bluegreen.Green)
	m.Ready(t.Context())
	active.Store("green")
	if r := m.Finish(t.Context(), time.Now()); r.Failed == 0 || !strings.Contains(r.String(), "502") {
		t.Errorf("%s", r.String())
	}
}

func TestMeter_CountsAnswersOfTheOldPoolThatCameLate(t *testing.T) {
	srv, _ := router(t, nil)
	m := (&receipt.Meter{URL: srv.URL}).Start(t.Context(), bluegreen.Blue, bluegreen.Green)
	m.Ready(t.Context())
	if r := m.Finish(t.Context(), time.Now()); r.Late == 0 || r.FirstNew != 0 {
		t.Errorf("the proxy never moved, the receipt says %+v", r)
	}
}

func TestMeter_SaysWhyNothingWasMeasured(t *testing.T) {
	m := (&receipt.Meter{}).Start(t.Context(), bluegreen.Blue, bluegreen.Green)
	if r := m.Finish(t.Context(), time.Now()); r.Skipped == "" || !strings.Contains(r.String(), "not measured") {
		t.Errorf("%+v", r)
	}
}
