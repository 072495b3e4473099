package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"bgctl/internal/bluegreen"
)

// PoolExam is how a pool answers, through nginx and at its own address.
type PoolExam struct {
	Status  int            `json:"status"` // of the health path through nginx; 0: no answer
	Err     string         `json:"err,omitempty"`
	Took    time.Duration  `json:"took"`
	Pool    bluegreen.Pool `json:"pool,omitempty"`    // X-App-Pool of the answer
	Release string         `json:"release,omitempty"` // X-Release-Id of the answer
	Health  string         `json:"health"`            // the path that was asked
	Dials   []Dial         `json:"dials,omitempty"`
}

// Dial is one attempt to connect to a container of a pool.
type Dial struct {
	Addr    string `json:"addr"`
	Err     string `json:"err,omitempty"`
	Refused bool   `json:"refused,omitempty"` // the host answers, and nothing listens there
}

// IdleExam is what became of an idle connection to a container of a pool.
type IdleExam struct {
	Addr   string        `json:"addr"`
	Err    string        `json:"err,omitempty"`
	Closes bool          `json:"closes,omitempty"` // the application ends every connection after its answer
	Closed time.Duration `json:"closed,omitempty"` // it ended the idle connection after this time; 0: it did not
}

const dialLimit = 2 * time.Second

// pools asks every pool once through nginx and dials its containers.
func (e *Examiner) pools(ctx context.Context, addrs map[bluegreen.Pool][]string) map[bluegreen.Pool]PoolExam {
	var mu sync.Mutex
	var jobs sync.WaitGroup
	out := map[bluegreen.Pool]PoolExam{}
	for pool, list := range addrs {
		jobs.Go(func() {
			x := e.answer(ctx, pool)
			for _, addr := range list {
				x.Dials = append(x.Dials, dial(ctx, addr))
			}
			mu.Lock()
			defer mu.Unlock()
			out[pool] = x
		})
	}
	jobs.Wait()
	return out
}

// answer asks a pool for its health path through nginx.
func (e *Examiner) answer(ctx context.Context, pool bluegreen.Pool) PoolExam {
	begun := time.Now()
	a, err := e.Private.ask(ctx, http.MethodGet, "/_bgctl/"+pool.String()+e.Private.Health)
	x := PoolExam{
		Status: a.status, Took: time.Since(begun), Health: e.Private.Health,
		Release: a.header.Get("X-Release-Id"),
	}
	if served, err := bluegreen.ParsePool(a.header.Get("X-App-Pool")); err == nil {
		x.Pool = served
	}
	if a.status == 0 && err != nil {
		x.Err = err.Error()
	}
	return x
}

// dial connects and hangs up.
func dial(ctx context.Context, addr string) Dial {
	d := net.Dialer{Timeout: dialLimit}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return Dial{Addr: addr, Err: err.Error(), Refused: errors.Is(err, syscall.ECONNREFUSED)}
	}
	_ = conn.Close() // nothing was sent
	return Dial{Addr: addr}
}

// idle watches one idle connection to each container.
func (e *Examiner) idle(ctx context.Context, addrs map[bluegreen.Pool][]string, span time.Duration) map[bluegreen.Pool][]IdleExam {
	var mu sync.Mutex
	var jobs sync.WaitGroup
	out := map[bluegreen.Pool][]IdleExam{}
	for pool, list := range addrs {
		for _, addr := range list {
			jobs.Go(func() {
				x := watchIdle(ctx, addr, e.Private.Health, span)
				mu.Lock()
				defer mu.Unlock()
				out[pool] = append(out[pool], x)
			})
		}
	}
	jobs.Wait()
	return out
}

// watchIdle sends one request, as nginx does on a connection that it keeps, and waits
// whether the application ends the connection before span is over.
func watchIdle(ctx context.Context, addr, path string, span time.Duration) IdleExam {
	x := IdleExam{Addr: addr}
	d := net.Dialer{Timeout: dialLimit}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		x.Err = err.Error()
		return x
	}
	defer func() { _ = conn.Close() }() // it has served
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = conn.SetDeadline(time.Now().Add(dialLimit))
	req, reqErr := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
	if err = errors.Join(err, reqErr); err == nil {
		err = req.Write(conn)
	}
	if err != nil {
		x.Err = err.Error()
		return x
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		x.Err = err.Error()
		return x
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		x.Err = err.Error()
		return x
	}
	if x.Closes = resp.Close; x.Closes {
		return x
	}
	begun := time.Now()
	if err = conn.SetReadDeadline(begun.Add(span)); err == nil {
		_, err = r.ReadByte()
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		x.Err = ctx.Err().Error()
	case errors.As(err, &timeout) && timeout.Timeout():
	default:
		x.Closed = max(time.Since(begun), time.Millisecond)
	}
	return x
}
