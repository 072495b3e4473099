package promcheck

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// TestRules_Fire evaluates the rules with Prometheus' engine over series, and says
// which alerts fire after how many minutes, with which labels.
func TestRules_Fire(t *testing.T) {
	healthy := map[string]string{
		`up{job="bgctl",instance="w"}`:                                "1x30",
		`bgctl_alert_firing{project="shop",type="failover"}`:          "0x30",
		`bgctl_receiver_up{project="shop",receiver="slack"}`:          "1x30",
		`bgctl_log_up{project="shop"}`:                                "1x30",
		`bgctl_log_lag_seconds{project="shop"}`:                       "0.1x30",
		`bgctl_window_error_ratio{project="shop"}`:                    "0.01x30",
		`bgctl_window_requests{project="shop"}`:                       "200x30",
		`bgctl_queue_oldest_seconds{project="shop",receiver="slack"}`: "0x30",
		`bgctl_messages_lost_total{project="shop",receiver="slack"}`:  "0x30",
		`bgctl_log_lines_total{project="shop",result="parsed"}`:       "0+6000x30",
		`bgctl_log_lines_total{project="shop",result="bad"}`:          "0+6x30",
		`bgctl_log_lines_lost_total{project="shop",reason="cut"}`:     "0x30",
		`bgctl_log_gaps_total{project="shop"}`:                        "0x30",
		`bgctl_maintenance_active{project="shop"}`:                    "0x30",
	}
	tests := []struct {
		name   string
		series map[string]string // on top of healthy ones; "": not there
		minute int
		want   string
	}{
		{"all is well", nil, 30, ""},
		{"failover", map[string]string{`bgctl_alert_firing{project="shop",type="failover"}`: "0x5 1x25"}, 6, "BgctlFailover project=shop,type=failover"},
		{"failover over", map[string]string{`bgctl_alert_firing{project="shop",type="failover"}`: "0x5 1x5 0x20"}, 20, ""},
		{"all down", map[string]string{`bgctl_alert_firing{project="shop",type="all_down"}`: "1x30"}, 1, "BgctlAllDown project=shop,type=all_down"},
		{"new types", map[string]string{
			`bgctl_alert_firing{project="shop",type="degraded"}`: "1x30", `bgctl_alert_firing{project="shop",type="latency"}`: "1x30",
		}, 1, "BgctlDegraded project=shop,type=degraded; BgctlLatency project=shop,type=latency"},
		{"half fails", map[string]string{`bgctl_window_error_ratio{project="shop"}`: "0.5x30"}, 1, "BgctlErrorRateHigh project=shop"},
		{"half of few fails", map[string]string{
			`bgctl_window_error_ratio{project="shop"}`: "0.5x30", `bgctl_window_requests{project="shop"}`: "4x30",
		}, 1, ""},
		{"watcher gone", map[string]string{`up{job="bgctl",instance="w"}`: "1x5 0x25"}, 7, "BgctlWatcherGone instance=w,job=bgctl"},
		{"watcher gone for a moment", map[string]string{`up{job="bgctl",instance="w"}`: "1x5 0 1x25"}, 7, ""},
		{"no watcher at all", map[string]string{`up{job="bgctl",instance="w"}`: ""}, 7, "BgctlWatcherGone job=bgctl"},
		{"receiver broken", map[string]string{`bgctl_receiver_up{project="shop",receiver="slack"}`: "1x5 0x25"}, 9, "BgctlReceiverBroken project=shop,receiver=slack"},
		{"receiver broken just now", map[string]string{`bgctl_receiver_up{project="shop",receiver="slack"}`: "1x8 0x25"}, 10, ""},
		{"message waits", map[string]string{`bgctl_queue_oldest_seconds{project="shop",receiver="slack"}`: "0+60x30"}, 11, "BgctlMessagesWait project=shop,receiver=slack"},
		{"message lost", map[string]string{`bgctl_messages_lost_total{project="shop",receiver="slack"}`: "0x5 1x25"}, 8, "BgctlMessagesLost project=shop,receiver=slack"},
		{"log gone", map[string]string{`bgctl_log_up{project="shop"}`: "0x30"}, 2, "BgctlLogGone project=shop"},
		{"log lag", map[string]string{`bgctl_log_lag_seconds{project="shop"}`: "31x30"}, 2, "BgctlLogLag project=shop"},
		{"lines lost", map[string]string{`bgctl_log_lines_lost_total{project="shop",reason="cut"}`: "0x5 3x25"}, 8, "BgctlLogLinesLost project=shop"},
		{"a gap", map[string]string{`bgctl_log_gaps_total{project="shop"}`: "0x5 1x25"}, 8, "BgctlLogLinesLost project=shop"},
		{"bad lines", map[string]string{`bgctl_log_lines_total{project="shop",result="bad"}`: "0+600x30"}, 12, "BgctlLogLinesBad project=shop"},
		{"long maintenance", map[string]string{`bgctl_maintenance_active{project="shop"}`: "1x150"}, 125, "BgctlMaintenanceLong project=shop"},
	}
	groups, errs := ReadRules(docs())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1 << 20, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	fired := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			series := maps.Clone(healthy)
			if tt.minute > 30 { // the others end before
				clear(series)
				series[`up{job="bgctl",instance="w"}`] = "1x150"
			}
			for name, values := range tt.series {
				series[name] = values
				if values == "" {
					delete(series, name)
				}
			}
			got := firing(t, engine, groups, series, time.Duration(tt.minute)*time.Minute)
			if text := strings.Join(got, "; "); text != tt.want {
				t.Errorf("got  %s\nwant %s", text, tt.want)
			}
			for _, alert := range got {
				name, _, _ := strings.Cut(alert, " ")
				fired[name] = true
			}
		})
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			// These differ from those above in the type only.
			if same := []string{"BgctlErrorRate", "BgctlFlapping", "BgctlNoTraffic"}; !fired[rule.Alert] && !slices.Contains(same, rule.Alert) {
				t.Errorf("%s never fired", rule.Alert)
			}
		}
	}
}

// firing returns the alerts that fire at a time: whose expression has held, looked
// at every minute, for as long as the rule says.
func firing(t *testing.T, engine *promql.Engine, groups *rulefmt.RuleGroups, series map[string]string, at time.Duration) []string {
	t.Helper()
	data, err := load(series, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			held := map[string]int{}
			steps := int(time.Duration(rule.For)/time.Minute) + 1
			for i := range steps {
				when := time.UnixMilli(0).Add(at - time.Duration(i)*time.Minute)
				q, err := engine.NewInstantQuery(t.Context(), data, nil, rule.Expr, when)
				if err != nil {
					t.Fatalf("%s: %v", rule.Alert, err)
				}
				vector, err := q.Exec(t.Context()).Vector()
				if err != nil {
					t.Fatalf("%s: %v", rule.Alert, err)
				}
				for _, sample := range vector {
					held[withoutName(sample.Metric)]++
				}
			}
			for _, l := range slices.Sorted(maps.Keys(held)) {
				if held[l] == steps {
					out = append(out, rule.Alert+" "+l)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}
