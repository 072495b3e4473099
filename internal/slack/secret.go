// Package slack delivers alert events to people: it renders an event as a Slack
// message, posts it to an incoming webhook, and keeps what could not be posted
// yet in a durable queue. A generic JSON webhook is a second kind of receiver.
//
// Delivery is at least once. An entry leaves the queue only after the receiver
// confirmed it, so a crash can repeat a message but never lose one; a message
// that may be a repetition says so. While a receiver is away, one entry per
// alert type is kept and always tells the newest state.
//
//	event ─▶ Queue.Put ─▶ queue file ─▶ worker ─▶ Receiver.Send ─▶ webhook
//	              ▲                        │
//	              └── merge per type ◀─────┘ retry, gate, probe
//
// The webhook URL is a bearer secret. It never leaves [Webhook] except in the
// request itself: no error, log, report or state file contains it.
package slack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Errors of a webhook URL. None of them quotes the URL.
var (
	ErrWebhookURL    = errors.New("webhook URL is not a valid URL")
	ErrWebhookScheme = errors.New("webhook URL must start with https://")
	ErrWebhookHost   = errors.New("webhook URL has no host")
)

// maxSecretFile bounds a secret file: a URL is far shorter, and a file that is
// longer is the wrong file.
const maxSecretFile = 4096

// Webhook is a webhook URL that cannot be printed. The zero value means that no
// webhook is configured.
type Webhook struct {
	// A closure, because fmt cannot call String in an unexported field of another
	// struct and then prints whatever it can reach; a function is an address.
	reveal func() *url.URL
}

// Schemes says which URL schemes a webhook may have.
type Schemes uint8

// The scheme policies. Plain HTTP is for tests and stand-ins on a private network.
const (
	HTTPSOnly Schemes = iota
	AllowHTTP
)

// ParseWebhook checks raw and wraps it. The empty string is the zero Webhook.
func ParseWebhook(raw string, schemes Schemes) (Webhook, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return Webhook{}, nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return Webhook{}, ErrWebhookURL // err quotes the URL
	}
	switch {
	case u.Scheme == "https", u.Scheme == "http" && schemes == AllowHTTP:
	default:
		return Webhook{}, ErrWebhookScheme
	}
	if u.Hostname() == "" {
		return Webhook{}, ErrWebhookHost
	}
	u.Fragment = ""
	return Webhook{reveal: func() *url.URL { return u }}, nil
}

// IsZero reports whether no webhook is configured.
func (w Webhook) IsZero() bool { return w.reveal == nil }

// Host returns the host the webhook lives on, which is not secret.
func (w Webhook) Host() string {
	if w.IsZero() {
		return ""
	}
	return w.reveal().Host
}

// String returns the URL without its secret part.
func (w Webhook) String() string {
	if w.IsZero() {
		return "(no webhook)"
	}
	u := w.reveal()
	if strings.HasPrefix(u.Path, "/services/") {
		return u.Scheme + "://" + u.Host + "/services/…"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// GoString implements [fmt.GoStringer], redacted.
func (w Webhook) GoString() string { return "slack.Webhook(" + w.String() + ")" }

// Format implements [fmt.Formatter], so that no verb prints the URL.
func (w Webhook) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, w.String()) }

// MarshalText implements [encoding.TextMarshaler], redacted. It covers JSON too.
func (w Webhook) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// LogValue implements [slog.LogValuer], redacted.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

// scrub removes every piece of the secret from text that came from elsewhere:
// a proxy or a portal may well echo the request line in its answer.
func (w Webhook) scrub(text string) string {
	if w.IsZero() {
		return text
	}
	u := w.reveal()
	pieces := []string{u.String(), u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery}
	if u.User != nil {
		password, _ := u.User.Password()
		pieces = append(pieces, u.User.String(), u.User.Username(), password)
	}
	for _, s := range strings.FieldsFunc(u.RequestURI(), func(r rune) bool {
		return strings.ContainsRune("/?&=", r)
	}) {
		if len(s) >= 6 && s != "services" {
			pieces = append(pieces, s)
		}
	}
	for _, p := range pieces {
		if len(p) > 1 {
			text = strings.ReplaceAll(text, p, "…")
		}
	}
	return text
}

// Loaded is a webhook together with what deserves a warning about its storage.
type Loaded struct {
	Webhook  Webhook
	Warnings []string
}

// LoadSecret returns the webhook given directly as value or stored in file. The
// file wins, because a value in the environment shows in `docker inspect`. With
// neither, the zero Webhook comes back and no error.
func LoadSecret(value, file string, schemes Schemes) (Loaded, error) {
	var out Loaded
	if file != "" {
		text, warnings, err := readSecret(file)
		if err != nil {
			return Loaded{}, err
		}
		if strings.TrimSpace(value) != "" {
			warnings = append(warnings, "webhook given twice: the secret file is used, the variable is not")
		}
		value, out.Warnings = text, warnings
		if strings.TrimSpace(value) == "" {
			return Loaded{}, fmt.Errorf("webhook secret file %s is empty", file)
		}
	}
	hook, err := ParseWebhook(value, schemes)
	if err != nil {
		return Loaded{}, err
	}
	if !hook.IsZero() && hook.reveal().Scheme == "http" {
		out.Warnings = append(out.Warnings, "webhook uses plain http: its URL travels unprotected")
	}
	out.Webhook = hook
	return out, nil
}

// readSecret reads a secret file and says what is wrong with its protection.
func readSecret(file string) (string, []string, error) {
	f, err := os.Open(filepath.Clean(file))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", nil, fmt.Errorf("open webhook secret file: %w for user %d: hand it over with `bgctl up`, or let this user read it: setfacl -m u:%d:r FILE",
			err, os.Geteuid(), os.Geteuid())
	case err != nil:
		return "", nil, fmt.Errorf("open webhook secret file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", nil, fmt.Errorf("stat webhook secret file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("webhook secret file %s is not a regular file", file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", nil, fmt.Errorf("read webhook secret file: %w", err)
	}
	if len(text) > maxSecretFile {
		return "", nil, fmt.Errorf("webhook secret file %s is longer than %d bytes", file, maxSecretFile)
	}
	var warnings []string
	// Compose mounts secrets 0444 below /run/secrets inside the container: there
	// the mount protects them, and the mode is not the operator's to change.
	if info.Mode().Perm()&0o077 != 0 && !strings.HasPrefix(filepath.Clean(file), "/run/secrets/") {
		warnings = append(warnings, fmt.Sprintf("webhook secret file %s has mode %04o: use chmod 0600", file, info.Mode().Perm()))
	}
	if w := foreignOwner(info); w != "" {
		warnings = append(warnings, "webhook secret file "+file+" "+w)
	}
	return string(text), warnings, nil
}
