package backtest

import (
	"context"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// replay is the stage that sees the records in order.
type replay struct {
	cfg    *Config
	names  *logstream.Namer
	totals totals
	faults incidents
	last   time.Time // of the newest record, for lines without a time
	main   *player
	lanes  []*lane // the detectors of a sweep, shared out
}

func newReplay(cfg *Config) *replay {
	r := &replay{
		cfg: cfg, names: logstream.NewNamer(nil), totals: totals{alert: cfg.Alert},
		faults: newIncidents(cfg.Grid), main: newPlayer(cfg.Alert, keepEvents),
	}
	if cfg.Grid != nil {
		r.lanes = newLanes(cfg.Grid.settings(cfg.Alert), cfg.Workers)
	}
	return r
}

// run drives the whole pipeline.
func (r *replay) run(ctx context.Context, sources []*source) error {
	var total, done int64
	for _, s := range sources {
		total += s.Size
	}
	p := newPipeline(r.cfg.Format, r.cfg.Workers, func(n int) {
		done += int64(n)
		if r.cfg.Progress != nil {
			r.cfg.Progress(done, total)
		}
	})
	stop := startLanes(r.lanes)
	err := p.run(ctx, sources, r.take)
	stop()
	r.totals.Counts.Add(p.skipped)
	r.faults.end()
	return err
}

// take handles one block.
func (r *replay) take(b *block) {
	r.totals.Counts.Add(b.Counts)
	kept := b.Records[:0]
	for i := range b.Records {
		rec := &b.Records[i]
		r.names.Name(rec)
		if rec.Time.IsZero() {
			rec.Time = r.last // a line without a time was written after the one before
		} else {
			r.last = rec.Time
		}
		if !r.within(rec.Time) {
			continue
		}
		if len(kept) < i {
			b.Records[len(kept)] = *rec
		}
		kept = b.Records[:len(kept)+1]
	}
	b.Records = kept
	for i := range kept {
		rec := &kept[i]
		if how := r.totals.add(rec); how != notCounted {
			r.faults.add(rec.Time, how)
		}
	}
	b.left.Add(len(r.lanes))
	for _, l := range r.lanes {
		l.blocks <- b
	}
	for i := range kept {
		r.main.play(&kept[i])
	}
}

func (r *replay) within(t time.Time) bool {
	return (r.cfg.Since.IsZero() || !t.Before(r.cfg.Since)) && (r.cfg.Until.IsZero() || t.Before(r.cfg.Until))
}

// totals is what the log holds, whatever the settings.
type totals struct {
	Counts   logstream.Counts
	From, To time.Time
	Requests Requests
	Errors   Errors
	alert    alert.Config
}

// add counts a record and judges it as the error rate does.
func (t *totals) add(rec *logstream.Record) outcome {
	if t.From.IsZero() || rec.Time.Before(t.From) {
		t.From = rec.Time
	}
	if rec.Time.After(t.To) {
		t.To = rec.Time
	}
	t.Requests.add(rec)
	if !t.alert.Counts(rec) {
		return notCounted
	}
	bad := rec.Status >= 500 || t.alert.Classes == alert.Class4xx5xx && rec.Status >= 400 && rec.Status != statusClientGone
	t.Errors.Of++
	switch {
	case bad:
		t.Errors.Failed++
		return failed
	case rec.Status == statusClientGone:
		t.Errors.ClientGone++
	case rec.Retried():
		t.Errors.Retried++
	}
	return fine
}

const statusClientGone = 499
