package logstream

import (
	"context"
	"time"
)

// FileConfig describes a log file to follow. Only Path is required.
type FileConfig struct {
	Path  string
	Start Start
	Addrs *AddrMap
	// Format of the lines; the zero value tells by the line.
	Format Format
	// Poll is the time between two looks at the file while nothing proves that the
	// system tells of changes: it does not on NFS, on Docker Desktop's mounts and
	// under gVisor.
	Poll time.Duration // default 200 ms
	// IdlePoll is the time between two looks once it does tell.
	IdlePoll time.Duration // default 1 s, never shorter than Poll
	PollOnly bool          // do not ask the system to tell
	// DrainIdle is how long a rotated file must be silent before it is closed.
	DrainIdle time.Duration // default 5 s
	// RotateWait is how long a silent rotated file is kept open while nothing
	// appears in the new one. One that grows after that is opened again.
	RotateWait time.Duration // default 60 s
	OnState    func(State)   // called from Run on every change
}

// FileSource follows a log file across rotation, truncation and deletion.
type FileSource struct{ cfg FileConfig }

// NewFileSource returns a source that is run once.
func NewFileSource(cfg FileConfig) *FileSource { return &FileSource{cfg: cfg} }

// Run follows the file until ctx ends, deliver fails, or the path turns out to be
// no regular file ([ErrNotRegular]). Whatever else goes wrong it waits out and
// tells through OnState. deliver holds up the reading, never the writing.
func (s *FileSource) Run(ctx context.Context, deliver func(Batch) error) error {
	b := &batcher{parser: NewFormatParser(s.cfg.Format, s.cfg.Addrs), deliver: deliver}
	return newFollower(s.cfg, &recordSink{b}, &b.parser.counts).run(ctx)
}

// sink takes the lines that a follower finds.
type sink interface {
	take(line []byte) // nil stands for a line that only moves the position
	// takeRest takes the unfinished last line of a file that is done, unless it is
	// no whole line.
	takeRest(line []byte) bool
	full() bool
	pending() bool // there is news to send
	send(after Cursor) error
}

// recordSink makes records of lines.
type recordSink struct{ *batcher }

func (s *recordSink) take(line []byte) { s.add(line) }

func (s *recordSink) takeRest(line []byte) bool { return s.addOpen(line) }

func (s *recordSink) pending() bool {
	return len(s.records) > 0 || s.told != s.parser.counts
}

func orDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}
