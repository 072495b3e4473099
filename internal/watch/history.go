package watch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bgctl/internal/alert"
)

// maxHistory is the size at which the history starts a new file; the one before is
// kept, so the disk holds at most twice as much.
const maxHistory = 4 << 20

// maxHistoryLine bounds one line while reading; a longer one is damage.
const maxHistoryLine = 256 << 10

// recentEvents is how many events at the end of the file are recognised when a
// restart brings them again.
const recentEvents = 256

// history appends events, and what became of their messages, to a file. Its
// methods may be called from several goroutines.
type history struct {
	path   string
	notice func(string)

	mu      sync.Mutex
	file    *os.File
	size    int64
	limit   int64
	recent  map[string]bool // events at the end of the file, seen again after a restart
	lastNag time.Time
}

func openHistory(path string, notice func(string)) *history {
	h := &history{path: path, notice: notice, limit: maxHistory, recent: map[string]bool{}}
	entries, err := ReadHistory(filepath.Dir(path))
	if err != nil {
		notice("event history cannot be read: " + err.Error())
	}
	for i := len(entries) - 1; i >= 0 && len(h.recent) < recentEvents; i-- {
		if ev := entries[i].Event; ev != nil {
			h.recent[historyKey(ev)] = true
		}
	}
	return h
}

func historyKey(ev *alert.Event) string {
	return fmt.Sprintf("%s@%s %v %s", ev.ID, ev.Time.UTC().Format(time.RFC3339Nano), ev.Deferred, ev.Muted)
}

// add appends ev, which [history.sync] then makes durable.
func (h *history) add(ev *alert.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recent[historyKey(ev)] {
		return
	}
	h.append(alertLine{"alert", *ev})
}

// delivery appends what became of a message. It is not synced by itself: losing
// the last reports to a power cut loses no alert.
func (h *history) delivery(d *alert.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.append(deliveryLine{"delivery", *d})
}

// append writes a line, or says at most once a minute that it could not.
func (h *history) append(line any) {
	data, err := json.Marshal(line)
	if err != nil {
		return
	}
	if err := h.write(append(data, '\n')); err != nil {
		h.failed(err)
	}
}

// sync returns when everything added is on disk, or has said that it is not.
func (h *history) sync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return
	}
	if err := h.file.Sync(); err != nil {
		h.failed(err)
	}
}

func (h *history) failed(err error) {
	h.shut()
	if h.lastNag.IsZero() || time.Since(h.lastNag) >= time.Minute {
		h.lastNag = time.Now()
		h.notice("event history is not written: " + err.Error())
	}
}

func (h *history) write(line []byte) error {
	if h.file != nil && h.size+int64(len(line)) > h.limit {
		_ = h.file.Sync() // the lines before stay readable either way
		h.shut()
	}
	if h.file == nil {
		if err := h.open(int64(len(line))); err != nil {
			return err
		}
	}
	n, err := h.file.Write(line)
	h.size += int64(n)
	return err
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut()
}

func (h *history) shut() {
	if h.file != nil {
		_ = h.file.Close()
		h.file = nil
	}
}
