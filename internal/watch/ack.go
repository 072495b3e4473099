package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

// ackFile is the beginning of the names of the files that ask for an
// acknowledgement. Each type has its own, so that two operators never overwrite
// each other's word about different alerts.
const ackFile = "ack-"

// AckRequest is what an operator asks for.
type AckRequest struct {
	alert.Ack
	// Since is when the alert began: an acknowledgement must not outlive it and
	// silence the next one of its type.
	Since time.Time `json:"since"`
}

// Began is when the episode of a firing event began.
func Began(ev *alert.Event) time.Time {
	if ev.Since.IsZero() {
		return ev.Time
	}
	return ev.Since
}

// WriteAck asks the watcher of a state directory for an acknowledgement, or with a
// zero Until to forget it.
func WriteAck(dir string, r AckRequest) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no watcher keeps its state in %s", dir)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return slack.WriteFileAtomic(filepath.Join(dir, ackFile+string(r.Type)), append(data, '\n'))
}

// maxAckName bounds who acknowledged, which is foreign text.
const maxAckName = 200

// pollAcks takes up what operators ask for about the alerts that fire. A request
// stays where it is: the state says which one was taken up.
func (w *watcher) pollAcks(now time.Time) {
	if w.cfg.Acknowledge == nil {
		return
	}
	for _, ev := range w.alerts() {
		var r AckRequest
		data := head(filepath.Join(w.cfg.StateDir, ackFile+string(ev.Type)))
		if len(data) == 0 || json.Unmarshal(data, &r) != nil || !r.Since.Equal(Began(&ev)) {
			continue
		}
		known := ev.Ack
		if r.Until.IsZero() && known == nil || known != nil && known.At.Equal(r.At) {
			continue
		}
		if !r.Until.IsZero() && !now.Before(r.Until) {
			continue
		}
		r.Type, r.By = ev.Type, r.By[:min(len(r.By), maxAckName)]
		w.emit(w.cfg.Acknowledge(r.Ack))
	}
}

// acked keeps who looks after an alert with the alert.
func (w *watcher) acked(a *alert.Ack) {
	ev, ok := w.firing[a.Type]
	if !ok {
		return
	}
	ev.Ack = a
	if a.Until.IsZero() {
		ev.Ack = nil
	}
	w.firing[a.Type] = ev
}
