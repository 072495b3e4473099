package logstream

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"
)

// FileConfig describes a log file to follow. Only Path is required.
type FileConfig struct {
	Path  string
	Start Start
	Addrs *AddrMap
	// Format of the lines; the zero value tells by the line.
	Format Format
	// Poll is the time between two looks at the file. Polling, not inotify:
	// that is silent on NFS, on Docker Desktop's mounts and on old overlayfs.
	Poll time.Duration // default 200 ms
	// DrainIdle is how long a rotated file must be silent before it is closed.
	DrainIdle time.Duration // default 5 s
	// RotateWait is how long a silent rotated file is kept while nothing appears
	// in the new one: nginx writes to the old one until it is told to reopen.
	RotateWait time.Duration // default 60 s
	OnState    func(State)   // called from Run on every change
}

// FileSource follows a log file across rotation, truncation and deletion.
type FileSource struct {
	cfg   FileConfig
	b     *batcher
	state stateTeller
	tails []*tail           // oldest first; the last one has the log's name, unless that is gone
	known map[fileID]string // files beside the log that are not of interest, with their heads
	begun bool              // a first file was opened: every later one is read from its head
	fresh bool              // the cursor is news although nothing was read
	buf   []byte
}

// NewFileSource returns a source that is run once.
func NewFileSource(cfg FileConfig) *FileSource {
	orDefault(&cfg.Poll, 200*time.Millisecond)
	orDefault(&cfg.DrainIdle, 5*time.Second)
	orDefault(&cfg.RotateWait, time.Minute)
	return &FileSource{
		cfg:   cfg,
		b:     &batcher{parser: NewFormatParser(cfg.Format, cfg.Addrs)},
		state: stateTeller{tell: cfg.OnState},
		buf:   make([]byte, readChunk),
	}
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run follows the file until ctx ends, deliver fails, or the path turns out to be
// no regular file ([ErrNotRegular]). Whatever else goes wrong it waits out and
// tells through OnState. deliver holds up the reading, never the writing.
func (s *FileSource) Run(ctx context.Context, deliver func(Batch) error) error {
	s.b.deliver = deliver
	defer s.close()
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		if err := s.poll(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// poll looks once: is there a new file, what did the open ones gain, which are done.
func (s *FileSource) poll(ctx context.Context) error {
	err := s.attach()
	if errors.Is(err, ErrNotRegular) {
		return err
	}
	s.state.set(State{Connected: err == nil, Err: err})
	s.checkCuts()
	for _, t := range s.tails {
		if err := t.drain(ctx, s.buf, s.add); err != nil {
			return err
		}
	}
	if err := s.retire(); err != nil {
		return err
	}
	return s.flush()
}

func (s *FileSource) add(line []byte) error {
	s.b.add(line)
	if s.b.full() {
		return s.flush()
	}
	return nil
}

func (s *FileSource) flush() error {
	if len(s.b.records) == 0 && s.b.told == s.b.parser.counts && !s.fresh {
		return nil
	}
	s.fresh = false
	return s.b.send(s.cursor())
}

// cursor is the place in the newest file, with the places in older ones it still reads.
func (s *FileSource) cursor() Cursor {
	var older []Cursor
	for _, t := range s.tails[:max(0, len(s.tails)-1)] {
		older = append(older, t.cursor(s.cfg.Path))
	}
	if len(s.tails) == 0 {
		return Cursor{}
	}
	c := s.tails[len(s.tails)-1].cursor(s.cfg.Path)
	c.Older = older
	for id, head := range s.known {
		if !s.isOpen(id) && len(c.Known) < maxKnown {
			c.Known = append(c.Known, Known{Dev: id.dev, Ino: id.ino, Head: head})
		}
	}
	return c
}

// maxKnown bounds the cursor in a directory full of rotated files.
const maxKnown = 256

// attach opens the file that has the log's name now, when it is another one than
// before, and what was rotated away unseen in between.
func (s *FileSource) attach() error {
	info, err := os.Stat(s.cfg.Path)
	if err == nil && info.Mode().IsRegular() && s.current(info) {
		s.noteSiblings()
		return nil
	}
	f, info, err := openLog(s.cfg.Path)
	if err != nil {
		s.noteSiblings()
		return err
	}
	id, _ := identify(info)
	if !s.begun {
		if err := s.begin(f, info); err != nil {
			return errors.Join(err, f.Close())
		}
	} else {
		s.b.parser.counts.Rotated++
		s.openMissed(id)
		s.push(f, id, 0)
	}
	s.begun, s.fresh = true, true
	s.noteSiblings()
	return nil
}

func (s *FileSource) current(info os.FileInfo) bool {
	if len(s.tails) == 0 {
		return false
	}
	id, _ := identify(info)
	return s.tails[len(s.tails)-1].id == id
}

func (s *FileSource) push(f *os.File, id fileID, offset int64) {
	// The file can be renamed back: an open one is continued, not read again.
	if i := slices.IndexFunc(s.tails, func(t *tail) bool { return t.id == id }); i >= 0 {
		t := s.tails[i]
		s.tails = append(slices.Delete(s.tails, i, i+1), t)
		_ = f.Close()
		return
	}
	s.tails = append(s.tails, newTail(f, id, offset, &s.b.parser.counts))
}

// maxOpen bounds the files held open when something creates them without end.
const maxOpen = 32

// openMissed opens the siblings that are neither known nor the log itself, oldest
// first, from their heads.
func (s *FileSource) openMissed(current fileID) {
	for _, x := range siblings(s.cfg.Path) {
		if x.id == current || s.isOpen(x.id) {
			continue
		}
		if head, ok := s.known[x.id]; ok && head == x.head() {
			continue
		}
		f, _, err := openLog(x.path)
		if err != nil || len(s.tails) >= maxOpen {
			s.b.parser.counts.Gaps++
			continue
		}
		s.push(f, x.id, 0)
	}
}

func (s *FileSource) isOpen(id fileID) bool {
	return slices.ContainsFunc(s.tails, func(t *tail) bool { return t.id == id })
}

// noteSiblings remembers what lies beside the log, so that a rotated file nobody
// saw under the log's name stands out later, and a copy made by hand does not.
func (s *FileSource) noteSiblings() {
	next := map[fileID]string{}
	for _, x := range siblings(s.cfg.Path) {
		head, ok := s.known[x.id]
		if !ok {
			head = x.head()
		}
		next[x.id] = head
	}
	s.known = next
}

// checkCuts restarts truncated files. What was written between the last look and
// the truncation is read from the copy, when copytruncate made one.
func (s *FileSource) checkCuts() {
	for _, t := range slices.Clone(s.tails) {
		info, err := t.file.Stat()
		if err != nil {
			continue
		}
		if t.cut(info) {
			s.openCopy(t)
			t.restart()
		}
		t.mtime = info.ModTime()
	}
}

// openCopy looks for a sibling that has the very bytes last read at the very place.
func (s *FileSource) openCopy(t *tail) {
	if t.read == 0 || len(t.mark) == 0 {
		return
	}
	for _, x := range siblings(s.cfg.Path) {
		if s.isOpen(x.id) {
			continue
		}
		f, info, err := openLog(x.path)
		if err != nil {
			continue
		}
		if info.Size() >= t.read && string(before(f, t.read, len(t.mark))) == string(t.mark) {
			copied := newTail(f, x.id, t.line, &s.b.parser.counts)
			s.tails = slices.Insert(s.tails, 0, copied)
			t.split.drop() // the copy has the unfinished line too
			return
		}
		_ = f.Close()
	}
}

// retire closes rotated files that nobody writes to any more.
func (s *FileSource) retire() error {
	if len(s.tails) < 2 {
		return nil
	}
	newest := s.tails[len(s.tails)-1]
	var keep []*tail
	for _, t := range s.tails[:len(s.tails)-1] {
		if !s.done(t, newest) {
			keep = append(keep, t)
			continue
		}
		if rest := t.finish(); rest != nil {
			s.addRest(rest)
		}
		_ = t.file.Close()
	}
	s.tails = append(keep, newest)
	return nil
}

func (s *FileSource) done(t, newest *tail) bool {
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

// addRest takes the unfinished last line of a closed file when it is whole after all.
func (s *FileSource) addRest(line []byte) {
	parsed := s.b.parser.counts.Parsed
	s.b.parser.counts.Lines++
	s.b.add(line)
	if s.b.parser.counts.Parsed == parsed {
		s.b.parser.counts.Cut++
	}
}

func (s *FileSource) close() {
	for _, t := range s.tails {
		_ = t.file.Close()
	}
	s.tails = nil
}
