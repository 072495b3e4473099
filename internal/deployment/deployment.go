// Package deployment binds the domain to the real world: it observes a compose
// project as a blue-green deployment, opens the proxy's agent through the engine,
// and carries out what the controller asks of containers.
//
// It translates and decides nothing. Services become roles here, by the label
// bgctl.role or by the service's name.
package deployment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/proxy"
)

// RoleLabel names a container's role in a compose file with service names of its own.
const RoleLabel = "bgctl.role"

// stopGrace is how long a container may take to end by itself.
const stopGrace = 12 * time.Second

// ErrNoStack marks a project without any container.
var ErrNoStack = errors.New("no deployment")

// Stack is one project on one engine. Its methods may be called from several
// goroutines.
type Stack struct {
	Client  *compose.Client
	Project string
	Now     func() time.Time

	mu      sync.Mutex
	session *proxy.Session // kept from one observation to the next
	of      string         // ID of the container that the session runs in
}

var _ bluegreen.Engine = (*Stack)(nil)

// Observe reads the containers and asks the proxy for its state. A proxy that
// does not answer is part of the observation, not an error.
func (s *Stack) Observe(ctx context.Context) (bluegreen.Deployment, error) {
	// Reaching the agent takes as long as reading the containers: both are done at once.
	dialling := make(chan struct{})
	close(dialling)
	d, err := s.containers(ctx, func(heads []compose.Container) {
		for i := range heads {
			if role(&heads[i]) == bluegreen.RoleProxy && heads[i].State == "running" {
				dialling = make(chan struct{})
				go func(id string, done chan<- struct{}) {
					defer close(done)
					_, _, _ = s.open(ctx, id) // whoever wants the session next is told what failed
				}(heads[i].ID, dialling)
				return
			}
		}
	})
	<-dialling
	if err != nil {
		return d, err
	}
	if d.Proxy == nil {
		d.RouterErr = "there is no proxy container"
		return d, nil
	}
	if d.Proxy.State != "running" {
		d.RouterErr = "the proxy's container is " + d.Proxy.State
		s.forget()
		return d, nil
	}
	st, err := s.status(ctx, d.Proxy.ID)
	if err != nil {
		d.RouterErr = err.Error()
		return d, ctx.Err()
	}
	tell(&d, &st)
	return d, nil
}

// Look reads the containers, and asks the proxy for its state over a connection that the
// caller has. A proxy that does not answer is an error.
func (s *Stack) Look(ctx context.Context, router bluegreen.Router) (bluegreen.Deployment, error) {
	var d bluegreen.Deployment
	var st bluegreen.RouterStatus
	group, both := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		d, err = s.containers(both, nil)
		return err
	})
	group.Go(func() (err error) {
		st, err = router.Status(ctx) // a call that is given up costs the connection
		return err
	})
	if err := group.Wait(); err != nil {
		return d, err
	}
	tell(&d, &st)
	return d, nil
}

// containers reads the containers and gives them their roles. early is told the proxy's
// container before the rest is read.
func (s *Stack) containers(ctx context.Context, early func([]compose.Container)) (bluegreen.Deployment, error) {
	d := bluegreen.Deployment{
		Project: s.Project, At: s.Now(),
		Blue: bluegreen.PoolState{Pool: bluegreen.Blue}, Green: bluegreen.PoolState{Pool: bluegreen.Green},
	}
	containers, err := s.Client.ContainersEarly(ctx, s.Project, early)
	if err != nil {
		return d, err
	}
	for i := range containers {
		if !compose.IsAside(containers[i].Name) {
			place(&d, translate(&containers[i]))
		}
	}
	return d, nil
}

// tell adds what the proxy says of itself and of the pools.
func tell(d *bluegreen.Deployment, st *bluegreen.RouterStatus) {
	d.Router = st
	for pool, answer := range st.Answers {
		if ps := d.Pool(pool); ps != nil {
			ps.Answer = &answer
		}
	}
	for i := range st.Faults {
		if ps := d.Pool(st.Faults[i].Pool); ps != nil {
			ps.Fault = &st.Faults[i]
		}
	}
}

// status asks the kept session, and a new one once when that one has died.
func (s *Stack) status(ctx context.Context, proxyID string) (bluegreen.RouterStatus, error) {
	session, kept, err := s.open(ctx, proxyID)
	if err != nil {
		return bluegreen.RouterStatus{}, err
	}
	st, err := session.Status(ctx)
	if err != nil && kept && ctx.Err() == nil {
		s.forget()
		if session, _, err = s.open(ctx, proxyID); err == nil {
			st, err = session.Status(ctx)
		}
	}
	return st, err
}

// open returns a session in the container and whether it was kept from before.
func (s *Stack) open(ctx context.Context, id string) (session *proxy.Session, kept bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil && s.of == id {
		return s.session, true, nil
	}
	s.drop()
	session, err = s.dial(ctx, id)
	if err != nil {
		return nil, false, err
	}
	s.session, s.of = session, id
	return session, false, nil
}

// dial starts an agent in the container.
func (s *Stack) dial(ctx context.Context, id string) (*proxy.Session, error) {
	stream, err := s.Client.ExecStream(context.WithoutCancel(ctx), id, compose.ExecOptions{Cmd: []string{"bgctl", "agent", "session"}})
	if err != nil {
		return nil, fmt.Errorf("start the proxy's agent: %w", err)
	}
	session, err := proxy.NewSession(ctx, &agentConn{stream})
	if err != nil {
		return nil, agentError(err, stream)
	}
	return session, nil
}

// agentError adds what the agent said on its way out.
func agentError(err error, stream *compose.Stream) error {
	if text := stream.Stderr(); len(text) > 0 {
		return fmt.Errorf("%w (%s)", err, bytes.TrimSpace(text))
	}
	return err
}

// forget closes the kept session.
func (s *Stack) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// drop closes the kept session; the mutex is held.
func (s *Stack) drop() {
	if s.session != nil {
		_ = s.session.Close() // it is replaced because it is of no use
		s.session, s.of = nil, ""
	}
}

// Open hands the proxy's session to the caller, who closes it.
func (s *Stack) Open(ctx context.Context) (bluegreen.Router, error) {
	s.mu.Lock()
	if kept := s.session; kept != nil {
		s.session, s.of = nil, ""
		s.mu.Unlock()
		return kept, nil
	}
	s.mu.Unlock()
	id, err := s.proxyID(ctx)
	if err != nil {
		return nil, err
	}
	return s.dial(ctx, id)
}

// Close ends the kept session.
func (s *Stack) Close() { s.forget() }

// Kill implements [bluegreen.Engine].
func (s *Stack) Kill(ctx context.Context, id string) error { return s.Client.Kill(ctx, id, "KILL") }

// Stop implements [bluegreen.Engine].
func (s *Stack) Stop(ctx context.Context, id string) error { return s.Client.Stop(ctx, id, stopGrace) }

// Start implements [bluegreen.Engine].
func (s *Stack) Start(ctx context.Context, id string) error { return s.Client.Start(ctx, id) }

// Pause implements [bluegreen.Engine].
func (s *Stack) Pause(ctx context.Context, id string) error { return s.Client.Pause(ctx, id) }

// Unpause implements [bluegreen.Engine].
func (s *Stack) Unpause(ctx context.Context, id string) error { return s.Client.Unpause(ctx, id) }

// Restart implements [bluegreen.Engine].
func (s *Stack) Restart(ctx context.Context, id string) error {
	return s.Client.Restart(ctx, id, stopGrace)
}

// Check implements [bluegreen.Engine].
func (s *Stack) Check(ctx context.Context, id string) error { return s.Client.Check(ctx, id) }

// Ask calls f with the session that observations use. It must not lock, nor close it.
func (s *Stack) Ask(ctx context.Context, f func(bluegreen.Router) error) error {
	id, err := s.proxyID(ctx)
	if err != nil {
		return err
	}
	session, _, err := s.open(ctx, id)
	if err != nil {
		return err
	}
	return f(session)
}

// agentConn is an exec stream as a connection.
type agentConn struct{ stream *compose.Stream }

// Read implements io.Reader.
func (c *agentConn) Read(p []byte) (int, error) { return c.stream.Stdout.Read(p) }

// Write implements io.Writer.
func (c *agentConn) Write(p []byte) (int, error) { return c.stream.Stdin.Write(p) }

// Close implements io.Closer.
func (c *agentConn) Close() error { return c.stream.Close() }
