//go:build !e2e

package main

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
	"bgctl/stack"
)

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for _, pair := range pairs {
			if k, v, _ := strings.Cut(pair, "="); k == name {
				return v
			}
		}
		return ""
	}
}

func TestAlertConfig_ReadsEveryVariable(t *testing.T) {
	_, err := alertConfig(environment(
		"ERROR_RATE_THRESHOLD=3%", "WINDOW_SIZE=100", "ALERT_COOLDOWN_SEC=60", "ERROR_CLASSES=5xx,429",
		"ERROR_BASIS=either", "MIN_SAMPLES=30", "MIN_ERRORS=4", "WINDOW_MAX_AGE=2m", "SHORT_WINDOW=off",
		"ERROR_RATE_PENDING=7", "ERROR_RATE_CLEAR=0.5", "ERROR_RATE_HOLD=10s", "ERROR_RATE_ESCALATE=80",
		"COUNT_499_SLOWER_THAN=1s", "COUNT_NOT_PROXIED=true", "HEALTH_PATH=/up", "DEGRADED_THRESHOLD=off0",
	))
	if err == nil || !strings.Contains(err.Error(), `DEGRADED_THRESHOLD="off0": want a percentage`) {
		t.Fatalf("error %v", err)
	}
	cfg, err := alertConfig(environment(
		"ERROR_RATE_THRESHOLD=3%", "WINDOW_SIZE=100", "ALERT_COOLDOWN_SEC=60", "ERROR_CLASSES=5xx,429",
		"ERROR_BASIS=either", "MIN_SAMPLES=30", "MIN_ERRORS=4", "WINDOW_MAX_AGE=2m", "SHORT_WINDOW=off",
		"ERROR_RATE_PENDING=7", "ERROR_RATE_CLEAR=0.5", "ERROR_RATE_HOLD=10s", "ERROR_RATE_ESCALATE=80",
		"COUNT_499_SLOWER_THAN=1s", "COUNT_NOT_PROXIED=true", "HEALTH_PATH=/up", "DEGRADED_THRESHOLD=0",
		"LATENCY_P95=750ms", "LATENCY_BASELINE_FACTOR=3", "NO_TRAFFIC_AFTER=10m", "LOG_LOST_AFTER=off",
		"ALERT_REPEAT=1h", "SEND_RESOLVED=false", "ALERTS_OFF=switch, notice", "ACTIVE_POOL=green", "FAIL_TIMEOUT=10s",
	))
	want := alert.Config{
		Window: 100, MaxAge: 2 * time.Minute, Classes: alert.Class5xx429, Basis: alert.ByEither,
		Count499Slower: time.Second, NotProxied: true, HealthPath: "/up", ThresholdPercent: 3, ClearPercent: 0.5,
		ShortWindow: -1, MinSamples: 30, MinErrors: 4, Pending: 7, Hold: 10 * time.Second, GoodLines: 20,
		EscalatePercent: 80, LatencyP95: 750 * time.Millisecond, LatencyFactor: 3, NoTraffic: 10 * time.Minute,
		FailTimeout: 10 * time.Second, Active: bluegreen.Green, Off: []alert.Type{alert.Switch, alert.Notice},
		Cooldown: time.Minute, Repeat: time.Hour, OmitResolved: true,
	}
	if diff := cmp.Diff(want, cfg); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestAlertConfig_DefaultsAndPresets(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  []string
		want func() alert.Config
	}{
		{"nothing set", nil, alert.DefaultConfig},
		{"the reference kit", []string{"ALERT_PRESET=reference"}, alert.ReferenceConfig},
		{
			"the reference kit's compose file", []string{"ALERT_PRESET=reference", "WINDOW_SIZE=5", "ERROR_RATE_THRESHOLD=0.05"},
			func() alert.Config {
				c := alert.ReferenceConfig()
				c.Window, c.MinSamples, c.ThresholdPercent, c.ClearPercent = 5, 5, 0.05, 0.05
				return c
			},
		},
		{
			"a line overrides the preset", []string{"ALERT_PRESET=reference", "ERROR_CLASSES=5xx"},
			func() alert.Config {
				c := alert.ReferenceConfig()
				c.Classes = alert.Class5xx
				return c
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := alertConfig(environment(tt.env...))
			if diff := cmp.Diff(tt.want(), cfg); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestAlertConfig_NamesWhatIsWrong(t *testing.T) {
	for _, tt := range []struct{ env, want string }{
		{"WINDOW_SIZE=0", "window must be 1 to"},
		{"WINDOW_SIZE=2.5", `WINDOW_SIZE="2.5": want a number`},
		{"ERROR_RATE_THRESHOLD=NaN", "want a percentage"},
		{"ERROR_RATE_THRESHOLD=120", "below 100 percent"},
		{"ERROR_RATE_CLEAR=5", "must not be above the threshold"},
		{"ALERT_COOLDOWN_SEC=1e300", "want seconds"},
		{"ALERT_COOLDOWN_SEC=-1", "want seconds"},
		{"ERROR_CLASSES=3xx", "use 5xx, 5xx,429 or 4xx,5xx"},
		{"ERROR_BASIS=server", "use client, attempt or either"},
		{"MIN_SAMPLES=-3", "want a number"},
		{"WINDOW_MAX_AGE=300", "want a duration such as 90s"},
		{"LATENCY_BASELINE_FACTOR=0.5", "must be above 1"},
		{"ALERT_REPEAT=10s", "repeat must be 0 or at least the cooldown"},
		{"ALERTS_OFF=everything", "use one of all_down"},
		{"ALERT_PRESET=kit", "want default or reference"},
		{"SEND_RESOLVED=maybe", "want true or false"},
		{"ACTIVE_POOL=red", "use blue or green"},
	} {
		t.Run(tt.env, func(t *testing.T) {
			_, err := alertConfig(environment(tt.env))
			var usage usageError
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &usage) || !errors.Is(err, proxy.ErrConfig) {
				t.Errorf("error %v, want a usage error with %q", err, tt.want)
			}
		})
	}
}

// A setting that the stack does not pass on, or that nobody can find, does not exist.
func TestAlertConfig_EveryVariableIsInTheStack(t *testing.T) {
	var asked []string
	if _, err := alertConfig(func(name string) string { asked = append(asked, name); return "" }); err != nil {
		t.Fatal(err)
	}
	if len(asked) < 20 {
		t.Fatalf("only %q", asked)
	}
	for _, name := range asked {
		if !regexp.MustCompile(`(?m)^#?` + name + `=`).Match(stack.EnvExample) {
			t.Errorf("%s is not in .env.example", name)
		}
		passed := strings.Contains(string(stack.Compose), name+": ${"+name+":-")
		if !passed {
			t.Errorf("%s is not passed to a container", name)
		}
	}
}
