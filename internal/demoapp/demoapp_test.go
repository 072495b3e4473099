package demoapp

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newTestApp() *app {
	return newApp(Config{Pool: "blue", Release: "v1"}, slog.New(slog.DiscardHandler))
}

// do sends one request to the handler and decodes a JSON answer.
func do(t *testing.T, h http.Handler, method, target string) (int, answer) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader("body")))
	if rec.Header().Get("X-App-Pool") != "blue" || rec.Header().Get("X-Release-Id") != "v1" {
		t.Errorf("%s %s: headers %v, want pool and release", method, target, rec.Header())
	}
	var a answer
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil && rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("%s %s: body %q: %v", method, target, rec.Body, err)
	}
	return rec.Code, a
}

func TestApp_AnswersPerMode(t *testing.T) {
	tests := []struct {
		name, start            string
		health, version, route int
	}{
		{"normal", "", 200, 200, 200},
		{"error by default", "/chaos/start", 200, 200, 500},
		{"error", "/chaos/start?mode=error", 200, 200, 500},
		{"down", "/chaos/start?mode=down", 503, 200, 500},
		{"slow", "/chaos/start?mode=slow&delay=1ms", 200, 200, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newTestApp()
			if tt.start != "" {
				if code, _ := do(t, a, http.MethodPost, tt.start); code != 200 {
					t.Fatalf("start: status %d, want 200", code)
				}
			}
			for target, want := range map[string]int{"/healthz": tt.health, "/version": tt.version, "/": tt.route, "/any/path": tt.route} {
				if code, _ := do(t, a, http.MethodGet, target); code != want {
					t.Errorf("GET %s: status %d, want %d", target, code, want)
				}
			}
			do(t, a, http.MethodPost, "/chaos/stop")
			if code, _ := do(t, a, http.MethodPost, "/"); code != 200 {
				t.Errorf("after stop: status %d, want 200", code)
			}
		})
	}
}

func TestApp_RefusesBadChaos(t *testing.T) {
	for _, target := range []string{"/chaos/start?mode=x", "/chaos/start?mode=slow&delay=x", "/chaos/start?mode=slow&delay=61s", "/chaos/start?mode=slow&delay=-1s"} {
		a := newTestApp()
		if code, body := do(t, a, http.MethodPost, target); code != 400 || body.Error == "" {
			t.Errorf("POST %s: status %d, error %q, want 400 and a reason", target, code, body.Error)
		}
		if mode := a.chaos.current(); mode != modeNone {
			t.Errorf("POST %s: mode %q, want none", target, mode)
		}
	}
}

func TestApp_EchoesAnyMethod(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		code, body := do(t, newTestApp(), method, "/orders/7")
		want := answer{Pool: "blue", Release: "v1", Status: "ok", Method: method, Path: "/orders/7", Bytes: 4}
		if code != 200 || body != want {
			t.Errorf("%s: %d %+v, want 200 %+v", method, code, body, want)
		}
	}
}

func TestApp_ShowsPageToBrowser(t *testing.T) {
	rec := httptest.NewRecorder()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	newApp(Config{Pool: "green", Release: "<v2>"}, slog.New(slog.DiscardHandler)).ServeHTTP(rec, req)
	body := rec.Body.String()
	if !strings.Contains(body, "<h1>green</h1>") || !strings.Contains(body, "&lt;v2&gt;") {
		t.Errorf("page without pool or escaped release:\n%s", body)
	}
}

func TestApp_HangsUntilStopOrLimit(t *testing.T) {
	tests := []struct {
		name  string
		stop  time.Duration
		code  int
		after time.Duration
	}{
		{"stop releases", 5 * time.Second, 200, 5 * time.Second},
		{"limit ends it", 90 * time.Second, 504, 60 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newTestApp()
				do(t, a, http.MethodPost, "/chaos/start?mode=timeout")
				time.AfterFunc(tt.stop, a.chaos.stop)
				start := time.Now()
				code, _ := do(t, a, http.MethodGet, "/")
				if after := time.Since(start); code != tt.code || after != tt.after {
					t.Errorf("status %d after %s, want %d after %s", code, after, tt.code, tt.after)
				}
			})
		})
	}
}

func TestApp_SlowDelaysByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newTestApp()
		do(t, a, http.MethodPost, "/chaos/start?mode=slow")
		start := time.Now()
		if code, _ := do(t, a, http.MethodGet, "/"); code != 200 || time.Since(start) != time.Second {
			t.Errorf("status %d after %s, want 200 after 1s", code, time.Since(start))
		}
	})
}

func TestRun_ReportsAddressTaken(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := Run(t.Context(), Config{Addr: ln.Addr().String()}); err == nil {
		t.Error("Run on a taken address: no error")
	}
}

func TestRun_FinishesRequestsInFlight(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, Config{Pool: "blue"}, ln) }()
	base := "http://" + ln.Addr().String()
	send := func(method, path string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, http.NoBody)
		if err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	if code, err := send(http.MethodPost, "/chaos/start?mode=timeout"); err != nil || code != 200 {
		t.Fatalf("start chaos: %d %v", code, err)
	}
	hung := make(chan error, 1)
	go func() {
		code, err := send(http.MethodGet, "/")
		if err == nil && code != 200 {
			err = http.ErrNotSupported
		}
		hung <- err
	}()
	time.Sleep(50 * time.Millisecond) // the request reaches the handler
	cancel()
	if err := <-hung; err != nil {
		t.Errorf("request in flight at shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}
