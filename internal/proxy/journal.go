package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bgctl/internal/bluegreen"
)

const (
	// journalKeep is how many finished operations the journal holds.
	journalKeep = 200
	// movesKeep is how many of those that moved traffic every status carries: as
	// many releases back can be gone.
	movesKeep = 20
)

// Finish writes the operation to the journal and forgets it as under way. An
// operation that is there already is replaced: what came of watching it is known
// only later.
func (d *Dir) Finish(op bluegreen.Operation) error {
	line, err := json.Marshal(op)
	if err != nil {
		return fmt.Errorf("encode the operation: %w", err)
	}
	old, err := os.ReadFile(d.path("journal.ndjson"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the journal: %w", err)
	}
	line = append(line, '\n')
	replaced := false
	var lines [][]byte
	for l := range bytes.Lines(old) {
		var have struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(l, &have) == nil && have.ID == op.ID && op.ID != "" && !replaced {
			l, replaced = line, true
		}
		lines = append(lines, l)
	}
	if !replaced {
		lines = append(lines, line)
	}
	lines = lines[max(0, len(lines)-journalKeep):]
	if err := d.write("journal.ndjson", bytes.Join(lines, nil)); err != nil {
		return err
	}
	return d.forget(op.ID)
}

// forget removes the record of the operation under way, if it is the one named: a
// bake ends while another operation may be.
func (d *Dir) forget(id string) error {
	var current bluegreen.Operation
	if d.readJSON("operation.json", &current) == nil && current.ID != id {
		return nil
	}
	return d.remove("operation.json", "close the operation")
}

// remove removes a file that need not be there.
func (d *Dir) remove(name, doing string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
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

// Journal returns the finished operations, oldest first. A line that cannot be
// read is left out.
func (d *Dir) Journal() ([]bluegreen.Operation, error) {
	text, err := os.ReadFile(d.path("journal.ndjson"))
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
