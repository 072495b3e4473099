package compose

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeEngine answers what [Connect] asks and hands the rest to handle, which
// sees the path without the API version.
func fakeEngine(t *testing.T, version string, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", version)
		w.Header().Set("Ostype", "linux")
		if r.URL.Path == "/_ping" {
			return
		}
		asked, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
		if asked != version {
			t.Errorf("asked in API %s of an engine of %s: %s", asked, version, r.URL.Path)
		}
		r.URL.Path = "/" + rest
		if rest == "version" {
			answer(t, w, map[string]any{"Version": "test", "ApiVersion": version, "Os": "linux", "Arch": "x86_64"})
			return
		}
		if handle == nil {
			http.NotFound(w, r)
			return
		}
		handle(w, r)
	}))
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func answer(t *testing.T, w http.ResponseWriter, value any) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		t.Error(err)
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func tcpHost(server *httptest.Server) string {
	return "tcp://" + server.Listener.Addr().String()
}

func connectTo(t *testing.T, server *httptest.Server) *Client {
	t.Helper()
	c, err := Connect(t.Context(), ConnectOptions{Host: tcpHost(server)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func envOf(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}
