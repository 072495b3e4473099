// Package load sends HTTP requests from clients that never retry, and counts what
// came back. It is the judge of every promise about lost requests: an HTTP
// library that repeats an idempotent request on a stale connection would hide
// exactly what is to be measured.
//
// Targets are loopback addresses unless the caller says otherwise.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

// Reach says which targets may be sent traffic.
type Reach uint8

// The reaches.
const (
	Loopback Reach = iota // 127.0.0.0/8 and ::1 only
	Anywhere              // the caller knows the target is its own
)

// Config describes the traffic.
type Config struct {
	URL      string        // http://host:port/path
	Clients  int           // each holds one keep-alive connection
	Methods  []string      // used in turn; default GET
	Body     string        // sent with POST, PUT and PATCH
	Rate     float64       // requests per second of all clients together; 0: flat out
	Duration time.Duration // ends by itself after this time; 0: with the context
	Requests int           // ends by itself after so many requests; 0: no limit
	Timeout  time.Duration // of one request; default 15 s
	Fresh    bool          // a new connection for each request
	Reach    Reach
	Path     func() string // path and query of the next request; nil: the URL's. Called from several goroutines
	OnResult func(Result)  // called from the client's goroutine; must be quick
}

// Result is one request.
type Result struct {
	Client  int
	Method  string
	Path    string // path and query as sent
	Status  int    // 0: no answer
	Pool    string // X-App-Pool
	Release string // X-Release-Id
	Start   time.Time
	End     time.Time
	Err     error // transport error
}

// OK reports whether the user got what was asked: any answer below 400.
func (r *Result) OK() bool { return r.Err == nil && r.Status > 0 && r.Status < 400 }

// ErrTarget marks a URL that must not or cannot be sent traffic.
var ErrTarget = errors.New("bad target")

// Run sends traffic until the bound of cfg or the end of ctx, whichever is first.
// Ending is no error.
func Run(ctx context.Context, cfg Config) (Report, error) {
	target, err := parseTarget(&cfg)
	if err != nil {
		return Report{}, err
	}
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}
	g := &generator{cfg: cfg, target: target, begin: time.Now()}
	if cfg.Requests > 0 {
		g.left = make(chan struct{}, cfg.Requests)
		for range cfg.Requests {
			g.left <- struct{}{}
		}
		close(g.left)
	}
	reports := make([]Report, cfg.Clients)
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() { reports[i] = g.client(ctx, i) })
	}
	wg.Wait()
	total := merge(reports)
	total.Elapsed = time.Since(g.begin)
	return total, nil
}

// target is a parsed URL.
type target struct {
	addr string // host:port
	host string // Host header
	path string
}

// parseTarget checks the configuration and fills in its defaults.
func parseTarget(cfg *Config) (target, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return target{}, fmt.Errorf("%w: %q: want http://host:port/path", ErrTarget, cfg.URL)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	if cfg.Reach == Loopback && !loopback(u.Hostname()) {
		return target{}, fmt.Errorf("%w: %s is not a loopback address", ErrTarget, u.Hostname())
	}
	cfg.Clients = max(cfg.Clients, 1)
	if len(cfg.Methods) == 0 {
		cfg.Methods = []string{"GET"}
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	return target{addr: net.JoinHostPort(u.Hostname(), port), host: u.Host, path: u.RequestURI()}, nil
}

// loopback reports whether host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// generator is one run.
type generator struct {
	cfg    Config
	target target
	begin  time.Time
	left   chan struct{} // requests that may still be sent; nil: no limit
}

// client sends one request after the other over its own connection.
func (g *generator) client(ctx context.Context, n int) Report {
	var r Report
	c := &conn{timeout: g.cfg.Timeout, target: g.target}
	defer c.close()
	for i := 0; g.wait(ctx, n, i); i++ {
		method := g.cfg.Methods[(n+i)%len(g.cfg.Methods)]
		if g.cfg.Path != nil {
			c.target.path = g.cfg.Path()
		}
		res := c.do(ctx, method, g.cfg.Body)
		res.Client = n
		if g.cfg.Fresh {
			c.close()
		}
		// What the end of the run cut off says nothing about the target.
		if res.Err != nil && ctx.Err() != nil {
			break
		}
		r.add(&res)
		if g.cfg.OnResult != nil {
			g.cfg.OnResult(res)
		}
	}
	return r
}

// wait paces client n before its i-th request and reports whether to send it.
func (g *generator) wait(ctx context.Context, n, i int) bool {
	if ctx.Err() != nil {
		return false
	}
	if g.left != nil {
		if _, ok := <-g.left; !ok {
			return false
		}
	}
	if g.cfg.Rate <= 0 {
		return true
	}
	every := time.Duration(float64(time.Second) / g.cfg.Rate)
	due := g.begin.Add(time.Duration(i*g.cfg.Clients+n) * every)
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
