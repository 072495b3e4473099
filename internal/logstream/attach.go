package logstream

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// listing remembers when the log's directory was last read and how it looked then.
type listing struct {
	at    time.Time
	mtime time.Time
}

// listEvery bounds how long a change in the directory can go unseen that its
// modification time does not show: growth of a file that is done with.
const listEvery = time.Second

// attach opens the file that has the log's name now, when it is another one than
// before, and what was rotated away unseen in between.
func (s *follower) attach() error {
	info, err := os.Stat(s.cfg.Path)
	if err == nil && info.Mode().IsRegular() && s.current(info) {
		s.note()
		return nil
	}
	// The files must not move while they are looked at: a file that is passed over
	// now would be taken for one of no interest later.
	for range maxMoves {
		f, id, err := s.open()
		beside, at, there := s.list()
		switch {
		case err == nil && there && at == id:
			return s.enter(f, beside)
		case err == nil:
			_ = f.Close()
		case errors.Is(err, fs.ErrNotExist) && !there:
			if s.begun {
				s.openMissed(beside, fileID{})
			}
			return err
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return errMoving
}

var errMoving = errors.New("the log is being rotated over and over")

const maxMoves = 16

func (s *follower) open() (*os.File, fileID, error) {
	f, info, err := openLog(s.cfg.Path)
	if err != nil {
		return nil, fileID{}, err
	}
	id, _ := identify(info)
	return f, id, nil
}

// enter makes f, which has the log's name, the newest file.
func (s *follower) enter(f *os.File, beside []sibling) error {
	info, err := f.Stat()
	if err == nil && !s.begun {
		err = s.begin(f, info, beside)
	} else if err == nil {
		id, _ := identify(info)
		s.counts.Rotated++
		s.openMissed(beside, id)
		s.push(f, id, 0)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.begun, s.fresh = true, true
	s.remember(beside)
	return nil
}

func (s *follower) current(info os.FileInfo) bool {
	id, _ := identify(info)
	t := s.newest()
	return t != nil && t.id == id
}

// maxOpen bounds the files held open when something creates them without end.
const maxOpen = 256

// openMissed opens the siblings that are neither known nor the log itself, oldest
// first, from their heads.
func (s *follower) openMissed(beside []sibling, current fileID) {
	for _, x := range beside {
		if x.id == current || s.isOpen(x.id) {
			continue
		}
		if p, ok := s.known[x.id]; ok && p.isStill(x) {
			continue
		}
		if len(s.tails) >= maxOpen {
			s.counts.Gaps++
			continue
		}
		f, _, err := openLog(x.path)
		if err != nil {
			s.counts.Gaps++
			continue
		}
		s.push(f, x.id, 0)
	}
}

// note looks at what lies beside the log while that stays in place: such a file is
// a copy made by hand, or it was rotated earlier and is written to once more.
func (s *follower) note() {
	dir, err := os.Stat(dirOf(s.cfg.Path))
	if err == nil && dir.ModTime().Equal(s.listed.mtime) && time.Since(s.listed.at) < listEvery {
		return
	}
	beside, at, there := s.list()
	if t := s.newest(); !there || t == nil || at != t.id {
		return // rotated meanwhile: attach sees to it
	}
	s.listed.at = time.Now()
	if err == nil {
		s.listed.mtime = dir.ModTime()
	}
	s.reopenGrown(beside)
	s.remember(beside)
}

// remember makes all that lies beside the log known, so that a rotated file nobody
// saw under the log's name stands out later.
func (s *follower) remember(beside []sibling) {
	next := make(map[fileID]neighbour, len(beside))
	changed := len(beside) != len(s.known)
	for _, x := range beside {
		p, ok := s.known[x.id]
		if !ok || p.headLen == 0 && x.size > 0 && s.isCopy(x) {
			p.head, p.headLen = x.head(markerLen)
			changed = true
		}
		next[x.id] = p
	}
	if changed {
		s.shown = nil
	}
	s.known = next
}

// isCopy reports whether a file begins as one that is open does: it was noted while it was
// empty, in the middle of a cp.
func (s *follower) isCopy(x sibling) bool {
	f, _, err := openLog(x.path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	return slices.ContainsFunc(s.tails, func(t *tail) bool {
		n := int(min(int64(len(t.head)), x.size))
		return n > 0 && bytes.Equal(before(f, int64(n), n), t.head[:n])
	})
}

// reopenGrown opens files again that were closed and have grown since: nginx had
// not been told to open its log anew, and there was no traffic for a while.
func (s *follower) reopenGrown(beside []sibling) {
	for _, x := range beside {
		p, ok := s.known[x.id]
		if !ok || !p.closed || x.size <= p.size || s.isOpen(x.id) || len(s.tails) >= maxOpen {
			continue
		}
		f, _, err := openLog(x.path)
		if err != nil {
			continue
		}
		c := Cursor{Offset: p.read, Marker: p.mark, MarkerLen: p.markLen}
		if !c.matches(f) {
			_ = f.Close()
			delete(s.known, x.id) // the inode belongs to another file now
			continue
		}
		s.shown = nil
		s.tails = slices.Insert(s.tails, max(0, len(s.tails)-1), newTail(f, x.id, p.read, s.counts))
	}
}

// list returns the files beside the log, oldest first, and which file has the
// log's name. A directory that changes while it is read may show a file under two
// names or under none, so it is read until two looks agree.
func (s *follower) list() (beside []sibling, at fileID, there bool) {
	at, there = s.stat()
	beside = siblings(s.cfg.Path)
	for range maxMoves {
		again := siblings(s.cfg.Path)
		now, still := s.stat()
		if now == at && still == there && slices.EqualFunc(beside, again, sibling.same) {
			return again, at, there
		}
		beside, at, there = again, now, still
	}
	return beside, at, there
}

func (s *follower) stat() (fileID, bool) {
	info, err := os.Stat(s.cfg.Path)
	if err != nil {
		return fileID{}, false
	}
	id, _ := identify(info)
	return id, true
}

func dirOf(path string) string {
	if dir := filepath.Dir(path); dir != "" {
		return dir
	}
	return "."
}
