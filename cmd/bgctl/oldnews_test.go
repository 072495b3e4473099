//go:build !e2e

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgctl/internal/watch"
)

func TestOldNews(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	fresh, left := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(left, watch.StateFile), []byte(`{"version":1,"saved":"2026-01-02T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, state string
		maxAge      time.Duration
		want        time.Time
	}{
		{"first start", fresh, 5 * time.Minute, now},
		{"after a restart", left, 2 * time.Minute, now.Add(-2 * time.Minute)},
		{"with a window of any age", left, 0, now.Add(-5 * time.Minute)},
	} {
		if got := oldNews(tt.state, tt.maxAge, now); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
