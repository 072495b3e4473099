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
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/any", strings.NewReader("body")))
		if got := w.Header().Get("X-Release-Id"); w.Code != http.StatusOK || w.Body.String() != "shop v7 in blue\n" || got != want {
			t.Errorf("HEADERS=%q: got %d, %q, release %q; want release %q", headers, w.Code, w.Body, got, want)
		}
	}
}

// Intent: SLOW delays answers, not the health check; HANG hangs the health check alone.
func TestHandler_SlowAndHang(t *testing.T) {
	srv := httptest.NewServer(handler(environment(map[string]string{"HANG": "1"}), 300*time.Millisecond))
	defer srv.Close()
	c := &http.Client{Timeout: 100 * time.Millisecond}
	for _, path := range []string{"/healthz", "/"} {
		if resp, err := c.Get(srv.URL + path); err == nil {
			resp.Body.Close()
			t.Errorf("GET %s: got an answer within %s, want none", path, c.Timeout)
		}
	}
	c.Timeout = 5 * time.Second
	resp, err := c.Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.HasPrefix(string(text), "shop ") {
		t.Errorf("GET /: got %q, %v", text, err)
	}
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
