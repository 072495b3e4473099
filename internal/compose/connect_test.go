package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

func TestConnect_NegotiatesTheVersion(t *testing.T) {
	for version, want := range map[string]string{"1.41": "1.41", "1.44": "1.44", "1.51": "1.51"} {
		c := connectTo(t, fakeEngine(t, version, nil))
		if info := c.Info(); info.APIVersion != want || info.Arch != "amd64" || info.OSType != "linux" || info.ServerVersion != "test" {
			t.Errorf("API %s: %+v", version, info)
		}
	}
}

func TestConnect_RefusesAnOldEngine(t *testing.T) {
	_, err := Connect(t.Context(), ConnectOptions{Host: tcpHost(fakeEngine(t, "1.39", nil))})
	wantUnreachable(t, err, "speaks API 1.39, bgctl needs 1.41 or newer: update Docker")
}

func TestConnect_NoticesPodmanAndRootless(t *testing.T) {
	components := []map[string]any{{"Name": "Podman Engine", "Version": "5"}, {"Name": "rootlesskit", "Version": "1"}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		answer(t, w, map[string]any{"Version": "5.0", "Components": components})
	}))
	t.Cleanup(server.Close)
	if info := connectTo(t, server).Info(); !info.Podman || !info.Rootless {
		t.Errorf("%+v", info)
	}
}

func wantUnreachable(t *testing.T, err error, part string) {
	t.Helper()
	var typed *UnreachableError
	if !errors.As(err, &typed) || !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q, want one line with %q", err, part)
	}
}

func TestConnect_SaysWhyThereIsNoEngine(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n"
	if err := os.WriteFile(filepath.Join(dir, "bin", "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	dead := filepath.Join(dir, "dead.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = listener.Close()
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tlsServer.Close)
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusInternalServerError, "containerd is gone")
	}))
	t.Cleanup(sick.Close)
	closed := fakeEngine(t, "1.41", nil)
	closed.Close() // last, or another server here may get its port
	verify := map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": filepath.Join(dir, "certs")}
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o755); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, host, want string
		env              map[string]string
	}{
		{name: "no socket", host: "unix://" + dir + "/none.sock", want: "there is no Docker socket at"},
		{name: "dead socket", host: "unix://" + dead, want: "no engine listens on it: start Docker"},
		{name: "nothing listens", host: tcpHost(closed), want: "nothing listens at"},
		{name: "unknown host", host: "tcp://engine.invalid:2375", want: "does not resolve"},
		{name: "bad scheme", host: "ftp://x", want: "unknown scheme"},
		{name: "engine wants TLS", host: tcpHost(tlsServer), want: "TLS failed"},
		{name: "sick engine", host: tcpHost(sick), want: "did not answer as a Docker engine does"},
		{name: "no certificates", host: tcpHost(tlsServer), env: verify, want: "no ca.pem or cert.pem in"},
		{name: "ssh", host: "ssh://somewhere.invalid", want: "(Host key verification failed.): check that `ssh`"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Connect(t.Context(), ConnectOptions{Host: tt.host, Env: envOf(tt.env)})
			wantUnreachable(t, err, tt.want)
		})
	}
}

func TestConnect_GivesUpOnAHungEngine(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	start := time.Now()
	_, err := Connect(t.Context(), ConnectOptions{Host: tcpHost(server)})
	wantUnreachable(t, err, "gave no answer within 3s")
	if took := time.Since(start); took > 2*pingTimeout {
		t.Errorf("took %v", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Connect(ctx, ConnectOptions{Host: tcpHost(server)}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConnect_UsesTLS(t *testing.T) {
	engine := fakeEngine(t, "1.41", nil)
	server := httptest.NewTLSServer(engine.Config.Handler)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(t.Context(), ConnectOptions{Env: envOf(map[string]string{
		"DOCKER_HOST": tcpHost(server), "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": dir,
	})}); err != nil {
		t.Error(err)
	}
	writeContext(t, dir, "secure", tcpHost(server))
	certs := filepath.Join(dir, "contexts", "tls", contextID("secure"), "docker")
	if err := os.MkdirAll(certs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Connect(t.Context(), ConnectOptions{Context: "secure", ConfigDir: dir})
	if err != nil || c.Info().Context != "secure" {
		t.Errorf("context: %v", err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.pem"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Connect(t.Context(), ConnectOptions{Context: "secure", ConfigDir: dir})
	wantUnreachable(t, err, "holds no certificate")
}

func contextID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func writeContext(t *testing.T, dir, name, host string) {
	t.Helper()
	meta := filepath.Join(dir, "contexts", "meta", contextID(name))
	if err := os.MkdirAll(meta, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"Name": name, "Metadata": map[string]any{},
		"Endpoints": map[string]any{"docker": map[string]any{"Host": host, "SkipTLSVerify": false}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(meta, "meta.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestResolveTarget_FollowsTheOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"flag", "env", "current"} {
		writeContext(t, dir, name, "ssh://"+name)
	}
	writeContext(t, dir, "hollow", "")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("config.json", `{"currentContext":"current"}`)
	tests := []struct {
		name          string
		host, context string
		env           map[string]string
		want          string
		wantErr       string
	}{
		{name: "host first", host: "ssh://h", context: "flag", env: map[string]string{"DOCKER_HOST": "ssh://e"}, want: "ssh://h"},
		{name: "then the context", context: "flag", env: map[string]string{"DOCKER_HOST": "ssh://e"}, want: "ssh://flag"},
		{name: "then DOCKER_HOST", env: map[string]string{"DOCKER_HOST": "ssh://e", "DOCKER_CONTEXT": "env"}, want: "ssh://e"},
		{name: "then DOCKER_CONTEXT", env: map[string]string{"DOCKER_CONTEXT": "env"}, want: "ssh://env"},
		{name: "then config.json", want: "ssh://current"},
		{name: "default by name", context: "default", want: client.DefaultDockerHost},
		{name: "host without scheme", host: "box:2375", want: "tcp://box:2375"},
		{name: "path", host: "/run/x.sock", want: "unix:///run/x.sock"},
		{name: "unknown context", context: "none", wantErr: `docker context "none" does not exist`},
		{name: "hollow context", context: "hollow", wantErr: "names no engine address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolveTarget(ConnectOptions{Host: tt.host, Context: tt.context, Env: envOf(tt.env), ConfigDir: dir})
			if tt.wantErr != "" {
				wantUnreachable(t, err, tt.wantErr)
			} else if err != nil || got.host != tt.want {
				t.Errorf("%q, %v, want %q", got.host, err, tt.want)
			}
		})
	}
	write("config.json", `{`)
	_, err := resolveTarget(ConnectOptions{Env: envOf(nil), ConfigDir: dir})
	wantUnreachable(t, err, "is not valid JSON")
}

func TestConfigDir(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"/c":         {"DOCKER_CONFIG": "/c", "HOME": "/h"},
		"/h/.docker": {"HOME": "/h"},
		"":           {},
	} {
		if got := configDir(ConnectOptions{Env: envOf(env)}); got != want {
			t.Errorf("%v: %q, want %q", env, got, want)
		}
	}
}

func TestWrap_MapsTheKinds(t *testing.T) {
	status, message := http.StatusNotFound, "No such container: x"
	c := connectTo(t, fakeEngine(t, "1.41", func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, message) }))
	err := c.Kill(t.Context(), "x", "KILL")
	if !errors.Is(err, ErrNotFound) || err.Error() != "kill container x: No such container: x" {
		t.Error(err)
	}
	status, message = http.StatusConflict, "Container x is paused\nand a stack\nof lines"
	if err := c.Stop(t.Context(), "x", time.Second); !errors.Is(err, ErrConflict) || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Start(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gone := fakeEngine(t, "1.41", nil)
	c = connectTo(t, gone)
	gone.Close()
	if err := c.Start(t.Context(), "x"); !errors.Is(err, ErrUnreachable) || !strings.Contains(fmt.Sprint(err), "is lost") {
		t.Error(err)
	}
}
