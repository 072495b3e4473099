// Package promcheck checks what bgctl ships for Prometheus and Grafana: that the
// rules are rules, that the dashboard is a dashboard, that every query in them
// parses, and that each metric and label they name is one the watcher shows. The
// watcher's own tests compare docs/prometheus/metrics.txt with what it shows.
//
// It is a module of its own, so that Prometheus' parser and engine stay out of
// the product's dependencies.
package promcheck

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// Metric is a documented metric.
type Metric struct {
	Type   string
	Labels []string
}

// targetLabels are what Prometheus adds to every series of a target.
func targetLabels() []string { return []string{"job", "instance"} }

// ReadMetrics reads the list of metrics: name, type, labels, meaning.
func ReadMetrics(docs fs.FS) (map[string]Metric, error) {
	text, err := fs.ReadFile(docs, "prometheus/metrics.txt")
	if err != nil {
		return nil, err
	}
	out := map[string]Metric{"up": {Type: "gauge"}} // from Prometheus itself
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(words) < 4 {
			continue
		}
		m := Metric{Type: words[1], Labels: strings.Split(words[2], ",")}
		out[words[0]] = m
		if m.Type == "histogram" {
			out[words[0]+"_bucket"] = Metric{Type: "counter", Labels: append(slices.Clone(m.Labels), "le")}
			out[words[0]+"_sum"] = Metric{Type: "counter", Labels: m.Labels}
			out[words[0]+"_count"] = Metric{Type: "counter", Labels: m.Labels}
			delete(out, words[0]) // there is no series of this name
		}
	}
	return out, nil
}

// CheckQuery parses a query and checks its metrics and labels against the
// documented ones, and that only counters are rated.
func CheckQuery(query string, metrics map[string]Metric) []error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", query, err)}
	}
	c := checker{query: query, metrics: metrics}
	c.walk(expr)
	return c.errs
}

type checker struct {
	query   string
	metrics map[string]Metric
	errs    []error
}

func (c *checker) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("%s: %w", c.query, fmt.Errorf(format, args...)))
}

// walk checks expr and returns the labels that its result can have.
func (c *checker) walk(expr parser.Node) []string {
	if sel, ok := expr.(*parser.VectorSelector); ok {
		return c.selector(sel)
	}
	if call, ok := expr.(*parser.Call); ok {
		c.call(call)
	}
	var have []string
	for child := range parser.ChildrenIter(expr) {
		have = append(have, c.walk(child)...)
	}
	if agg, ok := expr.(*parser.AggregateExpr); ok && !agg.Without {
		for _, name := range agg.Grouping {
			if !slices.Contains(have, name) {
				c.errorf("groups by %q, which none of its metrics has", name)
			}
		}
		return agg.Grouping
	}
	return have
}

// selector checks one metric and the labels it is selected by.
func (c *checker) selector(sel *parser.VectorSelector) []string {
	m, ok := c.metrics[sel.Name]
	if !ok {
		c.errorf("the watcher has no metric %q", sel.Name)
		return nil
	}
	have := append(targetLabels(), m.Labels...)
	for _, match := range sel.LabelMatchers {
		if match.Name != "__name__" && !slices.Contains(have, match.Name) {
			c.errorf("%s has no label %q", sel.Name, match.Name)
		}
	}
	return have
}

// call checks that a function that wants a counter gets one.
func (c *checker) call(call *parser.Call) {
	wants := slices.Contains([]string{"rate", "irate", "increase"}, call.Func.Name)
	if !wants || len(call.Args) == 0 {
		return
	}
	if matrix, ok := call.Args[0].(*parser.MatrixSelector); ok {
		if sel, ok := matrix.VectorSelector.(*parser.VectorSelector); ok {
			if m, ok := c.metrics[sel.Name]; ok && m.Type != "counter" {
				c.errorf("%s of %s, which is a %s", call.Func.Name, sel.Name, m.Type)
			}
		}
	}
}
