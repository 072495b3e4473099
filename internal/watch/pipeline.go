package watch

import (
	"path/filepath"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// deliver takes one batch from the source.
func (w *watcher) deliver(b logstream.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts = b.Counts
	w.lastBatch = time.Now()
	var events []alert.Event
	for i := range b.Records {
		rec := &b.Records[i]
		w.metrics.observe(rec)
		events = append(events, w.cfg.Detector.Observe(rec)...)
		if rec.Time.After(w.last) {
			w.last = rec.Time
		}
	}
	if len(b.Records) > 0 {
		w.catchUp(b.Records[len(b.Records)-1].Time)
	}
	w.emit(events)
	// Taken here and not when saving: by then the source may have read on.
	if w.cfg.Cursor != nil {
		w.cursor = w.cfg.Cursor()
	}
	w.dirty = true
	if len(events) > 0 {
		w.save()
	}
	return nil
}

// catchUp holds messages back while old lines are read: one message per type with
// the state at the end of them is news, the way there is not. The hold is bounded,
// so that a watcher that never catches up still speaks.
func (w *watcher) catchUp(newest time.Time) {
	now := time.Now()
	if now.Sub(newest) <= catchUpLag {
		w.catchingUp = time.Time{}
		return
	}
	if w.catchingUp.IsZero() {
		w.catchingUp = now
	}
	if now.Sub(w.catchingUp) > catchUpMax {
		return
	}
	for _, q := range w.heldQueues() {
		q.Hold(now.Add(catchUpHold))
	}
}

// tick lets time pass for the detector and does what is due once a second.
func (w *watcher) tick(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pollMaintenance(now)
	w.checkSource()
	// Between old lines the wall clock means nothing to the detector: it would see
	// an hour without traffic where the log has an hour of it to tell.
	if w.catchingUp.IsZero() || now.Sub(w.lastBatch) > catchUpHold {
		w.catchingUp = time.Time{}
		events := w.cfg.Detector.Tick(now)
		w.emit(events)
		w.dirty = w.dirty || len(events) > 0
	}
	if w.dirty {
		w.save()
	}
}

// checkSource says once that the log is lost and once that it is back.
func (w *watcher) checkSource() {
	if w.cfg.SourceHealth == nil {
		return
	}
	text := ""
	if err := w.cfg.SourceHealth(); err != nil {
		text = err.Error()
	}
	if text == w.sourceErr {
		return
	}
	w.sourceErr = text
	if text == "" {
		w.out.notice("the log is being read again")
		return
	}
	w.out.notice("the log is lost: " + text)
}

// emit sends events everywhere. The queues come first: they are what must not
// miss one, and the history is only looked at later.
func (w *watcher) emit(events []alert.Event) {
	for i := range events {
		ev := events[i]
		switch ev.Status {
		case alert.Firing:
			w.firing[ev.Type] = ev
		case alert.Resolved:
			delete(w.firing, ev.Type)
		case alert.Info:
		}
		w.metrics.event(&ev)
		w.out.alert(ev)
		for _, q := range w.heldQueues() {
			q.Put(ev)
		}
		w.history.add(ev)
	}
}

// startMaintenance applies MAINTENANCE_MODE and a file left from before.
func (w *watcher) startMaintenance() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pollMaintenance(time.Now())
}

// pollMaintenance follows the maintenance file, which needs no restart.
func (w *watcher) pollMaintenance(now time.Time) {
	until := forever()
	if !w.cfg.MaintenanceMode {
		until = MaintenanceUntil(filepath.Join(w.cfg.StateDir, MaintenanceFile), now)
	}
	if until.Equal(w.maintenance) {
		return
	}
	w.maintenance = until
	switch {
	case w.cfg.SetMaintenance == nil:
		w.out.notice("maintenance is not supported here: messages are not muted")
		return
	case until.IsZero():
		w.out.notice("maintenance ended: messages go out again")
	case until.Equal(forever()):
		w.out.notice("MAINTENANCE_MODE is on: messages are muted until the watcher is started without it")
	default:
		w.out.notice("maintenance until " + until.UTC().Format(time.RFC3339) + ": messages are muted")
	}
	w.emit(w.cfg.SetMaintenance(until))
	w.dirty = true
}
