package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
	"bgctl/internal/proxy"
	"bgctl/stack"
)

// asker stands for nginx: it sends traffic where the flag file says.
type asker struct {
	dir  *proxy.Dir
	conf string // of nginx, which every reload takes effect from
	hang bool   // the pools take requests and do not answer

	mu      sync.Mutex
	refuses bool // the pools refuse connections
	asked   map[bluegreen.Pool]int
}

// set makes the pools refuse connections, or take them again.
func (a *asker) set(refuses bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses = refuses
}

func (a *asker) Stub(context.Context) (int, uint64, error)                        { return 1, 2, nil }
func (a *asker) Chaos(context.Context, bluegreen.Pool, bluegreen.FaultMode) error { return nil }
func (a *asker) InFlight(addrs []string) (int, error)                             { return len(addrs), nil }

func (a *asker) Generation(context.Context) (string, error) {
	text, err := os.ReadFile(a.conf)
	_, rest, _ := strings.Cut(string(text), "location = /_bgctl/generation {")
	_, rest, _ = strings.Cut(rest, `return 200 "`)
	mark, _, _ := strings.Cut(rest, `"`)
	return mark, err
}

func (a *asker) Probe(ctx context.Context, pool bluegreen.Pool, limit time.Duration) bluegreen.ProbeResult {
	a.mu.Lock()
	if a.asked == nil {
		a.asked = map[bluegreen.Pool]int{}
	}
	a.asked[pool]++
	refuses := a.refuses
	a.mu.Unlock()
	if refuses {
		return bluegreen.ProbeResult{Status: 502}
	}
	if !a.hang {
		return bluegreen.ProbeResult{Status: 200, Pool: pool, Addr: "10.0.0.2"}
	}
	select {
	case <-time.After(limit):
	case <-ctx.Done():
	}
	return bluegreen.ProbeResult{Took: limit, Err: "no answer within " + limit.String()}
}

func (a *asker) Verify(ctx context.Context, limit time.Duration) (bluegreen.Routing, error) {
	active, err := a.dir.Active()
	res := a.Probe(ctx, active, limit)
	return bluegreen.Routing{Active: active, Answer: &res}, err
}

// fakeNginx refuses a file with a word in it.
type fakeNginx struct {
	refuse  string
	reloads int
	fail    error
}

func (n *fakeNginx) Test(_ context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err == nil && n.refuse != "" && strings.Contains(string(text), n.refuse) {
		return &proxy.ComplaintError{Text: "unexpected " + n.refuse + " in nginx.conf:7"}
	}
	return err
}

func (n *fakeNginx) Reload() error {
	n.reloads++
	return n.fail
}

// newAgent returns an agent of its own process on a state directory.
func newAgent(t *testing.T, path string) (*proxy.Agent, *asker) {
	t.Helper()
	dir := &proxy.Dir{Path: path}
	conf := &proxy.Conf{
		Dir: dir, Env: env(nil), Template: stack.NginxTemplate, Path: filepath.Join(path, "nginx.conf"),
		Log: filepath.Join(path, "access.log"), Resolver: "127.0.0.11", Nginx: &fakeNginx{},
	}
	nginx := &asker{dir: dir, conf: conf.Path}
	return &proxy.Agent{Dir: dir, HTTP: nginx, Conf: conf, Version: "test"}, nginx
}

// prepare is what the container's first process does.
func prepare(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	agent, _ := newAgent(t, path)
	if _, err := agent.Conf.Start(); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve starts an agent on a pipe, as an exec in the container does, and returns the
// client's end and what is closed when the agent has ended.
func serve(t *testing.T, agent *proxy.Agent) (net.Conn, <-chan struct{}) {
	t.Helper()
	near, far := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := agent.Serve(t.Context(), far, far); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Logf("Serve: %v", err)
		}
		_ = far.Close()
	}()
	return near, ended
}

// dial returns a session with an agent of its own.
func dial(t *testing.T, path string) *proxy.Session {
	t.Helper()
	agent, _ := newAgent(t, path)
	near, _ := serve(t, agent)
	s, err := proxy.NewSession(t.Context(), near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSession_Contract(t *testing.T) {
	path := prepare(t)
	bluegreentest.RouterContract(t, func(t *testing.T) bluegreen.Router {
		t.Helper()
		return dial(t, path)
	})
}

func TestNewSession_RefusesAnotherProtocol(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(far, `{"protocol":99,"version":"v9"}`+"\n") }()
	_, err := proxy.NewSession(t.Context(), near)
	var version *proxy.VersionError
	if !errors.As(err, &version) || !strings.Contains(err.Error(), "bgctl up") {
		t.Errorf("err = %v, want a VersionError that says what to do", err)
	}
}

// An older agent cannot cancel a request: its session is dead when a call is given up.
func TestSession_IsDeadWhenAnOldAgentsAnswerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() {
			_, _ = io.WriteString(far, `{"protocol":1}`+"\n")
			_, _ = io.Copy(io.Discard, far) // hears everything, answers nothing
		}()
		s, err := proxy.NewSession(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v, want it timed out", err)
		}
		if _, err := s.Status(t.Context()); err == nil {
			t.Error("a session that is out of step answered")
		}
	})
}

// A call that is given up is cancelled in the agent: the session, and the lock with it,
// outlives a probe of a hung pool.
func TestSession_LivesOnAfterACallIsGivenUp(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, nginx := newAgent(t, path)
		nginx.hang = true
		near, _ := serve(t, agent)
		s, err := proxy.NewSession(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Lock(t.Context(), bluegreen.Holder{User: "ana"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		_, err = s.Probe(ctx, bluegreen.Probes{Pool: bluegreen.Green, Count: 100})
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > 4*time.Second {
			t.Errorf("Probe = %v after %s, want it given up after 3 s", err, took)
		}
		if err := s.Route(t.Context(), bluegreen.Green); err != nil {
			t.Errorf("Route after that: %v, want the session and its lock alive", err)
		}
		if err := s.Route(ctx, bluegreen.Blue); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Route with a context that is over: %v", err)
		}
		if got, err := agent.Dir.Active(); err != nil || got != bluegreen.Green {
			t.Errorf("active = %s, %v: a call that was not made moved traffic", got, err)
		}
	})
}

// A pool that hangs ends each request by itself.
func TestAgent_BoundsEveryProbe(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, nginx := newAgent(t, path)
		nginx.hang = true
		near, _ := serve(t, agent)
		s, err := proxy.NewSession(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		begin := time.Now()
		got, err := s.Probe(t.Context(), bluegreen.Probes{Pool: bluegreen.Green, Count: 3, Timeout: 100 * time.Millisecond})
		if err != nil || len(got) != 3 || got[2].Answers() || time.Since(begin) != 300*time.Millisecond {
			t.Errorf("Probe = %+v, %v after %s; want three without an answer after 300 ms", got, err, time.Since(begin))
		}
		begin = time.Now()
		if _, err = s.Probe(t.Context(), bluegreen.Probes{Pool: bluegreen.Green, Count: 2}); err != nil || time.Since(begin) != 4*time.Second {
			t.Errorf("without a limit of its own: %v after %s, want 2 s each", err, time.Since(begin))
		}
	})
}

// Records are changed under the lock only.
func TestAgent_RefusesChangesWithoutTheLock(t *testing.T) {
	s := dial(t, prepare(t))
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"route":        func() error { return s.Route(ctx, bluegreen.Green) },
		"begin":        func() error { return s.Begin(ctx, bluegreen.Operation{ID: "x"}) },
		"finish":       func() error { return s.Finish(ctx, bluegreen.Operation{ID: "x"}) },
		"set-fault":    func() error { return s.SetFault(ctx, bluegreen.Fault{Pool: bluegreen.Green}) },
		"clear-fault":  func() error { return s.ClearFault(ctx, bluegreen.Green) },
		"solo":         func() error { return s.SetSolo(ctx, nil) },
		"set-standing": func() error { return s.SetStanding(ctx, bluegreen.Standing{Pool: bluegreen.Green}) },
		"begin-bake":   func() error { return s.BeginBake(ctx, bluegreen.Bake{Operation: "x"}) },
		"end-bake":     func() error { return s.EndBake(ctx, "x") },
		"configure": func() error {
			_, err := s.Configure(ctx, bluegreen.Configuration{Settings: map[string]string{"PORT": "80"}})
			return err
		},
	} {
		var refused *proxy.LockNeededError
		if err := do(); !errors.As(err, &refused) || refused.Op != name {
			t.Errorf("%s = %v, want it refused", name, err)
		}
	}
	st, err := s.Status(ctx)
	if err != nil || st.Active != bluegreen.Blue || st.Unfinished != nil || st.Last != nil || st.Faults != nil || st.Bake != nil || st.Standing != nil {
		t.Errorf("status = %+v, %v: a refused change was made", st, err)
	}
	if _, err := s.Configure(ctx, bluegreen.Configuration{Check: true}); err != nil {
		t.Errorf("a check needs no lock: %v", err)
	}
}

// An older bgctl records the end of its bake without the lock, and does not name its
// operation when it ends the bake.
func TestAgent_ServesAnOlderClient(t *testing.T) {
	path := prepare(t)
	agent, _ := newAgent(t, path)
	near, _ := serve(t, agent)
	defer near.Close()
	client := newRaw(t, near)
	for _, ask := range []string{
		`{"op":"lock","holder":{"user":"ana"}}`,
		`{"op":"begin","entry":{"id":"deploy-1","kind":"deploy","to":"green","by":{},"started":"2026-01-01T00:00:00Z"}}`,
		`{"op":"route","pool":"green"}`,
		`{"op":"finish","entry":{"id":"deploy-1","kind":"deploy","to":"green","by":{},"started":"2026-01-01T00:00:00Z","result":"done"}}`,
		`{"op":"begin-bake","bake":{"operation":"deploy-1","pool":"green","from":"blue"}}`,
		`{"op":"unlock"}`,
		`{"op":"update-bake","bake":{"operation":"deploy-1","pool":"green","from":"blue","threshold":3}}`,
		`{"op":"end-bake"}`,
		`{"op":"finish","entry":{"id":"deploy-1","kind":"deploy","to":"green","by":{},"started":"2026-01-01T00:00:00Z","result":"done","bake":{"operation":"deploy-1"}}}`,
	} {
		if got := client.ask(ask); got["error"] != nil {
			t.Errorf("%s: %v", ask, got["error"])
		}
	}
	if got := client.ask(`{"op":"probe","pool":"green","n":2}`)["probes"]; len(got.([]any)) != 2 {
		t.Errorf("probes = %v", got)
	}
	if got := client.ask(`{"op":"verify"}`)["pool"]; got != "green" {
		t.Errorf("verify = %v", got)
	}
	ops, err := agent.Dir.Journal()
	if err != nil || len(ops) != 1 || ops[0].Bake == nil || agent.Dir.Bake() != nil {
		t.Errorf("journal %+v, %v, bake %+v", ops, err, agent.Dir.Bake())
	}
}

// A status waits for no pool: the answers are those of the last second.
func TestAgent_StatusIsFastWhilePoolsHang(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, nginx := newAgent(t, path)
		nginx.hang = true
		near, _ := serve(t, agent)
		s, err := proxy.NewSession(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, limit := range []time.Duration{300 * time.Millisecond, 0, 0} {
			begin := time.Now()
			st, err := s.Status(t.Context())
			if err != nil || time.Since(begin) > limit {
				t.Fatalf("status %d: %v after %s", i, err, time.Since(begin))
			}
			if i > 0 && (len(st.Answers) != 2 || st.Answers[bluegreen.Blue].Err == "") {
				t.Errorf("status %d: answers %+v, want both pools without an answer", i, st.Answers)
			}
			if st.Agent != "test" || st.Settings["PORT"] != "3000" || len(st.Trouble) != 0 {
				t.Errorf("status %d: %+v", i, st)
			}
			time.Sleep(time.Second)
		}
		// Nobody looks: nobody is asked.
		time.Sleep(10 * time.Second)
		nginx.mu.Lock()
		before := nginx.asked[bluegreen.Blue]
		nginx.mu.Unlock()
		time.Sleep(time.Hour)
		nginx.mu.Lock()
		defer nginx.mu.Unlock()
		if nginx.asked[bluegreen.Blue] != before {
			t.Errorf("blue was asked %d times in an hour without a look", nginx.asked[bluegreen.Blue]-before)
		}
	})
}

// A pool that was just brought back is not silent any more: the next status says so, and the
// next plan is not refused for what is over.
func TestAgent_AStatusKnowsAPoolThatIsBack(t *testing.T) {
	path := prepare(t)
	synctest.Test(t, func(t *testing.T) {
		agent, nginx := newAgent(t, path)
		nginx.set(true)
		near, _ := serve(t, agent)
		s, err := proxy.NewSession(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, look := range []time.Duration{0, time.Second, 1150 * time.Millisecond, 1330 * time.Millisecond} {
			nginx.set(true)
			if _, err := s.Status(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(look)
			nginx.set(false)
			time.Sleep(110 * time.Millisecond)
			st, err := s.Status(t.Context())
			if blue := st.Answers[bluegreen.Blue]; err != nil || !blue.Answers() {
				t.Errorf("after %s: %v, blue %+v, want an answer", look, err, blue)
			}
		}
	})
}
