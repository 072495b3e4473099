package doctor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// alertConfig reads the settings of the project's watcher.
func (p *patient) alertConfig(ctx context.Context) (alert.Config, error) {
	project, err := p.effective(ctx)
	if err != nil {
		return alert.Config{}, err
	}
	s, err := service(project, bluegreen.RoleWatcher)
	if err != nil {
		return alert.Config{}, err
	}
	cfg, err := p.Alerts(environment(&s))
	if err != nil {
		err = &settingsError{err}
	}
	return cfg, err
}

// settingsError is a mistake in the watcher's settings.
type settingsError struct{ error }

// checkAlertSettings reads the watcher's settings as the watcher does.
func checkAlertSettings(ctx context.Context, p *patient) ([]finding, error) {
	_, err := p.alertConfig(ctx)
	bad, ok := err.(*settingsError) //nolint:errorlint // it is returned bare
	if !ok {
		return nil, err
	}
	return faults("watcher", bad.error, "mend the setting in .env, then: bgctl up"), nil
}

// checkThreshold works out when the error rate fires.
func checkThreshold(ctx context.Context, p *patient) ([]finding, error) {
	cfg, err := p.alertConfig(ctx)
	if err != nil {
		return nil, err
	}
	out := judgeThreshold(&cfg)
	if cfg.Classes == alert.Class4xx5xx {
		out = append(out, finding{OK, "ERROR_CLASSES", "4xx count as errors: a scanner that asks for pages that do not exist raises the rate", ""})
	}
	return out, nil
}

// judgeThreshold compares what the threshold says with what all the conditions together
// ask for. How many errors fire is found by the detector itself.
func judgeThreshold(cfg *alert.Config) []finding {
	const name = "ERROR_RATE_THRESHOLD"
	if slices.Contains(cfg.Off, alert.ErrorRate) {
		return []finding{{Warning, "ALERTS_OFF", "error_rate is switched off: no error rate is told", "Take error_rate out of ALERTS_OFF in .env; then: bgctl up"}}
	}
	need := errorsToFire(cfg)
	said := int(cfg.ThresholdPercent*float64(cfg.Window)/100) + 1
	seen := fmt.Sprintf("threshold %g %% of %d requests: %d errors in a row fire it, %d would be over the threshold", cfg.ThresholdPercent, cfg.Window, need, said)
	const remedy = "Write MIN_ERRORS=1 and MIN_SAMPLES=1 for a small window, a lower ERROR_RATE_THRESHOLD, or ALERT_PRESET=reference into .env; then: bgctl up"
	switch {
	case need > cfg.Window:
		return []finding{{Failed, name, seen + "; that is more than the window holds", "Write a lower ERROR_RATE_PENDING or ERROR_RATE_THRESHOLD into .env; then: bgctl up"}}
	case need == cfg.Window && cfg.Window > 1:
		return []finding{{Failed, name, seen + "; it fires only when every request fails (MIN_ERRORS " + strconv.Itoa(cfg.MinErrors) + ", MIN_SAMPLES " + strconv.Itoa(cfg.MinSamples) + ")", remedy}}
	case need > said && 2*need > cfg.Window:
		return []finding{{Warning, name, seen + "; that is more than half of the window", remedy}}
	case cfg.ThresholdPercent > 0 && cfg.ThresholdPercent < 1 && said == 1:
		return []finding{{Warning, name, seen + fmt.Sprintf("; the number is a percentage, and one error is %g %% of the window", 100/float64(cfg.Window)), fmt.Sprintf("Write %g, if that share was meant, into .env; then: bgctl up", cfg.ThresholdPercent*100)}}
	}
	return []finding{{verdict: OK, subject: name, evidence: seen}}
}

// errorsToFire is how many errors in a row fire in a window full of good requests.
func errorsToFire(cfg *alert.Config) int {
	d := alert.NewDetector(*cfg)
	at := time.Unix(1_000_000_000, 0)
	feed := func(status int) []alert.Event {
		at = at.Add(time.Millisecond)
		return d.Observe(&logstream.Record{
			Time: at, Path: "/doctor", Status: status, Served: bluegreen.Blue, Active: bluegreen.Blue,
			Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Addr: "192.0.2.1:3000", Status: status}},
		})
	}
	for range cfg.Window {
		feed(200)
	}
	for n := 1; n <= cfg.Window+cfg.Pending; n++ {
		for _, ev := range feed(500) {
			if ev.Type == alert.ErrorRate && ev.Status == alert.Firing {
				return n
			}
		}
	}
	return cfg.Window + cfg.Pending + 1
}
