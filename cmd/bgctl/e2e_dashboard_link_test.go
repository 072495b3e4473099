//go:build e2e

package main_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bgctl/internal/load"
)

// slowLink is a socket of the engine that is far away.
type slowLink struct {
	delay time.Duration // each way
	open  atomic.Int64  // connections
	most  atomic.Int64
}

// listen serves the link until the end of the test and returns its address.
func (l *slowLink) listen(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "engine.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(conn.(*net.UnixConn))
		}
	}()
	return "unix://" + path
}

// carry joins one connection to the engine.
func (l *slowLink) carry(near *net.UnixConn) {
	defer near.Close()
	far, err := net.Dial("unix", strings.TrimPrefix(engineSocket(), "unix://"))
	if err != nil {
		return
	}
	defer far.Close()
	n := l.open.Add(1)
	defer l.open.Add(-1)
	for most := l.most.Load(); n > most && !l.most.CompareAndSwap(most, n); most = l.most.Load() {
	}
	done := make(chan struct{}, 2)
	go func() { l.late(far.(*net.UnixConn), near); done <- struct{}{} }()
	go func() { l.late(near, far.(*net.UnixConn)); done <- struct{}{} }()
	<-done
	<-done
}

// engineSocket is the real one.
func engineSocket() string {
	if host := os.Getenv("BGCTL_E2E_ENGINE"); host != "" {
		return host
	}
	return "unix:///var/run/docker.sock"
}

// late copies what comes, each piece by the delay later: a far link is slow to answer
// and not narrow.
func (l *slowLink) late(to, from *net.UnixConn) {
	type piece struct {
		data []byte
		due  time.Time
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				pieces <- piece{buf[:n], time.Now().Add(l.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			_, _ = io.Copy(io.Discard, from) // ends with the other side
			break
		}
	}
	_ = to.CloseWrite()
}

// rps finds the requests per second of a pool.
var rps = regexp.MustCompile(`rps ([1-9]\d*)`)

// opened is how long a screen takes from its start to its frame and to real numbers.
func opened(t *testing.T, s *stack) (x *terminal, paint, data time.Duration) {
	t.Helper()
	begin := time.Now()
	x = openScreen(t, s, 120, 36)
	for data == 0 {
		text := x.text()
		if paint == 0 && strings.Contains(text, "BLUE") {
			paint = time.Since(begin)
		}
		if rps.MatchString(text) {
			data = time.Since(begin)
		}
		if time.Since(begin) > 30*time.Second {
			t.Fatalf("no data came:\n%s", text)
		}
	}
	return x, paint, data
}

// answered is how long keys take to their paint, the 95th percentile of some.
func answered(x *terminal) time.Duration {
	var keys []time.Duration
	for i := range 10 {
		key, want := "?", "enter does it"
		if i%2 == 1 {
			key, want = ":", "╔═ Command"
		}
		pressed := time.Now()
		x.press(key)
		for !strings.Contains(x.text(), want) {
			if time.Since(pressed) > 10*time.Second {
				x.t.Fatalf("%s does nothing", key)
			}
		}
		keys = append(keys, time.Since(pressed))
		x.escape(want)
	}
	slices.Sort(keys)
	return keys[len(keys)*95/100]
}

// An engine that is 200 ms away must neither keep the screen from being drawn nor
// keys from being answered, and its requests must not pile up.
func TestDashboard_StaysUsableOverASlowLink(t *testing.T) {
	shared.reset(t)
	tr := shared.start(t, load.Config{Clients: 4, Rate: 60})
	near, nearPaint, _ := opened(t, shared)
	nearKey := answered(near)
	near.press("q")
	near.ended()
	link := &slowLink{delay: 100 * time.Millisecond}
	t.Setenv("DOCKER_HOST", link.listen(t))
	x, paint, data := opened(t, shared)
	key := answered(x)
	t.Logf("near: paint %s, keys %s; 200 ms away: paint %s, keys %s, data %s", nearPaint, nearKey, paint, key, data)
	// Beside the near engine in the same run, so that a busy machine does not judge.
	if paint > 2*nearPaint+100*time.Millisecond || key > 2*nearKey+50*time.Millisecond {
		t.Errorf("the link is felt: paint %s (near %s), keys %s (near %s)", paint, nearPaint, key, nearKey)
	}
	x.shows("● LIVE")
	time.Sleep(3 * time.Second) // until all that it follows is followed
	before := link.open.Load()
	time.Sleep(3 * time.Second)
	if now, most := link.open.Load(), link.most.Load(); now > before+4 || most > 24 {
		t.Errorf("requests pile up: %d connections, then %d, at most %d", before, now, most)
	}
	tr.stop() // its rows would push this one off the screen
	get(t, shared.url()+"/over-the-link")
	x.shows("/over-the-link")
	x.press("q")
	if code := x.ended(); code != "0" {
		t.Errorf("the dashboard ended with %s", code)
	}
}
