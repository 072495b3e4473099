//go:build !e2e

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bgctl/internal/compose"
)

// project loads the embedded stack in a directory with files of a given mode.
func project(t *testing.T, mode os.FileMode, files map[string]string) (*app, *bytes.Buffer, *compose.Project) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // past the umask
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	a := &app{dir: dir, err: &said, env: func(string) string { return "" }}
	p, err := a.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a, &said, p
}

func TestBringSecrets(t *testing.T) {
	const hook = "https://hooks.slack.com/services/T0/B0/s3cr3t"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string // in the error; "" is none
	}{
		{"no .env", nil, ""},
		{"empty variable", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=\n"}, ""},
		{"file beside .env", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=./hook\n", "hook": hook + "\n"}, ""},
		{"without ./", map[string]string{".env": "ALERT_WEBHOOK_URL_FILE=hook\n", "hook": hook}, ""},
		{"missing file", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=./none\n"}, "SLACK_WEBHOOK_URL_FILE: open webhook secret file: open "},
		{"empty file", map[string]string{".env": "ALERT_WEBHOOK_URL_FILE=./hook\n", "hook": "\n"}, "ALERT_WEBHOOK_URL_FILE: webhook secret file "},
		{"no URL", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=./hook\n", "hook": "s3cr3t"}, "must start with https://"},
		{"plain http", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=./hook\n", "hook": "http://h/s3cr3t"}, "must start with https://"},
		{"plain http allowed", map[string]string{".env": "SLACK_WEBHOOK_URL_FILE=./hook\nSLACK_ALLOW_HTTP=true\n", "hook": "http://h/s3cr3t"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, said, p := project(t, 0o600, tt.files)
			err := a.bringSecrets(p)
			if strings.Contains(said.String(), "s3cr3t") || err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("shown: %s%v", said, err)
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			var usage usageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
		})
	}
}

func TestCheckEnvMode(t *testing.T) {
	const holds, plain = "SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T0/B0/s3cr3t\n", "HTTP_PORT=8080\nSLACK_WEBHOOK_URL=\n"
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		warn, fail bool
	}{
		{"private", holds, 0o600, false, false},
		{"readable", holds, 0o644, true, false},
		{"readable by the group", holds, 0o640, true, false},
		{"readable without a secret", plain, 0o644, false, false},
		{"a password in a URL", "DATABASE_URL=postgres://u:s3cr3t@db/x\n", 0o644, true, false},
		{"writable by everybody", holds, 0o666, false, true},
		{"writable without a secret", plain, 0o602, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, said, p := project(t, tt.mode, map[string]string{".env": tt.text})
			err := a.checkEnvModes(p)
			file := filepath.Join(a.dir, ".env")
			var usage usageError
			if tt.fail != errors.As(err, &usage) || tt.fail && !strings.Contains(err.Error(), "chmod 600 "+file) {
				t.Errorf("error %v", err)
			}
			warned := strings.Contains(said.String(), "warning: ") && strings.HasSuffix(said.String(), "run chmod 600 "+file+"\n")
			if warned != tt.warn || strings.Count(said.String(), "\n") > 1 || strings.Contains(said.String(), "s3cr3t") {
				t.Errorf("said %q", said)
			}
		})
	}
}
