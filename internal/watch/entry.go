package watch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgctl/internal/alert"
)

// Entry is one line of the history: an event, or what became of its message.
// Exactly one of Event and Delivery is set.
type Entry struct {
	Event    *alert.Event
	Delivery *alert.Delivery
	Raw      []byte // the line as it was written, without its newline
}

// ID returns the event that the entry is about.
func (e *Entry) ID() string {
	if e.Event != nil {
		return e.Event.ID
	}
	return e.Delivery.Event
}

// Time returns when it happened.
func (e *Entry) Time() time.Time {
	if e.Event != nil {
		return e.Event.Time
	}
	return e.Delivery.Time
}

// ParseEntry reads a line of the history or of the watcher's standard output. It
// returns false for a line of another kind and for a damaged one.
func ParseEntry(line []byte) (Entry, bool) {
	var kind struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(line, &kind) != nil {
		return Entry{}, false
	}
	switch kind.Kind {
	case "alert":
		var ev alert.Event
		if json.Unmarshal(line, &ev) == nil && ev.Type != "" {
			return Entry{Event: &ev, Raw: bytes.Clone(line)}, true
		}
	case "delivery":
		var d alert.Delivery
		if json.Unmarshal(line, &d) == nil && d.Event != "" {
			return Entry{Delivery: &d, Raw: bytes.Clone(line)}, true
		}
	}
	return Entry{}, false
}

// ReadEntries reads the entries of r. Lines that cannot be read are left out, and
// so is everything behind one that is longer than any event.
func ReadEntries(r io.Reader) ([]Entry, error) {
	var out []Entry
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), maxHistoryLine)
	for sc.Scan() {
		if e, ok := ParseEntry(sc.Bytes()); ok {
			out = append(out, e)
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return out, nil // damage; what stood before it is good
	}
	return out, sc.Err()
}

// HistoryFiles returns the names of the files of a history, oldest first.
func HistoryFiles() [2]string { return [2]string{HistoryFile + ".1", HistoryFile} }

// ReadHistory reads the history in a state directory, oldest first. No file means
// no entries.
func ReadHistory(dir string) ([]Entry, error) {
	return ReadHistoryFrom(func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(filepath.Clean(dir), filepath.Base(name)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return data, err
	})
}

// ReadHistoryFrom is [ReadHistory] for files that are reached otherwise: read
// returns one by its name, nil when there is none.
func ReadHistoryFrom(read func(name string) ([]byte, error)) ([]Entry, error) {
	names := HistoryFiles()
	// The newest first: a rotation in between then shows lines twice, which is
	// recognised here, and never hides any.
	newest, err := read(names[1])
	if err != nil {
		return nil, err
	}
	older, err := read(names[0])
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(older, newest) {
		newest = nil
	}
	return ReadEntries(bytes.NewReader(bytes.Join([][]byte{older, newest}, []byte{'\n'})))
}
