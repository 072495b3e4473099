package watch

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

var update = flag.Bool("update", false, "rewrite the list of metrics in docs/")

// fullWatcher returns a watcher whose /metrics shows all there can be.
func fullWatcher(t *testing.T) *watcher {
	t.Helper()
	w := &watcher{
		cfg: Config{
			Detector: detectorOf(t), Project: "shop", Version: "v1.2.3", Threshold: 2,
			SourceHealth: func() error { return nil },
		},
		receivers: []*receiver{{queue: slack.OpenQueue(slack.QueueConfig{Receiver: &fakeReceiver{}})}},
		last:      time.Now(),
	}
	w.metrics = newMetrics(w)
	rec := record(503)
	w.metrics.observe(&rec)
	w.metrics.event(&alert.Event{Type: alert.ErrorRate, Status: alert.Firing})
	w.metrics.deliveries.WithLabelValues("slack", string(alert.Sent)).Inc()
	return w
}

func TestMetrics_FollowTheConventions(t *testing.T) {
	families, err := fullWatcher(t).metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// processMetrics are the documented ones of the process itself.
func processMetrics() []string {
	return []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"}
}

// TestMetrics_AreTheDocumentedOnes compares /metrics with docs/prometheus/metrics.txt,
// against which the dashboard and the rules are checked: see tools/promcheck.
func TestMetrics_AreTheDocumentedOnes(t *testing.T) {
	families, err := fullWatcher(t).metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("# The metrics of `bgctl watch` on :9115/metrics: name, type, labels, meaning.\n")
	for _, family := range families {
		// What a process shows besides depends on its kernel.
		if strings.HasPrefix(family.GetName(), "process_") && !slices.Contains(processMetrics(), family.GetName()) {
			continue
		}
		labels := map[string]bool{}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		fmt.Fprintf(&text, "%s %s %s %s\n", family.GetName(), strings.ToLower(family.GetType().String()),
			strings.Join(slices.Sorted(maps.Keys(labels)), ","), family.GetHelp())
	}
	path := filepath.Join("..", "..", "docs", "prometheus", "metrics.txt")
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("run with -update, and see whether dashboard and rules still hold (-documented +real):\n%s", diff)
	}
}

func TestMetrics_CountEveryRecordOnce(t *testing.T) {
	w := fullWatcher(t)
	for _, status := range []int{200, 204, 302, 404, 499, 500, 0, 999} {
		rec := record(status)
		rec.Served = bluegreen.Green
		w.metrics.observe(&rec)
	}
	families, err := w.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			words := []string{family.GetName()}
			for _, l := range m.GetLabel() {
				words = append(words, l.GetValue())
			}
			got[strings.Join(words, " ")] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for key, want := range map[string]float64{
		"bgctl_requests_total 2xx green shop": 2, "bgctl_requests_total 3xx green shop": 1,
		"bgctl_requests_total 4xx green shop": 2, "bgctl_requests_total 5xx green shop": 1,
		"bgctl_requests_total other green shop": 2, "bgctl_requests_total 5xx blue shop": 1,
		"bgctl_request_duration_seconds green shop": 8,
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}

func TestMetrics_CountingAllocatesNothing(t *testing.T) {
	m := fullWatcher(t).metrics
	rec := record(200)
	if n := testing.AllocsPerRun(1000, func() { m.observe(&rec) }); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

func BenchmarkMetrics_Observe(b *testing.B) {
	det := &fakeDetector{}
	w := &watcher{cfg: Config{Detector: Keep(det, det.State, det.Restore), Project: "shop"}}
	m := newMetrics(w)
	recs := make([]logstream.Record, 64)
	for i := range recs {
		recs[i] = record(200 + 100*(i%4))
		recs[i].Time = recs[i].Time.Add(time.Duration(i) * time.Millisecond)
		recs[i].Duration = time.Duration(i) * time.Millisecond
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.observe(&recs[i%len(recs)])
		i++
	}
}
