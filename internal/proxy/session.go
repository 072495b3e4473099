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

	"bgctl/internal/bluegreen"
)

// Conn is a connection to an agent: what is written reaches its standard input,
// what is read is its standard output. Close ends the agent.
type Conn interface {
	io.ReadWriteCloser
}

// Session is a client of one [Agent]. It implements [bluegreen.Router]. Its
// methods may be called from several goroutines; requests go one at a time.
type Session struct {
	conn Conn
	dec  *json.Decoder
	enc  *json.Encoder

	mu   sync.Mutex
	dead error
}

var _ bluegreen.Router = (*Session)(nil)

// NewSession reads the agent's greeting. It closes conn when that fails.
func NewSession(ctx context.Context, conn Conn) (*Session, error) {
	s := &Session{conn: conn, dec: json.NewDecoder(bufio.NewReader(conn)), enc: json.NewEncoder(conn)}
	var hello response
	if err := s.await(ctx, func() error { return s.dec.Decode(&hello) }); err != nil {
		return nil, errors.Join(fmt.Errorf("the proxy's agent did not answer: %w", err), ignoreClosed(conn.Close()))
	}
	if hello.Protocol != Protocol {
		return nil, errors.Join(&VersionError{Agent: hello.Version, Protocol: hello.Protocol}, ignoreClosed(conn.Close()))
	}
	return s, nil
}

// Status implements [bluegreen.Router].
func (s *Session) Status(ctx context.Context) (bluegreen.RouterStatus, error) {
	resp, err := s.call(ctx, request{Op: opStatus})
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
	resp, err := s.call(ctx, request{Op: opLock, Holder: &holder})
	if err != nil {
		return err
	}
	if resp.Locked != nil {
		return &bluegreen.LockedError{Holder: *resp.Locked}
	}
	return nil
}

// Unlock implements [bluegreen.Router].
func (s *Session) Unlock(ctx context.Context) error { return s.do(ctx, request{Op: opUnlock}) }

// Route implements [bluegreen.Router].
func (s *Session) Route(ctx context.Context, pool bluegreen.Pool) error {
	return s.do(ctx, request{Op: opRoute, Pool: pool})
}

// Probe implements [bluegreen.Router].
func (s *Session) Probe(ctx context.Context, pool bluegreen.Pool, n int) ([]bluegreen.ProbeResult, error) {
	resp, err := s.call(ctx, request{Op: opProbe, Pool: pool, N: n})
	return resp.Probes, err
}

// Verify implements [bluegreen.Router].
func (s *Session) Verify(ctx context.Context) (bluegreen.Pool, error) {
	resp, err := s.call(ctx, request{Op: opVerify})
	return resp.Pool, err
}

// Begin implements [bluegreen.Router].
func (s *Session) Begin(ctx context.Context, op bluegreen.Operation) error {
	return s.do(ctx, request{Op: opBegin, Entry: &op})
}

// Finish implements [bluegreen.Router].
func (s *Session) Finish(ctx context.Context, op bluegreen.Operation) error {
	return s.do(ctx, request{Op: opFinish, Entry: &op})
}

// SetFault implements [bluegreen.Router].
func (s *Session) SetFault(ctx context.Context, fault bluegreen.Fault) error {
	return s.do(ctx, request{Op: opSetFault, Fault: &fault})
}

// ClearFault implements [bluegreen.Router].
func (s *Session) ClearFault(ctx context.Context, pool bluegreen.Pool) error {
	return s.do(ctx, request{Op: opClearFault, Pool: pool})
}

// Chaos implements [bluegreen.Router].
func (s *Session) Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
	return s.do(ctx, request{Op: opChaos, Pool: pool, Mode: mode})
}

// SetSolo implements [bluegreen.Router].
func (s *Session) SetSolo(ctx context.Context, solo *bluegreen.Solo) error {
	return s.do(ctx, request{Op: opSolo, Solo: solo})
}

// InFlight implements [bluegreen.Router].
func (s *Session) InFlight(ctx context.Context, addrs []string) (int, error) {
	resp, err := s.call(ctx, request{Op: opInFlight, Addrs: addrs})
	return resp.N, err
}

// BeginBake implements [bluegreen.Router].
func (s *Session) BeginBake(ctx context.Context, bake bluegreen.Bake) error {
	return s.do(ctx, request{Op: opBeginBake, Bake: &bake})
}

// UpdateBake implements [bluegreen.Router].
func (s *Session) UpdateBake(ctx context.Context, bake bluegreen.Bake) (bool, error) {
	resp, err := s.call(ctx, request{Op: opUpdateBake, Bake: &bake})
	return resp.Stands, err
}

// EndBake implements [bluegreen.Router].
func (s *Session) EndBake(ctx context.Context) error { return s.do(ctx, request{Op: opEndBake}) }

// History implements [bluegreen.Router].
func (s *Session) History(ctx context.Context) ([]bluegreen.Operation, error) {
	resp, err := s.call(ctx, request{Op: opHistory})
	return resp.Ops, err
}

// Close implements [bluegreen.Router].
func (s *Session) Close() error { return ignoreClosed(s.conn.Close()) }

// do is call without a result.
func (s *Session) do(ctx context.Context, req request) error {
	_, err := s.call(ctx, req)
	return err
}

// call sends one request and waits for its answer. A call that is given up leaves
// the stream out of step, so that the session is dead from then on.
func (s *Session) call(ctx context.Context, req request) (response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var resp response
	if s.dead != nil {
		return resp, s.dead
	}
	err := s.await(ctx, func() error {
		if err := s.enc.Encode(req); err != nil {
			return err
		}
		return s.dec.Decode(&resp)
	})
	if err != nil {
		s.dead = fmt.Errorf("the connection to the proxy's agent broke: %w", err)
		return response{}, s.dead
	}
	if strings.HasPrefix(resp.Error, unknownRequest) {
		return resp, &OutdatedError{Op: req.Op}
	}
	if resp.NoChaos {
		return resp, fmt.Errorf("%s%w", strings.TrimSuffix(resp.Error, bluegreen.ErrNoChaos.Error()), bluegreen.ErrNoChaos)
	}
	if resp.Error != "" {
		return resp, errors.New(resp.Error)
	}
	return resp, nil
}

// await runs f, which blocks on the connection, and gives up with the context by
// closing the connection under it.
func (s *Session) await(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	err := f()
	if !stop() && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// ignoreClosed drops the error of closing what is closed.
func ignoreClosed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}
