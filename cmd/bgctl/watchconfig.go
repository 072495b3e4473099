package main

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
	"bgctl/internal/slack"
)

// alertConfig reads the detector's settings from an environment. A variable that is
// not set keeps the default; ALERT_PRESET=reference starts from the settings of the
// reference kit instead.
func alertConfig(env func(string) string) (alert.Config, error) {
	r := alertReader{env: env}
	cfg := r.preset()
	r.window(&cfg)
	r.rate(&cfg)
	r.others(&cfg)
	if err := errors.Join(r.errs...); err != nil {
		return cfg, usageError{err}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usageError{fmt.Errorf("%w: alert settings: %w", proxy.ErrConfig, err)}
	}
	return cfg, nil
}

// alertReader reads variables and gathers what is wrong with them, so that one
// start names every mistake.
type alertReader struct {
	env  func(string) string
	errs []error
}

// preset returns the settings to start from. The reference kit's rules depend on
// the window, the threshold and the cooldown, which are read first.
func (r *alertReader) preset() alert.Config {
	cfg := alert.DefaultConfig()
	reference := false
	switch v := r.env("ALERT_PRESET"); v {
	case "", "default":
	case "reference":
		cfg, reference = alert.ReferenceConfig(), true
	default:
		r.fail("ALERT_PRESET", v, "default or reference")
	}
	r.percent("ERROR_RATE_THRESHOLD", &cfg.ThresholdPercent)
	r.count("WINDOW_SIZE", &cfg.Window)
	cooldown := cfg.Cooldown.Seconds()
	r.number("ALERT_COOLDOWN_SEC", "seconds", &cooldown)
	cfg.Cooldown = time.Duration(cooldown * float64(time.Second))
	if reference {
		cfg.MinSamples, cfg.ClearPercent, cfg.Repeat = cfg.Window, cfg.ThresholdPercent, cfg.Cooldown
	}
	return cfg
}

// window reads what counts in the window.
func (r *alertReader) window(cfg *alert.Config) {
	r.duration("WINDOW_MAX_AGE", &cfg.MaxAge)
	read(r, "ERROR_CLASSES", &cfg.Classes, alert.ParseClasses)
	read(r, "ERROR_BASIS", &cfg.Basis, alert.ParseBasis)
	r.duration("COUNT_499_SLOWER_THAN", &cfg.Count499Slower)
	read(r, "COUNT_NOT_PROXIED", &cfg.NotProxied, strconv.ParseBool)
	if v := r.env("HEALTH_PATH"); v != "" {
		cfg.HealthPath = v
	}
}

// rate reads when the error rate fires and when it is over.
func (r *alertReader) rate(cfg *alert.Config) {
	r.percent("ERROR_RATE_CLEAR", &cfg.ClearPercent)
	r.count("MIN_SAMPLES", &cfg.MinSamples)
	r.count("MIN_ERRORS", &cfg.MinErrors)
	r.count("ERROR_RATE_PENDING", &cfg.Pending)
	r.duration("ERROR_RATE_HOLD", &cfg.Hold)
	r.percent("ERROR_RATE_ESCALATE", &cfg.EscalatePercent)
	switch v := r.env("SHORT_WINDOW"); v {
	case "":
	case "0", "off":
		cfg.ShortWindow = -1
	default:
		r.count("SHORT_WINDOW", &cfg.ShortWindow)
	}
}

// others reads the settings of the other alerts and of all of them.
func (r *alertReader) others(cfg *alert.Config) {
	r.percent("DEGRADED_THRESHOLD", &cfg.DegradedPercent)
	r.duration("LATENCY_P95", &cfg.LatencyP95)
	r.number("LATENCY_BASELINE_FACTOR", "a factor above 1", &cfg.LatencyFactor)
	r.duration("NO_TRAFFIC_AFTER", &cfg.NoTraffic)
	r.duration("LOG_LOST_AFTER", &cfg.SourceLost)
	r.duration("ALERT_REPEAT", &cfg.Repeat)
	read(r, "ALERTS_OFF", &cfg.Off, alert.ParseTypes)
	if v := r.env("SEND_RESOLVED"); v != "" {
		send, err := strconv.ParseBool(v)
		if err != nil {
			r.fail("SEND_RESOLVED", v, "true or false")
		}
		cfg.OmitResolved = !send
	}
	read(r, "ACTIVE_POOL", &cfg.Active, bluegreen.ParsePool)
	timeout, err := proxy.FailTimeout(r.env("FAIL_TIMEOUT"))
	cfg.FailTimeout = timeout
	if err != nil {
		r.errs = append(r.errs, err)
	}
}

func (r *alertReader) fail(name, value, want string) {
	r.errs = append(r.errs, fmt.Errorf("%w: %s=%q: want %s", proxy.ErrConfig, name, value, want))
}

// read sets a value by a parser of its own, whose error names what is allowed.
func read[T any](r *alertReader, name string, to *T, parse func(string) (T, error)) {
	v := r.env(name)
	if v == "" {
		return
	}
	got, err := parse(v)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%w: %s=%q: %w", proxy.ErrConfig, name, v, err))
		return
	}
	*to = got
}

// number reads a number that is not negative.
func (r *alertReader) number(name, want string, to *float64) {
	v := r.env(name)
	if v == "" {
		return
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > maxAlertNumber {
		r.fail(name, v, want)
		return
	}
	*to = n
}

// maxAlertNumber is over any sensible number of a setting and safe to convert.
const maxAlertNumber = 1e9

// percent reads a number in percent; a percent sign behind it is fine.
func (r *alertReader) percent(name string, to *float64) {
	v := r.env(name)
	sub := alertReader{env: func(string) string { return strings.TrimSpace(strings.TrimSuffix(v, "%")) }}
	sub.number(name, "a percentage such as 2", to)
	if len(sub.errs) > 0 {
		r.fail(name, v, "a percentage such as 2")
	}
}

// count reads a whole number.
func (r *alertReader) count(name string, to *int) {
	v := r.env(name)
	if v == "" {
		return
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > maxAlertNumber {
		r.fail(name, v, "a number without a fraction")
		return
	}
	*to = n
}

// duration reads "90s" or "5m"; 0 or off switches off what it is about.
func (r *alertReader) duration(name string, to *time.Duration) {
	v := r.env(name)
	switch v {
	case "":
		return
	case "0", "off":
		*to = 0
		return
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		r.fail(name, v, "a duration such as 90s, or off")
		return
	}
	*to = d
}

// boolean reads a variable that is true or false.
func (a *app) boolean(name string) (bool, error) {
	v := a.env(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, usagef("%s=%q: want true or false", name, v)
	}
	return b, nil
}

// receivers are the places that messages go to. A webhook that cannot be read or is
// wrong is no reason not to watch: its receiver says so and tries again.
func (a *app) receivers() ([]*slack.Stored, error) {
	schemes := slack.HTTPSOnly
	plain, err := a.boolean("SLACK_ALLOW_HTTP")
	if err != nil {
		return nil, err
	}
	if plain {
		schemes = slack.AllowHTTP
	}
	opts := slack.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bgctl/" + version()}
	var out []*slack.Stored
	if load := a.webhook("SLACK_WEBHOOK_URL", schemes); load != nil {
		out = append(out, slack.NewStored("slack", load, func(hook slack.Webhook) slack.Receiver {
			return slack.NewSlack(slack.NewClient(hook, opts))
		}))
	}
	if load := a.webhook("ALERT_WEBHOOK_URL", schemes); load != nil {
		out = append(out, slack.NewStored("webhook", load, func(hook slack.Webhook) slack.Receiver {
			return slack.NewGeneric(hook, opts)
		}))
	}
	return out, nil
}

// webhook returns what reads a secret URL from NAME or from the file that NAME_FILE
// names, nil when neither is set. A warning is printed once.
func (a *app) webhook(name string, schemes slack.Schemes) func() (slack.Webhook, error) {
	value, file := a.env(name), a.env(name+"_FILE")
	if strings.TrimSpace(value) == "" && file == "" {
		return nil
	}
	var said []string
	return func() (slack.Webhook, error) {
		loaded, err := slack.LoadSecret(value, file, schemes)
		if err != nil {
			return slack.Webhook{}, fmt.Errorf("%s: %w", name, err)
		}
		if !slices.Equal(said, loaded.Warnings) {
			said = loaded.Warnings
			for _, w := range loaded.Warnings {
				fmt.Fprintln(a.err, "warning:", clean(w))
			}
		}
		return loaded.Webhook, nil
	}
}
