package tui

import (
	"encoding/json"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Saved is what the save key keeps: one file each. Foreign text in it is made safe.
type Saved struct {
	At      time.Time
	Text    string // the screen without colours
	ANSI    string // the screen as it looked
	SVG     string // the screen as a picture
	Log     string // the requests that the filter shows, oldest first
	Metrics []byte // JSON, see [Metrics]
}

// Metrics is the JSON form of what the plots show. Fields are added, never renamed.
type Metrics struct {
	Project    string                `json:"project"`
	At         time.Time             `json:"at"`
	Active     bluegreen.Pool        `json:"active"`
	Window     alert.Window          `json:"window"`
	Counts     logstream.Counts      `json:"counts"`
	Seconds    int                   `json:"seconds"`
	Pools      map[string]PoolSeries `json:"pools"`
	Deployment *bluegreen.Deployment `json:"deployment,omitempty"`
}

// PoolSeries is one pool over the saved time, one point a second, oldest first;
// null where nobody looked.
type PoolSeries struct {
	Rate   float64       `json:"rate"`
	P50    float64       `json:"p50_ms"`
	P95    float64       `json:"p95_ms"`
	P99    float64       `json:"p99_ms"`
	Points []*PointValue `json:"points"`
}

// PointValue is one second.
type PointValue struct {
	Requests float64    `json:"requests"`
	Errors   float64    `json:"errors"`
	P95      float64    `json:"p95_ms"`
	Classes  [4]float64 `json:"classes"`
}

// savable reports whether there is a place to save to.
func (m *Model) savable() bool { return m.deps.Save != nil }

// save hands the screen, the log and the metrics to be written. What is saved is
// what stands on the screen now; it is put together outside Update.
func (m *Model) save() tea.Cmd {
	picture := m.SVG()
	ctx, write, at := m.ctx, m.deps.Save, m.now
	frame := m.frame
	rows := make([]logstream.Record, 0, len(m.logs.ring))
	for n := m.logs.oldest(); n < m.logs.end(); n++ {
		if r := m.logs.at(n); m.logs.shown(r) {
			rows = append(rows, r.Record)
		}
	}
	metrics := m.metrics()
	return func() tea.Msg {
		s := Saved{At: at, SVG: picture, ANSI: frame + "\n", Text: ansi.Strip(frame) + "\n"}
		var b strings.Builder
		for i := range rows {
			b.WriteString(lineText(&rows[i]))
			b.WriteByte('\n')
		}
		s.Log = b.String()
		var err error
		if s.Metrics, err = json.MarshalIndent(metrics, "", "  "); err != nil {
			return savedMsg{"", err}
		}
		path, err := write(ctx, s)
		return savedMsg{path, err}
	}
}

// metrics gathers what the plots show.
func (m *Model) metrics() *Metrics {
	out := &Metrics{Project: m.opts.Project, At: m.now, Seconds: m.view.window.seconds(), Pools: map[string]PoolSeries{}, Deployment: m.dep}
	if m.dep != nil {
		out.Active = m.dep.Active()
	}
	if m.feed == nil {
		return out
	}
	out.Window, out.Counts = m.feed.Window, m.feed.Counts
	for i, pool := range bluegreen.Pools() {
		st := &m.feed.Pools[i]
		series := PoolSeries{Rate: st.Rate, P50: st.P50, P95: st.P95, P99: st.P99}
		for _, p := range m.hist.span(i, m.feed.End, out.Seconds) {
			if p.Gap {
				series.Points = append(series.Points, nil)
				continue
			}
			series.Points = append(series.Points, &PointValue{p.Requests, p.Errors, p.P95, p.Classes})
		}
		out.Pools[pool.String()] = series
	}
	return out
}

// onSaved says where it was saved.
func (m *Model) onSaved(msg savedMsg) {
	if msg.err != nil {
		m.toast = say(m.now, inkWarn, "not saved: "+msg.err.Error())
		return
	}
	m.savedTo = msg.path
	m.toast = say(m.now, plain, "saved to "+msg.path)
	m.events.note(entry{at: m.now, glyph: "◇", text: "saved to " + clean(msg.path)})
}
