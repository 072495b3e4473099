package promcheck

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// memory is the series of one test, as the engine reads them.
type memory []storage.Series

// load takes series in the notation of promtool, one sample an interval.
func load(series map[string]string, interval time.Duration) (memory, error) {
	var out memory
	for name, values := range series {
		metric, sequence, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(name + " " + values)
		if err != nil {
			return nil, err
		}
		var samples []chunks.Sample
		for i, v := range sequence {
			if !v.Omitted {
				samples = append(samples, point{int64(i) * interval.Milliseconds(), v.Value})
			}
		}
		out = append(out, storage.NewListSeries(metric, samples))
	}
	slices.SortFunc(out, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return out, nil
}

// Querier implements [storage.Queryable].
func (m memory) Querier(int64, int64) (storage.Querier, error) { return &reader{m}, nil }

type reader struct{ all memory }

func (r *reader) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &found{at: -1}
	for _, s := range r.all {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) }) {
			set.series = append(set.series, s)
		}
	}
	return set
}

func (r *reader) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (r *reader) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (r *reader) Close() error { return nil }

// found is a result.
type found struct {
	series []storage.Series
	at     int
}

func (f *found) Next() bool                        { f.at++; return f.at < len(f.series) }
func (f *found) At() storage.Series                { return f.series[f.at] }
func (f *found) Err() error                        { return nil }
func (f *found) Warnings() annotations.Annotations { return nil }

// point is a sample.
type point struct {
	t int64
	v float64
}

func (p point) T() int64                      { return p.t }
func (p point) ST() int64                     { return 0 }
func (p point) F() float64                    { return p.v }
func (p point) H() *histogram.Histogram       { return nil }
func (p point) FH() *histogram.FloatHistogram { return nil }
func (p point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample           { return p }

// withoutName drops the metric's name from a result's labels.
func withoutName(l labels.Labels) string {
	var parts []string
	l.Range(func(x labels.Label) {
		if x.Name != labels.MetricName {
			parts = append(parts, x.Name+"="+x.Value)
		}
	})
	return strings.Join(parts, ",")
}
