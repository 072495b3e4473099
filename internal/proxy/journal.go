package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"bgctl/internal/bluegreen"
)

const (
	journalFile = "journal.ndjson"
	// journalKeep is how many finished operations the journal holds.
	journalKeep = 200
	// movesKeep is how many of those that moved traffic every status carries: as
	// many releases back can be gone.
	movesKeep = 20
)

// journalCache is the journal as it was last read. A status is asked for every second,
// and the file changes with an operation only.
type journalCache struct {
	mu    sync.Mutex
	file  fs.FileInfo
	last  *bluegreen.Operation
	moves []bluegreen.Operation
}

// Finish writes the operation to the journal and forgets it as under way. An
// operation that is there already is replaced: what came of watching it is known
// only later.
func (d *Dir) Finish(op bluegreen.Operation) error {
	line, err := json.Marshal(op)
	if err != nil {
		return fmt.Errorf("encode the operation: %w", err)
	}
	return d.change(func() error {
		old, err := os.ReadFile(d.path(journalFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the journal: %w", err)
		}
		if err := d.write(journalFile, enter(old, append(line, '\n'), op.ID)); err != nil {
			return err
		}
		return d.forget(op.ID)
	})
}

// enter puts a line into a journal, in the place of the entry with the same ID. A line
// that cannot be read goes, so that nothing is written behind a torn one.
func enter(journal, line []byte, id string) []byte {
	replaced := false
	var lines [][]byte
	for l := range bytes.Lines(journal) {
		var have struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(l, &have) != nil {
			continue
		}
		switch {
		case have.ID == id && id != "" && !replaced:
			l, replaced = line, true
		case !bytes.HasSuffix(l, []byte("\n")):
			l = append(bytes.Clone(l), '\n')
		}
		lines = append(lines, l)
	}
	if !replaced {
		lines = append(lines, line)
	}
	return bytes.Join(lines[max(0, len(lines)-journalKeep):], nil)
}

// forget removes the record of the operation under way, if it is the one named: a
// bake ends while another operation may be. The records are locked.
func (d *Dir) forget(id string) error {
	var current bluegreen.Operation
	if d.readJSON("operation.json", &current) == nil && current.ID != id {
		return nil
	}
	return d.remove("operation.json", "close the operation")
}

// moves picks what a rollback looks at, without the figures it does not need.
func moves(ops []bluegreen.Operation) []bluegreen.Operation {
	var out []bluegreen.Operation
	for i := range ops {
		if ops[i].Moved() || ops[i].Installed() {
			op := ops[i]
			op.Receipt = nil
			out = append(out, op)
		}
	}
	return out[max(0, len(out)-movesKeep):]
}

// newest returns the last operation and the moves, from memory while the file is the same.
func (d *Dir) newest() (*bluegreen.Operation, []bluegreen.Operation, error) {
	c := &d.journal
	c.mu.Lock()
	defer c.mu.Unlock()
	fi, err := os.Stat(d.path(journalFile))
	if err != nil {
		return nil, nil, err
	}
	if c.file != nil && os.SameFile(c.file, fi) && c.file.ModTime().Equal(fi.ModTime()) && c.file.Size() == fi.Size() {
		return c.last, c.moves, nil
	}
	ops, err := d.Journal()
	if err != nil {
		return nil, nil, err
	}
	c.file, c.last, c.moves = fi, nil, moves(ops)
	if n := len(ops); n > 0 {
		last := ops[n-1]
		c.last = &last
	}
	return c.last, c.moves, nil
}

// Journal returns the finished operations, oldest first. A line that cannot be
// read is left out.
func (d *Dir) Journal() ([]bluegreen.Operation, error) {
	text, err := os.ReadFile(d.path(journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var ops []bluegreen.Operation
	for line := range bytes.Lines(text) {
		var op bluegreen.Operation
		if json.Unmarshal(line, &op) == nil {
			ops = append(ops, op)
		}
	}
	return ops, nil
}
