package logstream

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// follower reads a log file and what became of it into a sink.
//
//	path ─▶ newest tail ─┐
//	rotated ─▶ tails ────┼▶ splitter ─▶ sink, with the cursor behind each batch
//	copies ─▶ tails ─────┘
type follower struct {
	cfg     FileConfig
	out     sink
	counts  *Counts
	state   stateTeller
	tails   []*tail              // oldest first; the last one has the log's name, unless that is gone
	known   map[fileID]neighbour // files beside the log that are done with or of no interest
	listed  listing
	begun   bool // a first file was opened: every later one is read from its head
	resumed bool // at a cursor, and nothing was read since
	fresh   bool // the cursor is news although nothing was read
	buf     []byte
	shown   []Known // known as the cursor has it, nil when it has to be made
}

// neighbour is what is kept of a file beside the log: that it is of no interest, or how
// far it was read before it was closed.
type neighbour struct {
	head    string // hash of its first bytes: the inode of a deleted file is soon used again
	headLen int
	closed  bool
	read    int64
	size    int64  // when it was closed
	mark    string // hash of the bytes before read
	markLen int
}

func newFollower(cfg FileConfig, out sink, counts *Counts) *follower {
	orDefault(&cfg.Poll, 200*time.Millisecond)
	orDefault(&cfg.IdlePoll, time.Second)
	orDefault(&cfg.DrainIdle, 5*time.Second)
	orDefault(&cfg.RotateWait, time.Minute)
	cfg.IdlePoll = max(cfg.IdlePoll, cfg.Poll)
	return &follower{
		cfg: cfg, out: out, counts: counts, state: stateTeller{tell: cfg.OnState},
		buf: make([]byte, markerLen+readChunk),
	}
}

// run follows until ctx ends, the sink fails, or the path is no regular file.
func (s *follower) run(ctx context.Context) error {
	defer s.close()
	p := newPace(&s.cfg)
	defer p.close()
	for {
		lines := s.counts.Lines
		if err := s.poll(ctx); err != nil {
			return err
		}
		if err := p.wait(ctx, s.counts.Lines != lines); err != nil {
			return err
		}
	}
}

// poll looks once: is there a new file, what did the open ones gain, which are done.
func (s *follower) poll(ctx context.Context) error {
	// First what is open: a copy of a file that was cut is not to be taken for one
	// that was rotated away unseen.
	if err := s.drainAll(ctx); err != nil {
		return err
	}
	err := s.attach()
	if errors.Is(err, ErrNotRegular) {
		return err
	}
	s.state.set(State{Connected: err == nil, Err: err})
	if err := s.skip(ctx); err != nil {
		return err
	}
	if err := s.drainAll(ctx); err != nil {
		return err
	}
	s.retire()
	return s.flush()
}

func (s *follower) drainAll(ctx context.Context) error {
	for _, t := range slices.Clone(s.tails) {
		if err := s.drain(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// drain reads one file to its end, and one that was cut under the reader again
// from its head. What was written between the last look and the cut is read from
// the copy, when copytruncate made one.
func (s *follower) drain(ctx context.Context, t *tail) error {
	for range maxCuts {
		err := t.drain(ctx, s.buf, s.add)
		if !errors.Is(err, errCut) {
			s.renew(t)
			return err
		}
		copied := s.openCopy(t)
		// First, because the copy's batches carry a cursor: it must not name a place in
		// the cut file that is in the copy now.
		t.restart()
		if copied == nil {
			continue
		}
		s.tails = slices.Insert(s.tails, 0, copied)
		if err := copied.drain(ctx, s.buf, s.add); err != nil && !errors.Is(err, errCut) {
			return err
		}
	}
	return nil
}

// maxCuts bounds how often one look follows a file that is being rewritten.
const maxCuts = 8

// renew opens the log anew when its handle has gone stale, as on NFS.
func (s *follower) renew(t *tail) {
	if !t.stale || t != s.newest() {
		return
	}
	f, info, err := openLog(s.cfg.Path)
	if err != nil {
		return
	}
	if id, _ := identify(info); id != t.id {
		_ = f.Close() // another file: attach sees to it
		return
	}
	_ = t.file.Close()
	t.file, t.stale = f, false
}

func (s *follower) add(line []byte) error {
	s.out.take(line)
	if s.out.full() {
		return s.flush()
	}
	return nil
}

func (s *follower) flush() error {
	if !s.fresh && !s.out.pending() {
		return nil
	}
	s.fresh = false
	return s.out.send(s.cursor())
}

// cursor is the place in the newest file, with the places in older ones it still reads.
func (s *follower) cursor() Cursor {
	if len(s.tails) == 0 {
		return Cursor{}
	}
	var older []Cursor
	for _, t := range s.tails[:len(s.tails)-1] {
		older = append(older, t.cursor(s.cfg.Path))
	}
	c := s.newest().cursor(s.cfg.Path)
	c.Older, c.Known = older, s.knownList()
	return c
}

// maxKnown bounds the cursor in a directory full of rotated files.
const maxKnown = 256

// knownList is made once for many cursors, which share it: nobody writes to it.
func (s *follower) knownList() []Known {
	if s.shown != nil {
		return s.shown
	}
	s.shown = []Known{}
	for id, p := range s.known {
		if !s.isOpen(id) && len(s.shown) < maxKnown {
			s.shown = append(s.shown, p.known(id))
		}
	}
	return s.shown
}

func (s *follower) newest() *tail {
	if len(s.tails) == 0 {
		return nil
	}
	return s.tails[len(s.tails)-1]
}

func (s *follower) isOpen(id fileID) bool {
	return slices.ContainsFunc(s.tails, func(t *tail) bool { return t.id == id })
}

// openCopy looks for a sibling that has the very bytes last read at the very place.
func (s *follower) openCopy(t *tail) *tail {
	if t.read == 0 || len(t.mark) == 0 {
		return nil
	}
	for _, x := range siblings(s.cfg.Path) {
		if s.isOpen(x.id) || x.size < t.read {
			continue
		}
		f, _, err := openLog(x.path)
		if err != nil {
			continue
		}
		if string(before(f, t.read, len(t.mark))) == string(t.mark) {
			copied := newTail(f, x.id, t.line, s.counts)
			t.split.drop() // the copy has the unfinished line too
			s.shown = nil
			return copied
		}
		_ = f.Close()
	}
	return nil
}

// retire closes rotated files that nobody writes to any more.
func (s *follower) retire() {
	if len(s.tails) < 2 {
		return
	}
	newest := s.newest()
	var keep []*tail
	for _, t := range s.tails[:len(s.tails)-1] {
		if !s.done(t, newest) {
			keep = append(keep, t)
			continue
		}
		s.leave(t)
	}
	s.tails = append(keep, newest)
}

func (s *follower) done(t, newest *tail) bool {
	idle := time.Since(t.grown)
	if idle < s.cfg.DrainIdle {
		return false
	}
	linked := true
	if info, err := t.file.Stat(); err == nil {
		_, linked = identify(info)
	}
	return newest.read > newest.begun || !linked || idle >= s.cfg.RotateWait
}

// leave closes a file and remembers how far it was read, should it ever grow again.
func (s *follower) leave(t *tail) {
	p := neighbour{closed: true, size: t.read}
	p.head, p.headLen = headOf(t.file, markerLen)
	if rest := t.finish(); rest != nil && s.out.takeRest(rest) {
		t.consume()
	}
	p.read = t.line
	p.mark, p.markLen = t.marker()
	_ = t.file.Close()
	if s.known == nil {
		s.known = map[fileID]neighbour{}
	}
	s.known[t.id], s.shown, s.fresh = p, nil, true
}

func (s *follower) close() {
	for _, t := range s.tails {
		_ = t.file.Close()
	}
	s.tails = nil
}

// push makes an open file the newest.
func (s *follower) push(f *os.File, id fileID, offset int64) {
	s.shown = nil
	// The file can be renamed back: an open one is continued, not read again.
	if i := slices.IndexFunc(s.tails, func(t *tail) bool { return t.id == id }); i >= 0 {
		t := s.tails[i]
		s.tails = append(slices.Delete(s.tails, i, i+1), t)
		_ = f.Close()
		return
	}
	s.tails = append(s.tails, newTail(f, id, offset, s.counts))
}
