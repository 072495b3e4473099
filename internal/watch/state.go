package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bgctl/internal/alert"
)

const stateVersion = 1

// State is what a watcher keeps over a restart. Its receivers' queues are files of
// their own.
type State struct {
	Version  int             `json:"version"`
	Saved    time.Time       `json:"saved"`
	Cursor   json.RawMessage `json:"cursor,omitempty"`   // position behind the last record
	Detector json.RawMessage `json:"detector,omitempty"` // the detector's snapshot
	Alerts   []alert.Event   `json:"alerts,omitempty"`   // firing now
	// Outbox holds events that may be missing in a receiver's queue file.
	Outbox []alert.Event `json:"outbox,omitempty"`
	// Episodes sums up what the firing alerts have been like.
	Episodes json.RawMessage `json:"episodes,omitempty"`
	// Maintenance is what the detector was last told; nil: none.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
	// Environment is when MAINTENANCE_MODE was first seen with its value.
	Environment *EnvironmentMaintenance `json:"environment_maintenance,omitempty"`
	// Broken says of receivers that get no messages why not.
	Broken map[string]string `json:"broken_receivers,omitempty"`
}

// ErrState says that a state file is damaged or of another version.
var ErrState = errors.New("watcher state is damaged or of another version")

// LoadState reads the state of the watcher in dir. Without a file it returns the
// zero State and no error.
func LoadState(dir string) (State, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Clean(dir), StateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read watcher state: %w", err)
	}
	return ParseState(data)
}

// ParseState reads a state file's text; no text is the zero State.
func ParseState(data []byte) (State, error) {
	if data == nil {
		return State{}, nil
	}
	var st State
	if json.Unmarshal(data, &st) != nil || st.Version != stateVersion {
		return State{}, ErrState
	}
	return st, nil
}

// restore brings back the detector's state. A state that cannot be used is set
// aside: to watch from now on is better than not to watch.
func (w *watcher) restore() {
	st, err := LoadState(w.cfg.StateDir)
	if err == nil && len(st.Detector) > 0 {
		err = w.cfg.Detector.Load(st.Detector)
	}
	if err != nil {
		path := filepath.Join(w.cfg.StateDir, StateFile)
		w.out.notice(err.Error() + ": starting without it")
		_ = os.Rename(path, path+".corrupt")
		return
	}
	if len(st.Cursor) > 0 {
		w.cursor = st.Cursor
	}
	for _, ev := range st.Alerts {
		w.firing[ev.Type] = ev
		w.metrics.fires(ev.Type, 1)
	}
	if len(st.Episodes) > 0 && json.Unmarshal(st.Episodes, &w.episodes) != nil {
		w.episodes = episodes{} // sums only: the alerts themselves stand
	}
	w.maintenance, w.environment = st.Maintenance, st.Environment
	w.fresh = st.Outbox
}

// save hands the state of the moment, and the events behind it, to the saver.
func (w *watcher) save() {
	w.dirty = len(w.fresh) > 0 // the outbox is emptied by the save after this one
	st := &State{
		Version: stateVersion, Saved: time.Now(), Alerts: w.alerts(),
		Maintenance: w.maintenance, Environment: w.environment, Broken: w.broken,
	}
	var err error
	if st.Detector, err = w.cfg.Detector.Save(); err != nil {
		w.nag(fmt.Errorf("encode the detector's state: %w", err))
		st = nil
	}
	if w.cursor != nil && st != nil {
		if st.Cursor, err = json.Marshal(w.cursor); err != nil {
			w.nag(fmt.Errorf("encode the log position: %w", err))
			st = nil
		}
	}
	if st != nil {
		st.Episodes, err = json.Marshal(&w.episodes)
		if err != nil {
			w.nag(fmt.Errorf("encode the sums: %w", err))
		}
	}
	w.saver.put(st, w.fresh)
	w.fresh = nil
}

// write puts a state on disk. It is the saver's.
func (w *watcher) write(st *State) {
	data, err := json.Marshal(st)
	if err == nil {
		err = w.cfg.writeFile(filepath.Join(w.cfg.StateDir, StateFile), data)
	}
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.dirty = true // the next tick tries again
		w.nag(err)
	}
}

// alerts returns the firing alerts in a stable order.
func (w *watcher) alerts() []alert.Event {
	var out []alert.Event
	for _, ev := range w.firing {
		out = append(out, ev)
	}
	slices.SortFunc(out, func(a, b alert.Event) int { return strings.Compare(string(a.Type), string(b.Type)) })
	return out
}

// nag says at most once a minute that the state cannot be saved.
func (w *watcher) nag(err error) {
	if w.lastNag.IsZero() || time.Since(w.lastNag) >= time.Minute {
		w.lastNag = time.Now()
		w.out.notice("state is not saved, a restart would lose it: " + err.Error())
	}
}
