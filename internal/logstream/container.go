package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ContainerConfig describes the output of a container as a log. Only Engine is required.
type ContainerConfig struct {
	Engine   Engine
	Start    Start
	Addrs    *AddrMap
	Format   Format            // of the lines; the zero value tells by the line
	OnState  func(State)       // called from Run on every change
	OnNotice func(text string) // what the user should change; once per container
	MinWait  time.Duration     // first wait before a reconnect, default 250 ms
	MaxWait  time.Duration     // longest wait, default 5 s
	StopWait time.Duration     // between two looks at a stopped container, default 1 s
	Probe    time.Duration     // silence after which the stream is doubted, default 60 s
}

// ContainerSource follows what a container writes to its standard output, across
// restarts, recreation and loss of the engine. The engine repeats lines when it
// rotates its own log, and after a reconnect: they are dropped.
type ContainerSource struct {
	cfg   ContainerConfig
	b     *batcher
	state stateTeller

	begun  bool // a container was read: the next one is read from its first line
	cursor Cursor
	echo   *echo
	ended  time.Time // start of the run of the container that was read to its end
	warned string    // ID of the container that was warned about
	stuck  int       // connections in a row that ended at once although the container ran
	probes time.Duration
}

// stallProbe is the silence after which a stream is doubted that is known to hang.
const stallProbe = 2 * time.Second

// NewContainerSource returns a source that is run once.
func NewContainerSource(cfg ContainerConfig) *ContainerSource {
	orDefault(&cfg.MinWait, 250*time.Millisecond)
	orDefault(&cfg.MaxWait, 5*time.Second)
	orDefault(&cfg.StopWait, time.Second)
	orDefault(&cfg.Probe, time.Minute)
	s := &ContainerSource{
		cfg: cfg, b: &batcher{parser: NewFormatParser(cfg.Format, cfg.Addrs)}, state: stateTeller{tell: cfg.OnState},
	}
	if c := cfg.Start.cursor; cfg.Start.kind == fromCursor && c.Container != "" {
		s.cursor, s.begun, s.echo = c, true, newEcho(c)
	}
	return s
}

// maxStuck is after how many fruitless connections the source goes on behind
// whatever it is that the engine cannot read (a record damaged by a power loss).
const maxStuck = 3

// errStopped is the state of a container that does not run.
var errStopped = errors.New("the container does not run")

// Run follows until ctx ends, deliver fails, or the engine says that it keeps no
// output of this container ([ErrNoOutput]).
func (s *ContainerSource) Run(ctx context.Context, deliver func(Batch) error) error {
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
		case errors.Is(err, ErrNoOutput):
			return err
		}
		s.state.set(State{Err: err})
		pause := wait
		wait = min(2*wait, s.cfg.MaxWait)
		if errors.Is(err, errStopped) || errors.Is(err, ErrNoContainer) {
			pause, wait = s.cfg.StopWait, s.cfg.MinWait
		}
		if s.b.parser.counts.Lines > before {
			pause, wait = min(pause, s.cfg.MinWait), 2*s.cfg.MinWait
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// session follows one connection to its end; nil means that the stream ended for
// no reason the source knows of.
func (s *ContainerSource) session(ctx context.Context) error {
	c, err := s.cfg.Engine.Find(ctx)
	if err != nil {
		return err
	}
	s.warn(&c)
	if s.probes = s.cfg.Probe; c.stalls() {
		s.probes = min(s.probes, stallProbe)
	}
	if err := s.change(ctx, &c); err != nil {
		return err
	}
	if !c.Running() && !s.ended.IsZero() && s.ended.Equal(c.Started) {
		return stopped(&c)
	}
	s.ended = time.Time{}
	lines, began := s.b.parser.counts.Lines, time.Now()
	err = s.follow(ctx, s.request(&c))
	s.stuck++
	if s.b.parser.counts.Lines > lines || time.Since(began) > s.cfg.MaxWait {
		s.stuck = 0
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	now, err := s.cfg.Engine.Find(ctx)
	switch {
	case errors.Is(err, ErrNoContainer):
		// Ended and removed in one go, before the engine told of the end.
		s.stuck, s.ended = 0, c.Started
		return err
	case err != nil:
		return err
	case now.ID == c.ID && now.Running() && now.Started.Equal(c.Started):
		return nil // an engine that restarts, or a record that it cannot read
	}
	// This run was read to its end, even if the next one has begun.
	s.stuck, s.ended = 0, c.Started
	if now.ID == c.ID && !now.Running() {
		return stopped(&now)
	}
	return nil
}

func stopped(c *Container) error {
	return fmt.Errorf("container %s is %s: %w", c.Name, c.State, errStopped)
}

// request says what to ask for: what stands behind the cursor.
func (s *ContainerSource) request(c *Container) OutputRequest {
	req := OutputRequest{ID: c.ID, Since: s.cursor.Time, Last: -1, Follow: true}
	switch {
	case s.stuck >= maxStuck:
		req.Since, req.Last, s.stuck = 0, 0, 0
		s.b.parser.counts.Gaps++
	case s.begun:
		s.echo.reconnect()
		if s.cfg.Start.behind > 0 {
			req.Last = s.cfg.Start.behind // the engine passes over what is older
		}
	default:
		if k := s.cfg.Start.kind; k == fromEnd || k == fromLast {
			req.Last = s.cfg.Start.lines
		}
	}
	s.begun = true
	return req
}

// change turns to another container. What the one before wrote at its end is read
// first, as long as it is there.
func (s *ContainerSource) change(ctx context.Context, c *Container) error {
	if s.cursor.Container == c.ID {
		return nil
	}
	if s.begun && s.ended.IsZero() {
		if err := s.finish(ctx); err != nil {
			return err
		}
	}
	s.cursor, s.ended, s.stuck = Cursor{Container: c.ID}, time.Time{}, 0
	s.echo = newEcho(s.cursor)
	return nil
}

// finish reads what is left of a container that was replaced.
func (s *ContainerSource) finish(ctx context.Context) error {
	s.echo.reconnect()
	err := s.follow(ctx, OutputRequest{ID: s.cursor.Container, Since: s.cursor.Time, Last: -1})
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, ErrNoContainer), errors.Is(err, ErrNoOutput):
		s.b.parser.counts.Gaps++
		return nil
	}
	return err
}

func (s *ContainerSource) warn(c *Container) {
	if s.cfg.OnNotice == nil || s.warned == c.ID {
		return
	}
	s.warned = c.ID
	for _, text := range c.Warnings() {
		s.cfg.OnNotice(text)
	}
}

// follow reads one stream to its end.
func (s *ContainerSource) follow(ctx context.Context, req OutputRequest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, err := s.cfg.Engine.Output(ctx, req)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // read to its end, or given up
	w := &watchdog{last: s.cursor.instant()}
	if req.Follow {
		s.state.set(State{Connected: true})
		// A stream that hangs has to be closed by somebody else.
		w.start(s.probes, func() error { return s.probe(ctx, req.ID, w.position()) }, out)
		defer w.stop()
	}
	for {
		line, err := out.Next()
		if err == nil {
			s.line(&line)
		}
		if err != nil || s.b.full() || !out.Ready() {
			if ferr := s.b.flush(s.cursor); ferr != nil {
				return ferr
			}
			w.moved(s.cursor.instant())
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return w.explain(err)
		}
	}
}

// line takes one line. One that the end of the stream cut off is left for the next
// connection, which begins before it.
func (s *ContainerSource) line(l *OutputLine) {
	if l.End == EndOfStream {
		return
	}
	counts := &s.b.parser.counts
	if !s.echo.isNew(l.Time, l.Text) {
		counts.Repeated++
		return
	}
	if s.echo.missed() {
		counts.Gaps++
	}
	if l.Time == s.cursor.Time {
		s.cursor.Lines++
	} else {
		s.cursor.Time, s.cursor.Lines = l.Time, 1
	}
	text := bytes.Trim(l.Text, "\x00\r")
	switch {
	case len(text) > MaxLine:
		counts.Lines++
		counts.TooLong++
	case len(bytes.TrimSpace(text)) == 0:
	case l.End == EndRestart:
		s.b.addOpen(text)
	default:
		counts.Lines++
		s.b.add(text)
	}
}

// probe asks for what the stream should have brought, over a connection of its
// own. Engines are known to let a follower hang, and a connection can be half dead.
func (s *ContainerSource) probe(ctx context.Context, id string, since instant) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	out, err := s.cfg.Engine.Output(ctx, OutputRequest{ID: id, Since: since.time, Last: -1})
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // one line tells enough
	for {
		line, err := out.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case line.End == EndOfStream:
		case line.Time != since.time || since.lines == 0:
			return errHangs
		default:
			since.lines--
		}
	}
}

func (c Cursor) instant() instant { return instant{c.Time, c.Lines} }

const probeLimit = 10 * time.Second

// errHangs says that the engine has lines which the stream does not bring.
var errHangs = errors.New("the engine's stream hangs")
