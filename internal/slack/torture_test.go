package slack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"bgctl/internal/alert"
)

// The tests below are numbered as the list of what a receiver may do to a sender.
// Further ones of that list carry their number beside what they test: S6 and S7 with
// the client, S9 and S10 with the queue, S11 and S15 with its file, S12 with the
// secret, S13 with the message.

// answer is one answer of a scripted server; status 0 cuts the connection.
type answer struct {
	status int
	body   string
	header string // further header lines, each ended by \r\n
}

// scripted is a server behind a network that a test makes up, inside a bubble.
type scripted struct {
	mu     sync.Mutex
	script []answer
	stand  answer // after the script
	at     []time.Time
	bodies []string
}

func (s *scripted) options() Options {
	return pipeNet(func(c net.Conn) {
		req, body := readWhole(c)
		if req == nil {
			return
		}
		a := s.take(body)
		if a.status == 0 {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 %d X\r\nDate: %s\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s",
			a.status, time.Now().UTC().Format(http.TimeFormat), len(a.body), a.header, a.body)
	})
}

func (s *scripted) take(body string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.bodies = append(s.at, time.Now()), append(s.bodies, body)
	a := s.stand
	if len(s.script) > 0 {
		a, s.script = s.script[0], s.script[1:]
	}
	return a
}

func (s *scripted) set(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stand = a
}

func (s *scripted) seen() ([]time.Time, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.at...), append([]string(nil), s.bodies...)
}

// queueTo runs a queue that delivers to s.
func queueTo(t *testing.T, s *scripted) (*Queue, *journal) {
	t.Helper()
	client := NewClient(hookAt(t, "http://hooks.example"), s.options())
	t.Cleanup(client.Close)
	q, j, _ := startQueue(t, NewSlack(client), filepath.Join(t.TempDir(), "q.json"))
	return q, j
}

var fine = answer{status: 200, body: "ok"}

func TestS1_OnlyOkIsSuccess(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   Action
	}{
		"ok": {200, "ok", Delivered}, "ok and newline": {200, "ok\n", Delivered}, "empty": {200, "", Broken},
		"portal": {200, "<html>Sign in</html>", Broken}, "no_service": {200, "no_service", Broken}, "204": {204, "", Broken},
	} {
		t.Run(name, func(t *testing.T) {
			srv := quiet(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			if got := NewClient(hookAt(t, srv.URL), Options{}).Post(t.Context(), []byte("{}")); got.Action != tt.want {
				t.Errorf("got %+v, want %v", got, tt.want)
			}
		})
	}
}

func TestS2_ThrottledWaitsAndSendsNothingElse(t *testing.T) {
	for name, tt := range map[string]struct {
		header func(now time.Time) string
		want   time.Duration
	}{
		"1":        {func(time.Time) string { return "Retry-After: 1\r\n" }, time.Second},
		"30":       {func(time.Time) string { return "Retry-After: 30\r\n" }, 30 * time.Second},
		"0":        {func(time.Time) string { return "Retry-After: 0\r\n" }, time.Second},
		"negative": {func(time.Time) string { return "Retry-After: -5\r\n" }, time.Second},
		"huge":     {func(time.Time) string { return "Retry-After: 1e12\r\n" }, time.Hour},
		"date": {func(now time.Time) string {
			return "Retry-After: " + now.Add(40*time.Second).UTC().Format(http.TimeFormat) + "\r\n"
		}, 40 * time.Second},
		"absent":  {func(time.Time) string { return "" }, time.Minute},
		"garbage": {func(time.Time) string { return "Retry-After: soon\r\n" }, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{script: []answer{{429, "rate_limited", tt.header(time.Now())}}, stand: fine}
				q, _ := queueTo(t, s)
				q.Put(event(alert.ErrorRate, 1, alert.Firing))
				synctest.Wait()
				q.Put(event(alert.AllDown, 2, alert.Firing)) // gated too
				time.Sleep(2 * time.Hour)
				at, _ := s.seen()
				if len(at) != 3 {
					t.Fatalf("%d requests, want 3", len(at))
				}
				if gap := at[1].Sub(at[0]); gap < tt.want || gap > tt.want+1100*time.Millisecond {
					t.Errorf("waited %v, want %v", gap, tt.want)
				}
				if gap := at[2].Sub(at[1]); gap < time.Second {
					t.Errorf("then %v between two messages", gap)
				}
			})
		})
	}
}

func TestS3_ServerErrorsAreRetried(t *testing.T) {
	for name, tt := range map[string]struct {
		a     answer
		least time.Duration
	}{
		"500": {answer{500, "rollup_error", ""}, time.Second}, "502 with a page": {answer{502, "<html>bad gateway</html>", ""}, time.Second},
		"503 that asks": {answer{503, "", "Retry-After: 17\r\n"}, 17 * time.Second}, "408": {answer{408, "", ""}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{script: []answer{tt.a, tt.a}, stand: fine}
				q, j := queueTo(t, s)
				q.Put(event(alert.ErrorRate, 1, alert.Firing))
				time.Sleep(10 * time.Minute)
				at, bodies := s.seen()
				if len(at) != 3 || at[1].Sub(at[0]) < tt.least {
					t.Errorf("%d requests at %v", len(at), at)
				}
				// An answer came: the message did not get through, it is no duplicate.
				if strings.Contains(bodies[2], "may be a duplicate") || j.states("error_rate-1") != "queued retrying retrying sent" {
					t.Errorf("%s: %s", j.states("error_rate-1"), bodies[2])
				}
			})
		})
	}
}

func TestS4_RefusedFormFallsBackToPlainTextOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []answer{{400, "invalid_blocks", ""}, {400, "no_text", ""}}, stand: fine}
		q, j := queueTo(t, s)
		ev := event(alert.ErrorRate, 1, alert.Firing)
		ev.Summary = strings.Repeat("long ", 400)
		q.Put(ev)
		time.Sleep(time.Hour)
		_, bodies := s.seen()
		if len(bodies) != 2 || !strings.Contains(bodies[0], "attachments") || strings.Contains(bodies[1], "attachments") {
			t.Fatalf("sent %q", bodies)
		}
		var plain struct{ Text string }
		if err := json.Unmarshal([]byte(bodies[1]), &plain); err != nil || utf8.RuneCountInString(plain.Text) > 500 || plain.Text == "" {
			t.Errorf("plain text %q, %v", plain.Text, err)
		}
		if s := j.states("error_rate-1"); s != "queued retrying dropped" || q.Health().Lost != 1 {
			t.Errorf("reports %s, health %+v", s, q.Health())
		}
	})
}

func TestS5_RevokedWebhookIsProbedAndHeals(t *testing.T) {
	for _, a := range []answer{{403, "invalid_token", ""}, {404, "no_service", ""}, {410, "channel_is_archived", ""}} {
		t.Run(a.body, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{stand: a}
				q, _ := queueTo(t, s)
				q.Put(event(alert.ErrorRate, 1, alert.Firing))
				time.Sleep(44 * time.Minute)
				at, _ := s.seen()
				if len(at) != 3 { // at 0, 15 and 30 minutes
					t.Errorf("%d probes at %v", len(at), at)
				}
				if h := q.Health(); !strings.Contains(h.Broken, a.body) || h.Pending != 1 {
					t.Errorf("health %+v", h)
				}
				s.set(fine)
				time.Sleep(2 * time.Minute)
				if h := q.Health(); h.Broken != "" || h.Pending != 0 || h.Sent != 1 {
					t.Errorf("health after the repair %+v", h)
				}
			})
		})
	}
}

func TestS8_NetworkThatFailsIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{stand: fine}
		near := s.options().Dial
		tries := 0
		opts := Options{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			tries++
			switch tries {
			case 1:
				return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
			case 2:
				return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
			case 3: // a hole that swallows packets: the dialer gives up
				time.Sleep(connectTimeout)
				return nil, &net.OpError{Op: "dial", Net: network, Err: context.DeadlineExceeded}
			}
			return near(ctx, network, addr)
		}}
		q, j, _ := startQueue(t, NewSlack(NewClient(hookAt(t, "http://hooks.example"), opts)), "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(5 * time.Minute)
		_, bodies := s.seen()
		if tries != 4 || len(bodies) != 1 || strings.Contains(bodies[0], "may be a duplicate") {
			t.Errorf("%d tries, sent %q: %s", tries, bodies, j.states("error_rate-1"))
		}
	})
}

func TestS8_LostAnswerMarksADuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{script: []answer{{}}, stand: fine} // taken, then the connection is cut
		q, _ := queueTo(t, s)
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(time.Minute)
		_, bodies := s.seen()
		if len(bodies) != 2 || strings.Contains(bodies[0], "may be a duplicate") || !strings.Contains(bodies[1], "may be a duplicate") {
			t.Errorf("sent %q", bodies)
		}
	})
}

func TestS14_WithoutAProxyAndOverIPv6(t *testing.T) {
	srv := httptest.NewUnstartedServer(NewStandIn())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp6", "[::1]:0")
	if err != nil {
		t.Fatalf("this machine has no IPv6 loopback: %v", err)
	}
	_ = srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	none := func(*http.Request) (*url.URL, error) { return nil, nil } // what an unset HTTP_PROXY gives
	out := NewClient(hookAt(t, srv.URL), Options{Proxy: none}).Post(t.Context(), []byte(`{"text":"x"}`))
	if out.Action != Delivered {
		t.Errorf("got %+v", out)
	}
}

func readWhole(c net.Conn) (*http.Request, string) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return nil, ""
	}
	var body bytes.Buffer
	if _, err := io.Copy(&body, req.Body); err != nil {
		return nil, ""
	}
	return req, body.String()
}
