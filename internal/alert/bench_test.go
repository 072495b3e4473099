package alert

import (
	"testing"
	"time"

	"bgctl/internal/logstream"
)

// bench feeds one kind of record for ever, a thousand a second.
func bench(b *testing.B, cfg Config, r logstream.Record) {
	b.Helper()
	d, at := NewDetector(cfg), start()
	r.Active, r.Duration = blue, 3*time.Millisecond
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		r.Time = at
		d.Observe(&r)
	}
}

func BenchmarkObserve(b *testing.B) { bench(b, DefaultConfig(), rec(blue, 200)) }

func BenchmarkObserveSaved(b *testing.B) { bench(b, DefaultConfig(), rec(blue, 502, 200)) }

func BenchmarkObserveFailing(b *testing.B) { bench(b, DefaultConfig(), rec(blue, 500)) }

func BenchmarkObserveAllDown(b *testing.B) { bench(b, DefaultConfig(), noUpstream()) }

func BenchmarkObserveLatency(b *testing.B) {
	cfg := DefaultConfig()
	cfg.LatencyP95, cfg.LatencyFactor = time.Second, 3
	bench(b, cfg, rec(blue, 200))
}

func BenchmarkState(b *testing.B) {
	d := NewDetector(DefaultConfig())
	for _, r := range randomTraffic(1, 2000) {
		d.Observe(&r)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.State()
	}
}

// A good line and a failing one cost no allocation, whatever they are noted for.
func TestObserve_AllocatesNothing(t *testing.T) {
	for name, r := range map[string]logstream.Record{
		"good": rec(blue, 200), "saved": rec(blue, 502, 200), "failing": rec(blue, 500), "all down": noUpstream(),
	} {
		cfg := DefaultConfig()
		cfg.LatencyP95 = time.Second
		d, at := NewDetector(cfg), start()
		r.Active = blue
		observe := func() {
			at = at.Add(time.Millisecond)
			r.Time = at
			d.Observe(&r)
		}
		for range 500 {
			observe() // until everything has fired that fires
		}
		if n := testing.AllocsPerRun(1000, observe); n != 0 {
			t.Errorf("%s line: %v allocations", name, n)
		}
	}
}
