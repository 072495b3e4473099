package compose

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestConnect_D10_RefusedVersion: the engine answers a ping whatever the client speaks,
// and refuses the first real request.
func TestConnect_D10_RefusedVersion(t *testing.T) {
	tests := []struct {
		name, engine, minimum, pinned, want string
	}{
		{"the engine's oldest version is too new", "1.99", "1.98", "", "refuses API "},
		{"and what to do", "1.99", "1.98", "", "(its oldest is 1.98): update bgctl"},
		{"pinned below the engine's oldest", "1.99", "1.44", "1.42", "refuses API 1.42 (its oldest is 1.44): unset DOCKER_API_VERSION"},
		{"pinned above the engine's newest", "1.41", "1.12", "1.47", "refuses API 1.47 (its newest is 1.41): unset DOCKER_API_VERSION"},
		{"pinned below what bgctl needs", "1.41", "1.12", "1.30", "DOCKER_API_VERSION=1.30, bgctl needs 1.41 or newer: unset it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := choosyEngine(t, tt.engine, tt.minimum)
			_, err := Connect(t.Context(), ConnectOptions{Host: tcpHost(server), Env: envOf(map[string]string{"DOCKER_API_VERSION": tt.pinned})})
			wantUnreachable(t, err, tt.want)
		})
	}
	server := choosyEngine(t, "1.41", "1.12")
	c, err := Connect(t.Context(), ConnectOptions{Host: tcpHost(server), Env: envOf(map[string]string{"DOCKER_API_VERSION": "1.41"})})
	if err != nil {
		t.Fatalf("a pinned version that both speak: %v", err)
	}
	_ = c.Close()
}

// choosyEngine refuses API versions as dockerd does, word for word.
func choosyEngine(t *testing.T, newest, oldest string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", newest)
		w.Header().Set("Ostype", "linux")
		version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
		switch {
		case r.URL.Path == "/_ping":
		case version < oldest: // versions of one length
			refuse(w, http.StatusBadRequest, fmt.Sprintf("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", version, oldest))
		case version > newest:
			refuse(w, http.StatusBadRequest, fmt.Sprintf("client version %s is too new. Maximum supported API version is %s", version, newest))
		default:
			answer(t, w, map[string]any{"Version": "test", "ApiVersion": newest, "MinAPIVersion": oldest, "Os": "linux", "Arch": "x86_64"})
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// TestLogs_D10_WithAndWithoutAContentType: engines name the kind of stream from API 1.42
// on, and say nothing before; whether there is a terminal decides either way.
func TestLogs_D10_WithAndWithoutAContentType(t *testing.T) {
	const framed, raw = "application/vnd.docker.multiplexed-stream", "application/vnd.docker.raw-stream"
	for _, tt := range []struct {
		version, kind string
		tty           bool
	}{
		{"1.41", "", false},
		{"1.41", "", true},
		{"1.44", framed, false},
		{"1.44", raw, true},
		{"1.51", framed, false},
		{"1.44", raw, false}, // an engine that names the wrong one
	} {
		t.Run(fmt.Sprintf("%s %q tty %v", tt.version, tt.kind, tt.tty), func(t *testing.T) {
			body := frame(1, stampA+"a\n") + frame(2, stampA+"not asked for\n") + frame(1, stampB+"b\n")
			if tt.tty {
				body = stampA + "a\r\n" + stampB + "b\r\n"
			}
			c := connectTo(t, fakeEngine(t, tt.version, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/containers/web/json" {
					answer(t, w, map[string]any{"Id": "0123", "Name": "/web", "Config": map[string]any{"Tty": tt.tty}, "State": map[string]any{"Status": "running"}})
					return
				}
				w.Header()["Content-Type"] = nil // the server would guess one
				if tt.kind != "" {
					w.Header().Set("Content-Type", tt.kind)
				}
				_, _ = w.Write([]byte(body))
			}))
			r, err := c.Logs(t.Context(), "web", LogsOptions{Stdout: true, Timestamps: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			var got []string
			for line, err := r.Next(); err == nil; line, err = r.Next() {
				if line.Stream == "stdout" {
					got = append(got, line.Time.Format(time.TimeOnly)+" "+string(line.Text))
				}
			}
			if want := "03:04:05 a, 03:04:06 b"; strings.Join(got, ", ") != want {
				t.Errorf("got %q, want %s", got, want)
			}
		})
	}
}
