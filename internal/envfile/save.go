package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

const (
	lockLimit = 5 * time.Second // for another writer, which is done in milliseconds
	lockPause = 5 * time.Millisecond
	saveTries = 20 // while an editor that knows no lock writes the file
	// leftAge is when a writer counts as dead whatever its number says: it may have
	// been one of another machine or container.
	leftAge = time.Hour
)

// errChanged says that the file was written while its new text was made.
var errChanged = errors.New("the file changes all the time")

// Save sets variables in an env file and leaves every other byte, the file's mode and its
// owner as they are. The file is replaced by one rename. Several writers lose nothing:
// they wait for each other, and what an editor wrote meanwhile is read again.
func Save(path string, vars ...Variable) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for range saveTries {
		if err = saveOnce(path, vars); !errors.Is(err, errChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// saveOnce is one try of [Save].
func saveOnce(path string, vars []Variable) error {
	locked, err := lock(path)
	if err != nil {
		return err
	}
	defer func() { _ = locked.Close() }() // only read; the lock goes with it
	removeLeft(path)
	old, err := os.ReadFile(path) //nolint:gosec // the project's own env file
	if err != nil {
		return err
	}
	text := string(old)
	for _, v := range vars {
		if text, err = Set(text, v); err != nil {
			return err
		}
	}
	if text == string(old) {
		return nil
	}
	return replace(path, string(old), text)
}

// lock opens the file that stands at path and locks it. A writer puts another file
// there, so that the lock of the one before says nothing any more.
func lock(path string) (*os.File, error) {
	give := time.NewTimer(lockLimit)
	defer give.Stop()
	pause := time.NewTicker(lockPause)
	defer pause.Stop()
	for {
		f, err := os.Open(path) //nolint:gosec // the project's own env file
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		busy := errors.Is(err, syscall.EWOULDBLOCK)
		// A file system without locks is no reason not to write.
		if !busy && stands(f, path) {
			return f, nil
		}
		_ = f.Close() // only read
		select {
		case <-pause.C:
		case <-give.C:
			return nil, errors.New("another command writes it; try again")
		}
	}
}

// stands reports whether f is the file at path.
func stands(f *os.File, path string) bool {
	has, err := f.Stat()
	if err != nil {
		return false
	}
	is, err := os.Stat(path)
	return err == nil && os.SameFile(has, is)
}

// replace puts a file with another text in the place of one with the old text.
func replace(path, old, text string) error {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), leftPrefix(path)+strconv.Itoa(os.Getpid())+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	err = errors.Join(err, tmp.Chmod(fi.Mode().Perm()), sameOwner(tmp, fi), tmp.Sync(), tmp.Close())
	if err == nil {
		var now []byte
		if now, err = os.ReadFile(path); err == nil && string(now) != old { //nolint:gosec // the project's own env file
			err = errChanged
		}
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// sameOwner gives the new file the old one's owner; only root can change it.
func sameOwner(f *os.File, fi fs.FileInfo) error {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}

// leftPrefix is how the names of the temporary files for path begin; the number of their
// writer and random digits follow. No file of a user is called so.
func leftPrefix(path string) string { return "." + filepath.Base(path) + ".bgctl-tmp-" }

// leftRE is the end of such a name.
var leftRE = regexp.MustCompile(`^([0-9]+)-[0-9]+$`)

// removeLeft removes the temporary files of writers that were killed. What cannot be
// removed is in nobody's way.
func removeLeft(path string) {
	dir, prefix := filepath.Dir(path), leftPrefix(path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if len(name) <= len(prefix) || name[:len(prefix)] != prefix || !e.Type().IsRegular() {
			continue
		}
		m := leftRE.FindStringSubmatch(name[len(prefix):])
		if m == nil {
			continue
		}
		if fi, err := e.Info(); err == nil && (isDead(m[1]) || time.Since(fi.ModTime()) > leftAge) {
			_ = os.Remove(filepath.Join(dir, name)) // see above
		}
	}
}

// isDead reports whether no process has the number.
func isDead(number string) bool {
	pid, err := strconv.Atoi(number)
	return err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
