package logstream

import (
	"os"
	"slices"
)

// begin opens the log for the first time, at the place the configuration asks for.
func (s *follower) begin(f *os.File, info os.FileInfo, beside []sibling) error {
	id, _ := identify(info)
	start := s.cfg.Start
	switch start.kind {
	case fromBeginning:
	case fromCursor:
		s.resume(f, info, beside)
		s.resumed = true
		return nil
	case fromEnd, fromLast:
		offset, err := lastLines(f, info.Size(), start.lines)
		if err != nil {
			return err
		}
		s.push(f, id, offset)
		return nil
	}
	s.push(f, id, 0)
	return nil
}

// resume goes on at a cursor: in the same file, or in the file it has become by
// rotation followed by those that came after it, or at the head with a gap noted.
func (s *follower) resume(f *os.File, info os.FileInfo, beside []sibling) {
	c := s.cfg.Start.cursor
	id, _ := identify(info)
	if !c.OfFile() {
		s.push(f, id, 0)
		return
	}
	s.known = map[fileID]neighbour{}
	for _, k := range c.Known {
		id, p := k.place()
		s.known[id] = p
	}
	for _, old := range c.Older {
		s.reopen(old)
	}
	if id == c.id() && info.Size() >= c.Offset && c.matches(f) {
		s.push(f, id, c.Offset)
		return
	}
	found := s.reopen(c)
	if !found {
		s.counts.Gaps++
	}
	// The very file under another name was cut before it was rotated: what it holds is
	// news, and so is what came after it.
	if found || slices.ContainsFunc(beside, func(x sibling) bool { return x.id == c.id() }) {
		s.openMissed(beside, id)
	}
	s.push(f, id, 0)
}

func (c Cursor) id() fileID { return fileID{dev: c.Dev, ino: c.Ino} }

// reopen finds the file of a cursor under another name. A copy (copytruncate) has
// another inode but the same bytes, so the bytes decide; an inode alone is enough
// only when nothing was read yet.
func (s *follower) reopen(c Cursor) bool {
	all := siblings(s.cfg.Path)
	// The very inode first: it may still be written to, a copy never is.
	slices.SortStableFunc(all, func(a, b sibling) int { return rank(a, c) - rank(b, c) })
	for _, x := range all {
		if s.isOpen(x.id) || c.Offset == 0 && x.id != c.id() {
			continue
		}
		f, info, err := openLog(x.path)
		if err != nil {
			continue
		}
		if info.Size() >= c.Offset && c.matches(f) {
			s.push(f, x.id, c.Offset)
			return true
		}
		_ = f.Close()
	}
	return false
}

func rank(x sibling, c Cursor) int {
	if x.id == c.id() {
		return 0
	}
	return 1
}
