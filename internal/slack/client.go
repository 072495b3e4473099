package slack

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"bgctl/internal/alert"
)

// The client's limits. The total bounds everything, a body that trickles included.
const (
	connectTimeout = 5 * time.Second
	tlsTimeout     = 5 * time.Second
	headerTimeout  = 10 * time.Second
	totalTimeout   = 15 * time.Second
	maxBody        = 4 << 10
)

// classifier is [Classify] or [ClassifyAny].
type classifier func(status int, header http.Header, body []byte, err error) Outcome

// Options are what a client takes from its surroundings.
type Options struct {
	Proxy     func(*http.Request) (*url.URL, error) // nil: no proxy
	TLS       *tls.Config                           // nil: the system's roots
	UserAgent string
	// Dial replaces the network, for tests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client posts to one webhook. It follows no redirect, reads at most 4 KiB of an
// answer and gives up after 15 s.
type Client struct {
	hook      Webhook
	http      *http.Client
	classify  classifier
	userAgent string
}

// NewClient returns a client for a Slack incoming webhook.
func NewClient(hook Webhook, opts Options) *Client { return newClient(hook, opts, Classify) }

func newClient(hook Webhook, opts Options, classify classifier) *Client {
	dial := opts.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	agent := opts.UserAgent
	if agent == "" {
		agent = "bgctl"
	}
	return &Client{
		hook: hook, classify: classify, userAgent: agent,
		http: &http.Client{
			Timeout:       totalTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy: opts.Proxy, DialContext: dial, TLSClientConfig: opts.TLS,
				TLSHandshakeTimeout: tlsTimeout, ResponseHeaderTimeout: headerTimeout,
				MaxResponseHeaderBytes: 16 << 10, IdleConnTimeout: 30 * time.Second,
				MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true,
				// Never inflate a body: 4 KiB of it could become anything.
				DisableCompression: true,
			},
		},
	}
}

// Webhook returns the webhook the client posts to.
func (c *Client) Webhook() Webhook { return c.hook }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post sends body once and says what came of it. The outcome's reason never
// contains the secret of the webhook.
func (c *Client) Post(ctx context.Context, body []byte) Outcome {
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		written.Store(info.Err == nil)
	}}
	out := c.post(httptrace.WithClientTrace(ctx, trace), body)
	if out.Action == Retry && written.Load() && out.noVerdict {
		out.MaybeSent = true
	}
	out.Reason = clip(clean(c.hook.scrub(out.Reason)), maxReason)
	return out.Outcome
}

// attempt is an outcome that knows whether any status line arrived.
type attempt struct {
	Outcome
	noVerdict bool
}

func (c *Client) post(ctx context.Context, body []byte) attempt {
	if c.hook.IsZero() {
		return attempt{Outcome: Outcome{Action: Broken, Wait: revokedProbe, Reason: "no webhook configured"}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.hook.reveal().String(), bytes.NewReader(body))
	if err != nil {
		return attempt{Outcome: Outcome{Action: Refused, Reason: transportReason(err)}}
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return attempt{Outcome: c.classify(0, nil, nil, err), noVerdict: true}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil && resp.StatusCode == http.StatusOK {
		// Slack's verdict is the body: half of it is none.
		return attempt{Outcome: c.classify(0, nil, nil, err), noVerdict: true}
	}
	if resp.Header.Get("Date") == "" {
		resp.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	return attempt{Outcome: c.classify(resp.StatusCode, resp.Header, answer, nil)}
}

// Item is one message to deliver.
type Item struct {
	Event alert.Event
	Meta  Meta
	Plain bool // text only: the receiver refused the full message
}

// Receiver is one place messages are delivered to. Send tries once.
type Receiver interface {
	Name() string
	Send(ctx context.Context, item Item) Outcome
}

// Slack delivers items as Slack messages.
type Slack struct{ client *Client }

// NewSlack returns a receiver that posts Slack messages through client.
func NewSlack(client *Client) *Slack { return &Slack{client: client} }

// Name implements [Receiver].
func (s *Slack) Name() string { return "slack" }

// Send implements [Receiver].
func (s *Slack) Send(ctx context.Context, item Item) Outcome {
	msg := Message(item.Event, item.Meta)
	if item.Plain {
		msg = PlainMessage(item.Event, item.Meta)
	}
	body, err := json.Marshal(msg)
	if err != nil {
		return Outcome{Action: Rejected, Reason: fmt.Sprintf("encode message: %v", err)}
	}
	return s.client.Post(ctx, body)
}

// Generic delivers items as the JSON of their event to any HTTP endpoint.
type Generic struct{ client *Client }

// NewGeneric returns a receiver that posts the event's JSON to hook.
func NewGeneric(hook Webhook, opts Options) *Generic {
	return &Generic{client: newClient(hook, opts, ClassifyAny)}
}

// Name implements [Receiver].
func (g *Generic) Name() string { return "webhook" }

// Send implements [Receiver].
func (g *Generic) Send(ctx context.Context, item Item) Outcome {
	body, err := json.Marshal(item.Event)
	if err != nil {
		return Outcome{Action: Refused, Reason: fmt.Sprintf("encode event: %v", err)}
	}
	return g.client.Post(ctx, body)
}
