package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"bgctl/internal/bluegreen"
)

// The records of a deploy. nginx tests for soloFile on every request.
const (
	soloFile = "solo"
	bakeFile = "bake.json"
	bakeLock = "bake.lock"
)

// errBaking marks a bake that another process runs.
var errBaking = errors.New("another bake is running")

// SetSolo keeps a pool out of the failover; nil lets it in again.
func (d *Dir) SetSolo(solo *bluegreen.Solo) error {
	return d.change(func() error {
		if solo == nil {
			return d.remove(soloFile, "end solo")
		}
		return d.writeJSON(soloFile, solo)
	})
}

// BeginBake records a bake. It is live until [Dir.EndBake], [Dir.Release] or the
// end of the process: like the deployment's lock, that is a flock.
func (d *Dir) BeginBake(ctx context.Context, b bluegreen.Bake) error {
	if !d.Baking() {
		f, err := os.OpenFile(d.path(bakeLock), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // tested by whoever asks for the state
		if err != nil {
			return fmt.Errorf("open the bake's lock: %w", err)
		}
		if err := take(ctx, f); err != nil {
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = errBaking
			}
			return errors.Join(err, f.Close())
		}
		d.mu.Lock()
		d.bake = f
		d.mu.Unlock()
	}
	d.mu.Lock()
	d.baked = b.Operation
	d.mu.Unlock()
	return d.change(func() error { return d.writeJSON(bakeFile, b) })
}

// Baking reports whether this process runs a bake.
func (d *Dir) Baking() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bake != nil
}

// Baked reports whether this process began the last bake it knows of for an operation:
// its end is written down by the same process. The empty operation, as an older
// client sends it, means the bake that runs here.
func (d *Dir) Baked(operation string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if operation == "" {
		return d.bake != nil
	}
	return d.baked == operation
}

// UpdateBake replaces the record and reports whether it still stood: a record that
// was ended does not come back. It must be the process that began it.
func (d *Dir) UpdateBake(b bluegreen.Bake) (stands bool, err error) {
	if !d.Baking() {
		return false, nil
	}
	err = d.change(func() error {
		var old bluegreen.Bake
		if stands = d.readJSON(bakeFile, &old) == nil && old.Operation == b.Operation; !stands {
			return nil
		}
		return d.writeJSON(bakeFile, b)
	})
	return stands, err
}

// EndBake removes the record of an operation's bake, whoever made it. The empty
// operation, as an older client sends it, is any.
func (d *Dir) EndBake(operation string) error {
	err := d.change(func() error {
		var old bluegreen.Bake
		if operation != "" && d.readJSON(bakeFile, &old) == nil && old.Operation != operation {
			return nil
		}
		return d.remove(bakeFile, "end the bake")
	})
	if d.Baked(operation) {
		err = errors.Join(err, d.Release())
	}
	return err
}

// Release lets go of the bake without removing its record, if this process has one.
func (d *Dir) Release() error {
	d.mu.Lock()
	f := d.bake
	d.bake = nil
	d.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.Close()
}

// Bake returns the record of a bake, nil when there is none.
func (d *Dir) Bake() *bluegreen.Bake {
	var b bluegreen.Bake
	if d.readJSON(bakeFile, &b) != nil {
		return nil
	}
	b.Live = d.Baking() || d.baking()
	return &b
}

// baking reports whether another process holds the bake's lock.
func (d *Dir) baking() bool {
	f, err := os.Open(d.path(bakeLock))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only tested
	return held(f)
}
