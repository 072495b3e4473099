// Package feed brings a running deployment to the screen: it streams the proxy's
// access log, keeps the statistics and the error-rate window, follows the
// watcher's events, and samples what the containers use.
//
// It shows, it does not decide: alerts come from the watcher. A screen that is
// slow loses log rows, which are counted, and nothing else.
package feed

import (
	"context"
	"sync"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/compose"
	"bgctl/internal/deployment"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

const (
	history   = 20000 // lines of the past read at the start
	few       = 5000  // the same where the hour is filled afterwards: a second at 5,000 requests/s
	rowBuffer = 2000  // log rows kept for a screen that is busy
	span      = 10 * time.Second
)

// Config is what a feed reads from.
type Config struct {
	Stack   *deployment.Stack
	Client  *compose.Client
	Project string
	Alert   alert.Config // how the window is shown; the watcher's own settings
	Past    Past
	Now     func() time.Time
}

// Past says how much of the log's past a feed reads.
type Past string

// Some of it at once, or little at once and the rest of the hour afterwards.
const (
	PastSome Past = ""
	PastHour Past = "hour"
)

// Feed implements [tui.Feed] on a running deployment.
type Feed struct {
	cfg   Config
	addrs *logstream.AddrMap
	rows  *logstream.Ring

	mu         sync.Mutex
	stats      *alert.Stats
	seconds    *seconds
	detector   *alert.Detector
	counts     logstream.Counts
	newest     time.Time
	lag        time.Duration
	dropped    uint64
	events     []alert.Event
	deliveries []alert.Delivery
	sources    map[string]tui.SourceState
	usage      map[string]compose.Stats
	sampled    bool   // usage was asked for once
	watcher    string // ID of the watcher's container
	ready      bool   // the first requests were read, or there are none
	before     before
	poolAddrs  [3][]string
	muted      alert.Maintenance
	mutedBy    string
	lastOf     map[alert.Type]time.Time // the newest event of each type
	lineAt     time.Time                // when the watcher's last line came
	wake       chan struct{}            // another watcher
	told       chan struct{}            // the watcher has told something
}

var _ tui.Feed = (*Feed)(nil)

// New returns a feed; [Feed.Run] fills it.
func New(cfg Config) *Feed {
	return &Feed{
		cfg: cfg, addrs: logstream.NewAddrMap(), rows: logstream.NewRing(rowBuffer),
		stats: alert.NewStats(), seconds: &seconds{}, detector: alert.NewDetector(cfg.Alert),
		sources: map[string]tui.SourceState{}, usage: map[string]compose.Stats{},
		wake: make(chan struct{}, 1), told: make(chan struct{}, 1), lastOf: map[alert.Type]time.Time{},
	}
}

// Connect says where to read, for a feed that was made before the engine was reached.
func (f *Feed) Connect(stack *deployment.Stack, client *compose.Client) {
	f.cfg.Stack, f.cfg.Client = stack, client
}

// Run reads until ctx ends.
func (f *Feed) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { f.readLog(ctx) })
	wg.Go(func() { f.readEvents(ctx) })
	wg.Go(func() { f.readState(ctx) })
	if f.cfg.Past == PastHour {
		wg.Go(func() { f.readPast(ctx) })
	}
	wg.Go(func() { f.sample(ctx) })
	wg.Wait()
}

// readLog follows the access log.
func (f *Feed) readLog(ctx context.Context) {
	lines := history
	if f.cfg.Past == PastHour {
		lines = few
	}
	source := f.cfg.Stack.FollowAccessLog(logstream.RemoteConfig{
		Start: logstream.AtLast(lines), Addrs: f.addrs,
		OnState: func(s logstream.State) { f.state("log", s.Connected, s.Err) },
	})
	// It ends with ctx only, and tells its troubles through OnState.
	_ = source.Run(ctx, func(b logstream.Batch) error {
		f.add(b)
		return nil
	})
}

// add takes a batch of records.
func (f *Feed) add(b logstream.Batch) {
	f.rows.Push(b.Records)
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts, f.ready = b.Counts, true
	f.seconds.caughtUp(&f.counts)
	for i := range b.Records {
		rec := &b.Records[i]
		if f.cfg.Alert.Counts(rec) {
			f.stats.Add(rec)
			f.seconds.add(rec)
		}
		f.detector.Observe(rec)
		f.newest = rec.Time
		f.lag = max(now.Sub(rec.Time), 0)
	}
}

// state notes how a source stands.
func (f *Feed) state(name string, ok bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := tui.SourceState{Name: name, OK: ok, Since: f.cfg.Now()}
	if err != nil {
		s.Detail = err.Error()
		f.ready = f.ready || name == "log" // that it cannot be read is worth showing
	}
	f.sources[name] = s
	switch {
	case name != "log":
	case ok:
		f.seconds.found(f.cfg.Now())
	default:
		f.seconds.lost(f.cfg.Now(), &f.counts)
	}
}

// Observe looks at the deployment and adds what its containers use.
func (f *Feed) Observe(ctx context.Context) (bluegreen.Deployment, error) {
	d, err := f.cfg.Stack.Observe(ctx)
	if err != nil {
		return d, err
	}
	for _, pool := range bluegreen.Pools() {
		var addrs []string
		for _, c := range d.Pool(pool).Containers {
			addrs = append(addrs, c.Addrs...)
		}
		f.addrs.Set(pool, addrs...)
		f.mu.Lock()
		f.poolAddrs[pool] = addrs
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range containers(&d) {
		use := f.usage[c.ID]
		c.CPU, c.Memory = use.CPUPercent, use.MemoryBytes
	}
	watcher := ""
	if d.Watcher != nil && d.Watcher.State == "running" {
		watcher = d.Watcher.ID
	}
	if watcher != f.watcher {
		f.watcher = watcher
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
	return d, nil
}

// containers lists every container of a deployment.
func containers(d *bluegreen.Deployment) []*bluegreen.Container {
	var out []*bluegreen.Container
	for _, c := range []*bluegreen.Container{d.Proxy, d.Watcher} {
		if c != nil {
			out = append(out, c)
		}
	}
	for _, list := range [][]bluegreen.Container{d.Blue.Containers, d.Green.Containers, d.Others} {
		for i := range list {
			out = append(out, &list[i])
		}
	}
	return out
}
