package promcheck

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"
)

func docs() fs.FS { return os.DirFS("../../docs") }

func TestDocs_HoldWhatTheyPromise(t *testing.T) {
	metrics, err := ReadMetrics(docs())
	if err != nil {
		t.Fatal(err)
	}
	runbook, err := fs.ReadFile(docs(), "alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := ReadRules(docs())
	if len(errs) == 0 {
		errs = CheckRules(groups, metrics, string(runbook))
	}
	dashboard, more := ReadDashboard(docs())
	if len(more) == 0 {
		more = CheckDashboard(dashboard, metrics)
	}
	for _, err := range append(errs, more...) {
		t.Error(err)
	}
}

func TestDocs_ScrapeConfiguration(t *testing.T) {
	text, err := fs.ReadFile(docs(), "prometheus/scrape.yml")
	if err != nil {
		t.Fatal(err)
	}
	var conf struct {
		Jobs []struct {
			Name     string           `yaml:"job_name"`
			Interval string           `yaml:"scrape_interval"`
			Docker   []map[string]any `yaml:"docker_sd_configs"`
			Relabel  []struct {
				From  []string `yaml:"source_labels"`
				To    string   `yaml:"target_label"`
				Value string   `yaml:"replacement"`
			} `yaml:"relabel_configs"`
		} `yaml:"scrape_configs"`
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&conf); err != nil {
		t.Fatal(err)
	}
	// The rules name the job.
	if len(conf.Jobs) != 1 || conf.Jobs[0].Name != "bgctl" || len(conf.Jobs[0].Docker) != 1 || len(conf.Jobs[0].Relabel) != 2 {
		t.Errorf("got %+v", conf)
	}
}

func TestCheckQuery_FindsMistakes(t *testing.T) {
	metrics, err := ReadMetrics(docs())
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		`sum(rate(bgctl_requests_total[5m])`:                    "unclosed",
		`bgctl_requests`:                                        `no metric "bgctl_requests"`,
		`bgctl_requests_total{colour="blue"}`:                   `no label "colour"`,
		`sum by (receiver) (bgctl_requests_total)`:              `groups by "receiver"`,
		`rate(bgctl_log_lag_seconds[5m])`:                       "which is a gauge",
		`bgctl_request_duration_seconds`:                        "no metric",
		`sum by (pool) (sum by (class) (bgctl_requests_total))`: `groups by "pool"`,
		`histogram_quantile(0.9, sum by (le) (rate(bgctl_request_duration_seconds_bucket[5m])))`: "",
		`bgctl_receiver_up == 0`: "",
	} {
		errs := CheckQuery(query, metrics)
		switch {
		case want == "" && len(errs) > 0:
			t.Errorf("%s: %v", query, errs)
		case want != "" && (len(errs) == 0 || !strings.Contains(errs[0].Error(), want)):
			t.Errorf("%s: got %v, want %q", query, errs, want)
		}
	}
}

func TestReadDashboard_FindsMistakes(t *testing.T) {
	text, err := fs.ReadFile(docs(), "grafana/bgctl.json")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := ReadMetrics(docs())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(string) string{
		"foreign data source": func(s string) string { return strings.Replace(s, `"uid": "${datasource}"`, `"uid": "P1234"`, 1) },
		"no query": func(s string) string {
			return regexp.MustCompile(`"expr": "[^"]*sum\(`).ReplaceAllString(s, `"expr_": "sum(`)
		},
		"unknown panel":  func(s string) string { return strings.Replace(s, `"type": "timeseries"`, `"type": "graph"`, 1) },
		"wide panel":     func(s string) string { return strings.Replace(s, `"w": 8`, `"w": 25`, 1) },
		"panels overlap": func(s string) string { return strings.Replace(s, `"w": 8`, `"w": 9`, 1) },
		"all projects":   func(s string) string { return strings.Replace(s, `project=~\"$project\",`, ``, 1) },
		"old metric":     func(s string) string { return strings.ReplaceAll(s, "bgctl_log_up", "bgctl_log_ok") },
		"no input":       func(s string) string { return strings.Replace(s, "__inputs", "_inputs", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := change(string(text))
			if changed == string(text) {
				t.Fatal("nothing was changed")
			}
			d, errs := ReadDashboard(fstest.MapFS{"grafana/bgctl.json": {Data: []byte(changed)}})
			if len(errs) == 0 {
				errs = CheckDashboard(d, metrics)
			}
			if len(errs) == 0 {
				t.Error("accepted")
			}
		})
	}
}
