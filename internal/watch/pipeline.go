package watch

import (
	"fmt"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// deliver takes one batch from the source.
func (w *watcher) deliver(b logstream.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts = b.Counts
	w.checkFormat()
	w.checkSkipped()
	w.lastBatch = time.Now()
	for i := range b.Records {
		rec := &b.Records[i]
		w.metrics.observe(rec)
		w.episodes.Total.add(rec)
		if events := w.cfg.Detector.Observe(rec); len(events) > 0 {
			w.emit(events)
		}
		if rec.Time.After(w.last) {
			w.last = rec.Time
		}
	}
	if len(b.Records) > 0 {
		newest := b.Records[len(b.Records)-1].Time
		w.metrics.lag.Set(max(w.lastBatch.Sub(newest).Seconds(), 0))
		w.catchUp(newest)
	}
	if w.episodes.open() {
		w.episodes.look(w.cfg.Detector.Window())
	}
	// Taken here and not when saving: by then the source may have read on.
	if w.cfg.Cursor != nil {
		w.cursor = w.cfg.Cursor()
	}
	w.dirty = true
	if len(w.fresh) > 0 {
		w.save()
	}
	return nil
}

// catchUp notes whether old lines are read. The detector keeps quiet about them by
// itself, but not for ever: no backlog takes this long to read, so a log that is still
// old has a clock that is behind.
func (w *watcher) catchUp(newest time.Time) {
	now := time.Now()
	switch {
	case now.Sub(newest) <= catchUpLag:
		w.catchingUp = time.Time{}
	case w.catchingUp.IsZero():
		w.catchingUp = now
	case now.Sub(w.catchingUp) > catchUpMax && w.cfg.OldIsNews != nil:
		w.cfg.OldIsNews()
	}
}

// tick lets time pass for the detector and does what is due once a second.
func (w *watcher) tick(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pollMaintenance(now)
	w.pollAcks(now)
	w.checkSource()
	w.checkReceivers()
	// Between old lines the wall clock means nothing to the detector: it would see
	// an hour without traffic where the log has an hour of it to tell.
	if w.catchingUp.IsZero() || now.Sub(w.lastBatch) > catchUpPause {
		w.catchingUp = time.Time{}
		w.emit(w.cfg.Detector.Tick(now))
	}
	if w.dirty || len(w.fresh) > 0 {
		w.save()
	}
}

// formatLines is how many lines a watcher reads before it judges their format.
const formatLines = 20

// checkFormat says once that the log is not understood: an unknown format is silent
// otherwise, and looks like a deployment without an error.
func (w *watcher) checkFormat() {
	if w.toldFormat || w.counts.Parsed+w.counts.Bad < formatLines {
		return
	}
	if w.counts.Trouble() != "" {
		w.toldFormat = true
		// The line itself stays in the log: nothing is known of where its secrets are.
		w.out.notice(fmt.Sprintf("the log's format is not understood: %d of %d lines; look at it with bgctl logs --access, and name it with --format",
			w.counts.Parsed, w.counts.Parsed+w.counts.Bad))
	}
}

// checkSkipped says how many lines the source passed over to be in the present again:
// they are in no figure, and no alert is about them.
func (w *watcher) checkSkipped() {
	if n := w.counts.Skipped - w.toldSkipped; n > 0 {
		w.toldSkipped = w.counts.Skipped
		w.out.notice(fmt.Sprintf("%d lines are passed over, too many came while nobody read the log; the window is made of the last ones", n))
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
	if w.cfg.SourceChanged != nil {
		w.cfg.SourceChanged(text)
	}
	if text == "" {
		w.out.notice("the log is being read again")
		return
	}
	w.out.notice("the log is lost: " + text)
}

// fires remembers what fires. Who looks after an alert stays known when it is told
// again: the detector names it only while that holds.
func (w *watcher) fires(ev *alert.Event) {
	kept := *ev
	if before, ok := w.firing[ev.Type]; ok && kept.Ack == nil && Began(&before).Equal(Began(ev)) {
		kept.Ack = before.Ack
	}
	w.firing[ev.Type] = kept
}

// emit tells events on standard output and keeps them for the save that has to
// follow: from there they reach the history and the queues.
func (w *watcher) emit(events []alert.Event) {
	for i := range events {
		ev := &events[i]
		switch ev.Status {
		case alert.Firing:
			w.fires(ev)
			w.episodes.firing(ev)
		case alert.Resolved:
			delete(w.firing, ev.Type)
			w.episodes.resolved(ev)
		case alert.Info:
			if ev.Type == alert.Acked && ev.Ack != nil {
				w.acked(ev.Ack)
			}
		}
		w.metrics.event(ev)
		w.out.alert(ev)
	}
	w.fresh = append(w.fresh, events...)
}
