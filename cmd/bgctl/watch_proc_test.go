//go:build !e2e

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/slack"
	"bgctl/internal/watch"
)

// watchBench runs the real `bgctl watch` process on a log that a test writes and
// two receivers that a test answers for.
type watchBench struct {
	t       *testing.T
	dir     string // holds the log
	state   string
	env     []string
	slack   *slack.StandIn
	hook    string // URL of the generic webhook's stand-in
	generic *genericStandIn
	out     *lockedBuffer // standard output and error of every run

	log    *os.File
	active bluegreen.Pool
	seq    int
	query  string // of the requests, with its question mark
}

// genericStandIn keeps what a generic webhook receives.
type genericStandIn struct {
	mu     sync.Mutex
	bodies []string
	status int // 0: 204
}

func (g *genericStandIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	status := g.status
	if status == 0 {
		status = http.StatusNoContent
		g.bodies = append(g.bodies, string(body))
	}
	w.WriteHeader(status)
}

func (g *genericStandIn) all() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.bodies...)
}

// lockedBuffer is written by processes and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const (
	slackSecret   = "/services/T0TEAMSECRET/B0BOTSECRET/xYzSuperSecretToken42"
	genericSecret = "/hooks/zZgenericPathSecret?token=qQgenericQuerySecret"
)

func newWatchBench(t *testing.T) *watchBench {
	t.Helper()
	b := &watchBench{
		t: t, dir: t.TempDir(), state: t.TempDir(), out: &lockedBuffer{},
		slack: slack.NewStandIn(), generic: &genericStandIn{}, active: bluegreen.Blue,
	}
	hooks, generic := httptest.NewServer(b.slack), httptest.NewServer(b.generic)
	t.Cleanup(hooks.Close)
	t.Cleanup(generic.Close)
	b.hook = generic.URL
	b.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "ALERT_COOLDOWN_SEC=0", "SLACK_ALLOW_HTTP=true", "COMPOSE_PROJECT_NAME=shop",
		"SLACK_WEBHOOK_URL=" + hooks.URL + slackSecret, "ALERT_WEBHOOK_URL=" + generic.URL + genericSecret,
	}
	var err error
	if b.log, err = os.OpenFile(filepath.Join(b.dir, "access.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.log.Close() })
	return b
}

// command returns this test binary as `bgctl args…` in the environment of the bench.
func (b *watchBench) command(args ...string) *exec.Cmd {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.program(self, args...)
}

// shipped is command with the binary that make built, if there is one: it starts in a
// tenth of the time of this one with its race detector.
func (b *watchBench) shipped(args ...string) *exec.Cmd {
	b.t.Helper()
	if path := os.Getenv("BGCTL_BIN"); path != "" {
		return b.program(path, args...)
	}
	return b.command(args...)
}

func (b *watchBench) program(path string, args ...string) *exec.Cmd {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), path, args...)
	cmd.Args[0] = "bgctl" // testscript.Main runs the program under this name
	cmd.Env, cmd.Dir = b.env, b.dir
	cmd.Stdout, cmd.Stderr = b.out, b.out
	return cmd
}

// start starts a watcher with further arguments.
func (b *watchBench) start(args ...string) *exec.Cmd {
	b.t.Helper()
	cmd := b.command(append([]string{"watch", "--log", b.log.Name(), "--state", b.state, "--listen", "127.0.0.1:0"}, args...)...)
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	return cmd
}

// ends of a line of the access log: answered by the active pool, by the other one
// after the active one failed, by none.
const (
	answered = iota
	failedOver
	noPool
)

// write appends n requests of a kind as nginx logs them.
func (b *watchBench) write(kind, n int) {
	b.t.Helper()
	addr := map[bluegreen.Pool]string{bluegreen.Blue: "10.0.0.2:3000", bluegreen.Green: "10.0.0.3:3000"}
	var text strings.Builder
	for range n {
		b.seq++
		status, tried, tries, pool := "200", addr[b.active], "200", b.active.String()
		switch kind {
		case failedOver:
			other := b.active.Other()
			tries, tried, pool = "502, 200", addr[b.active]+", "+addr[other], other.String()
		case noPool:
			status, tries, tried, pool = "502", "502", b.active.String(), ""
		}
		fmt.Fprintf(&text, `{"time_local":"","msec":"%.3f","remote_addr":"1.2.3.4","request":"GET /r%d%s HTTP/1.1","status":"%s",`+
			`"upstream_status":"%s","upstream_addr":"%s","request_time":"0.004","upstream_response_time":"0.004","pool":"%s",`+
			`"release":"v1","active":"%s","request_id":"id%d","bytes_sent":"100"}`+"\n",
			float64(time.Now().UnixMilli())/1000, b.seq, b.query, status, tries, tried, pool, b.active, b.seq)
	}
	if _, err := b.log.WriteString(text.String()); err != nil {
		b.t.Error(err)
	}
}

// until waits for check to hold.
func (b *watchBench) until(limit time.Duration, what string, check func() bool) {
	b.t.Helper()
	for end := time.Now().Add(limit); !check(); {
		if time.Now().After(end) {
			b.t.Fatalf("not within %v: %s\n%s", limit, what, tailOf(b.out.String()))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func tailOf(s string) string { return s[max(0, len(s)-4000):] }

// entries reads the watcher's history.
func (b *watchBench) entries() []watch.Entry {
	b.t.Helper()
	entries, err := watch.ReadHistory(b.state)
	if err != nil {
		b.t.Fatal(err)
	}
	return entries
}

// posted is a message as a receiver got it.
type posted struct {
	id        string
	duplicate bool
	merged    bool
}

var eventID = regexp.MustCompile("event `([a-z_]+-[0-9]+)`")

// messages returns what Slack's stand-in accepted, in order.
func (b *watchBench) messages() []posted {
	var out []posted
	for _, m := range b.slack.Messages() {
		id := eventID.FindStringSubmatch(string(m.Body))
		if id == nil {
			b.t.Errorf("a message without the event's number: %s", m.Body)
			continue
		}
		out = append(out, posted{
			id: id[1], duplicate: strings.Contains(string(m.Body), "may be a duplicate"),
			merged: strings.Contains(string(m.Body), "Stands for"),
		})
	}
	return out
}

// pending is how many messages wait in the queue files.
func (b *watchBench) pending() int {
	n := 0
	for _, name := range []string{"slack", "webhook"} {
		var q struct {
			Entries []json.RawMessage `json:"entries"`
		}
		data, err := os.ReadFile(filepath.Join(b.state, "queue-"+name+".json"))
		if err != nil || json.Unmarshal(data, &q) != nil {
			return -1
		}
		n += len(q.Entries)
	}
	return n
}

// quietLog drops what a server says about connections that a test cuts.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

// file returns a file of the state directory, "" when it is not there.
func (b *watchBench) file(name string) string {
	data, err := os.ReadFile(filepath.Join(b.state, name))
	if err != nil {
		return ""
	}
	return string(data)
}
