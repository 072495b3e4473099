package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

// Health is the answer of /healthz. The status is 200 without reasons, else 503.
type Health struct {
	Status      string           `json:"status"` // ok, unhealthy
	Reasons     []string         `json:"reasons,omitempty"`
	Version     string           `json:"version,omitempty"`
	Project     string           `json:"project,omitempty"`
	LastRecord  time.Time        `json:"last_record,omitzero"`
	Maintenance *Maintenance     `json:"maintenance,omitempty"`
	Window      alert.Window     `json:"window"`
	Log         logstream.Counts `json:"log"`
	Alerts      []alert.Event    `json:"alerts,omitempty"` // firing now
	Receivers   []slack.Health   `json:"receivers,omitempty"`
}

func (w *watcher) health() Health {
	w.mu.Lock()
	h := Health{
		Status: "ok", Version: w.cfg.Version, Project: w.cfg.Project, LastRecord: w.last, Maintenance: w.maintenance,
		Window: w.cfg.Detector.Window(), Log: w.counts, Alerts: w.alerts(),
	}
	w.mu.Unlock()
	if h.Log.Parsed+h.Log.Bad >= formatLines && h.Log.Trouble() != "" {
		h.Reasons = append(h.Reasons, fmt.Sprintf("log format not understood: %d of %d lines", h.Log.Parsed, h.Log.Parsed+h.Log.Bad))
	}
	h.Log.FirstBad = "" // foreign text has no place in a health answer
	if w.cfg.SourceHealth != nil {
		if err := w.cfg.SourceHealth(); err != nil {
			h.Reasons = append(h.Reasons, "log source lost: "+err.Error())
		}
	}
	for _, q := range w.queues() {
		qh := q.Health()
		h.Receivers = append(h.Receivers, qh)
		if qh.Broken != "" {
			h.Reasons = append(h.Reasons, qh.Receiver+" broken: "+qh.Broken)
		}
	}
	if len(h.Reasons) > 0 {
		h.Status = "unhealthy"
	}
	return h
}

func (w *watcher) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		h := w.health()
		rw.Header().Set("Content-Type", "application/json")
		if len(h.Reasons) > 0 {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(rw).Encode(h)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// serve answers until ctx ends.
func (w *watcher) serve(ctx context.Context) {
	srv := &http.Server{
		Handler: w.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopHTTP)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(w.cfg.Listener)
	if stop() { // ctx goes on: the listener failed
		w.out.notice("/healthz and /metrics are gone: " + err.Error())
		return
	}
	<-stopped
	if !errors.Is(err, http.ErrServerClosed) {
		w.out.notice("/healthz and /metrics are gone: " + err.Error())
	}
}
