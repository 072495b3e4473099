package watch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

func TestHTTP_HealthAndMetrics(t *testing.T) {
	dir := t.TempDir()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var lost sync.Map
	b := start(t, dir, func(c *Config) {
		c.Listener = ln
		c.SourceHealth = func() error {
			if v, ok := lost.Load("err"); ok {
				return v.(error)
			}
			return nil
		}
	})
	b.src.batches <- logstream.Batch{Records: []logstream.Record{record(200), record(503)}, Counts: logstream.Counts{Parsed: 2, Bad: 1, FirstBad: "evil"}}
	b.src.batches <- logstream.Batch{Counts: logstream.Counts{Parsed: 2, Bad: 1, FirstBad: "evil"}} // the first one is through
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ln.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	code, body := get("/healthz")
	var h Health
	if err := json.Unmarshal([]byte(body), &h); err != nil || code != 200 || h.Status != "ok" || len(h.Alerts) != 1 {
		t.Errorf("%d %s %v", code, body, err)
	}
	if strings.Contains(body, "evil") {
		t.Error("health shows a raw log line")
	}
	_, body = get("/metrics")
	for _, line := range []string{
		`bgctl_requests_total{class="2xx",pool="blue"} 1`, `bgctl_requests_total{class="5xx",pool="blue"} 1`,
		`bgctl_request_duration_seconds_count{pool="blue"} 2`, `bgctl_attempts_failed_total{pool="blue"} 1`,
		`bgctl_alert_firing{type="error_rate"} 1`, `bgctl_alert_firing{type="failover"} 0`,
		`bgctl_window_error_rate_percent 12.5`, `bgctl_error_rate_threshold_percent 2`,
		`bgctl_log_lines_total{result="bad"} 1`, `bgctl_active_pool{pool="blue"} 1`, `bgctl_active_pool{pool="green"} 0`,
		`bgctl_deliveries_total{receiver="slack",state="queued"} 1`, `bgctl_receiver_broken{receiver="slack"} 0`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("metrics miss %s", line)
		}
	}
	if !strings.Contains(body, "bgctl_log_lag_seconds ") {
		t.Error("metrics miss the lag")
	}
	lost.Store("err", errors.New("access.log is gone"))
	code, body = get("/healthz")
	if code != 503 || !strings.Contains(body, "access.log is gone") || !strings.Contains(body, "unhealthy") {
		t.Errorf("%d %s", code, body)
	}
	if err := b.stop(); err != nil {
		t.Error(err)
	}
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the server still listens")
	}
}

func TestHealth_TurnsRedWithABrokenWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{out: slack.Outcome{Action: slack.Broken, Wait: time.Minute, Reason: "HTTP 404 no_service"}}
		q := slack.OpenQueue(slack.QueueConfig{Receiver: r})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go q.Run(ctx)
		det := &fakeDetector{}
		w := &watcher{cfg: Config{Detector: Keep(det, det.State, det.Restore)}, receivers: []*receiver{{queue: q}}}
		w.metrics = newMetrics(w)
		answer := func() (int, string) {
			rec := httptest.NewRecorder()
			w.handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil))
			return rec.Code, rec.Body.String()
		}
		q.Put(alert.Event{ID: "error_rate-1", Type: alert.ErrorRate, Status: alert.Firing})
		time.Sleep(time.Second)
		if code, body := answer(); code != 503 || !strings.Contains(body, "slack broken: HTTP 404 no_service") {
			t.Errorf("%d %s", code, body)
		}
		r.set(slack.Outcome{Action: slack.Delivered})
		time.Sleep(2 * time.Minute)
		if code, body := answer(); code != 200 {
			t.Errorf("after repair %d %s", code, body)
		}
	})
}

func TestTestAlert_SaysTheVerdict(t *testing.T) {
	standIn := slack.NewStandIn()
	srv := httptest.NewServer(standIn)
	defer srv.Close()
	hook, err := slack.ParseWebhook(srv.URL+"/services/T/B/s3cretToken", slack.AllowHTTP)
	if err != nil {
		t.Fatal(err)
	}
	r := slack.NewSlack(slack.NewClient(hook, slack.Options{}))
	verdict, err := TestAlert(t.Context(), r, slack.Meta{Host: "h"})
	if err != nil || verdict != "slack accepted the message (ok)" || len(standIn.Messages()) != 1 {
		t.Errorf("%q, %v", verdict, err)
	}
	for status, want := range map[int]string{404: "refuses this webhook", 429: "asks to wait", 500: "could not be reached", 400: "refused this message"} {
		standIn.Fail(slack.Fault{Status: status, Body: "no_service"})
		verdict, err := TestAlert(t.Context(), r, slack.Meta{})
		if !errors.Is(err, ErrNotDelivered) || !strings.Contains(verdict, want) || strings.Contains(verdict, "s3cret") {
			t.Errorf("%d: %q, %v", status, verdict, err)
		}
	}
}

func TestEventsKeepTheirOrderOfTypes(t *testing.T) {
	w := &watcher{firing: map[alert.Type]alert.Event{}}
	for _, typ := range []alert.Type{alert.NoTraffic, alert.AllDown, alert.Failover} {
		w.firing[typ] = alert.Event{Type: typ}
	}
	if got := w.alerts(); !slices.IsSortedFunc(got, func(a, b alert.Event) int { return strings.Compare(string(a.Type), string(b.Type)) }) {
		t.Errorf("got %v", got)
	}
}

func TestMetrics_ALongRequestDoesNotUndoASwitch(t *testing.T) {
	m := newMetrics(&watcher{})
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	m.observe(&logstream.Record{Time: at, Active: bluegreen.Blue})
	m.observe(&logstream.Record{Time: at.Add(time.Second), Active: bluegreen.Green})
	m.observe(&logstream.Record{Time: at.Add(2 * time.Second), Duration: 3 * time.Second, Active: bluegreen.Blue})
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.active)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			want := 0.0
			if metric.GetLabel()[0].GetValue() == "green" {
				want = 1
			}
			if got := metric.GetGauge().GetValue(); got != want {
				t.Errorf("active_pool %s = %v, want %v", metric.GetLabel()[0].GetValue(), got, want)
			}
		}
	}
}
