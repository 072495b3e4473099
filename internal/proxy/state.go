package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"bgctl/internal/bluegreen"
)

// Dir is a state directory. Its methods are safe for several processes: every
// change is one rename(2) of a complete file.
type Dir struct {
	Path string

	mu    sync.Mutex // of the following: a connection may end while a request is answered
	lock  *os.File
	bake  *os.File // held while this process watches a release
	baked string   // operation of the last bake that this process began

	journal journalCache
}

// Init prepares the directory at the start of the proxy and returns the active
// pool. The seed decides where there is no flag yet, and only there: ACTIVE_POOL may be
// older than the last switch, and traffic is moved by nobody who has passed no gate.
func (d *Dir) Init(seed bluegreen.Pool) (bluegreen.Pool, error) {
	for _, dir := range []string{"active", "faults"} {
		if err := os.MkdirAll(d.path(dir), 0o755); err != nil { //nolint:gosec // nginx may run as another user
			return bluegreen.NoPool, fmt.Errorf("prepare the state directory: %w", err)
		}
	}
	active, err := d.Active()
	if err != nil {
		return bluegreen.NoPool, err
	}
	if active == bluegreen.NoPool {
		if err := d.write("active/"+seed.String(), nil); err != nil {
			return bluegreen.NoPool, err
		}
		active = seed
	}
	d.Sweep(time.Now())
	return active, d.write("seed", []byte(seed.String()+"\n"))
}

// activeRounds is how often Active looks again. A round misses both names only
// when a switch falls between its two looks.
const activeRounds = 8

// Active returns the pool whose flag file exists, [bluegreen.NoPool] when none
// does. Two flags cannot come from a rename; should a person have made the second,
// green counts, because that is what nginx does.
//
// It is safe while another process switches: the flag may move from a name not
// yet looked at to one looked at already, so one look at each proves nothing.
func (d *Dir) Active() (bluegreen.Pool, error) {
	for range activeRounds {
		for _, pool := range []bluegreen.Pool{bluegreen.Green, bluegreen.Blue} {
			_, err := os.Stat(d.path("active/" + pool.String()))
			if err == nil {
				return pool, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return bluegreen.NoPool, fmt.Errorf("read the active pool: %w", err)
			}
		}
	}
	return bluegreen.NoPool, nil
}

// Route makes pool active: one rename, no copy, nothing in between.
func (d *Dir) Route(pool bluegreen.Pool) error {
	if pool == bluegreen.NoPool {
		return errors.New("route: no pool given")
	}
	active, err := d.Active()
	if err != nil || active == pool {
		return err
	}
	if active == bluegreen.NoPool {
		return d.write("active/"+pool.String(), nil)
	}
	if err := os.Rename(d.path("active/"+active.String()), d.path("active/"+pool.String())); err != nil {
		return fmt.Errorf("rename the flag file: %w", err)
	}
	return d.sync("active")
}

// Lock takes the deployment's lock. It returns the holder and false when somebody else
// has it and does not let go of it at once.
func (d *Dir) Lock(ctx context.Context, holder bluegreen.Holder) (*bluegreen.Holder, bool, error) {
	if d.Locked() {
		return nil, true, nil
	}
	f, err := os.OpenFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // read by whoever wants the lock
	if err != nil {
		return nil, false, fmt.Errorf("open the lock: %w", err)
	}
	err = take(ctx, f)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		other := readHolder(f)
		return other, false, f.Close()
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("take the lock: %w", err), f.Close())
	}
	text, err := json.Marshal(holder)
	if err == nil {
		err = errors.Join(f.Truncate(0), writeAt(f, text))
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("write the lock: %w", err), f.Close())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = f
	return nil, true, nil
}

// Locked reports whether this process holds the lock.
func (d *Dir) Locked() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lock != nil
}

// Unlock releases the lock, if it is held.
func (d *Dir) Unlock() error {
	d.mu.Lock()
	f := d.lock
	d.lock = nil
	d.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.Close()
}

// Holder returns who holds the lock, nil when nobody does.
func (d *Dir) Holder() *bluegreen.Holder {
	if d.Locked() {
		return nil // we do; a command does not report itself
	}
	f, err := os.Open(d.path("lock"))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // only read
	if !held(f) {
		return nil
	}
	return readHolder(f)
}

// Begin records the operation under way.
func (d *Dir) Begin(op bluegreen.Operation) error {
	return d.change(func() error { return d.writeJSON("operation.json", op) })
}

// Status reads everything but what only nginx knows.
func (d *Dir) Status() (bluegreen.RouterStatus, error) {
	active, err := d.Active()
	if err != nil {
		return bluegreen.RouterStatus{}, err
	}
	st := bluegreen.RouterStatus{Active: active, Seed: d.seed(), Lock: d.Holder()}
	var op bluegreen.Operation
	// An operation under way is unfinished only when nobody works on it.
	if d.readJSON("operation.json", &op) == nil {
		if st.Lock == nil {
			st.Unfinished = &op
		} else {
			st.Current = &op
		}
	}
	if last, moved, err := d.newest(); err == nil {
		st.Last, st.Moves = last, moved
	}
	var solo bluegreen.Solo
	if d.readJSON(soloFile, &solo) == nil {
		st.Solo = &solo
	}
	st.Bake, st.Standing = d.Bake(), d.Standing()
	for _, pool := range bluegreen.Pools() {
		var f bluegreen.Fault
		if d.readJSON(faultFile(pool), &f) == nil {
			st.Faults = append(st.Faults, f)
		}
	}
	return st, nil
}

// SetFault records a fault. A fault on the same pool is replaced.
func (d *Dir) SetFault(f bluegreen.Fault) error {
	return d.change(func() error { return d.writeJSON(faultFile(f.Pool), f) })
}

// ClearFault forgets the fault on pool, if any.
func (d *Dir) ClearFault(pool bluegreen.Pool) error {
	return d.change(func() error { return d.remove(faultFile(pool), "forget the fault") })
}

// faultFile names the record of a fault.
func faultFile(pool bluegreen.Pool) string { return "faults/" + pool.String() + ".json" }

// seed returns the pool recorded at the last start.
func (d *Dir) seed() bluegreen.Pool {
	text, err := os.ReadFile(d.path("seed"))
	if err != nil {
		return bluegreen.NoPool
	}
	pool, err := bluegreen.ParsePool(strings.TrimSpace(string(text)))
	if err != nil {
		return bluegreen.NoPool
	}
	return pool
}

// writeJSON is write of v's JSON.
func (d *Dir) writeJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return d.write(name, append(text, '\n'))
}

// readJSON reads name into v.
func (d *Dir) readJSON(name string, v any) error {
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}

// sync makes renames in a subdirectory durable.
func (d *Dir) sync(dir string) error {
	f, err := os.Open(d.path(dir))
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// A look at a lock, which is a shared one for some microseconds, refuses it to others, and
// an agent whose client was cut off holds it until it has noticed. [take] tries for as
// long as either lasts on a busy machine.
const (
	takeLimit = 200 * time.Millisecond
	takePause = 2 * time.Millisecond
)

// take locks f for this process alone, and gives up with [syscall.EWOULDBLOCK] when
// another one still holds it after takeLimit.
func take(ctx context.Context, f *os.File) error { return takeWithin(f, takeLimit, ctx.Done()) }

// takeWithin is take for as long as limit, or until ended is closed.
func takeWithin(f *os.File, limit time.Duration, ended <-chan struct{}) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	pause := time.NewTicker(takePause)
	defer pause.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-pause.C:
		case <-late.C:
			return err
		case <-ended:
			return err
		}
	}
}

// held reports whether another process has taken f.
func held(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// readHolder reads the holder out of the lock file, nil when it says nothing.
func readHolder(f *os.File) *bluegreen.Holder {
	text := make([]byte, 4096)
	n, err := f.ReadAt(text, 0)
	var h bluegreen.Holder
	if n == 0 && err != nil || json.Unmarshal(text[:n], &h) != nil {
		return &bluegreen.Holder{}
	}
	return &h
}

// writeAt writes text at the start of f.
func writeAt(f *os.File, text []byte) error {
	_, err := f.WriteAt(text, 0)
	return err
}
