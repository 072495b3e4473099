package logstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// ErrNoServer says that nothing that serves a file ([ServeFile]) answered.
var ErrNoServer = errors.New("no log server there")

// errBroken marks what a server of this protocol would never send.
var errBroken = errors.New("malformed log stream")

// RemoteConfig describes a log file that is served elsewhere. Only Dial is required.
type RemoteConfig struct {
	// Dial connects to a server. Closing the connection, and the end of ctx, must
	// both end a pending Read.
	Dial    func(ctx context.Context) (io.ReadWriteCloser, error)
	Start   Start
	Addrs   *AddrMap
	Format  Format        // of the lines; the zero value tells by the line
	OnState func(State)   // called from Run on every change
	MinWait time.Duration // first wait before a reconnect, default 250 ms
	MaxWait time.Duration // longest wait, default 5 s
	Silence time.Duration // a connection silent for this long is dead, default 35 s
}

// RemoteSource follows a log file through [ServeFile]. Over reconnects, rotations
// and restarts of the other end it delivers every line exactly once.
type RemoteSource struct {
	cfg    RemoteConfig
	b      *batcher
	state  stateTeller
	cursor Cursor // behind what was delivered
	begun  bool   // cursor is valid
	base   Counts // what earlier connections counted
	server Counts // what this one did
	buf    []byte
}

// NewRemoteSource returns a source that is run once.
func NewRemoteSource(cfg RemoteConfig) *RemoteSource {
	orDefault(&cfg.MinWait, 250*time.Millisecond)
	orDefault(&cfg.MaxWait, 5*time.Second)
	orDefault(&cfg.Silence, 3*heartbeat+5*time.Second)
	return &RemoteSource{
		cfg: cfg, b: &batcher{parser: NewFormatParser(cfg.Format, cfg.Addrs)}, state: stateTeller{tell: cfg.OnState},
	}
}

// Run follows until ctx ends, deliver fails, the log turns out to be no regular file
// ([ErrNotRegular]), or, before anything was read, no server answers ([ErrNoServer]).
func (s *RemoteSource) Run(ctx context.Context, deliver func(Batch) error) error {
	var failed error
	s.b.deliver = func(batch Batch) error {
		failed = deliver(batch)
		return failed
	}
	wait := s.cfg.MinWait
	for {
		before := s.b.parser.counts.Lines
		err := s.session(ctx)
		switch {
		case failed != nil:
			return failed
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNotRegular), errors.Is(err, ErrNoServer) && !s.begun:
			return err
		}
		s.state.set(State{Err: err})
		if s.b.parser.counts.Lines > before {
			wait = s.cfg.MinWait
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, s.cfg.MaxWait)
	}
}

// session reads one connection to its end.
func (s *RemoteSource) session(ctx context.Context) error {
	conn, err := s.cfg.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // read to its end, or given up
	alive := watchSilence(s.cfg.Silence, conn)
	defer alive.stop()
	s.base, s.server, s.b.records = addSource(s.base, s.server), Counts{}, nil
	start := s.cfg.Start
	if s.begun {
		start = AtCursor(s.cursor).Within(s.cfg.Start.behind)
	}
	request, err := json.Marshal(start.request())
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(request, '\n')); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, maxFrame)
	if err := greeted(r); err != nil {
		return err
	}
	s.state.set(State{Connected: true})
	for {
		if err := s.frame(r); err != nil {
			return alive.explain(err)
		}
		alive.seen()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// greeted reads the greeting. A program that is no server ends or says something else.
func greeted(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	var f tailFrame
	if err != nil || json.Unmarshal(line, &f) != nil {
		return fmt.Errorf("%w: it says %.80q", ErrNoServer, bytes.TrimSpace(line))
	}
	if f.Protocol != tailProtocol {
		return fmt.Errorf("%w: it speaks protocol %d, not %d", ErrNoServer, f.Protocol, tailProtocol)
	}
	return nil
}

// frame reads one frame and delivers it as one batch.
func (s *RemoteSource) frame(r *bufio.Reader) error {
	head, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	var f tailFrame
	if err := json.Unmarshal(head, &f); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if f.Err != "" {
		return fmt.Errorf("%s: %w", f.Err, ErrNotRegular)
	}
	if f.Size < 0 || f.Size > maxFrame+MaxLine+1 {
		return fmt.Errorf("%w: a frame of %d bytes", errBroken, f.Size)
	}
	if err := s.lines(r, f.Size); err != nil {
		return err
	}
	if f.Counts != nil {
		s.server = *f.Counts
	}
	setSource(&s.b.parser.counts, addSource(s.base, s.server))
	if f.State != nil {
		s.state.set(stateOf(*f.State))
	}
	if f.Cursor == nil || f.Cursor.IsZero() {
		return nil // the file is not there yet
	}
	news := !s.begun || f.Size > 0 || s.b.told != s.b.parser.counts
	s.cursor, s.begun = *f.Cursor, true
	if !news {
		return nil
	}
	return s.b.send(s.cursor)
}

// lines reads size bytes, which are whole lines, all of them or none.
func (s *RemoteSource) lines(r *bufio.Reader, size int) error {
	if s.buf == nil || cap(s.buf) < size {
		s.buf = make([]byte, max(size, maxFrame))
	}
	text := s.buf[:size]
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return fmt.Errorf("%w: half a line", errBroken)
		}
		s.b.add(text[:i])
		text = text[i+1:]
	}
	return nil
}

func stateOf(text string) State {
	if text == "" {
		return State{Connected: true}
	}
	return State{Err: errors.New(text)}
}

// addSource adds what sources count; the parser's own counts are left out.
func addSource(a, b Counts) Counts {
	return Counts{
		Lines: a.Lines + b.Lines, TooLong: a.TooLong + b.TooLong, Truncated: a.Truncated + b.Truncated,
		Cut: a.Cut + b.Cut, Rotated: a.Rotated + b.Rotated, Gaps: a.Gaps + b.Gaps, ReadErrors: a.ReadErrors + b.ReadErrors,
		Skipped: a.Skipped + b.Skipped,
	}
}

func setSource(c *Counts, source Counts) {
	c.Lines, c.TooLong, c.Truncated = source.Lines, source.TooLong, source.Truncated
	c.Cut, c.Rotated, c.Gaps, c.ReadErrors = source.Cut, source.Rotated, source.Gaps, source.ReadErrors
	c.Skipped = source.Skipped
}

// silence closes a connection on which nothing comes any more: a peer that vanished
// without a word looks like one that has nothing to say.
type silence struct {
	limit time.Duration
	timer *time.Timer
	ended atomic.Bool
}

var errSilent = errors.New("the connection is dead: nothing came for too long")

func watchSilence(limit time.Duration, conn io.Closer) *silence {
	s := &silence{limit: limit}
	s.timer = time.AfterFunc(limit, func() {
		s.ended.Store(true)
		_ = conn.Close()
	})
	return s
}

func (s *silence) seen() { s.timer.Reset(s.limit) }
func (s *silence) stop() { s.timer.Stop() }

func (s *silence) explain(err error) error {
	if s.ended.Load() {
		return errSilent
	}
	return err
}
