//go:build !e2e

package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
	"bgctl/internal/watch"
)

// hostile is what somebody else may have put into a name, a label, a log or a journal:
// it writes the clipboard, colours, overwrites and reorders a terminal's text, and
// forges a line.
const hostile = "evil\x1b]52;c;ZXZpbA==\x07\x1b[31m\r\u009b1m\u009d0;t\x9b2m\u202e\u2028\nundo: FORGED\tx\x7f"

// filled returns a T whose texts are all hostile. Nothing in it is nil or empty.
func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fill(v reflect.Value, depth int) {
	if depth > 8 || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Now().Add(time.Hour)))
		return
	case json.RawMessage:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	}
}

// hostileEngine is a Docker engine whose every text is hostile. The containers of the
// embedded stack are there; the proxy's agent is the real one.
type hostileEngine struct {
	t     *testing.T
	dir   *proxy.Dir
	state string // of the containers but the proxy's
	mute  bool   // the agent does not answer

	mu    sync.Mutex
	execs [][]string
}

// newHostileEngine starts one and returns its address.
func newHostileEngine(t *testing.T, e *hostileEngine) string {
	t.Helper()
	e.t, e.dir = t, &proxy.Dir{Path: t.TempDir()}
	if _, err := e.dir.Init(bluegreen.Blue); err != nil {
		t.Fatal(err)
	}
	op := filled[bluegreen.Operation]()
	op.Kind, op.From, op.To, op.Result, op.Staged = bluegreen.ActSwitch, bluegreen.Green, bluegreen.Blue, "done "+hostile, false
	fault := filled[bluegreen.Fault]()
	fault.Pool = bluegreen.Green
	if err := e.dir.Finish(op); err != nil {
		t.Fatal(err)
	}
	if !e.mute {
		if err := e.dir.SetFault(fault); err != nil {
			t.Fatal(err)
		}
		op.ID, op.Finished = "2", time.Time{}
		if err := e.dir.Begin(op); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(server.Close)
	return "tcp://" + server.Listener.Addr().String()
}

// lock has somebody hostile hold the deployment's lock until the test ends.
func (e *hostileEngine) lock() {
	e.t.Helper()
	other := &proxy.Dir{Path: e.dir.Path}
	if _, ok, err := other.Lock(e.t.Context(), filled[bluegreen.Holder]()); !ok || err != nil {
		e.t.Fatal(ok, err)
	}
	e.t.Cleanup(func() { _ = other.Unlock() })
}

func (e *hostileEngine) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Ostype", "linux")
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if parts[0] != "_ping" {
		parts = parts[1:]
	}
	switch path := strings.Join(parts, "/"); {
	case path == "_ping":
	case path == "version":
		e.json(w, map[string]any{"Version": hostile, "ApiVersion": "1.41", "Os": "linux", "Arch": hostile})
	case path == "containers/json":
		e.json(w, []any{e.summary("a1"), e.summary("a2"), e.summary("a3"), e.summary("a4"), e.summary("a5")})
	case path == "networks", path == "images/json":
		e.json(w, []any{})
	case path == "volumes":
		e.json(w, map[string]any{"Volumes": []any{}})
	case path == "images/create":
		e.json(w, map[string]any{"status": hostile, "id": hostile})
		e.json(w, map[string]any{"errorDetail": map[string]string{"message": hostile}, "error": hostile})
	case path == "events":
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case parts[0] == "exec" && parts[2] == "start":
		_, _ = io.Copy(io.Discard, r.Body)
		e.exec(w, parts[1])
	case parts[0] == "exec":
		e.json(w, map[string]any{"Running": false, "ExitCode": 1})
	case parts[0] == "containers" && len(parts) == 3 && parts[2] == "exec":
		var ask struct{ Cmd []string }
		_ = json.NewDecoder(r.Body).Decode(&ask)
		e.mu.Lock()
		e.execs = append(e.execs, ask.Cmd)
		id := len(e.execs) - 1
		e.mu.Unlock()
		e.json(w, map[string]any{"Id": fmt.Sprint(id)})
	case parts[0] == "containers" && parts[2] == "archive":
		e.archive(w, r.URL.Query().Get("path"))
	case parts[0] == "containers" && parts[2] == "logs":
		writeFrame(w, 1, time.Now().UTC().Format(time.RFC3339Nano)+" "+hostile+"\n")
		writeFrame(w, 2, time.Now().UTC().Format(time.RFC3339Nano)+" "+hostile+"\n")
	case parts[0] == "containers" && parts[2] == "json" && r.Method == http.MethodGet:
		e.json(w, e.container(parts[1]))
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": hostile})
	}
}

func (e *hostileEngine) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		e.t.Error(err)
	}
}

func (e *hostileEngine) labels(id string) map[string]string {
	service := map[string]string{"a1": "nginx", "a2": "app_blue", "a3": "app_green", "a4": "alert_watcher"}[id]
	if service == "" {
		service = hostile
	}
	return map[string]string{
		"com.docker.compose.project": "shop", "com.docker.compose.service": service,
		"com.docker.compose.container-number": "1", "org.opencontainers.image.version": hostile,
		"com.docker.compose.config-hash": hostile, "com.docker.compose.image": hostile,
	}
}

func (e *hostileEngine) summary(id string) map[string]any {
	return map[string]any{"Id": id, "Names": []string{"/" + hostile}, "Image": hostile, "ImageID": hostile, "Labels": e.labels(id), "State": e.state, "Status": hostile}
}

func (e *hostileEngine) container(id string) map[string]any {
	state := e.state
	if id == "a1" {
		state = "running"
	}
	return map[string]any{
		"Id": id, "Name": "/" + hostile, "Image": hostile,
		"HostConfig": map[string]any{"LogConfig": map[string]any{"Type": "json-file"}},
		"State": map[string]any{
			"Status": state, "Running": state == "running", "Error": hostile, "StartedAt": time.Now().Add(time.Hour),
			"Health": map[string]any{"Status": map[bool]string{true: "healthy", false: hostile}[state == "running"], "Log": []any{map[string]any{"ExitCode": 1, "Output": hostile}}},
		},
		"Config": map[string]any{"Image": hostile, "Labels": e.labels(id), "Env": []string{"RELEASE_ID=" + hostile}},
		"NetworkSettings": map[string]any{
			"Networks": map[string]any{hostile: map[string]any{"NetworkID": hostile, "IPAddress": hostile}},
			"Ports":    map[string]any{"80/tcp": []any{map[string]string{"HostIp": "0.0.0.0", "HostPort": "1"}}},
		},
	}
}

// archive serves the watcher's files.
func (e *hostileEngine) archive(w http.ResponseWriter, path string) {
	ev := filled[alert.Event]()
	ev.Type, ev.Ack.Until = "error_rate", time.Now().Add(time.Hour)
	delivery := filled[alert.Delivery]()
	delivery.Event = ev.ID
	var text []byte
	switch {
	case strings.HasSuffix(path, watch.StateFile):
		m := filled[watch.Maintenance]()
		text, _ = json.Marshal(watch.State{Version: 1, Saved: time.Now(), Alerts: []alert.Event{ev}, Maintenance: &m})
	case strings.HasSuffix(path, "events.ndjson"):
		one, _ := json.Marshal(struct {
			Kind string `json:"kind"`
			alert.Event
		}{"alert", ev})
		two, _ := json.Marshal(struct {
			Kind string `json:"kind"`
			alert.Delivery
		}{"delivery", delivery})
		// A writer of another kind escapes less.
		text = fmt.Appendf(nil, "%s\n%s\n", bytes.ReplaceAll(one, []byte(`\u2028`), []byte("\u2028")), two)
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	stat, _ := json.Marshal(map[string]any{"name": "f", "size": len(text), "mode": 0o644})
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
	tw := tar.NewWriter(w)
	_ = tw.WriteHeader(&tar.Header{Name: "f", Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg})
	_, _ = tw.Write(text)
	_ = tw.Close()
}

// exec runs what a command asks of a container.
func (e *hostileEngine) exec(w http.ResponseWriter, id string) {
	var n int
	_, _ = fmt.Sscan(id, &n)
	e.mu.Lock()
	cmd := e.execs[n]
	e.mu.Unlock()
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		e.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	switch line := strings.Join(cmd, " "); {
	case strings.Contains(line, "agent session") && !e.mute:
		agent := &proxy.Agent{Dir: &proxy.Dir{Path: e.dir.Path}, HTTP: hostileNginx{}, Version: hostile}
		_ = agent.Serve(e.t.Context(), bufio.NewReader(buf), frames{conn})
	case strings.HasPrefix(line, "tail "):
		writeFrame(conn, 1, strings.ReplaceAll(hostile, "\n", "")+"\n")
	default:
		writeFrame(conn, 2, hostile+"\n")
	}
}

// frames writes as the engine multiplexes a standard output.
type frames struct{ w io.Writer }

func (f frames) Write(p []byte) (int, error) {
	writeFrame(f.w, 1, string(p))
	return len(p), nil
}

func writeFrame(w io.Writer, stream byte, text string) {
	head := [8]byte{stream}
	binary.BigEndian.PutUint32(head[4:], uint32(len(text)))
	_, _ = w.Write(append(head[:], text...))
}

// hostileNginx answers, and fails a probe with foreign words.
type hostileNginx struct{}

func (hostileNginx) Stub(context.Context) (int, uint64, error)  { return 1, 1, nil }
func (hostileNginx) Generation(context.Context) (string, error) { return hostile, nil }
func (hostileNginx) InFlight([]string) (int, error)             { return 0, nil }
func (hostileNginx) Probe(context.Context, bluegreen.Pool, time.Duration) bluegreen.ProbeResult {
	p := filled[bluegreen.ProbeResult]()
	return p
}

func (hostileNginx) Verify(context.Context, time.Duration) (bluegreen.Routing, error) {
	p := filled[bluegreen.ProbeResult]()
	return bluegreen.Routing{Active: bluegreen.Blue, Answer: &p}, nil
}

func (hostileNginx) Chaos(context.Context, bluegreen.Pool, bluegreen.FaultMode) error {
	return fmt.Errorf("%w: %s", bluegreen.ErrNoChaos, hostile)
}
