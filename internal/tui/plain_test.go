package tui_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

func TestPlain_SaysChangesOnceAndInWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		demo := sim.New(sim.Options{Now: time.Now, Seed: 1, Rate: 60, Alert: alert.DefaultConfig(), Warm: time.Minute})
		deps := demo.Deps()
		var lost atomic.Bool
		observe := deps.Observe
		deps.Observe = func(ctx context.Context) (bluegreen.Deployment, error) {
			if lost.Load() {
				return bluegreen.Deployment{}, errors.New("connection \x1b[31mrefused")
			}
			return observe(ctx)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- tui.Plain(ctx, deps, tui.Options{Alert: alert.DefaultConfig()}, &out)
		}()
		time.Sleep(10*time.Second + 50*time.Millisecond)
		d, _ := observe(ctx)
		plan, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := demo.Execute(ctx, plan, func(bluegreen.Progress) {}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Second)
		lost.Store(true)
		time.Sleep(5 * time.Second)
		lost.Store(false)
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Plain: %v", err)
		}
		text := out.String()
		for _, want := range []string{
			"BLUE is active, release v1.4.2.", "GREEN, release v1.5.0, is healthy 1/1.",
			"BLUE, release v1.4.2, is exited 0/1; an injected fault stands: kill by ana.",
			"CRITICAL alert: failover", "Try: bgctl heal blue", "Last minute: 3", "Docker does not answer: connection refused.", "Docker answers.",
		} {
			if strings.Count(text, want) < 1 {
				t.Errorf("it never says %q", want)
			}
		}
		if strings.Count(text, "BLUE is active") != 1 || strings.Count(text, "Docker does not answer") != 1 {
			t.Error("it repeats itself")
		}
		if strings.ContainsAny(text, "\x1b▲×●│") {
			t.Error("it uses glyphs or escape sequences")
		}
		if t.Failed() {
			t.Log(text)
		}
	})
}

// broken is a pipe whose reader has gone.
type broken struct{}

// Write implements io.Writer.
func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestPlain_EndsWithItsReader(t *testing.T) {
	if err := tui.Plain(t.Context(), live(t, usual(80, 24)).deps, tui.Options{}, broken{}); err == nil {
		t.Error("Plain goes on although nobody reads")
	}
}
