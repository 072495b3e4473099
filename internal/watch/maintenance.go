package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

// Bounds of a maintenance. It always has an end: a forgotten one must not mute a
// stack for ever.
const (
	DefaultMaintenance = time.Hour
	MaxMaintenance     = 7 * 24 * time.Hour
)

// FromEnvironment is who started a maintenance by MAINTENANCE_MODE.
const FromEnvironment = "MAINTENANCE_MODE"

// Maintenance mutes messages for a bounded time; evaluation goes on, and what is
// still so at the end is told then.
type Maintenance struct {
	Until  time.Time   `json:"until"`
	Since  time.Time   `json:"since,omitzero"`
	Scope  alert.Scope `json:"scope"`
	Reason string      `json:"reason,omitempty"` // foreign text
	By     string      `json:"by,omitempty"`     // foreign text
}

// maintenanceFile is what the file in the state directory holds.
type maintenanceFile struct {
	Maintenance
	// Ended is when a maintenance was ended by hand. It outlives the maintenance:
	// one that the environment started before then stays over.
	Ended time.Time `json:"ended,omitzero"`
}

// EnvironmentMaintenance is when a value of MAINTENANCE_MODE was first seen. It
// survives restarts, which therefore do not prolong a maintenance.
type EnvironmentMaintenance struct {
	Value string    `json:"value"`
	Since time.Time `json:"since"`
}

// ParseMode reads a value of MAINTENANCE_MODE: true or false, a duration such as
// 30m, or the RFC 3339 time of the end. It returns the end for a maintenance that
// began at since, and the zero time for none.
func ParseMode(value string, since time.Time) (time.Time, error) {
	value = strings.TrimSpace(value)
	if value == "" {
		return time.Time{}, nil
	}
	if on, err := strconv.ParseBool(value); err == nil {
		if !on {
			return time.Time{}, nil
		}
		return since.Add(DefaultMaintenance), nil
	}
	if d, err := time.ParseDuration(value); err == nil && d > 0 && d <= MaxMaintenance {
		return since.Add(d), nil
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("MAINTENANCE_MODE=%q: want true, false, a duration up to 168h such as 30m, or the time of its end such as 2026-01-02T15:04:05Z", value)
}

// ReadMaintenance returns the maintenance that the file in a state directory asks
// for, nil for none or one that is over. The file may also hold only an RFC 3339
// time, or a duration since it was written, or nothing, which means an hour.
func ReadMaintenance(dir string, now time.Time) *Maintenance {
	m, _ := readMaintenance(filepath.Join(dir, MaintenanceFile))
	if m == nil || !m.Until.After(now) {
		return nil
	}
	return m
}

// readMaintenance returns what the file asks for and when it was ended by hand.
func readMaintenance(path string) (*Maintenance, time.Time) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}
	}
	data := head(path)
	if bytes.HasPrefix(data, []byte("{")) {
		var f maintenanceFile
		if json.Unmarshal(data, &f) == nil {
			if f.Scope != alert.ScopeAll {
				f.Scope = alert.ScopePools
			}
			if f.Until.IsZero() {
				return nil, f.Ended
			}
			return bounded(&f.Maintenance, info.ModTime()), f.Ended
		}
	}
	m := &Maintenance{Since: info.ModTime(), Until: info.ModTime().Add(DefaultMaintenance), Scope: alert.ScopePools}
	if at, err := time.Parse(time.RFC3339, string(data)); err == nil {
		m.Until = at
	} else if d, err := time.ParseDuration(string(data)); err == nil && d > 0 {
		m.Until = info.ModTime().Add(d)
	}
	return bounded(m, info.ModTime()), time.Time{}
}

// bounded keeps a file written by something else from muting for ever.
func bounded(m *Maintenance, written time.Time) *Maintenance {
	if limit := written.Add(MaxMaintenance); m.Until.After(limit) {
		m.Until = limit
	}
	return m
}

// head returns the trimmed first bytes of a file, nil when it cannot be read.
func head(path string) []byte {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(data)
}

// WriteMaintenance starts a maintenance in a state directory, or replaces one.
func WriteMaintenance(dir string, m Maintenance) error {
	return writeMaintenance(dir, maintenanceFile{Maintenance: m})
}

// EndMaintenance ends any maintenance, one from the environment too.
func EndMaintenance(dir string, now time.Time) error {
	return writeMaintenance(dir, maintenanceFile{Ended: now})
}

func writeMaintenance(dir string, f maintenanceFile) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no watcher keeps its state in %s", dir)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return slack.WriteFileAtomic(filepath.Join(dir, MaintenanceFile), append(data, '\n'))
}

// wanted returns the maintenance that file and environment ask for now, nil for
// none. The file wins: it is the newer word of an operator.
func (w *watcher) wanted(now time.Time) *Maintenance {
	m, ended := readMaintenance(filepath.Join(w.cfg.StateDir, MaintenanceFile))
	if m != nil && m.Until.After(now) {
		return m
	}
	env := w.fromEnvironment(now)
	if env == nil || !env.Since.After(ended) || !env.Until.After(now) {
		return nil
	}
	return env
}

// fromEnvironment returns the maintenance of MAINTENANCE_MODE, over or not.
func (w *watcher) fromEnvironment(now time.Time) *Maintenance {
	value := strings.TrimSpace(w.cfg.MaintenanceMode)
	if until, err := ParseMode(value, now); err != nil || until.IsZero() {
		w.environment = nil
		return nil
	}
	if w.environment == nil || w.environment.Value != value {
		w.environment = &EnvironmentMaintenance{Value: value, Since: now}
		w.dirty = true
	}
	since := w.environment.Since
	until, err := ParseMode(value, since)
	if err != nil {
		return nil
	}
	if limit := since.Add(MaxMaintenance); until.After(limit) {
		until = limit
	}
	return &Maintenance{Since: since, Until: until, Scope: alert.ScopePools, By: FromEnvironment}
}

// pollMaintenance follows the maintenance file, which needs no restart.
func (w *watcher) pollMaintenance(now time.Time) {
	m := w.wanted(now)
	if same(m, w.maintenance) {
		return
	}
	w.maintenance = m
	w.dirty = true
	if w.cfg.SetMaintenance == nil {
		w.out.notice("maintenance is not supported here: messages are not muted")
		return
	}
	if m == nil {
		w.out.notice("maintenance ended: messages go out again")
		w.emit(w.cfg.SetMaintenance(Maintenance{}))
		return
	}
	w.out.notice(m.words())
	w.emit(w.cfg.SetMaintenance(*m))
}

func same(a, b *Maintenance) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Until.Equal(b.Until) && a.Scope == b.Scope
}

// words says what a maintenance does, by whom and why.
func (m *Maintenance) words() string {
	text := "maintenance until " + m.Until.UTC().Format(time.RFC3339) + ": "
	if m.Scope == alert.ScopeAll {
		text += "all messages are muted"
	} else {
		text += "messages about pools are muted"
	}
	if m.By != "" {
		text += ", by " + m.By
	}
	if m.Reason != "" {
		text += ", because: " + m.Reason
	}
	return text
}
