//go:build e2e && bench

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"bgctl/internal/load"
)

const (
	benchClients = 32
	// benchPerMove is how many requests are answered between two moves at least:
	// 100 moves make the 200,000 requests that the promise is about.
	benchPerMove = 2000
	benchWanted  = 200_000
	// benchSettle is how long the answers after a move are looked at before the
	// next one.
	benchSettle = 150 * time.Millisecond
	// benchPause is how long a client waits after a failure. Without it, clients
	// that are refused would spin and count the speed of their own loop.
	benchPause = 10 * time.Millisecond
)

// benchWindow is the time between the return of one command and the start of the
// next one. All that is sent and answered in it must come from the new pool.
type benchWindow struct {
	oldPool, newPool string
	from, to         time.Time // to is zero until the next command starts
	fresh            int       // answers of the new pool
	late             int       // answers of the old pool
	undecided        int       // answers of the old pool that ended after the next command's start
}

// benchMeter counts results while the traffic runs; it keeps none but failures.
type benchMeter struct {
	mu       sync.Mutex
	sent     int
	moves    int
	windows  []benchWindow
	failures []string
	answered time.Time     // the last good answer
	gap      time.Duration // the longest time without a good answer
}

// add counts one result. It is the OnResult of the traffic.
func (m *benchMeter) add(r load.Result) {
	m.count(&r)
	if !r.OK() {
		time.Sleep(benchPause)
	}
}

func (m *benchMeter) count(r *load.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent++
	if r.OK() {
		if !m.answered.IsZero() {
			m.gap = max(m.gap, r.End.Sub(m.answered))
		}
		m.answered = r.End
	} else if len(m.failures) < 20 {
		m.failures = append(m.failures, fmt.Sprintf("%s..%s client %d, after %d moves: %s status %d from %q: %v",
			r.Start.UTC().Format("15:04:05.000"), r.End.UTC().Format("15:04:05.000"), r.Client, m.moves, r.Method, r.Status, r.Pool, r.Err))
	}
	for i := len(m.windows) - 1; i >= 0; i-- {
		if w := &m.windows[i]; r.Start.After(w.from) {
			w.add(r)
			break
		}
	}
}

// add counts a result that was sent after the command of w had returned. One that
// ended after the next command had begun may be the next command's doing.
func (w *benchWindow) add(r *load.Result) {
	if !w.to.IsZero() && r.Start.After(w.to) {
		return
	}
	switch {
	case r.Pool == w.newPool:
		w.fresh++
	case r.Pool != w.oldPool:
	case w.to.IsZero() || r.End.Before(w.to):
		w.late++
	default:
		w.undecided++
	}
}

// begin notes that a command starts. The lock makes sure that what was counted
// before is older than the time that is noted.
func (m *benchMeter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moves++
	if n := len(m.windows); n > 0 {
		m.windows[n-1].to = time.Now()
	}
}

// returned notes that a command has moved traffic.
func (m *benchMeter) returned(oldPool, newPool string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.windows = append(m.windows, benchWindow{oldPool: oldPool, newPool: newPool, from: time.Now()})
}

// total is the number of requests so far.
func (m *benchMeter) total() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent
}

// benchWay is one way of moving traffic, and what it cost.
type benchWay struct {
	name  string
	moves int
	every time.Duration // the shortest time between two moves
	tail  time.Duration // how long traffic goes on after the last move
	move  func(t *testing.T, m *benchMeter, i int)

	meter *benchMeter
	rep   load.Report
	took  []time.Duration // of each command
}

// run sends traffic and moves it.
func (w *benchWay) run(t *testing.T) {
	t.Helper()
	w.meter = &benchMeter{}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.rep, err = load.Run(ctx, load.Config{
			URL: shared.url() + "/", Clients: benchClients, Methods: []string{"GET", "POST"}, Body: "hello", OnResult: w.meter.add,
		})
	}()
	defer func() { cancel(); <-done }()
	w.wait(t, 1)
	for i := range w.moves {
		w.meter.begin()
		begin := time.Now()
		w.move(t, w.meter, i)
		w.took = append(w.took, time.Since(begin))
		time.Sleep(w.every)
		w.wait(t, i+2)
	}
	time.Sleep(w.tail)
	cancel()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(w.took)
	t.Logf("%s: command p50 %s, longest %s; longest time without a good answer %s; %s", w.name,
		w.took[len(w.took)/2].Round(time.Millisecond), w.took[len(w.took)-1].Round(time.Millisecond),
		w.meter.gap.Round(time.Millisecond), w.rep.String())
	for _, line := range w.meter.failures {
		t.Log("failed:", line)
	}
}

// wait lets n moves' share of the requests pass.
func (w *benchWay) wait(t *testing.T, n int) {
	t.Helper()
	eventually(t, time.Minute, "enough requests between two moves", func() bool { return w.meter.total() >= n*benchPerMove })
}

// late sums the windows up: answers of the old pool, and those that cannot be told.
// A window without an answer of the new pool proves nothing, and is an error.
func (w *benchWay) late(t *testing.T) (late, undecided int) {
	t.Helper()
	for i := range w.meter.windows {
		win := &w.meter.windows[i]
		late, undecided = late+win.late, undecided+win.undecided
		if win.fresh == 0 {
			t.Errorf("move %d: no answer of %s after the command had returned", i+1, win.newPool)
		}
	}
	return late, undecided
}

// benchTable prints the ways side by side.
func benchTable(t *testing.T, ways []*benchWay) string {
	t.Helper()
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "way\tmoves\trequests\tfailed\tfailed/move\tlate answers\tp99\tlongest\tlongest gap\t")
	for _, w := range ways {
		late := "-"
		if len(w.meter.windows) > 0 {
			n, _ := w.late(t)
			late = strconv.Itoa(n)
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t\n", w.name, w.moves, w.rep.Sent, w.rep.Failed,
			float64(w.rep.Failed)/float64(w.moves), late, w.rep.Percentile(99).Round(100*time.Microsecond),
			w.rep.Longest.Round(time.Millisecond), w.meter.gap.Round(time.Millisecond))
	}
	_ = tw.Flush() // to a string
	return b.String()
}

// benchEvidence logs what the proxy wrote about requests that went wrong.
func benchEvidence(t *testing.T) {
	t.Helper()
	id := shared.container(t, "nginx")
	for _, pattern := range []string{`"status":"[45]`, `"upstream_status":"[^"]*,`, `"pool":"blue".*"active":"green"|"pool":"green".*"active":"blue"`} {
		script := `cd /var/log/bgctl && ls -l && cat $(ls -tr access.log*) | grep -E "$1" | tail -n 20`
		out, err := exec.CommandContext(t.Context(), "docker", "exec", id, "sh", "-c", script, "sh", pattern).CombinedOutput()
		t.Logf("access log, lines with %s (%v):\n%s", pattern, err, out)
	}
	out, err := exec.CommandContext(t.Context(), "docker", "logs", "--tail", "40", id).CombinedOutput()
	t.Logf("end of the proxy's own log (%v):\n%s", err, out)
}

// benchSwitches is the number of switches: SWITCHES, or 100.
func benchSwitches(t *testing.T) int {
	t.Helper()
	v := os.Getenv("SWITCHES")
	if v == "" {
		return 100
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("SWITCHES=%q: want a number above 0", v)
	}
	return n
}

// Intent: moving traffic by the flag file costs keep-alive clients that never retry
// nothing, however often it is done; the usual ways are measured beside it.
func TestBenchSwitch(t *testing.T) {
	t.Cleanup(func() { shared.reset(t) })
	pools := []string{"blue", "green"}
	ways := []*benchWay{
		{name: "flag file", moves: benchSwitches(t), every: benchSettle, tail: time.Second, move: func(t *testing.T, m *benchMeter, i int) {
			t.Helper()
			from, to := pools[i%2], pools[(i+1)%2]
			shared.must(t, "switch", to)
			m.returned(from, to)
		}},
		// The tail is longer than worker_shutdown_timeout: what the last workers cut
		// off when they end is counted too.
		{name: "reload", moves: 20, every: time.Second, tail: 10 * time.Second, move: func(t *testing.T, _ *benchMeter, _ int) {
			t.Helper()
			docker(t, "exec", shared.container(t, "nginx"), "nginx", "-s", "reload", "-c", "/tmp/nginx.conf")
		}},
		{name: "recreate", moves: 3, every: 2 * time.Second, tail: 2 * time.Second, move: func(t *testing.T, _ *benchMeter, _ int) {
			t.Helper()
			apps := shared.container(t, "app_blue") + shared.container(t, "app_green")
			docker(t, "rm", "-f", shared.container(t, "nginx"))
			shared.must(t, "up", "--demo")
			if apps != shared.container(t, "app_blue")+shared.container(t, "app_green") {
				t.Log("up recreated the pools too (another build of bgctl:local?): this move cost more than the proxy")
			}
		}},
	}
	for i, w := range ways {
		w.run(t)
		if i > 0 {
			continue
		}
		late, undecided := w.late(t)
		t.Logf("%s: %d requests, %d late answers, %d that ended after the next command's start", w.name, w.rep.Sent, late, undecided)
		if w.rep.Failed != 0 || late != 0 {
			t.Errorf("%s: %d of %d requests failed, %d late answers", w.name, w.rep.Failed, w.rep.Sent, late)
			benchEvidence(t)
		}
		if w.moves >= 100 && w.rep.Sent < benchWanted {
			t.Errorf("%s: %d requests, want %d", w.name, w.rep.Sent, benchWanted)
		}
		if shared.active(t) != "blue" {
			shared.must(t, "switch", "blue")
		}
	}
	t.Logf("%d keep-alive clients that never retry, GET and POST:\n%s", benchClients, benchTable(t, ways))
}
