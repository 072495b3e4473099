//go:build !e2e

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// TestSelfImage_IsCalledAsTheProjectSays: BGCTL_IMAGE of .env counts as it does for the
// compose file, and the environment wins over it.
func TestSelfImage_IsCalledAsTheProjectSays(t *testing.T) {
	for name, tt := range map[string]struct {
		file    string
		environ []string
		want    string
	}{
		"nowhere":         {"", nil, selfRef},
		".env":            {"BGCTL_IMAGE=mine:1\n", nil, "mine:1"},
		"environment too": {"BGCTL_IMAGE=mine:1\n", []string{"BGCTL_IMAGE=yours:2"}, "yours:2"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(tt.file), 0o600); err != nil {
				t.Fatal(err)
			}
			a := &app{dir: dir, environ: tt.environ, env: func(string) string { return "" }}
			project, err := a.load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := a.selfImages(&target{project: project}); got.ref != tt.want || !got.Provides(tt.want) {
				t.Errorf("up: %q, want %q", got.ref, tt.want)
			}
			if got := project.Services["alert_watcher"].Image; got != tt.want {
				t.Errorf("the file: %q, want %q", got, tt.want)
			}
			if got, err := a.setting("BGCTL_IMAGE"); err != nil || or(got, selfRef) != tt.want {
				t.Errorf("image: %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestUptime_IsNeverNegative(t *testing.T) {
	now := time.Now()
	for want, c := range map[string]bluegreen.Container{
		"-":    {State: "exited", StartedAt: now},
		"0s":   {State: "running", StartedAt: now.Add(3 * time.Second)}, // the engine's clock is ahead
		"1m5s": {State: "running", StartedAt: now.Add(-65 * time.Second)},
	} {
		if got := uptime(&c, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
