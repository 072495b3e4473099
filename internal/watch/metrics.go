package watch

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// metrics is what /metrics shows, in a registry of its own.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	failed     *prometheus.CounterVec
	events     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	firing     *prometheus.GaugeVec
	active     *prometheus.GaugeVec
	began      time.Time // when the request began that active was set from
	lag        prometheus.Gauge
}

func newMetrics(w *watcher) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bgctl", Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "bgctl", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("requests_total", "Requests by the pool that answered and the class of the final status.", "pool", "class"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "bgctl", Name: "request_duration_seconds", Help: "Time from the first byte of a request to the last of its answer.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"pool"}),
		failed:     counter("attempts_failed_total", "Upstream attempts that failed, answered by another pool or not.", "pool"),
		events:     counter("events_total", "Alert transitions.", "type", "status"),
		deliveries: counter("deliveries_total", "Delivery reports by receiver and state.", "receiver", "state"),
		firing:     gauge("alert_firing", "1 while the alert fires.", "type"),
		active:     gauge("active_pool", "1 for the pool the proxy was told to use.", "pool"),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "bgctl", Name: "log_lag_seconds", Help: "Age of the newest line when it was read.",
		}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.failed, m.events, m.deliveries, m.firing, m.active, m.lag, &collector{w: w})
	for _, t := range []alert.Type{alert.ErrorRate, alert.Failover, alert.AllDown, alert.Flapping, alert.NoTraffic} {
		m.firing.WithLabelValues(string(t))
	}
	return m
}

func (m *metrics) observe(rec *logstream.Record) {
	pool := poolLabel(rec.Served)
	m.requests.WithLabelValues(pool, class(rec.Status)).Inc()
	if rec.Duration >= 0 {
		m.duration.WithLabelValues(pool).Observe(rec.Duration.Seconds())
	}
	for _, a := range rec.Attempts {
		if a.Failed() {
			m.failed.WithLabelValues(poolLabel(a.Pool)).Inc()
		}
	}
	// A request is logged at its end with the pool that was active when it began:
	// a long one must not set the gauge back after a switch.
	if began := rec.Time.Add(-max(rec.Duration, 0)); rec.Active != bluegreen.NoPool && !began.Before(m.began) {
		m.began = began
		m.active.WithLabelValues(rec.Active.String()).Set(1)
		m.active.WithLabelValues(rec.Active.Other().String()).Set(0)
	}
	m.lag.Set(max(time.Since(rec.Time).Seconds(), 0))
}

func (m *metrics) event(ev *alert.Event) {
	m.events.WithLabelValues(string(ev.Type), string(ev.Status)).Inc()
	switch ev.Status {
	case alert.Firing:
		m.firing.WithLabelValues(string(ev.Type)).Set(1)
	case alert.Resolved:
		m.firing.WithLabelValues(string(ev.Type)).Set(0)
	case alert.Info:
	}
}

func poolLabel(p bluegreen.Pool) string {
	if p == bluegreen.NoPool {
		return "none"
	}
	return p.String()
}

// class bounds the label: a log is foreign text.
func class(status int) string {
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}

// collector reads at scrape time what the watcher holds anyway.
type collector struct{ w *watcher }

// Describe implements [prometheus.Collector] as an unchecked one.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
		var names, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("bgctl_"+name, help, names, nil), kind, value, values...)
	}
	c.w.mu.Lock()
	win, counts := c.w.cfg.Detector.Window(), c.w.counts
	c.w.mu.Unlock()
	gauge, count := prometheus.GaugeValue, prometheus.CounterValue
	send(gauge, "window_requests", "Requests in the sliding window.", float64(win.N))
	send(gauge, "window_error_rate_percent", "Requests that failed for the client.", win.Rate)
	send(gauge, "window_attempt_error_rate_percent", "Requests with a failed attempt.", win.AttemptRate)
	send(gauge, "error_rate_threshold_percent", "Error rate over which the alert fires.", c.w.cfg.Threshold)
	const lines = "Log lines read, by what became of them."
	send(count, "log_lines_total", lines, float64(counts.Parsed), "result", "parsed")
	send(count, "log_lines_total", lines, float64(counts.Bad), "result", "bad")
	send(count, "log_lines_total", lines, float64(counts.TooLong), "result", "too_long")
	send(count, "log_truncations_total", "Times the log was cut under the reader.", float64(counts.Truncated))
	for _, q := range c.w.queues() {
		h := q.Health()
		broken := 0.0
		if h.Broken != "" {
			broken = 1
		}
		send(gauge, "queue_pending", "Messages that wait.", float64(h.Pending), "receiver", h.Receiver)
		send(gauge, "receiver_broken", "1 while the receiver refuses everything.", broken, "receiver", h.Receiver)
		send(count, "messages_lost_total", "Messages given up.", float64(h.Lost), "receiver", h.Receiver)
	}
}
