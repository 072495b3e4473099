package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/proxy"
	"bgctl/internal/slack"
)

// alertConfig reads the detector's settings from an environment.
func alertConfig(env func(string) string) (alert.Config, error) {
	cfg := alert.DefaultConfig()
	var errs []error
	number := func(name string, set func(float64)) {
		v := env(name)
		if v == "" {
			return
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n < 0 {
			errs = append(errs, fmt.Errorf("%w: %s=%q: want a number", proxy.ErrConfig, name, v))
			return
		}
		set(n)
	}
	number("ERROR_RATE_THRESHOLD", func(n float64) { cfg.ThresholdPercent = n })
	number("WINDOW_SIZE", func(n float64) { cfg.Window = int(n) })
	number("ALERT_COOLDOWN_SEC", func(n float64) { cfg.Cooldown = time.Duration(n * float64(time.Second)) })
	if v := env("ERROR_CLASSES"); v != "" {
		classes, err := alert.ParseClasses(v)
		errs = append(errs, err)
		cfg.Classes = classes
	}
	timeout, err := proxy.FailTimeout(env("FAIL_TIMEOUT"))
	cfg.FailTimeout = timeout
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return cfg, usageError{err}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
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

// receivers are the places that messages go to.
func (a *app) receivers() ([]slack.Receiver, error) {
	schemes := slack.HTTPSOnly
	plain, err := a.boolean("SLACK_ALLOW_HTTP")
	if err != nil {
		return nil, err
	}
	if plain {
		schemes = slack.AllowHTTP
	}
	opts := slack.Options{Proxy: http.ProxyFromEnvironment, UserAgent: "bgctl/" + version()}
	var out []slack.Receiver
	hook, err := a.webhook("SLACK_WEBHOOK_URL", schemes)
	if err != nil {
		return nil, err
	}
	if !hook.IsZero() {
		out = append(out, slack.NewSlack(slack.NewClient(hook, opts)))
	}
	generic, err := a.webhook("ALERT_WEBHOOK_URL", schemes)
	if err != nil {
		return nil, err
	}
	if !generic.IsZero() {
		out = append(out, slack.NewGeneric(generic, opts))
	}
	return out, nil
}

// webhook reads a secret URL from NAME or from the file that NAME_FILE names.
func (a *app) webhook(name string, schemes slack.Schemes) (slack.Webhook, error) {
	loaded, err := slack.LoadSecret(a.env(name), a.env(name+"_FILE"), schemes)
	if err != nil {
		return slack.Webhook{}, usagef("%s: %w", name, err)
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintln(a.err, "warning:", w)
	}
	return loaded.Webhook, nil
}
