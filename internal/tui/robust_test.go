package tui_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// stuck is a world that never answers.
type stuck struct{ block chan struct{} }

// Take implements tui.Feed and tui.Tail by waiting.
func (s stuck) Take() tui.FeedSnapshot { <-s.block; return tui.FeedSnapshot{} }

// stuckTail is an output that never answers.
type stuckTail struct{ block chan struct{} }

// Take implements tui.Tail.
func (s stuckTail) Take() tui.TailSnapshot { <-s.block; return tui.TailSnapshot{} }

// Close implements tui.Tail.
func (stuckTail) Close() {}

// Every command of the screen runs outside Update: a world that never answers, in
// all its functions at once, must not hold a single key up.
func TestModel_NoFunctionOfTheWorldHoldsUpdateUp(t *testing.T) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	u := usual(120, 36)
	s := live(t, u)
	observed, err := s.sim.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	deps := s.deps
	deps.Feed = stuck{block}
	deps.Observe = func(context.Context) (bluegreen.Deployment, error) { <-block; return observed, nil }
	deps.Execute = func(context.Context, bluegreen.Plan, func(bluegreen.Progress)) (bluegreen.Outcome, error) {
		<-block
		return bluegreen.Outcome{}, nil
	}
	deps.Save = func(context.Context, tui.Saved) (string, error) { <-block; return "", nil }
	deps.Logs = func(context.Context, string) (tui.Tail, error) { <-block; return stuckTail{block}, nil }
	deps.Maintain = func(context.Context, tui.Maintenance) (string, error) { <-block; return "", nil }
	deps.Acknowledge = func(context.Context, alert.Event) (string, error) { <-block; return "", nil }
	m := tui.New(t.Context(), deps, u.opts)
	done := make(chan struct{})
	go func() {
		defer close(done)
		run := func(cmd tea.Cmd) {
			if cmd != nil {
				go cmd()
			}
		}
		update := func(msg tea.Msg) {
			_, cmd := m.Update(msg)
			run(cmd)
			m.View()
		}
		run(m.Init())
		update(tea.WindowSizeMsg{Width: 120, Height: 36})
		update(tui.Observed(observed, nil))
		for _, b := range tui.Bindings() {
			for _, k := range append(b.Keys, "y", "esc", "enter", "esc") {
				update(keyOf(k))
				update(tui.Ticked())
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Update waits for the world")
	}
}

func TestModel_ResizedWhileADialogIsOpen(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("K")
	s.typed("blu")
	for _, size := range [][2]int{{40, 10}, {20, 5}, {80, 24}, {200, 60}, {1, 1}, {120, 36}} {
		s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		exact(t, s.View().Content, size[0], size[1])
	}
	s.contains("Type blue to confirm: blu")
	s.press("e", "enter")
	s.contains("[ Kill ]")
}

func TestModel_TheEngineGoesAndComesBack(t *testing.T) {
	s := live(t, usual(120, 36))
	s.send(tui.Observed(bluegreen.Deployment{}, errDocker))
	s.contains("× DISCONNECTED docker", "as of 14:32:07")
	s.observe(func(d *bluegreen.Deployment) {
		d.Proxy.ID, d.Proxy.StartedAt = "recreated", s.clock // and the proxy is a new one
	})
	s.contains("● LIVE", "up 0s")
	s.lacks("DISCONNECTED", "as of")
	s.press("s")
	s.contains("[ Cancel ]")
}

func TestModel_PausedFramesStandStill(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("space")
	plots := func() string { return s.Part(panelPlots()) }
	before := plots()
	s.pass(20 * time.Second)
	if after := plots(); after != before {
		t.Errorf("the plots move while paused:\n%s\nbefore:\n%s", after, before)
	}
}

// panelPlots are the rows of the plots at 120x36.
func panelPlots() (from, to int) { return 10, 18 }

// Ten million requests and a day go by; what the screen holds of them is bounded.
func TestModel_SoaksADayWithinSixtyMegabytes(t *testing.T) {
	s := live(t, usual(120, 36))
	const snapshots, perSnapshot = 5000, 2000 // ten million requests
	step := 24 * time.Hour / snapshots
	rows := make([]logstream.Record, 200)
	for i := range snapshots {
		s.clock = s.clock.Add(step)
		snap := tui.FeedSnapshot{
			End: s.clock, Window: alert.Window{Size: 200, N: 200}, DroppedRows: perSnapshot - uint64(len(rows)),
			Counts: logstream.Counts{Lines: uint64(i+1) * perSnapshot, Parsed: uint64(i+1) * perSnapshot},
		}
		for k := range snap.Pools {
			snap.Pools[k] = tui.PoolStats{Rate: perSnapshot / step.Seconds(), N: perSnapshot, Series: make([]tui.Point, int(step.Seconds()))}
			for p := range snap.Pools[k].Series {
				snap.Pools[k].Series[p] = tui.Point{Requests: perSnapshot / step.Seconds(), P95: 20}
			}
		}
		for k := range rows {
			rows[k] = logstream.Record{Time: s.clock, Method: "GET", Path: fmt.Sprintf("/path/%d/%d", i, k), Status: 200, Served: bluegreen.Blue, RequestID: fmt.Sprintf("%08x", i*len(rows)+k)}
		}
		snap.Rows = append(snap.Rows, rows...)
		if i%50 == 0 {
			snap.Events = []alert.Event{{ID: fmt.Sprintf("error_rate-%d", i), Type: alert.ErrorRate, Status: alert.Firing, Severity: alert.Critical, Time: s.clock, Summary: "it fires"}}
			snap.Deliveries = []alert.Delivery{{Event: snap.Events[0].ID, Receiver: "slack", State: alert.Sent}}
		}
		s.send(tui.Fed(snap))
		if i%20 == 0 {
			s.View()
		}
	}
	s.contains("9 000 ") // of 10 million rows, how many were not shown
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	if mb := mem.HeapAlloc >> 20; mb > 60 {
		t.Errorf("the heap holds %d MiB", mb)
	}
	exact(t, s.View().Content, 120, 36)
}

// BenchmarkBusyFrame measures one frame with a snapshot of 500 rows: 5,000 requests a
// second, ten times a second.
func BenchmarkBusyFrame(b *testing.B) {
	s := live(b, usual(120, 36))
	rows := make([]logstream.Record, 500)
	for i := range rows {
		rows[i] = logstream.Record{Time: s.clock, Method: "GET", Path: "/cart", Status: 200, Served: bluegreen.Blue, RequestID: "7f3a", Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Addr: "10.0.3.11:3000", Status: 200}}}
	}
	b.ReportAllocs()
	for b.Loop() {
		s.send(tui.Fed(tui.FeedSnapshot{End: s.clock, Rows: append([]logstream.Record(nil), rows...)}))
		s.View()
	}
}
