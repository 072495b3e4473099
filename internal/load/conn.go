package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// grace is how long a request may take after the end of the run.
const grace = 500 * time.Millisecond

// conn is one keep-alive connection of a client that never retries: a request
// that meets a closed connection has failed, and only the next one dials anew.
type conn struct {
	target  target
	timeout time.Duration
	c       net.Conn
	r       *bufio.Reader
	request []byte
}

// do sends one request and reads its answer whole.
func (c *conn) do(ctx context.Context, method, body string) Result {
	res := Result{Method: method, Path: c.target.path, Start: time.Now()}
	res.Err = c.try(ctx, method, body, &res)
	res.End = time.Now()
	if res.Err != nil {
		c.close()
	}
	return res
}

// try is do without the book-keeping.
func (c *conn) try(ctx context.Context, method, body string, res *Result) error {
	if c.c == nil {
		d := net.Dialer{Timeout: c.timeout}
		nc, err := d.DialContext(ctx, "tcp", c.target.addr)
		if err != nil {
			return err
		}
		c.c, c.r = nc, bufio.NewReader(nc)
	}
	// The end of the run lets a request end, so that the server does not see its
	// client run away, but not for ever.
	nc := c.c
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Now().Add(grace)) })
	defer stop()
	if err := c.c.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	if _, err := c.c.Write(c.render(method, body)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return err
	}
	res.Status = resp.StatusCode
	res.Pool, res.Release = resp.Header.Get("X-App-Pool"), resp.Header.Get("X-Release-Id")
	_, err = io.Copy(io.Discard, resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if resp.Close {
		c.close() // announced: the next request dials, nothing is lost
	}
	return err
}

// render writes the request.
func (c *conn) render(method, body string) []byte {
	b := fmt.Appendf(c.request[:0], "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bgctl-load\r\n", method, c.target.path, c.target.host)
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		b = fmt.Appendf(b, "Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b = append(b, "\r\n"...)
	}
	c.request = b
	return b
}

// close ends the connection.
func (c *conn) close() {
	if c.c != nil {
		_ = c.c.Close() // nothing is left to be read or written
		c.c = nil
	}
}
