package watch

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// The status classes that requests are counted by. A log is foreign text: the
// label takes these values only.
const (
	classOther  = iota
	statusUnits = 6
)

// pools is the number of values of [bluegreen.Pool], none included.
const pools = 3

// metrics is what /metrics shows, in a registry of its own. What every record
// touches is resolved once, so that counting costs no look-up and no memory.
type metrics struct {
	registry *prometheus.Registry

	requests [pools][statusUnits]prometheus.Counter
	duration [pools]prometheus.Observer
	failed   [pools]prometheus.Counter

	events     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	firing     *prometheus.GaugeVec
	active     *prometheus.GaugeVec
	lag        prometheus.Gauge

	current bluegreen.Pool // that active shows
	began   time.Time      // when the request began that active was set from
}

// metricSet registers metrics of one namespace with the project as a label.
type metricSet struct{ into prometheus.Registerer }

func (s metricSet) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bgctl", Name: name, Help: help}, labels)
	s.into.MustRegister(v)
	return v
}

func (s metricSet) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "bgctl", Name: name, Help: help}, labels)
	s.into.MustRegister(v)
	return v
}

func newMetrics(w *watcher) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	set := metricSet{m.registry}
	if w.cfg.Project != "" {
		set.into = prometheus.WrapRegistererWith(prometheus.Labels{"project": w.cfg.Project}, m.registry)
	}
	m.resolve(
		set.counter("requests_total", "Requests by the pool that answered and the class of the final status.", "pool", "class"),
		set.counter("failed_attempts_total", "Attempts on a pool that failed, whether another pool answered in the end or not.", "pool"),
		durations(set),
	)
	m.events = set.counter("events_total", "Transitions of alerts, muted ones included.", "type", "status")
	m.deliveries = set.counter("deliveries_total", "Reports on the delivery of messages.", "receiver", "state")
	m.firing = set.gauge("alert_firing", "1 while the alert fires.", "type")
	m.active = set.gauge("active_pool", "1 for the pool that the proxy was told to use.", "pool")
	m.lag = set.gauge("log_lag_seconds", "Age of the newest line when it was read.").WithLabelValues()
	info := set.gauge("build_info", "1, with the version of the watcher as a label.", "version", "goversion")
	info.WithLabelValues(w.cfg.Version, goVersion()).Set(1)
	set.into.MustRegister(&collector{w: w}, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, t := range firingTypes() {
		m.fires(t, 0)
	}
	for _, p := range bluegreen.Pools() {
		m.active.WithLabelValues(p.String())
	}
	return m
}

// firingTypes are the alerts that show from the start with 0.
func firingTypes() []alert.Type {
	return slices.DeleteFunc(alert.Types(), func(t alert.Type) bool {
		return t == alert.Switch || t == alert.Upkeep || t == alert.Acked || t == alert.Notice // these neither fire nor resolve
	})
}

func durations(set metricSet) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "bgctl", Name: "request_duration_seconds",
		Help:    "Time from the first byte of a request to the last of its answer.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"pool"})
	set.into.MustRegister(v)
	return v
}

// resolve looks the children up that records are counted with.
func (m *metrics) resolve(requests, failed *prometheus.CounterVec, duration *prometheus.HistogramVec) {
	classes := [statusUnits]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}
	for p := range m.requests {
		pool := poolLabel(bluegreen.Pool(p))
		for c, name := range classes {
			m.requests[p][c] = requests.WithLabelValues(pool, name)
		}
		m.duration[p] = duration.WithLabelValues(pool)
		m.failed[p] = failed.WithLabelValues(pool)
	}
}

func (m *metrics) observe(rec *logstream.Record) {
	pool := poolIndex(rec.Served)
	m.requests[pool][class(rec.Status)].Inc()
	if rec.Duration >= 0 {
		m.duration[pool].Observe(rec.Duration.Seconds())
	}
	for i := range rec.Attempts {
		if a := &rec.Attempts[i]; a.Failed() {
			m.failed[poolIndex(a.Pool)].Inc()
		}
	}
	if rec.Active != bluegreen.NoPool {
		m.observeActive(rec)
	}
}

// observeActive keeps the gauge of the active pool. A request is logged at its end
// with the pool that was active when it began: a long one must not set the gauge
// back after a switch.
func (m *metrics) observeActive(rec *logstream.Record) {
	began := rec.Time.Add(-max(rec.Duration, 0))
	if began.Before(m.began) {
		return
	}
	m.began = began
	if rec.Active == m.current {
		return
	}
	m.current = rec.Active
	m.active.WithLabelValues(rec.Active.String()).Set(1)
	m.active.WithLabelValues(rec.Active.Other().String()).Set(0)
}

func (m *metrics) event(ev *alert.Event) {
	m.events.WithLabelValues(string(ev.Type), string(ev.Status)).Inc()
	switch ev.Status {
	case alert.Firing:
		m.fires(ev.Type, 1)
	case alert.Resolved:
		m.fires(ev.Type, 0)
	case alert.Info:
	}
}

// fires sets whether an alert fires: 1 or 0.
func (m *metrics) fires(t alert.Type, value float64) {
	m.firing.WithLabelValues(string(t)).Set(value)
}

func poolIndex(p bluegreen.Pool) int {
	if int(p) >= pools {
		return int(bluegreen.NoPool)
	}
	return int(p)
}

func poolLabel(p bluegreen.Pool) string {
	if p == bluegreen.NoPool {
		return "none"
	}
	return p.String()
}

// class returns the index of a status's class.
func class(status int) int {
	if status < 100 || status > 599 {
		return classOther
	}
	return status / 100
}
