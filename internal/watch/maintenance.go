package watch

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bgctl/internal/slack"
)

// defaultMaintenance bounds a maintenance that names no end: a forgotten one must
// not mute a stack for ever.
const defaultMaintenance = time.Hour

// forever is the end of a maintenance set by MAINTENANCE_MODE.
func forever() time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) }

// MaintenanceUntil reads a maintenance file: an RFC 3339 time, or a duration since
// the file was written, or nothing, which means one hour. The zero time means that
// no maintenance is on: no file, or its end has passed.
func MaintenanceUntil(path string, now time.Time) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	until := info.ModTime().Add(defaultMaintenance)
	if text := head(path); text != "" {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			until = at
		} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
			until = info.ModTime().Add(d)
		}
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// head returns the trimmed first bytes of a file, "" when it cannot be read.
func head(path string) string {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// WriteMaintenance starts a maintenance in a state directory, or ends it when
// until is zero.
func WriteMaintenance(dir string, until time.Time) error {
	path := filepath.Join(dir, MaintenanceFile)
	if until.IsZero() {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return slack.WriteFileAtomic(path, []byte(until.UTC().Format(time.RFC3339)+"\n"))
}
