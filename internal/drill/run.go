package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/load"
	"bgctl/internal/watch"
)

// Outpost is the helper in the watcher's container.
type Outpost interface {
	Health(ctx context.Context) (watch.Health, error)
	Messages() []outpost.Message
	// End takes the receiver away and leaves no process behind.
	End(ctx context.Context) error
}

var _ Outpost = (*outpost.Client)(nil)

// Deps is what a drill needs of the world.
type Deps struct {
	Observe func(ctx context.Context) (bluegreen.Deployment, error)
	Open    func(ctx context.Context) (bluegreen.Router, error)
	Execute func(ctx context.Context, p bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error)
	Load    func(ctx context.Context, cfg load.Config) (load.Report, error)
	// Follow hands every line that the watcher prints from now on to deliver. It returns
	// when it listens, and goes on until ctx ends.
	Follow func(ctx context.Context, deliver func(line []byte, at time.Time)) error
	// Extract reads the lines of the access log that hold text.
	Extract func(ctx context.Context, text string) (Extract, error)
	// Outpost opens the helper; told is called with each message as it arrives.
	Outpost func(ctx context.Context, mode outpost.Mode, told func(outpost.Message)) (Outpost, error)
	Now     func() time.Time
	// Failpoint, when set, is called at the points at which a test may want this
	// process to die.
	Failpoint func(name string)
}

// cleanUp bounds what must be done although the drill was interrupted: a pool may
// take its time to become ready.
const cleanUp = 2 * time.Minute

// Runner runs one drill.
type Runner struct {
	deps     Deps
	plan     Plan
	settings Settings
	opts     Options
	url      string
	token    string
	on       func(Progress)

	tape     *Tape
	outpost  Outpost
	outErr   error // why there is no outpost
	ears     Ears
	stop     context.CancelFunc
	webhooks []string // receivers that the watcher has of its own

	mu     sync.Mutex
	issued int
	shots  []Shot

	spans    []Span
	expected []Expectation
	report   Report
	current  *PhaseReport
	begin    time.Time
}

// Traffic says where a drill's requests go and how its log lines are known.
type Traffic struct {
	URL   string // http://host:port of the proxy
	Token string // letters and digits, unique to this drill
}

// NewRunner returns a runner for a plan. on is called with every change, one at a time.
func NewRunner(deps Deps, plan Plan, s Settings, o Options, t Traffic) *Runner {
	return &Runner{deps: deps, plan: plan, settings: s, opts: o.Normal(), url: t.URL, token: t.Token, tape: NewTape(), ears: Deaf}
}

// Run drills and puts everything back. The error is that of a drill that could not go
// on, among them the context's; the report is filled in either way.
func (r *Runner) Run(ctx context.Context, on func(Progress)) (Report, error) {
	r.on = on
	if r.on == nil {
		r.on = func(Progress) {}
	}
	r.report = Report{
		Project: r.plan.Project, ID: r.token, Started: r.deps.Now(), Active: r.plan.Active,
		Mode: r.opts.Mode, Rate: r.opts.Rate, Timings: noTimings(), Notes: append(r.plan.Notes, r.plan.Forced...),
	}
	err := r.phases(ctx)
	// However the drill ended, from here on nothing may cut it short.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	err = errors.Join(err, r.phase(clean, Restore, r.restore))
	r.finish(ctx, err)
	return r.report, err
}

// phases runs what was asked for.
func (r *Runner) phases(ctx context.Context) error {
	if err := r.undoLeft(ctx); err != nil {
		return err
	}
	work := map[Phase]func(context.Context) error{
		Health: r.health, Baseline: r.baseline, Failover: r.failover, Errors: r.burst, Log: r.checkLog, Slack: r.checkAlerts,
	}
	for _, p := range Phases() {
		if !r.opts.has(p) {
			continue
		}
		if err := r.phase(ctx, p, work[p]); err != nil {
			return err
		}
	}
	return nil
}

// phase runs one phase and sums it up. What goes wrong in a phase fails it and ends
// the drill only when nothing after it makes sense.
func (r *Runner) phase(ctx context.Context, p Phase, do func(context.Context) error) error {
	begin := r.deps.Now()
	rep := PhaseReport{Phase: p, State: Working, Judgements: []Judgement{}}
	r.current, r.begin = &rep, begin
	r.on(Progress{Phase: p, State: Working})
	r.fail("drill-" + string(p))
	err := do(ctx)
	if shots := r.shotsOf(p); len(shots) > 0 {
		t := tally(shots)
		rep.Requests = &t
	}
	if err != nil {
		rep.Error = err.Error()
	}
	rep.settle()
	if ctx.Err() != nil {
		rep.State, rep.Error = PhaseEnded, ""
	}
	took := r.deps.Now().Sub(begin)
	rep.Took = float64(took.Microseconds()) / 1000
	r.report.Phases = append(r.report.Phases, rep)
	r.on(Progress{Phase: p, State: rep.State, Detail: summary(&rep), Took: took})
	return err
}

// summary is a finished phase in a few words: its first failure, or its traffic.
func summary(p *PhaseReport) string {
	if p.Error != "" {
		return p.Error
	}
	for i := range p.Judgements {
		if j := &p.Judgements[i]; j.Verdict == Fail {
			return j.Name + ": " + j.Measured
		}
	}
	if p.Requests != nil {
		return p.Requests.String()
	}
	n := 0
	for i := range p.Judgements {
		if p.Judgements[i].Verdict == Pass {
			n++
		}
	}
	return fmt.Sprintf("%d of %d", n, len(p.Judgements))
}

// say tells what the phase is doing.
func (r *Runner) say(format string, args ...any) {
	r.on(Progress{Phase: r.current.Phase, State: Working, Detail: fmt.Sprintf(format, args...), Took: r.deps.Now().Sub(r.begin)})
}

// judge adds judgements to the phase.
func (r *Runner) judge(all ...Judgement) { r.current.Judgements = append(r.current.Judgements, all...) }

// fail gives a test the chance to kill the process here.
func (r *Runner) fail(point string) {
	if r.deps.Failpoint != nil {
		r.deps.Failpoint(point)
	}
}

// finish sums the drill up.
func (r *Runner) finish(ctx context.Context, err error) {
	rep := &r.report
	rep.Took = float64(r.deps.Now().Sub(rep.Started).Microseconds()) / 1000
	rep.Requests = tally(r.shotsOf(""))
	rep.Alerts.Expected, rep.Alerts.Told = r.expected, r.tape.Told()
	switch {
	case ctx.Err() != nil:
		rep.Result, rep.Error = Interrupted, ctx.Err().Error()
	case err != nil:
		rep.Result, rep.Error = Failed, err.Error()
	}
	rep.settle()
}

// traffic is load that runs until it is stopped.
type traffic struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// stop ends the traffic and waits for the requests under way.
func (t *traffic) stop() error {
	t.cancel()
	<-t.done
	return t.err
}

// start sends traffic for the current phase.
func (r *Runner) start(ctx context.Context, cfg load.Config) *traffic {
	phase := r.current.Phase
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{cancel: cancel, done: make(chan struct{})}
	cfg.URL, cfg.Body = r.url+r.opts.Path, "bgctl drill"
	if cfg.Clients == 0 {
		cfg.Clients = r.opts.Clients
	}
	cfg.Reach = load.Anywhere // the proxy of the project the operator named
	if cfg.Path == nil {
		cfg.Path = func() string { return uri(r.opts.Path, r.token, r.next()) }
	}
	cfg.OnResult = func(res load.Result) { r.keep(phase, &res) }
	go func() {
		defer close(t.done)
		_, t.err = r.deps.Load(ctx, cfg)
	}()
	return t
}

// next numbers a request.
func (r *Runner) next() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.issued++
	return r.issued
}

// keep notes a result.
func (r *Runner) keep(phase Phase, res *load.Result) {
	s := Shot{Phase: phase, N: number(res.Path, r.token), Method: res.Method, Status: res.Status, Start: res.Start, End: res.End}
	if res.Err != nil {
		s.Status, s.Err = 0, res.Err.Error()
	}
	if pool, err := bluegreen.ParsePool(res.Pool); err == nil {
		s.Pool = pool
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shots = append(r.shots, s)
}

// shotsOf returns the results of a phase, of all phases for "".
func (r *Runner) shotsOf(p Phase) []Shot {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p == "" {
		return slices.Clone(r.shots)
	}
	var out []Shot
	for i := range r.shots {
		if r.shots[i].Phase == p {
			out = append(out, r.shots[i])
		}
	}
	return out
}

// sleep waits, or ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until polls ok for at most limit. That it never held is for the judgements to say.
func until(ctx context.Context, limit time.Duration, ok func() bool) error {
	const every = 20 * time.Millisecond
	for waited := time.Duration(0); !ok(); waited += every {
		if waited >= limit {
			return nil
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
	}
	return nil
}
