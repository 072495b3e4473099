package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	recordsLock  = "records.lock"
	standingFile = "standing.json"
	// recordsLimit is how long a change waits for the changes of others, each of which
	// takes some milliseconds.
	recordsLimit = 2 * time.Second
	// leftover begins the name of a file that is being written; one of this age is
	// what a killed writer left.
	leftover    = ".new-"
	leftoverAge = time.Minute
)

// change runs f while no other process changes a record. The deployment's lock is no
// substitute: an operator's bake is recorded while another one holds that.
func (d *Dir) change(f func() error) error {
	l, err := os.OpenFile(d.path(recordsLock), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // only ever locked
	if err != nil {
		return fmt.Errorf("open the lock of the records: %w", err)
	}
	err = takeWithin(l, recordsLimit, nil)
	if err != nil {
		return errors.Join(fmt.Errorf("another process has been changing a record for %s: %w", recordsLimit, err), l.Close())
	}
	return errors.Join(f(), l.Close())
}

// SetStanding records what stands in a pool.
func (d *Dir) SetStanding(s bluegreen.Standing) error {
	if s.Pool == bluegreen.NoPool {
		return errors.New("record what stands in a pool: no pool given")
	}
	return d.change(func() error {
		all := d.standing()
		all[s.Pool] = s
		return d.writeJSON(standingFile, all)
	})
}

// Standing returns what the deployment put into its pools, blue first.
func (d *Dir) Standing() []bluegreen.Standing {
	all := d.standing()
	var out []bluegreen.Standing
	for _, pool := range bluegreen.Pools() {
		if s, ok := all[pool]; ok {
			out = append(out, s)
		}
	}
	return out
}

// standing reads the record; one that cannot be read says nothing.
func (d *Dir) standing() map[bluegreen.Pool]bluegreen.Standing {
	all := map[bluegreen.Pool]bluegreen.Standing{}
	if d.readJSON(standingFile, &all) != nil {
		return map[bluegreen.Pool]bluegreen.Standing{}
	}
	return all
}

// Sweep removes what killed writers left behind.
func (d *Dir) Sweep(now time.Time) {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return // whoever reads the directory next reports it
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), leftover) {
			continue
		}
		if fi, err := e.Info(); err == nil && now.Sub(fi.ModTime()) >= leftoverAge {
			_ = os.Remove(d.path(e.Name())) // it is in nobody's way
		}
	}
}

// remove removes a file that need not be there.
func (d *Dir) remove(name, doing string) error {
	if err := os.Remove(d.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// path returns the place of name in the directory.
func (d *Dir) path(name string) string { return filepath.Join(d.Path, name) }

// write replaces name by text with one rename, durably.
func (d *Dir) write(name string, text []byte) error {
	dir := filepath.Dir(name)
	tmp, err := os.CreateTemp(d.Path, leftover+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), d.path(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(tmp.Name()))
	}
	return d.sync(dir)
}
