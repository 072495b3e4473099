package watch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgctl/internal/alert"
)

// maxHistory is the size at which the history starts a new file; the one before is
// kept, so the disk holds at most twice as much.
const maxHistory = 4 << 20

// maxHistoryLine bounds one event while reading; a longer line is damage.
const maxHistoryLine = 256 << 10

// history appends events to a file.
type history struct {
	path    string
	notice  func(string)
	file    *os.File
	size    int64
	limit   int64
	recent  map[string]bool // events at the end of the file, seen again in a replay
	lastNag time.Time
}

func openHistory(path string, notice func(string)) *history {
	h := &history{path: path, notice: notice, limit: maxHistory, recent: map[string]bool{}}
	events, err := History(path, time.Time{}, 100)
	if err != nil {
		notice("event history cannot be read: " + err.Error())
	}
	for i := range events {
		h.recent[historyKey(&events[i])] = true
	}
	return h
}

func historyKey(ev *alert.Event) string {
	return fmt.Sprintf("%s@%s %v %s", ev.ID, ev.Time.UTC().Format(time.RFC3339Nano), ev.Deferred, ev.Muted)
}

// add appends ev and returns when it is on disk, or has said that it is not.
func (h *history) add(ev alert.Event) {
	if h.recent[historyKey(&ev)] {
		return // the log is read again after a crash
	}
	data, err := json.Marshal(alertLine{"alert", ev})
	if err != nil {
		return
	}
	if err := h.write(append(data, '\n')); err != nil {
		h.close()
		if h.lastNag.IsZero() || time.Since(h.lastNag) >= time.Minute {
			h.lastNag = time.Now()
			h.notice("event history is not written: " + err.Error())
		}
	}
}

func (h *history) write(line []byte) error {
	if h.file != nil && h.size+int64(len(line)) > h.limit {
		h.close()
	}
	if h.file == nil {
		if err := h.open(int64(len(line))); err != nil {
			return err
		}
	}
	n, err := h.file.Write(line)
	h.size += int64(n)
	if err != nil {
		return err
	}
	return h.file.Sync()
}

// open opens the file for appending, after a rotation when the next line no longer
// fits. A line torn by a crash is ended, so that it spoils only itself.
func (h *history) open(next int64) error {
	info, err := os.Stat(h.path)
	if err == nil && info.Size()+next > h.limit {
		if err := os.Rename(h.path, h.path+".1"); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(filepath.Clean(h.path), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return err
	}
	h.file, h.size = f, info.Size()
	tail := make([]byte, 1)
	if _, err := f.ReadAt(tail, h.size-1); h.size > 0 && err == nil && tail[0] != '\n' {
		_, err = f.Write([]byte{'\n'})
		h.size++
		return err
	}
	return nil
}

func (h *history) close() {
	if h.file != nil {
		_ = h.file.Close()
		h.file = nil
	}
}

// History returns the events at or after since from a history file and the one
// rotated before it, oldest first, at most the last limit of them (0: all). Lines
// that cannot be read are left out; no file means no events.
func History(path string, since time.Time, limit int) ([]alert.Event, error) {
	var out []alert.Event
	for _, p := range []string{path + ".1", path} {
		events, err := readHistory(p, since)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		out = append(out, events...)
	}
	if limit > 0 && len(out) > limit {
		out = out[len(out)-limit:]
	}
	return out, nil
}

func readHistory(path string, since time.Time) ([]alert.Event, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []alert.Event
	sc := bufio.NewScanner(f)
	sc.Buffer(make([]byte, 0, 64<<10), maxHistoryLine)
	for sc.Scan() {
		var l alertLine
		if json.Unmarshal(sc.Bytes(), &l) == nil && l.Type != "" && !l.Time.Before(since) {
			out = append(out, l.Event)
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return out, nil // damage; what stood before it is good
	}
	return out, sc.Err()
}
