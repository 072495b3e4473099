package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bgctl/internal/alert"
)

// Limits of the queue.
const (
	maxEntries   = 100
	maxQueueSize = 1 << 20
	maxQueueFile = 4 * maxQueueSize
	queueVersion = 1
	maxDone      = 64 // delivered events remembered to recognise a replay
)

// entry is one message that waits. It stands for every undelivered event of its key.
type entry struct {
	Key        string      `json:"key"`
	Event      alert.Event `json:"event"`
	FirstFired time.Time   `json:"first_fired,omitzero"` // earliest undelivered firing
	Queued     time.Time   `json:"queued"`
	Merged     int         `json:"merged"` // events it stands for
	Attempts   int         `json:"attempts"`
	MaybeSent  bool        `json:"maybe_sent,omitempty"`
	Plain      bool        `json:"plain,omitempty"`
	// Sending is written before an attempt starts: found in a loaded file, the
	// process died in it and the receiver may have the message.
	Sending bool `json:"sending,omitempty"`
}

// fileState is the queue file.
type fileState struct {
	Version int       `json:"version"`
	Entries []*entry  `json:"entries"`
	Lost    int       `json:"lost,omitempty"`
	Gate    time.Time `json:"gate,omitzero"` // throttled until
	Done    []string  `json:"done,omitempty"`
}

// errQueueFile says that a queue file cannot be understood.
var errQueueFile = errors.New("queue file is damaged or of another version")

// loadState reads a queue file. A missing one is an empty queue.
func loadState(path string) (fileState, error) {
	f, err := os.Open(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, fmt.Errorf("open queue: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxQueueFile+1))
	if err != nil {
		return fileState{}, fmt.Errorf("read queue: %w", err)
	}
	var st fileState
	if len(data) > maxQueueFile || json.Unmarshal(data, &st) != nil || st.Version != queueVersion {
		return fileState{}, errQueueFile
	}
	for _, e := range st.Entries {
		if e == nil || e.Event.Type == "" {
			return fileState{}, errQueueFile
		}
	}
	return st, nil
}

// quarantine moves a damaged file aside under one fixed name, so that damage that
// repeats cannot fill the disk.
func quarantine(path string) (string, error) {
	aside := path + ".corrupt"
	return aside, os.Rename(path, aside)
}

// WriteFileAtomic replaces path with data so that a crash leaves the old or the
// new content, never a part: temporary file, fsync, rename, fsync of the directory.
func WriteFileAtomic(path string, data []byte) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	// The new content is in place. Some file systems cannot sync a directory, and
	// that is no reason to call the write a failure.
	if d, err := os.Open(filepath.Clean(dir)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}
