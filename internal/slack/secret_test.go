package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretPath holds the parts that must never show up anywhere.
const secretPath = "/services/T0TEAMSECRET/B0BOTSECRET/xYzSuperSecretToken42"

func leaked(text string) string {
	for _, s := range []string{"T0TEAMSECRET", "B0BOTSECRET", "xYzSuperSecretToken42"} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
			return s
		}
	}
	return ""
}

func TestParseWebhook(t *testing.T) {
	tests := []struct {
		name, raw string
		schemes   Schemes
		err       error
	}{
		{"https", "https://hooks.slack.com" + secretPath, HTTPSOnly, nil},
		{"spaces around", "  https://hooks.slack.com" + secretPath + "\n", HTTPSOnly, nil},
		{"empty", "", HTTPSOnly, nil},
		{"http refused", "http://hooks.slack.com" + secretPath, HTTPSOnly, ErrWebhookScheme},
		{"http allowed", "http://127.0.0.1:9" + secretPath, AllowHTTP, nil},
		{"ftp", "ftp://hooks.slack.com" + secretPath, AllowHTTP, ErrWebhookScheme},
		{"no scheme", "hooks.slack.com" + secretPath, HTTPSOnly, ErrWebhookScheme},
		{"no host", "https://" + secretPath, HTTPSOnly, ErrWebhookHost},
		{"control", "https://h\x7f" + secretPath, HTTPSOnly, ErrWebhookURL},
		{"bad escape", "https://h/%zz" + secretPath, HTTPSOnly, ErrWebhookURL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseWebhook(tt.raw, tt.schemes)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err != nil && leaked(err.Error()) != "" {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestWebhook_NeverPrintsItself(t *testing.T) {
	hook, err := ParseWebhook("https://user:T0TEAMSECRET@hooks.slack.com"+secretPath+"?k=xYzSuperSecretToken42", HTTPSOnly)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Public Webhook
		hidden Webhook
		ptr    *Webhook
	}
	h := holder{hook, hook, &hook}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
		fmt.Fprintf(&out, verb+"\n", hook)
		fmt.Fprintf(&out, verb+"\n", &hook)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", NewClient(hook, Options{}))
	}
	fmt.Fprintln(&out, hook.String(), hook.GoString(), errors.New(hook.String()))
	if err := json.NewEncoder(&out).Encode(map[string]any{"a": hook, "b": &hook, "c": h}); err != nil {
		t.Fatal(err)
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("x", "hook", hook, "ptr", &hook, "holder", h)
	}
	if s := leaked(out.String()); s != "" {
		t.Errorf("found %q in:\n%s", s, out.String())
	}
	if !strings.Contains(out.String(), "hooks.slack.com/services/…") {
		t.Error("the redacted form is missing")
	}
}

func TestLoadSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good := "https://hooks.slack.com" + secretPath
	tests := []struct {
		name, value, file string
		warn, fails       string
		zero              bool
	}{
		{name: "nothing", zero: true},
		{name: "value", value: good},
		{name: "private file", file: file("a", good+"\n", 0o600)},
		{name: "open file", file: file("b", good, 0o644), warn: "chmod 0600"},
		{name: "both", value: "https://other", file: file("c", good, 0o600), warn: "given twice"},
		{name: "missing file", file: filepath.Join(dir, "none"), fails: "open webhook secret file"},
		{name: "empty file", file: file("d", " \n", 0o600), fails: "is empty"},
		{name: "long file", file: file("e", good+strings.Repeat("x", 5000), 0o600), fails: "longer than"},
		{name: "directory", file: dir, fails: "not a regular file"},
		{name: "not a URL", value: "xYzSuperSecretToken42", fails: "https://"},
		{name: "http", value: "http://hooks.slack.com" + secretPath, fails: "https://"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := LoadSecret(tt.value, tt.file, HTTPSOnly)
			text := strings.Join(got.Warnings, "\n")
			if err != nil {
				text += err.Error()
			}
			if s := leaked(text); s != "" {
				t.Errorf("found %q in %s", s, text)
			}
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("got error %v, want %q", err, tt.fails)
				}
				return
			}
			if err != nil || got.Webhook.IsZero() != tt.zero {
				t.Fatalf("got %v, %v", got.Webhook, err)
			}
			if tt.warn == "" != (len(got.Warnings) == 0) || !strings.Contains(text, tt.warn) {
				t.Errorf("warnings %q, want %q", got.Warnings, tt.warn)
			}
		})
	}
	if got, err := LoadSecret("http://standin:8080/x", "", AllowHTTP); err != nil || len(got.Warnings) != 1 {
		t.Errorf("plain http where allowed: %v, %v", got.Warnings, err)
	}
}
