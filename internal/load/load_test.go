package load_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bgctl/internal/load"
)

func TestRun_CountsByPoolAndMethod(t *testing.T) {
	var posts atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			if string(body) == "hello" {
				posts.Add(1)
			}
		}
		w.Header().Set("X-App-Pool", "blue")
	}))
	defer srv.Close()
	rep, err := load.Run(t.Context(), load.Config{URL: srv.URL + "/x", Clients: 4, Requests: 100, Methods: []string{"GET", "POST"}, Body: "hello"})
	if err != nil || rep.Sent != 100 || rep.OK != 100 || rep.ByPool["blue"] != 100 {
		t.Errorf("%s, %v", rep.String(), err)
	}
	if got := posts.Load(); got < 40 || got > 60 {
		t.Errorf("%d POSTs, want about half of 100", got)
	}
}

func TestRun_CountsServerErrorsAsFailed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer srv.Close()
	rep, err := load.Run(t.Context(), load.Config{URL: srv.URL, Requests: 10})
	if err != nil || rep.Failed != 10 || rep.ByStatus[502] != 10 {
		t.Errorf("%s, %v", rep.String(), err)
	}
}

func TestRun_GivesEachRequestItsPath(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.RequestURI]++
	}))
	defer srv.Close()
	var n atomic.Int64
	told := map[string]int{}
	rep, err := load.Run(t.Context(), load.Config{
		URL: srv.URL + "/ignored", Clients: 3, Requests: 60,
		Path: func() string { return fmt.Sprintf("/p?n=%d", n.Add(1)) },
		OnResult: func(r load.Result) {
			mu.Lock()
			defer mu.Unlock()
			told[r.Path]++
		},
	})
	if err != nil || rep.OK != 60 || len(seen) != 60 || seen["/p?n=60"] != 1 || len(told) != 60 {
		t.Errorf("%s, %d paths seen, %d told, %v", rep.String(), len(seen), len(told), err)
	}
}

// A server that closes a connection behind its client's back costs that client a
// request. A library that repeats it would hide the loss.
func TestRun_NeverRetriesOnAStaleConnection(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var seen atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				seen.Add(1)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				_, _ = http.ReadRequest(r) // takes the second request and drops it
				seen.Add(1)
			}()
		}
	}()
	rep, err := load.Run(t.Context(), load.Config{URL: "http://" + l.Addr().String(), Requests: 20})
	if err != nil || rep.OK != 10 || rep.Failed != 10 || seen.Load() != 20 {
		t.Errorf("%s, server saw %d, %v", rep.String(), seen.Load(), err)
	}
}

func TestRun_KeepsToItsRate(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	rep, err := load.Run(t.Context(), load.Config{URL: srv.URL, Clients: 3, Rate: 100, Duration: 500 * time.Millisecond})
	if err != nil || rep.Sent < 30 || rep.Sent > 52 {
		t.Errorf("%s, %v; want about 50", rep.String(), err)
	}
}

func TestRun_EndsWithItsContextAlthoughARequestHangs(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	rep, err := load.Run(ctx, load.Config{URL: srv.URL, Clients: 2})
	if err != nil || rep.Sent != 0 || time.Since(begin) > 3*time.Second {
		t.Errorf("%s after %s, %v", rep.String(), time.Since(begin), err)
	}
}

func TestRun_RefusesOtherMachines(t *testing.T) {
	for _, target := range []string{"http://192.0.2.1/", "http://example.com", "https://127.0.0.1/", "127.0.0.1:80", ""} {
		if _, err := load.Run(t.Context(), load.Config{URL: target}); !errors.Is(err, load.ErrTarget) {
			t.Errorf("%q: err = %v, want ErrTarget", target, err)
		}
	}
}
