package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
)

// giveUp is how long a call that its context has ended waits for the agent to say that
// it has stopped. With that answer the session goes on; without it the session is dead.
const giveUp = time.Second

// Conn is a connection to an agent: what is written reaches its standard input,
// what is read is its standard output. Close ends the agent.
type Conn interface {
	io.ReadWriteCloser
}

// Session is a client of one [Agent]. It implements [bluegreen.Router]. Its
// methods may be called from several goroutines; requests go one at a time.
//
// A call whose context ends is cancelled in the agent too. Its session lives on, and so
// does the lock, when the agent says so within a second; an older agent cannot, and a
// connection that breaks leaves a dead session.
type Session struct {
	conn  Conn
	level int
	dec   *json.Decoder

	writing sync.Mutex // requests and signs of life take turns
	enc     *json.Encoder

	mu   sync.Mutex
	dead error

	close  sync.Once
	closed chan struct{}
}

var _ bluegreen.Router = (*Session)(nil)

// NewSession reads the agent's greeting. It closes conn when that fails.
func NewSession(ctx context.Context, conn Conn) (*Session, error) {
	s := &Session{
		conn: conn, dec: json.NewDecoder(bufio.NewReader(conn)), enc: json.NewEncoder(conn),
		closed: make(chan struct{}),
	}
	var hello response
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := s.dec.Decode(&hello)
	if !stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the proxy's agent did not answer: %w", err), ignoreClosed(conn.Close()))
	}
	if hello.Protocol != Protocol {
		return nil, errors.Join(&VersionError{Agent: hello.Version, Protocol: hello.Protocol}, ignoreClosed(conn.Close()))
	}
	s.level = max(hello.Level, 1)
	if s.level >= level {
		go s.live()
	}
	return s, nil
}

// live tells the agent again and again that its client lives.
func (s *Session) live() {
	ticker := time.NewTicker(aliveEvery)
	defer ticker.Stop()
	for {
		if s.send(&request{Op: opAlive}) != nil {
			return // the next call meets the same error and reports it
		}
		select {
		case <-ticker.C:
		case <-s.closed:
			return
		}
	}
}

// Status implements [bluegreen.Router].
func (s *Session) Status(ctx context.Context) (bluegreen.RouterStatus, error) {
	resp, err := s.call(ctx, &request{Op: opStatus})
	if err != nil {
		return bluegreen.RouterStatus{}, err
	}
	if resp.Status == nil {
		return bluegreen.RouterStatus{}, errors.New("the proxy's agent sent no status")
	}
	return *resp.Status, nil
}

// Lock implements [bluegreen.Router].
func (s *Session) Lock(ctx context.Context, holder bluegreen.Holder) error {
	resp, err := s.call(ctx, &request{Op: opLock, Holder: &holder})
	if err != nil {
		return err
	}
	if resp.Locked != nil {
		return &bluegreen.LockedError{Holder: *resp.Locked}
	}
	return nil
}

// Unlock implements [bluegreen.Router].
func (s *Session) Unlock(ctx context.Context) error { return s.do(ctx, &request{Op: opUnlock}) }

// Route implements [bluegreen.Router].
func (s *Session) Route(ctx context.Context, pool bluegreen.Pool) error {
	return s.do(ctx, &request{Op: opRoute, Pool: pool})
}

// Probe implements [bluegreen.Router]. An older agent has a limit of its own for each
// request, and does not say who answered.
func (s *Session) Probe(ctx context.Context, p bluegreen.Probes) ([]bluegreen.ProbeResult, error) {
	resp, err := s.call(ctx, &request{Op: opProbe, Pool: p.Pool, N: p.Count, Timeout: p.Timeout})
	return resp.Probes, err
}

// Verify implements [bluegreen.Router]. An older agent only says which pool nginx chooses.
func (s *Session) Verify(ctx context.Context) (bluegreen.Routing, error) {
	resp, err := s.call(ctx, &request{Op: opVerify})
	return bluegreen.Routing{Active: resp.Pool, Answer: resp.Answer}, err
}

// Begin implements [bluegreen.Router].
func (s *Session) Begin(ctx context.Context, op bluegreen.Operation) error {
	return s.do(ctx, &request{Op: opBegin, Entry: &op})
}

// Finish implements [bluegreen.Router].
func (s *Session) Finish(ctx context.Context, op bluegreen.Operation) error {
	return s.do(ctx, &request{Op: opFinish, Entry: &op})
}

// SetFault implements [bluegreen.Router].
func (s *Session) SetFault(ctx context.Context, fault bluegreen.Fault) error {
	return s.do(ctx, &request{Op: opSetFault, Fault: &fault})
}

// ClearFault implements [bluegreen.Router].
func (s *Session) ClearFault(ctx context.Context, pool bluegreen.Pool) error {
	return s.do(ctx, &request{Op: opClearFault, Pool: pool})
}

// Chaos implements [bluegreen.Router].
func (s *Session) Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
	return s.do(ctx, &request{Op: opChaos, Pool: pool, Mode: mode})
}

// SetSolo implements [bluegreen.Router].
func (s *Session) SetSolo(ctx context.Context, solo *bluegreen.Solo) error {
	return s.do(ctx, &request{Op: opSolo, Solo: solo})
}

// SetStanding implements [bluegreen.Router]. An older agent keeps no such record, which
// is no error: nothing reads it there.
func (s *Session) SetStanding(ctx context.Context, standing bluegreen.Standing) error {
	if s.level < level {
		return ctx.Err()
	}
	return s.do(ctx, &request{Op: opSetStanding, Standing: &standing})
}

// Configure implements [bluegreen.Router]. An older agent cannot: [OutdatedError].
func (s *Session) Configure(ctx context.Context, c bluegreen.Configuration) ([]string, error) {
	resp, err := s.call(ctx, &request{Op: opConfigure, Config: &c})
	return resp.Changed, err
}

// InFlight implements [bluegreen.Router].
func (s *Session) InFlight(ctx context.Context, addrs []string) (int, error) {
	resp, err := s.call(ctx, &request{Op: opInFlight, Addrs: addrs})
	return resp.N, err
}

// BeginBake implements [bluegreen.Router].
func (s *Session) BeginBake(ctx context.Context, bake bluegreen.Bake) error {
	return s.do(ctx, &request{Op: opBeginBake, Bake: &bake})
}

// UpdateBake implements [bluegreen.Router].
func (s *Session) UpdateBake(ctx context.Context, bake bluegreen.Bake) (bool, error) {
	resp, err := s.call(ctx, &request{Op: opUpdateBake, Bake: &bake})
	return resp.Stands, err
}

// EndBake implements [bluegreen.Router]. An older agent ends the bake that there is.
func (s *Session) EndBake(ctx context.Context, operation string) error {
	return s.do(ctx, &request{Op: opEndBake, Operation: operation})
}

// History implements [bluegreen.Router].
func (s *Session) History(ctx context.Context) ([]bluegreen.Operation, error) {
	resp, err := s.call(ctx, &request{Op: opHistory})
	return resp.Ops, err
}

// Close implements [bluegreen.Router].
func (s *Session) Close() error {
	var err error
	s.close.Do(func() {
		close(s.closed)
		err = ignoreClosed(s.conn.Close())
	})
	return err
}

// do is call without a result.
func (s *Session) do(ctx context.Context, req *request) error {
	_, err := s.call(ctx, req)
	return err
}

// send writes one line.
func (s *Session) send(req *request) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.enc.Encode(req)
}

// call sends one request and waits for its answer. A call that got none leaves the
// stream out of step, so that the session is dead from then on.
func (s *Session) call(ctx context.Context, req *request) (response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var resp response
	if s.dead != nil {
		return resp, s.dead
	}
	if ctx.Err() != nil {
		return resp, context.Cause(ctx) // nothing was sent: the session is as it was
	}
	answered := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { s.cancel(answered) })
	err := s.send(req)
	if err == nil {
		err = s.dec.Decode(&resp)
	}
	close(answered)
	given := !stop() // its context ended before the answer came
	if err != nil {
		if given {
			err = context.Cause(ctx)
		}
		s.dead = fmt.Errorf("the connection to the proxy's agent broke: %w", err)
		_ = s.Close() // it is of no use any more
		return response{}, s.dead
	}
	err = resp.failure(req.Op)
	if given && err != nil {
		err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return resp, err
}

// cancel gives the request under way up. The connection is cut when the agent is too
// old for that, or does not answer it either.
func (s *Session) cancel(answered <-chan struct{}) {
	cut := func() { _ = s.conn.Close() }
	if s.level < level {
		cut()
		return
	}
	late := time.AfterFunc(giveUp, cut)
	defer late.Stop()
	if s.sendUnless(answered, &request{Op: opCancel}) != nil {
		cut()
		return
	}
	<-answered
}

// sendUnless writes one line unless the answer has come: a word to cancel must not
// reach the request after.
func (s *Session) sendUnless(answered <-chan struct{}, req *request) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	select {
	case <-answered:
		return nil
	default:
		return s.enc.Encode(req)
	}
}

// failure is the error of an answer.
func (r *response) failure(op string) error {
	switch {
	case strings.HasPrefix(r.Error, unknownRequest):
		return &OutdatedError{Op: op}
	case r.NoLock:
		return &LockNeededError{Op: op}
	case r.Setting:
		return &bluegreen.SettingError{Reason: r.Error}
	case r.NoChaos:
		return fmt.Errorf("%s%w", strings.TrimSuffix(r.Error, bluegreen.ErrNoChaos.Error()), bluegreen.ErrNoChaos)
	case r.Error != "":
		return errors.New(r.Error)
	}
	return nil
}

// ignoreClosed drops the error of closing what is closed.
func ignoreClosed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
