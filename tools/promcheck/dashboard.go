package promcheck

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed dashboard.schema.json
var dashboardSchema []byte

// Dashboard is what is checked of a dashboard besides its form.
type Dashboard struct {
	Panels []struct {
		Title   string
		Type    string
		GridPos struct{ H, W, X, Y int }
		Targets []struct {
			Expr, RefID string
		}
	}
	Annotations struct {
		List []struct{ Name, Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
}

// ReadDashboard reads the dashboard and checks its form.
func ReadDashboard(docs fs.FS) (*Dashboard, []error) {
	text, err := fs.ReadFile(docs, "grafana/bgctl.json")
	if err != nil {
		return nil, []error{err}
	}
	if err := checkForm(text); err != nil {
		return nil, []error{err}
	}
	var d Dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, []error{err}
	}
	return &d, nil
}

// checkForm checks a dashboard against the schema.
func checkForm(text []byte) error {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(dashboardSchema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("dashboard.schema.json", schema); err != nil {
		return err
	}
	compiled, err := c.Compile("dashboard.schema.json")
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(doc)
}

// concrete puts a value where Grafana does before it sends a query.
func concrete(query string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__interval", "30s", "$project", ".*", "$instance", ".*").Replace(query)
}

// CheckDashboard checks the queries of a dashboard, that each is narrowed by the
// variables at its top, and that no panel lies on another.
func CheckDashboard(d *Dashboard, metrics map[string]Metric) []error {
	var errs []error
	query := func(where, text string) {
		for _, err := range CheckQuery(concrete(text), metrics) {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
		for _, v := range []string{`project=~"$project"`, `instance=~"$instance"`} {
			if strings.Count(text, v) < strings.Count(text, "{") {
				errs = append(errs, fmt.Errorf("%s: a selector without %s", where, v))
			}
		}
	}
	cells := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			errs = append(errs, fmt.Errorf("%s: no query", p.Title))
		}
		for _, t := range p.Targets {
			query(p.Title, t.Expr)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					return append(errs, fmt.Errorf("%s lies on %s", p.Title, other))
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
	for _, a := range d.Annotations.List {
		query("annotation "+a.Name, a.Expr)
	}
	return append(errs, checkVariables(d, metrics)...)
}

// checkVariables checks the variables and where their values come from.
func checkVariables(d *Dashboard, metrics map[string]Metric) []error {
	var errs []error
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name+" "+v.Type)
		if v.Type != "query" {
			continue
		}
		inner, ok := strings.CutPrefix(v.Definition, "label_values(")
		at := strings.LastIndex(inner, ",")
		if !ok || at < 0 {
			errs = append(errs, fmt.Errorf("variable %s: %q", v.Name, v.Definition))
			continue
		}
		label := strings.Trim(inner[at+1:], " )")
		// Grouping by the label shows whether the metric has it.
		errs = append(errs, CheckQuery(concrete("sum by ("+label+") ("+inner[:at]+")"), metrics)...)
	}
	if got := strings.Join(names, ", "); got != "datasource datasource, project query, instance query" {
		errs = append(errs, errors.New("variables are "+got))
	}
	return errs
}
