// Package receipt measures what a switch costs the users: clients that never
// retry hold keep-alive connections across it, one idle connection and one long
// request among them, and every failure is counted.
package receipt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/load"
)

// The traffic of a measurement: light enough to run against production.
const (
	clients = 4
	rate    = 400 // requests per second, all clients together
	path    = "/healthz"

	// settle is how long after the rename answers of the old pool are waited
	// for; limit bounds the wait for the first answer of the new one.
	settle = 150 * time.Millisecond
	limit  = time.Second
	// warmUp is the longest wait for the clients' first answer.
	warmUp = 500 * time.Millisecond
)

// Meter measures switches. It implements [bluegreen.Meter].
type Meter struct {
	// URL is the proxy's address as this process reaches it. An empty one means
	// that nothing can be measured, which the receipt says.
	URL string
}

var _ bluegreen.Meter = (*Meter)(nil)

// measurement is one running measurement.
type measurement struct {
	from, to bluegreen.Pool
	cancel   context.CancelFunc
	done     chan struct{}
	first    chan struct{} // closed at the first answer
	held     chan struct{} // closed when the held connections stand
	once     sync.Once
	idle     *held
	long     *held

	mu      sync.Mutex
	results []load.Result
	err     error
}

// Start implements [bluegreen.Meter]. The clients connect while the caller goes on.
func (m *Meter) Start(ctx context.Context, from, to bluegreen.Pool) bluegreen.Measurement {
	if m.URL == "" {
		return skipped("the proxy publishes no port that this machine reaches")
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run := &measurement{from: from, to: to, cancel: cancel, done: make(chan struct{}), first: make(chan struct{}), held: make(chan struct{})}
	go func() {
		defer close(run.held)
		run.idle, run.long = hold(ctx, m.URL, ""), hold(ctx, m.URL, "bgctl")
	}()
	go run.traffic(ctx, m.URL)
	return run
}

// Ready implements [bluegreen.Measurement].
func (m *measurement) Ready(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmUp)
	defer cancel()
	for _, c := range []chan struct{}{m.first, m.held} {
		select {
		case <-c:
		case <-m.done:
		case <-ctx.Done():
		}
	}
}

// skipped is a measurement that could not begin, and why.
type skipped string

// Ready implements [bluegreen.Measurement].
func (skipped) Ready(context.Context) {}

// Finish implements [bluegreen.Measurement].
func (s skipped) Finish(context.Context, time.Time) bluegreen.Receipt {
	return bluegreen.Receipt{Skipped: string(s)}
}

// traffic runs the clients until the measurement is cancelled.
func (m *measurement) traffic(ctx context.Context, base string) {
	defer close(m.done)
	_, err := load.Run(ctx, load.Config{
		URL: base + path, Clients: clients, Rate: rate, Methods: []string{"GET", "POST"}, Body: "{}",
		Timeout: 5 * time.Second, Reach: load.Anywhere, // the proxy that is being switched
		OnResult: func(r load.Result) {
			m.mu.Lock()
			m.results = append(m.results, r)
			m.mu.Unlock()
			m.once.Do(func() { close(m.first) })
		},
	})
	m.mu.Lock()
	m.err = err
	m.mu.Unlock()
}

// Finish implements [bluegreen.Measurement]: it waits until the switch shows, ends the
// traffic and sums up.
func (m *measurement) Finish(ctx context.Context, moved time.Time) bluegreen.Receipt {
	m.await(ctx, moved)
	<-m.held // bounded by the time that connecting may take
	idle, long := m.idle.end(), m.long.end()
	m.cancel()
	<-m.done
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return bluegreen.Receipt{Skipped: m.err.Error()}
	}
	if len(m.results) == 0 {
		return bluegreen.Receipt{Skipped: "the proxy did not answer this machine"}
	}
	r := m.sum(moved)
	r.Idle, r.Long = verdict(idle), verdict(long)
	for _, err := range []error{idle, long} {
		r.Sent++
		if err != nil {
			r.Failed++
			r.Detail = err.Error()
		}
	}
	return r
}

// await waits for the first answer of the new pool and then for stragglers.
func (m *measurement) await(ctx context.Context, moved time.Time) {
	deadline := moved.Add(limit)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		now := time.Now()
		if now.After(deadline) || now.Sub(moved) >= settle && m.seen(m.to) {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-m.done:
			return
		}
	}
}

// seen reports whether pool has answered.
func (m *measurement) seen(pool bluegreen.Pool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, res := range slices.Backward(m.results) {
		if res.Pool == pool.String() {
			return true
		}
	}
	return false
}

// sum counts the results; the mutex is held. An app without the header X-App-Pool
// gives no pool: then only failures are counted.
func (m *measurement) sum(moved time.Time) bluegreen.Receipt {
	var r bluegreen.Receipt
	for i := range m.results {
		res := &m.results[i]
		r.Sent++
		// A 4xx is the app's answer to a probe it does not know: it was served.
		if res.Err != nil || res.Status >= http.StatusInternalServerError {
			r.Failed++
			r.Detail = failure(res)
		}
		after := millis(res.End.Sub(moved))
		switch res.Pool {
		case m.to.String():
			if r.FirstNew == 0 || after < r.FirstNew {
				r.FirstNew = max(after, 0.001)
			}
		case m.from.String():
			r.LastOld = max(r.LastOld, after, 0)
			if res.Start.After(moved) {
				r.Late++
			}
		}
	}
	return r
}

// failure puts a failed request in words.
func failure(res *load.Result) string {
	if res.Err != nil {
		return fmt.Sprintf("%s: %v", res.Method, res.Err)
	}
	return fmt.Sprintf("%s answered %d", res.Method, res.Status)
}

// verdict puts the fate of a held connection in words.
func verdict(err error) string {
	if err != nil {
		return err.Error()
	}
	return "kept"
}

// millis converts a duration to milliseconds.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// held is a connection held open across the switch: idle, or in the middle of a
// request whose body is not complete.
type held struct {
	kind string
	conn net.Conn
	rest string
	host string
	err  error
}

// hold opens a connection. With a body, a POST is begun and its last byte kept
// back; without one, a request is answered first and the connection left idle.
func hold(ctx context.Context, base, body string) *held {
	u, err := url.Parse(base)
	if err != nil {
		return &held{err: err}
	}
	h := &held{kind: "the idle connection", host: u.Host}
	d := net.Dialer{Timeout: warmUp}
	if h.conn, h.err = d.DialContext(ctx, "tcp", u.Host); h.err != nil {
		return h
	}
	if body != "" {
		h.kind, h.rest = "the long request", body[len(body)-1:]
		_, h.err = fmt.Fprintf(h.conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, u.Host, len(body), body[:len(body)-1])
		return h
	}
	_, h.err = io.WriteString(h.conn, h.get())
	if h.err == nil {
		h.err = h.answer()
	}
	return h
}

// get is the request of the idle connection.
func (h *held) get() string { return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, h.host) }

// answer reads one answer.
func (h *held) answer() error {
	if err := h.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode >= http.StatusInternalServerError {
		err = errors.Join(err, fmt.Errorf("answered %d", resp.StatusCode))
	}
	return errors.Join(err, resp.Body.Close())
}

// end uses the connection again and closes it. It returns why that failed.
func (h *held) end() error {
	if h.conn == nil {
		return fmt.Errorf("%s: %w", h.kind, h.err)
	}
	defer func() { _ = h.conn.Close() }() // its last answer has been read
	if h.err == nil {
		text := h.rest
		if text == "" {
			text = h.get()
		}
		if _, h.err = io.WriteString(h.conn, text); h.err == nil {
			h.err = h.answer()
		}
	}
	if h.err != nil {
		return fmt.Errorf("%s: %w", h.kind, h.err)
	}
	return nil
}
