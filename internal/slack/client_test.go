package slack

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
)

// quiet returns a server whose complaints about cut connections go nowhere.
func quiet(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func hookAt(t *testing.T, base string) Webhook {
	t.Helper()
	hook, err := ParseWebhook(base+secretPath, AllowHTTP)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

func TestClient_DeliversToStandIn(t *testing.T) {
	standIn := NewStandIn()
	srv := quiet(t, standIn)
	client := NewClient(hookAt(t, srv.URL), Options{})
	defer client.Close()
	out := NewSlack(client).Send(t.Context(), Item{Event: failoverEvent(), Meta: Meta{Host: "h"}})
	if out.Action != Delivered {
		t.Fatalf("got %v: %s", out.Action, out.Reason)
	}
	if got := standIn.Messages(); len(got) != 1 || !strings.Contains(got[0].Text, "green serves") {
		t.Errorf("the stand-in holds %+v", got)
	}
}

func TestS6_RedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := quiet(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = io.WriteString(w, "ok")
	}))
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := quiet(t, http.RedirectHandler(other.URL, status))
		out := NewClient(hookAt(t, srv.URL), Options{}).Post(t.Context(), []byte("{}"))
		if out.Action != Broken || out.Wait != 5*time.Minute {
			t.Errorf("%d: got %v, wait %v", status, out.Action, out.Wait)
		}
	}
	if elsewhere.Load() != 0 {
		t.Errorf("the payload went to the redirect's target %d times", elsewhere.Load())
	}
}

func TestS14_GoesThroughTheProxy(t *testing.T) {
	var seen atomic.Value
	proxy := quiet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.URL.Host)
		_, _ = io.WriteString(w, "ok")
	}))
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := NewClient(hookAt(t, "http://hooks.example"), Options{Proxy: http.ProxyURL(proxyURL)})
	if out := client.Post(t.Context(), []byte("{}")); out.Action != Delivered {
		t.Fatalf("got %v: %s", out.Action, out.Reason)
	}
	if seen.Load() != "hooks.example" {
		t.Errorf("the proxy saw %v", seen.Load())
	}
}

func TestS8_RefusesUnknownCertificate(t *testing.T) {
	srv := httptest.NewUnstartedServer(NewStandIn())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	hook := hookAt(t, srv.URL)
	out := NewClient(hook, Options{}).Post(t.Context(), []byte("{}"))
	if out.Action != Retry || out.MaybeSent || !strings.Contains(out.Reason, "certificate") {
		t.Errorf("got %+v", out)
	}
	pool := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	out = NewClient(hook, Options{TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}).
		Post(t.Context(), []byte(`{"text":"x"}`))
	if out.Action != Delivered {
		t.Errorf("with the right root: %+v", out)
	}
}

func TestS7_InflatesNothing(t *testing.T) {
	var bomb bytes.Buffer
	zw := gzip.NewWriter(&bomb)
	_, _ = zw.Write(bytes.Repeat([]byte("ok"), 10<<20))
	_ = zw.Close()
	srv := quiet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("asked for %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	if out := NewClient(hookAt(t, srv.URL), Options{}).Post(t.Context(), []byte("{}")); out.Action != Broken {
		t.Errorf("got %+v", out)
	}
}

// pipeNet connects a client to a hand-written server inside a synctest bubble.
func pipeNet(serve func(net.Conn)) Options {
	return Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			defer func() { _ = far.Close() }()
			serve(far)
		}()
		return near, nil
	}}
}

func readRequest(c net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

func TestS7_BoundsEverySlowness(t *testing.T) {
	trickle := func(c net.Conn, text string, pause time.Duration) {
		for i := 0; ; i++ {
			if _, err := io.WriteString(c, text[i%len(text):i%len(text)+1]); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
	tests := map[string]struct {
		serve  func(net.Conn)
		action Action
		maybe  bool
	}{
		"reads nothing":        {func(c net.Conn) { time.Sleep(time.Hour) }, Retry, false},
		"never answers":        {func(c net.Conn) { readRequest(c); time.Sleep(time.Hour) }, Retry, true},
		"resets after request": {func(c net.Conn) { readRequest(c) }, Retry, true},
		"resets at once":       {func(net.Conn) {}, Retry, false},
		"headers trickle":      {func(c net.Conn) { readRequest(c); trickle(c, "HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyy", time.Second) }, Retry, true},
		"no body after 200": {func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			time.Sleep(time.Hour)
		}, Retry, true},
		"no body after 404": {func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n")
			time.Sleep(time.Hour)
		}, Broken, false},
		"endless chunks": {func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for {
				if _, err := io.WriteString(c, "400\r\n"+strings.Repeat("z", 1024)+"\r\n"); err != nil {
					return
				}
			}
		}, Broken, false},
		"1 GiB announced": {func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"+strings.Repeat("z", 8192))
			time.Sleep(time.Hour)
		}, Broken, false},
		"not HTTP": {func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, "SSH-2.0-x\r\n\r\n") }, Retry, true},
		"64 KiB of headers": {func(c net.Conn) {
			readRequest(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 64<<10)+"\r\n\r\nok")
		}, Retry, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := NewClient(hookAt(t, "http://hooks.example"), pipeNet(tt.serve))
				start := time.Now()
				// More than the transport's write buffer, so that a peer that reads
				// nothing holds the request up.
				out := client.Post(t.Context(), bytes.Repeat([]byte("x"), 16<<10))
				client.Close()
				if took := time.Since(start); took > 15*time.Second {
					t.Errorf("took %v", took)
				}
				if out.Action != tt.action || out.MaybeSent != tt.maybe {
					t.Errorf("got %v maybe %v (%s), want %v maybe %v", out.Action, out.MaybeSent, out.Reason, tt.action, tt.maybe)
				}
				time.Sleep(2 * time.Hour) // let the peers end
			})
		})
	}
}

func TestGeneric_PostsTheEvent(t *testing.T) {
	var body []byte
	srv := quiet(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	r := NewGeneric(hookAt(t, srv.URL), Options{})
	if out := r.Send(t.Context(), Item{Event: failoverEvent()}); out.Action != Delivered || r.Name() != "webhook" {
		t.Fatalf("got %+v", out)
	}
	var got alert.Event
	if err := json.Unmarshal(body, &got); err != nil || got.ID != "failover-3" {
		t.Errorf("got %s, %v", body, err)
	}
}

// TestS12_NothingLeaksTheSecret runs every way a delivery can go wrong and searches
// all that comes out: outcomes, delivery reports, notices, the queue file.
func TestS12_NothingLeaksTheSecret(t *testing.T) {
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://evil.example"+r.URL.Path)
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "you asked for %s", r.URL.Path)
		}
	}
	var out bytes.Buffer
	var mu sync.Mutex
	try := func(hook Webhook, opts Options) {
		client := NewClient(hook, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		got := client.Post(ctx, []byte("{}"))
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&out, "%v %+v %#v\n", got.Reason, got, got)
	}
	for status := 200; status < 600; status += 1 {
		if status%100 > 31 {
			continue
		}
		rec := httptest.NewRecorder()
		echo(status)(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://h"+secretPath, nil))
		fmt.Fprintf(&out, "%+v\n", Classify(status, rec.Header(), rec.Body.Bytes(), nil))
	}
	for _, status := range []int{200, 302, 400, 403, 404, 429, 500} {
		try(hookAt(t, quiet(t, echo(status)).URL), Options{})
	}
	raw := func(answer string) Options {
		return pipeNet(func(c net.Conn) { readRequest(c); _, _ = io.WriteString(c, answer) })
	}
	far := hookAt(t, "http://hooks.example")
	try(far, raw("what is "+secretPath+"?\r\n\r\n")) // quoted by net/http's error
	try(far, raw("HTTP/1.1 xx "+secretPath+"\r\n\r\n"))
	try(far, raw("HTTP/1.1 200 OK\r\nContent-Length: "+secretPath+"\r\n\r\n"))
	try(far, pipeNet(func(c net.Conn) { readRequest(c); time.Sleep(time.Second) }))
	try(hookAt(t, "http://127.0.0.1:1"), Options{})
	try(hookAt(t, "http://no-such-host.invalid"), Options{})
	try(hookAt(t, "https://"+strings.TrimPrefix(quiet(t, echo(200)).URL, "http://")), Options{})
	try(far, Options{Proxy: func(r *http.Request) (*url.URL, error) { return nil, fmt.Errorf("no proxy for %s", r.URL) }})
	try(far, Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, fmt.Errorf("dial: not allowed: %s", "http://hooks.example"+secretPath)
	}})
	hang := NewStandIn()
	hang.Fail(Fault{Hangup: true})
	try(hookAt(t, quiet(t, hang).URL), Options{})

	path := filepath.Join(t.TempDir(), "queue.json")
	q := OpenQueue(QueueConfig{
		Receiver: NewSlack(NewClient(hookAt(t, quiet(t, echo(403)).URL), Options{})), Path: path,
		Report: func(d alert.Delivery) { fmt.Fprintf(&out, "%+v\n", d) },
		Notice: func(s string) { fmt.Fprintln(&out, s) },
	})
	q.Put(failoverEvent())
	q.attempt(t.Context())
	data, err := readAll(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%s\n%+v\n%+v\n", data, q.Health(), q.cfg.Receiver)

	if s := leaked(out.String()); s != "" {
		t.Errorf("found %q in:\n%s", s, out.String())
	}
	if n := strings.Count(out.String(), "\n"); n < 100 {
		t.Errorf("only %d lines were searched", n)
	}
}
