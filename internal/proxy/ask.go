package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	// chaosLimit bounds the request that tells the demo app which fault to play.
	chaosLimit = 5 * time.Second
	// nginxLimit bounds a request that nginx answers by itself.
	nginxLimit = 2 * time.Second
)

// What nginx adds to answers of its private listener. The address is there only when a
// container's own header came, not when nginx answers in its place.
const (
	activeHeader   = "X-Bgctl-Active"
	upstreamHeader = "X-Bgctl-Upstream"
)

// Private asks nginx over its private listener. Every request has a connection
// of its own, so that a worker that is on its way out cannot answer.
type Private struct {
	Base   string // http://127.0.0.1:8079
	Health string // health path of the application
	client *http.Client
}

var _ Asker = (*Private)(nil)

// NewPrivate returns an asker for the listener on PrivatePort.
func NewPrivate() *Private {
	return &Private{
		Base:   "http://127.0.0.1:" + strconv.Itoa(PrivatePort),
		Health: "/healthz",
		client: &http.Client{
			Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext:       (&net.Dialer{Timeout: time.Second}).DialContext,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Stub implements [Asker].
func (p *Private) Stub(ctx context.Context) (connections int, requests uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, nginxLimit)
	defer cancel()
	a, err := p.ask(ctx, http.MethodGet, "/_bgctl/stub")
	if err != nil {
		return 0, 0, err
	}
	text := a.body
	// Active connections: 2
	// server accepts handled requests
	//  16 16 31
	lines := strings.Split(text, "\n")
	if len(lines) < 3 {
		return 0, 0, fmt.Errorf("stub_status: unexpected answer %q", text)
	}
	var accepts, handled uint64
	if _, err := fmt.Sscanf(lines[0], "Active connections: %d", &connections); err != nil {
		return 0, 0, fmt.Errorf("stub_status: %w", err)
	}
	if _, err := fmt.Sscanf(lines[2], " %d %d %d", &accepts, &handled, &requests); err != nil {
		return 0, 0, fmt.Errorf("stub_status: %w", err)
	}
	return max(connections-1, 0), requests, nil // our own does not count
}

// Generation implements [Asker].
func (p *Private) Generation(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nginxLimit)
	defer cancel()
	a, err := p.ask(ctx, http.MethodGet, "/_bgctl/generation")
	return a.body, err
}

// Probe implements [Asker].
func (p *Private) Probe(ctx context.Context, pool bluegreen.Pool, limit time.Duration) bluegreen.ProbeResult {
	res, _ := p.health(ctx, "/_bgctl/"+pool.String(), limit)
	return res
}

// Verify implements [Asker]. An answer that did not come in time is part of the
// result: nginx is asked then where it would have come from.
func (p *Private) Verify(ctx context.Context, limit time.Duration) (bluegreen.Routing, error) {
	res, active := p.health(ctx, "/_bgctl/active", limit)
	if active == "" {
		ctx, cancel := context.WithTimeout(ctx, nginxLimit)
		defer cancel()
		a, err := p.ask(ctx, http.MethodGet, "/_bgctl/active")
		if err != nil {
			return bluegreen.Routing{}, err
		}
		active = strings.TrimSpace(a.body)
	}
	pool, err := bluegreen.ParsePool(active)
	if err != nil {
		return bluegreen.Routing{}, fmt.Errorf("ask nginx for the active pool: %w", err)
	}
	return bluegreen.Routing{Active: pool, Answer: &res}, nil
}

// health asks for the health path below a prefix of the private listener, and returns
// which pool nginx called the active one besides.
func (p *Private) health(ctx context.Context, prefix string, limit time.Duration) (res bluegreen.ProbeResult, active string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin := time.Now()
	a, err := p.ask(ctx, http.MethodGet, prefix+p.Health)
	res = bluegreen.ProbeResult{
		Took: time.Since(begin), Status: a.status, Release: a.header.Get("X-Release-Id"),
		Addr: hostOf(a.header.Get(upstreamHeader)),
	}
	if served, perr := bluegreen.ParsePool(a.header.Get("X-App-Pool")); perr == nil {
		res.Pool = served
	}
	if err != nil && (a.status == 0 || ctx.Err() != nil) {
		res.Err = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			res.Err = "no answer within " + limit.String()
		}
	}
	return res, a.header.Get(activeHeader)
}

// hostOf is an address without its port.
func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	return host
}

// Chaos implements [Asker].
func (p *Private) Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
	ctx, cancel := context.WithTimeout(ctx, chaosLimit)
	defer cancel()
	path := "/chaos/stop"
	if mode != "" {
		path = "/chaos/start?mode=" + string(mode)
	}
	a, err := p.ask(ctx, http.MethodPost, "/_bgctl/"+pool.String()+path)
	if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
		return fmt.Errorf("%s answered %d to POST %s: %w", pool, a.status, path, bluegreen.ErrNoChaos)
	}
	if err != nil && a.status != 0 {
		return fmt.Errorf("%s answered %d to POST %s", pool, a.status, path)
	}
	return err
}

// InFlight implements [Asker].
func (p *Private) InFlight(addrs []string) (int, error) {
	return CountConnections(addrs, "/proc/net/tcp", "/proc/net/tcp6")
}

// answer is what came back; its status is 0 when nothing did.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends one request. An answer other than 2xx is an error beside the answer.
func (p *Private) ask(ctx context.Context, method, path string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.Base+path, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("nginx's private listener: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(text)}
	if err == nil && (a.status < 200 || a.status > 299) {
		err = fmt.Errorf("%s %s answered %d", method, path, a.status)
	}
	return a, err
}
