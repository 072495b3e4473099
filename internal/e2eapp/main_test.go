package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// environment is an image's environment.
func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

// Intent: the shop tells its release in its text, and in headers only when asked.
func TestHandler_Headers(t *testing.T) {
	for headers, want := range map[string]string{"": "", "1": "v7"} {
		h := handler(environment(map[string]string{"VERSION": "v7", "APP_POOL": "blue", "HEADERS": headers}), 0)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/any", strings.NewReader("body")))
		if got := w.Header().Get("X-Release-Id"); w.Code != http.StatusOK || w.Body.String() != "shop v7 in blue\n" || got != want {
			t.Errorf("HEADERS=%q: got %d, %q, release %q; want release %q", headers, w.Code, w.Body, got, want)
		}
	}
}

// Intent: SLOW delays answers, not the health check; HANG hangs the health check alone.
func TestHandler_SlowAndHang(t *testing.T) {
	srv := httptest.NewServer(handler(environment(map[string]string{"HANG": "1"}), 300*time.Millisecond))
	defer srv.Close()
	for _, path := range []string{"/healthz", "/"} {
		if text, err := fetch(t, srv.URL+path, 100*time.Millisecond); err == nil {
			t.Errorf("GET %s: got %q at once, want no answer", path, text)
		}
	}
	if text, err := fetch(t, srv.URL+"/", 5*time.Second); err != nil || !strings.HasPrefix(text, "shop ") {
		t.Errorf("GET /: got %q, %v", text, err)
	}
}

// fetch gets a text within limit.
func fetch(t *testing.T, url string, limit time.Duration) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: limit}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// Intent: a release that fails ends with an error, at once or after its time.
func TestRun_Fails(t *testing.T) {
	for _, vars := range []map[string]string{{"FAIL": "1"}, {"CRASH_AFTER": "10ms", "PORT": "0"}} {
		if err := run(t.Context(), environment(vars)); !errors.Is(err, errAsked) {
			t.Errorf("%v: got %v, want %v", vars, err, errAsked)
		}
	}
	if err := run(t.Context(), environment(map[string]string{"SLOW": "soon"})); err == nil {
		t.Error("SLOW=soon: got no error")
	}
}
