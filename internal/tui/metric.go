package tui

import (
	"math"
	"time"
)

// metric is what a plot shows.
type metric int

// The metrics, in the order in which a key goes through them.
const (
	metricErrors metric = iota
	metricP50
	metricP95
	metricP99
	metricBands
	metricRate
	metricMix
	metricCount
)

// name is the metric in a panel's title.
func (m metric) name() string {
	return [metricCount]string{"Error rate", "Latency p50", "Latency p95", "Latency p99", "Latency p50·p95·p99", "Requests/s", "Status mix"}[m]
}

// latency reports whether the metric is one of time.
func (m metric) latency() bool { return m >= metricP50 && m <= metricBands }

// read returns the metric of one point.
func (m metric) read(p *Point) float64 {
	switch m {
	case metricP50:
		return p.P50
	case metricP95, metricBands:
		return p.P95
	case metricP99:
		return p.P99
	case metricErrors:
		return errorPercent(p.Errors, p.Requests)
	case metricRate, metricMix, metricCount:
	}
	return p.Requests
}

// errorPercent is part of all in percent, 0 of nothing.
func errorPercent(part, all float64) float64 {
	if all == 0 {
		return 0
	}
	return 100 * part / all
}

// window is how far back the plots look.
type window int

// The windows.
const (
	window1m window = iota
	window5m
	window15m
	window1h
	windowCount
)

// seconds is the length of the window.
func (w window) seconds() int { return [windowCount]int{60, 300, 900, 3600}[w] }

// name is the window in a title.
func (w window) name() string { return [windowCount]string{"1 min", "5 min", "15 min", "1 h"}[w] }

// errorRate is the error rate of a column.
func errorRate(points []Point) float64 {
	n, errs, seen := 0.0, 0.0, false
	for i := range points {
		seen = seen || !points[i].Gap
		n, errs = n+points[i].Requests, errs+points[i].Errors
	}
	if !seen {
		return gap()
	}
	return errorPercent(errs, n)
}

// average is the mean of a number over the seconds of a column that were seen.
func average(read func(*Point) float64) func([]Point) float64 {
	return func(points []Point) float64 {
		sum, n := 0.0, 0
		for i := range points {
			if !points[i].Gap {
				sum, n = sum+read(&points[i]), n+1
			}
		}
		if n == 0 {
			return gap()
		}
		return sum / float64(n)
	}
}

// worst is the highest latency in a column, a gap without a sample: a spike of one
// second must not drown in the average of a minute.
func worst(m metric) func([]Point) float64 {
	return func(points []Point) float64 {
		out := gap()
		for i := range points {
			p := &points[i]
			if p.Gap || p.Requests == 0 {
				continue
			}
			if v := m.read(p); isGap(out) || v > out {
				out = v
			}
		}
		return out
	}
}

// requests reads the requests of a second.
func requests(p *Point) float64 { return p.Requests }

// failureRate is the percentage of a column's attempts that failed.
func failureRate(points []Point) float64 {
	n, failures, seen := 0.0, 0.0, false
	for i := range points {
		seen = seen || !points[i].Gap
		n, failures = n+points[i].Tries, failures+points[i].Failures
	}
	if !seen {
		return gap()
	}
	return errorPercent(failures, n)
}

// samples counts the requests of a span.
func samples(points []Point) uint64 {
	n := 0.0
	for i := range points {
		n += points[i].Requests
	}
	return uint64(math.Max(0, n))
}

// timeline fits the window into cols columns, whole ones, so that a plot moves by
// columns and does not shimmer.
func (w window) timeline(end time.Time, cols int) timeline {
	return newTimeline(end, cols, w.seconds())
}
