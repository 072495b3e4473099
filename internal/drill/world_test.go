package drill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/bluegreen/bluegreentest"
	"bgctl/internal/drill"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/load"
	"bgctl/internal/logstream"
	"bgctl/internal/watch"
)

// world is a deployment in memory: the domain's fakes under the real controller, and
// traffic that is answered as nginx does, logged, and judged by the real detector.
type world struct {
	t      *testing.T
	proxy  *bluegreentest.Proxy
	engine *bluegreentest.Engine
	refuse string // why the webhook takes nothing
	noApp  bool   // the application has no /chaos
	lose   bool   // the deployment loses every tenth GET
	forget bool   // the log loses a line

	mu       sync.Mutex
	detector *alert.Detector
	records  []logstream.Record
	told     func([]byte, time.Time)
	posted   []outpost.Message
	open     int // outposts
	receive  bool
	failedAt time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, proxy: bluegreentest.NewProxy(bluegreen.Blue)}
	w.engine = bluegreentest.NewEngine(w.proxy)
	w.detector = alert.NewDetector(alert.DefaultConfig())
	return w
}

// appRouter is a router whose application may lack /chaos.
type appRouter struct {
	bluegreen.Router
	w *world
}

func (r appRouter) Chaos(ctx context.Context, pool bluegreen.Pool, mode bluegreen.FaultMode) error {
	if r.w.noApp {
		return errors.New("blue answered 404 to POST /chaos/stop")
	}
	return r.Router.Chaos(ctx, pool, mode)
}

func (w *world) router(ctx context.Context) (bluegreen.Router, error) {
	r, err := w.proxy.Open(ctx)
	return appRouter{r, w}, err
}

// deps are the seams of a drill in this world.
func (w *world) deps() drill.Deps {
	c := &bluegreen.Controller{
		Observe: w.engine.Observe, Open: w.router, Engine: w.engine, Now: time.Now,
		Holder: bluegreen.Holder{User: "ana", Host: "desk", PID: 1},
	}
	return drill.Deps{
		Observe: w.engine.Observe, Open: w.router, Execute: c.Execute, Now: time.Now,
		Load: w.load, Follow: w.follow, Extract: w.extract, Outpost: w.outpost,
	}
}

func (w *world) follow(_ context.Context, deliver func([]byte, time.Time)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = deliver
	return nil
}

func (w *world) extract(_ context.Context, text string) (drill.Extract, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var e drill.Extract
	for i := range w.records {
		if strings.Contains(w.records[i].Path, text) && (!w.forget || i != 3) {
			e.Lines++
			e.Records = append(e.Records, w.records[i])
		}
	}
	return e, nil
}

// fakeOutpost is the helper in the watcher's container.
type fakeOutpost struct {
	w       *world
	receive bool
}

func (w *world) outpost(_ context.Context, mode outpost.Mode, _ func(outpost.Message)) (drill.Outpost, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	w.receive = mode == outpost.Receive
	return &fakeOutpost{w, w.receive}, nil
}

func (o *fakeOutpost) Health(context.Context) (watch.Health, error) {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	h := watch.Health{Status: "ok", Window: o.w.detector.Window()}
	if o.w.refuse != "" {
		h.Receivers = append(h.Receivers, receiverHealth("slack"))
	}
	return h, nil
}

func (o *fakeOutpost) Messages() []outpost.Message {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	return slices.Clone(o.w.posted)
}

func (o *fakeOutpost) End(context.Context) error {
	o.w.mu.Lock()
	defer o.w.mu.Unlock()
	o.w.open--
	o.w.receive = false
	return nil
}

// load answers requests as the deployment does at the moment.
func (w *world) load(ctx context.Context, cfg load.Config) (load.Report, error) {
	every := time.Duration(float64(time.Second) / cfg.Rate)
	for i := 0; cfg.Requests == 0 || i < cfg.Requests; i++ {
		select {
		case <-ctx.Done():
			return load.Report{}, nil
		case <-time.After(every):
		}
		cfg.OnResult(w.request(context.WithoutCancel(ctx), cfg.Methods[i%len(cfg.Methods)], cfg.Path()))
	}
	return load.Report{}, nil
}

// request answers one request and logs it.
func (w *world) request(ctx context.Context, method, path string) load.Result {
	d, err := w.engine.Observe(ctx)
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	rec := logstream.Record{Time: now, Method: method, Path: path, Active: d.Active(), Served: d.Active(), Status: 200}
	attempt := func(pool bluegreen.Pool, status int) {
		rec.Attempts = append(rec.Attempts, logstream.Attempt{Pool: pool, Status: status})
		rec.Served, rec.Status = pool, status
	}
	active := d.Pool(d.Active())
	switch {
	case !active.Ready():
		if now.Sub(w.failedAt) > 2*time.Second { // fail_timeout, as nginx counts it
			w.failedAt = now
			attempt(d.Active(), 502)
		}
		attempt(d.Active().Other(), 200)
	case w.proxy.AppFaults[d.Active()] == bluegreen.FaultError:
		attempt(d.Active(), 500)
		if method == "GET" {
			attempt(d.Active().Other(), 200)
		}
	case w.lose && method == "GET" && len(w.records)%10 == 0:
		attempt(d.Active(), 502)
	default:
		attempt(d.Active(), 200)
	}
	w.records = append(w.records, rec)
	w.watch(&rec)
	return load.Result{Method: method, Path: path, Status: rec.Status, Pool: rec.Served.String(), Start: now.Add(-time.Millisecond), End: now}
}

// watch is the watcher: events and what becomes of their messages.
func (w *world) watch(rec *logstream.Record) {
	for _, ev := range w.detector.Observe(rec) {
		w.print(map[string]any{"kind": "alert"}, ev)
		d := alert.Delivery{Event: ev.ID, Receiver: watch.DrillReceiver, State: alert.Sent, Time: rec.Time}
		switch {
		case ev.Muted != "":
			d.State, d.Reason = alert.Muted, ev.Muted
		case w.refuse != "":
			d.Receiver, d.State, d.Reason = "slack", alert.Retrying, w.refuse
		case w.receive:
			w.posted = append(w.posted, outpost.Message{Time: rec.Time, Status: 200, Text: ev.Summary, ID: ev.ID})
		}
		w.print(map[string]any{"kind": "delivery"}, d)
	}
}

// print prints a line as the watcher does: a kind, and the fields of v beside it.
func (w *world) print(line map[string]any, v any) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &line)
	}
	if err == nil {
		data, err = json.Marshal(line)
	}
	if err != nil {
		w.t.Error(err)
	}
	if w.told != nil {
		w.told(data, time.Now())
	}
}

// drill plans and runs a drill of the world.
func (w *world) drill(ctx context.Context, o drill.Options, on func(drill.Progress)) (drill.Report, error) {
	d, err := w.engine.Observe(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	s := drill.Settings{Alert: alert.DefaultConfig(), ReadTimeout: 4 * time.Second}
	p, err := drill.PlanDrill(&d, &s, o, func(bluegreen.Fault) bool { return false })
	if err != nil {
		return drill.Report{}, err
	}
	return drill.NewRunner(w.deps(), p, s, o, drill.Traffic{URL: "http://127.0.0.1:1", Token: "tok"}).Run(ctx, on)
}

// intact checks that the world is as before.
func (w *world) intact() {
	w.t.Helper()
	d, err := w.engine.Observe(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	if d.Condition() != bluegreen.OK || d.Active() != bluegreen.Blue || w.open != 0 {
		w.t.Errorf("left behind: %s, active %s, faults %v, %d outposts", d.Condition(), d.Active(), d.Router.Faults, w.open)
	}
	if mode := w.proxy.AppFaults[bluegreen.Blue]; mode != "" {
		w.t.Errorf("blue still plays %s", mode)
	}
}

// failures are the judgements that failed, one a line.
func failures(r *drill.Report) string {
	var out []string
	for _, p := range r.Phases {
		for _, j := range p.Judgements {
			if j.Verdict == drill.Fail {
				out = append(out, fmt.Sprintf("%s/%s", p.Phase, j.Name))
			}
		}
		if p.Error != "" {
			out = append(out, fmt.Sprintf("%s: %s", p.Phase, p.Error))
		}
	}
	return strings.Join(out, "\n")
}
