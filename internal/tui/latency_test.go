package tui_test

import (
	"strings"
	"testing"
	"time"

	"bgctl/internal/tui"
)

func TestPlot_DrawsTheLatencyThreshold(t *testing.T) {
	for _, limit := range []time.Duration{0, 300 * time.Millisecond} {
		u := usual(120, 36)
		u.opts.Latency = limit
		s := live(t, u)
		if limit == 0 {
			s.lacks("┄ 300 ms", "ms┼┄")
			continue
		}
		s.contains("┄ 300 ms ")
		if n := strings.Count(s.text(), "300ms┼┄"); n != 1 {
			t.Errorf("%d rows show the threshold, want one:\n%s", n, s.text())
		}
	}
}

func TestPlot_MarksALatencyAboveTheThreshold(t *testing.T) {
	for p95, want := range map[float64]string{300: "  now 300 ms", 301: "▲ now 301 ms"} {
		s := open(t, usual(120, 36))
		s.observe(nil)
		s.feed(func(f *tui.FeedSnapshot) { f.Pools[0].P95, f.Pools[0].N = p95, 600 })
		s.contains(want)
	}
}
