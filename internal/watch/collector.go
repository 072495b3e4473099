package watch

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

// collector reads at scrape time what the watcher holds anyway.
type collector struct{ w *watcher }

// Describe implements [prometheus.Collector] as an unchecked one.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// sample is a metric without labels, or with one.
type sample struct {
	kind              prometheus.ValueType
	name, help        string
	value             float64
	label, labelValue string
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	w := c.w
	w.mu.Lock()
	win, counts, last, maintenance := w.cfg.Detector.Window(), w.counts, w.last, w.maintenance
	w.mu.Unlock()
	all := windowSamples(win, w.cfg.Threshold)
	all = append(all, logSamples(&counts)...)
	if w.cfg.SourceHealth != nil {
		all = append(all, sample{prometheus.GaugeValue, "log_up", "1 while the access log is read.", truth(w.cfg.SourceHealth() == nil).value(), "", ""})
	}
	if !last.IsZero() {
		all = append(all, sample{prometheus.GaugeValue, "log_last_record_timestamp_seconds", "Time of the newest request read.", float64(last.UnixMilli()) / 1000, "", ""})
	}
	until := 0.0
	if maintenance != nil {
		until = float64(maintenance.Until.Unix())
	}
	all = append(all,
		sample{prometheus.GaugeValue, "maintenance_active", "1 while messages are muted by a maintenance.", truth(maintenance != nil).value(), "", ""},
		sample{prometheus.GaugeValue, "maintenance_until_timestamp_seconds", "End of the maintenance; 0: none.", until, "", ""})
	for _, q := range w.queues() {
		all = append(all, queueSamples(q.Health())...)
	}
	for _, s := range all {
		var names, values []string
		if s.label != "" {
			names, values = []string{s.label}, []string{s.labelValue}
		}
		ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("bgctl_"+s.name, s.help, names, nil), s.kind, s.value, values...)
	}
}

func windowSamples(win alert.Window, threshold float64) []sample {
	gauge := prometheus.GaugeValue
	return []sample{
		{gauge, "window_requests", "Requests in the sliding window.", float64(win.N), "", ""},
		{gauge, "window_errors", "Requests in the sliding window that failed for the client.", float64(win.Errors), "", ""},
		{gauge, "window_error_ratio", "Share of the window's requests that failed for the client, 0 to 1.", win.Rate / 100, "", ""},
		{gauge, "window_attempt_error_ratio", "Share of the window's requests with a failed attempt, 0 to 1.", win.AttemptRate / 100, "", ""},
		{gauge, "window_error_ratio_threshold", "Error ratio over which the alert fires.", threshold / 100, "", ""},
	}
}

func logSamples(c *logstream.Counts) []sample {
	count := prometheus.CounterValue
	const lines = "Lines of the access log by what became of them."
	const lost = "Lines of the access log that no record came of."
	return []sample{
		{count, "log_lines_total", lines, float64(c.Parsed), "result", "parsed"},
		{count, "log_lines_total", lines, float64(c.Bad), "result", "bad"},
		{count, "log_lines_total", lines, float64(c.Repeated), "result", "repeated"},
		{count, "log_lines_lost_total", lost, float64(c.TooLong), "reason", "too_long"},
		{count, "log_lines_lost_total", lost, float64(c.Cut), "reason", "cut"},
		{count, "log_lines_lost_total", lost, float64(c.Skipped), "reason", "skipped"},
		{count, "log_rotations_total", "Times the log was replaced by a new file.", float64(c.Rotated), "", ""},
		{count, "log_truncations_total", "Times the log was cut under the reader.", float64(c.Truncated), "", ""},
		{count, "log_gaps_total", "Times the place last read was gone: lines may be missing.", float64(c.Gaps), "", ""},
		{count, "log_read_errors_total", "Reads of the log that failed and were tried again.", float64(c.ReadErrors), "", ""},
	}
}

func queueSamples(h slack.Health) []sample {
	gauge, count := prometheus.GaugeValue, prometheus.CounterValue
	return []sample{
		{gauge, "queue_pending", "Messages that wait to be delivered.", float64(h.Pending), "receiver", h.Receiver},
		{gauge, "queue_oldest_seconds", "Age of the oldest message that waits.", h.OldestSeconds, "receiver", h.Receiver},
		{gauge, "receiver_up", "0 while the receiver refuses everything.", truth(h.Broken == "").value(), "receiver", h.Receiver},
		{gauge, "receiver_failures", "Attempts that failed in a row.", float64(h.Failures), "receiver", h.Receiver},
		{count, "messages_sent_total", "Messages the receiver confirmed.", float64(h.Sent), "receiver", h.Receiver},
		{count, "messages_lost_total", "Messages that were given up.", float64(h.Lost), "receiver", h.Receiver},
	}
}

// truth is a yes or no as a metric shows it.
type truth bool

func (t truth) value() float64 {
	if t {
		return 1
	}
	return 0
}

func goVersion() string { return runtime.Version() }
