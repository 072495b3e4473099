package backtest

import (
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Report is what a backtest found. Its JSON form is what `bgctl backtest --json`
// prints; fields are added, never renamed. Times are those of the log.
type Report struct {
	Inputs   []string         `json:"inputs"` // in the order they were read
	Format   string           `json:"format"` // of most lines
	Counts   logstream.Counts `json:"counts"`
	From     time.Time        `json:"from,omitzero"` // first request
	To       time.Time        `json:"to,omitzero"`   // last request
	Seconds  float64          `json:"seconds"`       // between them
	Requests Requests         `json:"requests"`
	Errors   Errors           `json:"errors"`
	Settings Settings         `json:"settings"`
	Alerts   []Alert          `json:"alerts"`
	Messages int              `json:"messages"` // that would have been posted
	Sweep    *Sweep           `json:"sweep,omitempty"`

	// Events are the transitions as the watcher would have printed them.
	Events []alert.Event `json:"events"`
}

// Requests counts requests by the pool that answered.
type Requests struct {
	Total      uint64 `json:"total"`
	Blue       uint64 `json:"blue"`
	Green      uint64 `json:"green"`
	NoPool     uint64 `json:"no_pool"`     // handed to a pool that is not known, or answered by none
	NotProxied uint64 `json:"not_proxied"` // answered by the proxy itself
}

func (r *Requests) add(rec *logstream.Record) {
	r.Total++
	switch {
	case !rec.Proxied():
		r.NotProxied++
	case rec.Served == bluegreen.Blue:
		r.Blue++
	case rec.Served == bluegreen.Green:
		r.Green++
	default:
		r.NoPool++
	}
}

// Errors counts what the error rate is made of: users' requests that a pool had
// to answer.
type Errors struct {
	Of         uint64 `json:"of"`
	Failed     uint64 `json:"failed"`
	Retried    uint64 `json:"retried"`     // failed on one pool, answered by another attempt
	ClientGone uint64 `json:"client_gone"` // status 499
}

// Settings are those of the detector.
type Settings struct {
	Window     int           `json:"window"`
	Threshold  float64       `json:"threshold"` // percent
	MinSamples int           `json:"min_samples"`
	Cooldown   float64       `json:"cooldown_seconds"`
	Classes    alert.Classes `json:"classes"`
}

// Alert is one alert from firing to its end, or one notice.
type Alert struct {
	ID       string         `json:"id"` // of the event that fired
	Type     alert.Type     `json:"type"`
	Status   alert.Status   `json:"status"` // firing: still so at the end of the log
	Severity alert.Severity `json:"severity"`
	From     bluegreen.Pool `json:"from,omitempty"`
	To       bluegreen.Pool `json:"to,omitempty"`
	Start    time.Time      `json:"start"`
	End      time.Time      `json:"end,omitzero"`
	Seconds  float64        `json:"seconds"`             // fired for; to the end of the log when it still does
	Peak     float64        `json:"peak_rate,omitempty"` // percent, of an error rate
	Cause    string         `json:"cause,omitempty"`
	Summary  string         `json:"summary"`
	Posted   time.Time      `json:"posted,omitzero"` // first message; zero: none
	Messages int            `json:"messages"`
	Muted    string         `json:"muted,omitempty"` // why no message was posted when it fired
}

func (r *replay) report(inputs []string) *Report {
	t := &r.totals
	r.main.endPeak()
	cfg := r.cfg.Alert
	out := &Report{
		Inputs: inputs, Format: t.Counts.Formats.String(), Counts: t.Counts, From: t.From, To: t.To,
		Seconds: t.To.Sub(t.From).Seconds(), Requests: t.Requests, Errors: t.Errors,
		Settings: Settings{
			Window: cfg.Window, Threshold: cfg.ThresholdPercent, MinSamples: min(cfg.MinSamples, cfg.Window),
			Cooldown: cfg.Cooldown.Seconds(), Classes: cfg.Classes,
		},
		Alerts: alerts(r.main, t.To), Messages: r.main.messages, Events: r.main.events,
	}
	if r.lanes != nil {
		out.Sweep = r.sweep()
	}
	return out
}

// alerts joins the events of each alert.
func alerts(p *player, end time.Time) []Alert {
	list := []Alert{}
	open := map[alert.Type]int{}   // alerts that fire
	newest := map[alert.Type]int{} // the last alert of each type: what is deferred is about it
	for i := range p.events {
		e := &p.events[i]
		at, firing := open[e.Type]
		switch {
		case e.Deferred:
			at = newest[e.Type]
		case e.Status == alert.Resolved && firing:
			list[at].Status, list[at].End = alert.Resolved, e.Time
			delete(open, e.Type)
		case firing:
			list[at].Severity = e.Severity // it has become worse
		default:
			at = len(list)
			list = append(list, alertOf(e, p.peaks[e.ID]))
			newest[e.Type] = at
			if e.Status == alert.Firing {
				open[e.Type] = at
			}
		}
		if a := &list[at]; e.Muted == "" && e.Type != alert.Notice {
			a.Messages++
			if a.Posted.IsZero() {
				a.Posted = e.Time
			}
		}
	}
	for i := range list {
		a := &list[i]
		switch {
		case a.Status == alert.Firing:
			a.Seconds = end.Sub(a.Start).Seconds()
		case !a.End.IsZero():
			a.Seconds = a.End.Sub(a.Start).Seconds()
		}
	}
	return list
}

func alertOf(e *alert.Event, peak float64) Alert {
	return Alert{
		ID: e.ID, Type: e.Type, Status: e.Status, Severity: e.Severity, From: e.From, To: e.To,
		Start: e.Time, Peak: peak, Cause: e.Cause, Summary: e.Summary, Muted: e.Muted,
	}
}
