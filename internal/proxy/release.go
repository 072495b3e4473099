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
	if solo == nil {
		return d.remove(soloFile, "end solo")
	}
	return d.writeJSON(soloFile, solo)
}

// BeginBake records a bake. It is live until [Dir.EndBake], [Dir.Release] or the
// end of the process: like the deployment's lock, that is a flock.
func (d *Dir) BeginBake(ctx context.Context, b bluegreen.Bake) error {
	if d.bake == nil {
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
		d.bake = f
	}
	return d.writeJSON(bakeFile, b)
}

// UpdateBake replaces the record and reports whether it still stood. It must be
// the process that began it.
func (d *Dir) UpdateBake(b bluegreen.Bake) (bool, error) {
	if d.bake == nil || d.Bake() == nil {
		return false, nil
	}
	return true, d.writeJSON(bakeFile, b)
}

// EndBake removes the record, whoever made it.
func (d *Dir) EndBake() error {
	return errors.Join(d.remove(bakeFile, "end the bake"), d.Release())
}

// Release lets go of the bake without removing its record, if this process has one.
func (d *Dir) Release() error {
	if d.bake == nil {
		return nil
	}
	f := d.bake
	d.bake = nil
	return f.Close()
}

// Bake returns the record of a bake, nil when there is none.
func (d *Dir) Bake() *bluegreen.Bake {
	var b bluegreen.Bake
	if d.readJSON(bakeFile, &b) != nil {
		return nil
	}
	b.Live = d.bake != nil || d.baking()
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
