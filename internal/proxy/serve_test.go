package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/proxy"
)

// Whoever dies lets go of the lock at once, whatever the agent is doing for it.
func TestAgent_LockEndsWithItsClient(t *testing.T) {
	path := prepare(t)
	for name, busy := range map[string]string{
		"it probes a hung pool": `{"op":"probe","pool":"green","n":100,"timeout":60000000000}`,
		"it verifies":           `{"op":"verify"}`,
		"it waits":              `{"op":"alive"}`,
		"nonsense came":         `]`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				agent, nginx := newAgent(t, path)
				near, ended := serve(t, agent)
				client := newRaw(t, near)
				client.ask(`{"op":"lock","holder":{"user":"ana"}}`)
				nginx.hang = true
				client.write(busy)
				time.Sleep(time.Second)
				begin := time.Now()
				_ = near.Close()
				<-ended
				if took := time.Since(begin); took > 2*time.Second || agent.Dir.Locked() {
					t.Errorf("the agent ended after %s, locked: %t", took, agent.Dir.Locked())
				}
				other := &proxy.Dir{Path: path}
				if by, ok, err := other.Lock(t.Context(), bluegreen.Holder{User: "ben"}); err != nil || !ok {
					t.Errorf("the lock is held by %+v, %v", by, err)
				}
				_ = other.Unlock()
			})
		})
	}
}

func TestAgent_EndsOrderlyWithItsContext(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, nginx := newAgent(t, path)
		nginx.hang = true
		near, far := net.Pipe()
		ctx, terminate := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- agent.Serve(ctx, far, far)
			_ = far.Close()
		}()
		client := newRaw(t, near)
		client.ask(`{"op":"lock","holder":{"user":"ana"}}`)
		client.write(`{"op":"probe","pool":"green","n":100}`)
		synctest.Wait()
		go func() { _, _ = io.Copy(io.Discard, near) }()
		terminate()
		if err := <-ended; err != nil || agent.Dir.Locked() {
			t.Errorf("Serve = %v, locked: %t; want a clean end", err, agent.Dir.Locked())
		}
	})
}

// The holder of the lock may wait for hours: for the end of a fault, or for a pull.
func TestAgent_SilenceEndsNoLivingClient(t *testing.T) {
	path := prepare(t)
	tests := []struct {
		name  string
		alive bool // the client says that it lives
		lock  bool
		after time.Duration // without another request
		ends  bool
	}{
		{"a client that says that it lives", true, true, 2 * time.Hour, false},
		{"such a client without the lock", true, false, 2 * time.Hour, false},
		{"an older client with the lock", false, true, 2 * time.Hour, false},
		{"an older client without the lock", false, false, 14 * time.Minute, false},
		{"an older client that is forgotten", false, false, 16 * time.Minute, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				agent, _ := newAgent(t, path)
				near, ended := serve(t, agent)
				if tt.alive {
					s, err := proxy.NewSession(t.Context(), near)
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					if tt.lock {
						if err := s.Lock(t.Context(), bluegreen.Holder{User: "ana"}); err != nil {
							t.Fatal(err)
						}
					}
				} else {
					client := newRaw(t, near)
					defer near.Close()
					if tt.lock {
						client.ask(`{"op":"lock","holder":{"user":"ana"}}`)
					}
				}
				time.Sleep(tt.after)
				synctest.Wait()
				select {
				case <-ended:
					if !tt.ends {
						t.Errorf("the agent ended")
					}
				default:
					if tt.ends {
						t.Error("the agent still waits")
					}
					if agent.Dir.Locked() != tt.lock {
						t.Errorf("locked: %t, want %t", agent.Dir.Locked(), tt.lock)
					}
				}
			})
		})
	}
}

// A client's host may vanish without closing the connection.
func TestAgent_EndsWhenALivingClientFallsSilent(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, _ := newAgent(t, path)
		near, ended := serve(t, agent)
		defer near.Close()
		client := newRaw(t, near)
		client.write(`{"op":"alive"}`)
		client.ask(`{"op":"lock","holder":{"user":"ana"}}`)
		begin := time.Now()
		<-ended
		if took := time.Since(begin); took < 30*time.Second || took > 32*time.Second || agent.Dir.Locked() {
			t.Errorf("the agent ended after %s, locked: %t; want 30 s", took, agent.Dir.Locked())
		}
	})
}

// raw is a client that speaks the protocol by hand, as an older one would.
type raw struct {
	t    *testing.T
	conn net.Conn
	dec  *json.Decoder
}

func newRaw(t *testing.T, conn net.Conn) *raw {
	t.Helper()
	r := &raw{t: t, conn: conn, dec: json.NewDecoder(conn)}
	if hello := r.read(); hello["protocol"] != 1.0 || hello["level"] != 2.0 {
		t.Fatalf("greeting = %v", hello)
	}
	return r
}

func (r *raw) write(line string) {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.conn, line); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) read() map[string]any {
	r.t.Helper()
	var got map[string]any
	if err := r.dec.Decode(&got); err != nil {
		r.t.Fatal(err)
	}
	return got
}

func (r *raw) ask(line string) map[string]any {
	r.t.Helper()
	r.write(line)
	return r.read()
}
