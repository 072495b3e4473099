package backtest

import (
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// keep says whether a player keeps the events with all they tell.
type keep bool

const (
	keepEvents keep = true
	keepSpans  keep = false
)

// player plays records to one detector as the watcher does: with a tick for every
// second that passes between them.
type player struct {
	cfg      alert.Config
	detector *alert.Detector
	keep     keep
	ticked   int64 // Unix second of the last tick
	events   []alert.Event
	peaks    map[string]float64 // by the number of the firing event: highest rate in percent
	rating   string             // ID of the error-rate alert that fires
	peak     float64
	spans    []span
	open     map[alert.Type]int // into spans
	messages int
}

// span is the time an alert fired.
type span struct {
	typ      alert.Type
	from, to time.Time // to is zero when it never resolved
}

func newPlayer(cfg alert.Config, k keep) *player {
	return &player{
		cfg: cfg, detector: alert.NewDetector(cfg), keep: k,
		peaks: map[string]float64{}, open: map[alert.Type]int{},
	}
}

// play takes the next record.
func (p *player) play(rec *logstream.Record) {
	if now := rec.Time.Unix(); now != p.ticked {
		p.tickTo(now)
	}
	if events := p.detector.Observe(rec); len(events) > 0 {
		p.take(events)
	}
	// The rate is highest right after an error.
	if p.rating != "" && rec.Status >= 400 {
		p.peak = max(p.peak, p.detector.Window().Rate)
	}
}

// settled is how many ticks without a record are worth giving: whatever was
// deferred is said by then, and a detector that has nothing to say stays silent.
func (p *player) settled() int64 {
	const slack = time.Hour // flapping settles, what it held back waits for its cooldown
	return int64((2*p.cfg.Cooldown + p.cfg.NoTraffic + slack) / time.Second)
}

// tickTo gives the ticks up to a second.
func (p *player) tickTo(now int64) {
	if p.ticked == 0 || now < p.ticked-backStep {
		p.ticked = now // the first line, or a clock that was set back
		return
	}
	limit := min(now, p.ticked+p.settled())
	for at := p.ticked + 1; at <= limit; at++ {
		p.take(p.detector.Tick(time.Unix(at, 0).UTC()))
	}
	if limit < now {
		p.take(p.detector.Tick(time.Unix(now, 0).UTC()))
	}
	p.ticked = max(p.ticked, now)
}

// backStep in seconds: lines of several workers are slightly out of order.
const backStep = 5

func (p *player) take(events []alert.Event) {
	for i := range events {
		e := &events[i]
		if e.Muted == "" && e.Type != alert.Notice {
			p.messages++
		}
		if p.keep {
			p.events = append(p.events, *e)
		}
		if e.Deferred {
			continue // what it tells happened before
		}
		switch e.Status {
		case alert.Firing:
			p.fire(e)
		case alert.Resolved:
			p.resolve(e)
		case alert.Info:
		}
	}
}

func (p *player) fire(e *alert.Event) {
	if _, firing := p.open[e.Type]; !firing {
		p.open[e.Type] = len(p.spans)
		p.spans = append(p.spans, span{typ: e.Type, from: e.Time})
		if e.Type == alert.ErrorRate {
			p.rating, p.peak = e.ID, e.Window.Rate
		}
	}
}

func (p *player) resolve(e *alert.Event) {
	if i, firing := p.open[e.Type]; firing {
		p.spans[i].to = e.Time
		delete(p.open, e.Type)
	}
	if e.Type == alert.ErrorRate {
		p.endPeak()
	}
}

func (p *player) endPeak() {
	if p.rating != "" {
		p.peaks[p.rating] = p.peak
		p.rating = ""
	}
}
