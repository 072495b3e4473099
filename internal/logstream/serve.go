package logstream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// A file can be followed from afar: one end serves it beside the file, the other
// reads it through any stream, such as an exec in a container.
//
//	RemoteSource ── one line: where to begin ──▶ ServeFile
//	RemoteSource ◀── greeting, then frames ───── ServeFile
//
// A frame is a line of JSON and as many bytes of the log as it says. Each carries
// the cursor behind its lines: whoever reconnects begins exactly there, however
// many lines were written meanwhile.

// tailProtocol is the version of the protocol. A client refuses another one.
const tailProtocol = 1

// tailRequest says where to begin.
type tailRequest struct {
	Protocol int     `json:"protocol"`
	Lines    *int    `json:"lines,omitempty"`  // that many before the end
	Cursor   *Cursor `json:"cursor,omitempty"` // else from the first line on
	Behind   int     `json:"behind,omitempty"` // how far behind the end the cursor may be; 0: any
}

func (s Start) request() tailRequest {
	r := tailRequest{Protocol: tailProtocol}
	switch s.kind {
	case fromBeginning:
	case fromCursor:
		r.Cursor, r.Behind = &s.cursor, s.behind
	case fromEnd, fromLast:
		r.Lines = &s.lines
	}
	return r
}

func (r *tailRequest) start() Start {
	switch {
	case r.Cursor != nil:
		return AtCursor(*r.Cursor).Within(r.Behind)
	case r.Lines != nil:
		return AtLast(*r.Lines)
	}
	return AtBeginning()
}

// tailFrame is what stands before the bytes of the log.
type tailFrame struct {
	Protocol int     `json:"protocol,omitempty"` // only in the greeting
	Size     int     `json:"size,omitempty"`     // bytes that follow: whole lines
	Cursor   *Cursor `json:"cursor,omitempty"`   // where to go on after them
	Counts   *Counts `json:"counts,omitempty"`
	State    *string `json:"state,omitempty"` // why the file is not read, "" when it is
	Err      string  `json:"error,omitempty"` // why it never will be
}

const (
	maxFrame  = 128 << 10        // bytes of log after which a frame is sent
	heartbeat = 10 * time.Second // an empty frame, so that a dead connection is noticed
)

// ServeFile follows a file and writes it to out for a [RemoteSource]. It returns
// when in ends, because that is the only thing which ends with a client that dies.
// The place to begin is the client's choice, not that of cfg.
func ServeFile(ctx context.Context, cfg FileConfig, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	requests := bufio.NewReader(in)
	var request tailRequest
	line, err := requests.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &request)
	}
	if err != nil {
		return fmt.Errorf("read where to begin: %w", err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, requests) // whatever ends it, it is the end
		cancel()
	}()
	done := make(chan error, 1)
	go func() { done <- serve(ctx, cfg, &request, &frameSink{out: out}) }()
	select {
	case err := <-done:
		if ctx.Err() != nil {
			return nil // the client has gone
		}
		return err
	case <-ctx.Done():
		return nil // not waiting: nobody reads what is being written
	}
}

func serve(ctx context.Context, cfg FileConfig, request *tailRequest, s *frameSink) error {
	if err := s.write(tailFrame{Protocol: tailProtocol}, nil); err != nil {
		return err
	}
	if request.Protocol != tailProtocol {
		return s.write(tailFrame{Err: fmt.Sprintf("protocol %d is not spoken here", request.Protocol)}, nil)
	}
	cfg.Start, cfg.OnState = request.start(), s.tell
	err := newFollower(cfg, s, &s.counts).run(ctx)
	if errors.Is(err, ErrNotRegular) {
		return s.write(tailFrame{Err: err.Error()}, nil)
	}
	return err
}

// frameSink sends lines as frames.
type frameSink struct {
	out    io.Writer
	lines  []byte
	n      int
	counts Counts
	told   Counts
	state  *string // news of the file, sent with the next frame
	buf    []byte
	sent   time.Time
}

func (s *frameSink) take(line []byte) {
	if line == nil {
		return
	}
	s.lines = append(append(s.lines, line...), '\n')
	s.n++
}

// takeRest sends a line without a newline when it looks whole. Only the other end
// parses it.
func (s *frameSink) takeRest(line []byte) bool {
	if line[len(line)-1] != '}' {
		s.counts.Lines++
		s.counts.Cut++
		return false
	}
	s.counts.Lines++
	s.take(line)
	return true
}

func (s *frameSink) full() bool { return s.n >= maxBatch || len(s.lines) >= maxFrame }

func (s *frameSink) pending() bool {
	return s.n > 0 || s.told != s.counts || s.state != nil || time.Since(s.sent) > heartbeat
}

func (s *frameSink) send(after Cursor) error {
	f := tailFrame{Size: len(s.lines), Cursor: &after, State: s.state}
	if s.told != s.counts {
		f.Counts = &s.counts
	}
	err := s.write(f, s.lines)
	s.lines, s.n, s.state, s.told = s.lines[:0], 0, nil, s.counts
	return err
}

func (s *frameSink) write(f tailFrame, lines []byte) error {
	head, err := json.Marshal(f)
	if err != nil {
		return err
	}
	// One write: a frame that fits goes through the engine in one piece.
	s.buf = append(append(append(s.buf[:0], head...), '\n'), lines...)
	s.sent = time.Now()
	_, err = s.out.Write(s.buf)
	return err
}

// tell sends a change of the state with the next frame.
func (s *frameSink) tell(state State) {
	text := ""
	if !state.Connected {
		text = "the log is not there"
		if state.Err != nil {
			text = state.Err.Error()
		}
	}
	s.state = &text
}
