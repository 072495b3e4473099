package watch

import (
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// tally counts requests since the watcher's state began.
type tally struct {
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	Saved    uint64 `json:"saved"`
}

func (t *tally) add(rec *logstream.Record) {
	if !rec.Proxied() {
		return
	}
	t.Requests++
	switch {
	case rec.Status >= 500:
		t.Failed++
	case rec.Retried() && rec.Status > 0 && rec.Status != 499:
		t.Saved++
	}
}

// episode is one firing of an alert. It survives a restart with the state.
type episode struct {
	From         time.Time      `json:"from"`
	At           tally          `json:"at"` // what had been counted when it began
	Peak         float64        `json:"peak"`
	PeakAttempts float64        `json:"peak_attempts"`
	Done         *alert.Episode `json:"done,omitempty"` // over, and how it was
}

// episodes follows the alerts that fire.
type episodes struct {
	Total tally                   `json:"total"`
	Of    map[alert.Type]*episode `json:"of,omitempty"`
}

// firing begins an episode, unless one goes on.
func (e *episodes) firing(ev *alert.Event) {
	if old := e.Of[ev.Type]; old != nil && old.Done == nil {
		return
	}
	if e.Of == nil {
		e.Of = map[alert.Type]*episode{}
	}
	from := ev.Since
	if from.IsZero() {
		from = ev.Time
	}
	// What made it fire belongs to it.
	at := e.Total
	before := min(at.Failed, uint64(max(ev.Window.Errors, 0)))
	at.Failed, at.Requests = at.Failed-before, at.Requests-before
	e.Of[ev.Type] = &episode{From: from, At: at, Peak: ev.Window.Rate, PeakAttempts: ev.Window.AttemptRate}
}

// resolved puts the summary of its episode into ev. A resolved event that is told
// again later gets the same one.
func (e *episodes) resolved(ev *alert.Event) {
	ep := e.Of[ev.Type]
	if ep == nil {
		return
	}
	if ep.Done == nil {
		ep.Done = &alert.Episode{
			Lasted: max(ev.Time.Sub(ep.From), 0).Seconds(), Peak: ep.Peak, PeakAttempts: ep.PeakAttempts,
			Requests: e.Total.Requests - ep.At.Requests, Failed: e.Total.Failed - ep.At.Failed, Saved: e.Total.Saved - ep.At.Saved,
		}
	}
	ev.Episode = ep.Done
}

// open reports whether any alert fires.
func (e *episodes) open() bool {
	for _, ep := range e.Of {
		if ep.Done == nil {
			return true
		}
	}
	return false
}

// look raises the peaks of what fires.
func (e *episodes) look(win alert.Window) {
	for _, ep := range e.Of {
		if ep.Done == nil {
			ep.Peak, ep.PeakAttempts = max(ep.Peak, win.Rate), max(ep.PeakAttempts, win.AttemptRate)
		}
	}
}
