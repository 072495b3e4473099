package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// cutOff is how long a request under way may take to notice that its client has
	// gone. After that the locks are let go of in any case.
	cutOff = time.Second
	// listenEvery is how often an agent asks itself whether its client still speaks.
	listenEvery = time.Second
	// pending is how many requests a client may send before it has read the answers.
	pending = 16
)

// errSilent ends an agent whose client says nothing.
var errSilent = errors.New("no word from the client for too long")

// task is a request and the context that it is worked on with.
type task struct {
	req    request
	ctx    context.Context // this request's, from the moment it is read
	cancel context.CancelFunc
}

// line is one client's connection as its agent sees it.
type line struct {
	tasks  chan task
	ended  chan struct{} // closed with the input
	heard  atomic.Int64  // when the client last said something, in Unix nanoseconds
	speaks atomic.Bool   // the client says that it lives
}

// Serve greets, then answers one request a line until r ends. Requests are read while one is
// answered: when r ends, the one under way is cut off and the locks are let go of at
// once, whatever it waits for.
func (a *Agent) Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	enc := json.NewEncoder(w)
	if err := enc.Encode(response{Protocol: Protocol, Level: level, Version: a.Version}); err != nil {
		return fmt.Errorf("greet: %w", err)
	}
	a.pools.start(ctx, a.HTTP)
	a.Dir.Sweep(time.Now())
	l := &line{tasks: make(chan task, pending), ended: make(chan struct{})}
	l.heard.Store(time.Now().UnixNano())
	go l.read(ctx, r)
	done := make(chan struct{})
	var worked error
	go func() {
		defer close(done)
		worked = a.work(ctx, l, enc)
	}()
	err := a.listen(ctx, l, done)
	cancel()
	select {
	case <-done:
		err = errors.Join(err, worked)
	case <-time.After(cutOff):
	}
	return errors.Join(err, a.Dir.Unlock(), a.Dir.Release())
}

// work answers the requests one after the other.
func (a *Agent) work(ctx context.Context, l *line, enc *json.Encoder) error {
	for {
		select {
		case t := <-l.tasks:
			resp := a.answer(t.ctx, &t.req) //nolint:contextcheck // the reader made it of ctx
			t.cancel()
			if err := enc.Encode(resp); err != nil {
				return fmt.Errorf("answer %s: %w", t.req.Op, err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// listen returns when the connection is over: by its end, by a signal, by an answer that
// could not be sent, or by silence.
func (a *Agent) listen(ctx context.Context, l *line, done <-chan struct{}) error {
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.ended:
			return nil
		case <-ctx.Done():
			return nil
		case <-done:
			return nil
		case now := <-tick.C:
			silent := now.Sub(time.Unix(0, l.heard.Load()))
			switch {
			case l.speaks.Load() && silent >= silenceLimit,
				!l.speaks.Load() && silent >= idleLimit && !a.Dir.Locked() && !a.Dir.Baking():
				return errSilent
			}
		}
	}
}

// read takes the client's lines until they end or are nonsense.
func (l *line) read(ctx context.Context, r io.Reader) {
	defer close(l.ended)
	cancel := context.CancelFunc(func() {})
	dec := json.NewDecoder(bufio.NewReader(r))
	for {
		var t task
		if dec.Decode(&t.req) != nil {
			return
		}
		l.heard.Store(time.Now().UnixNano())
		switch t.req.Op {
		case opAlive:
			l.speaks.Store(true)
			continue
		case opCancel:
			cancel()
			continue
		}
		t.ctx, t.cancel = context.WithCancel(ctx)
		cancel = t.cancel
		select {
		case l.tasks <- t:
		default: // a client that asks on and on without an answer is none of ours
			t.cancel()
			return
		}
	}
}
