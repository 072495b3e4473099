package promcheck

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// ReadRules reads and validates the rules as Prometheus does.
func ReadRules(docs fs.FS) (*rulefmt.RuleGroups, []error) {
	text, err := fs.ReadFile(docs, "prometheus/rules.yml")
	if err != nil {
		return nil, []error{err}
	}
	return rulefmt.Parse(text, false, model.LegacyValidation, parser.NewParser(parser.Options{}),
		slog.New(slog.NewTextHandler(io.Discard, nil)))
}

// CheckRules checks the queries of the rules, and that each alert says how bad it
// is, what it is, and where to read on: a heading of the runbook.
func CheckRules(groups *rulefmt.RuleGroups, metrics map[string]Metric, runbook string) []error {
	var errs []error
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			errs = append(errs, CheckQuery(rule.Expr, metrics)...)
			if !slices.Contains([]string{"critical", "warning", "info"}, rule.Labels["severity"]) {
				errs = append(errs, fmt.Errorf("%s: severity %q", rule.Alert, rule.Labels["severity"]))
			}
			if rule.Annotations["summary"] == "" {
				errs = append(errs, fmt.Errorf("%s: no summary", rule.Alert))
			}
			page, heading, _ := strings.Cut(rule.Annotations["runbook"], "#")
			if page != "docs/alerts.md" || !slices.Contains(headings(runbook), heading) {
				errs = append(errs, fmt.Errorf("%s: the runbook has no heading %q", rule.Alert, heading))
			}
		}
	}
	return errs
}

// headings returns the anchors of a Markdown text's headings.
func headings(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(title, "`", "")))
			out = append(out, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return out
}
