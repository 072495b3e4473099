// Package watch is the watcher process: it reads the access log through a source,
// asks a detector what the lines mean, says so on standard output and hands the
// events to the queues of the receivers. It serves /healthz and /metrics.
//
//	source ─▶ detector ─▶ events ─┬▶ stdout (NDJSON)
//	             ▲                └▶ saver ─▶ watch.json, then ┬▶ events.ndjson (history)
//	      tick 1 s┘                                            └▶ queue per receiver ─▶ Slack, webhook
//
// It decides nothing about alerts and knows no Docker. What it promises: an event
// and the log position behind it reach the disk in one write, before the event may
// be sent, so a kill at any moment neither loses an event nor tells one twice but
// for the message that was on its way, which says so; and a disk, a receiver or a
// reader of standard output that fails does not stop the watching.
package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

// Source follows a log and delivers its records in order until ctx ends.
type Source interface {
	Run(ctx context.Context, deliver func(logstream.Batch) error) error
}

// Detector turns records and the passing of time into events. It is used by one
// goroutine at a time.
type Detector interface {
	Observe(rec *logstream.Record) []alert.Event
	Tick(now time.Time) []alert.Event
	Window() alert.Window
}

// Keeper is a detector whose state survives a restart.
type Keeper interface {
	Detector
	Save() (json.RawMessage, error)
	Load(raw json.RawMessage) error
}

// keeper adapts a detector with a typed snapshot.
type keeper[S any] struct {
	Detector
	state   func() S
	restore func(S)
}

// Keep returns d as a [Keeper] that stores what state returns as JSON:
//
//	watch.Keep(det, det.State, det.Restore)
func Keep[S any](d Detector, state func() S, restore func(S)) Keeper {
	return keeper[S]{d, state, restore}
}

func (k keeper[S]) Save() (json.RawMessage, error) { return json.Marshal(k.state()) }

func (k keeper[S]) Load(raw json.RawMessage) error {
	var s S
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	k.restore(s)
	return nil
}

// Config is what a watcher is made of. Only Source, Detector and StateDir are
// needed; everything else may be zero.
type Config struct {
	Source   Source
	Detector Keeper
	StateDir string // writable directory that survives a restart
	Host     string
	Project  string
	Version  string // of this program, for /metrics

	Threshold float64 // percent, for /metrics
	Out       io.Writer
	Receivers []slack.Receiver
	Listener  net.Listener // nil: no HTTP server

	// Cursor returns the position behind the batch that is being delivered. It is
	// called from within deliver only, at its end, and its result is kept: return
	// a value, not a pointer into the source.
	Cursor func() any
	// SourceHealth returns why the source has lost its log, nil while it reads.
	SourceHealth func() error
	// SourceChanged tells the detector that the log was lost, and why, or with "" that
	// it is back. Nil: the detector is not told.
	SourceChanged func(why string)
	// OldIsNews tells the detector that the log does not reach the present: its lines are
	// no backlog, its clock is behind. Nil: the detector is not told.
	OldIsNews func()
	// SetMaintenance tells the detector which messages are muted and until when; the
	// zero Maintenance ends it. Events it yields go out. Nil: not supported.
	SetMaintenance func(m Maintenance) []alert.Event
	// Acknowledge tells the detector who looks after an alert that fires. Events it
	// yields go out. Nil: not supported.
	Acknowledge func(a alert.Ack) []alert.Event
	// MaintenanceMode is the value of the variable of that name: see [ParseMode].
	MaintenanceMode string

	started   func(*watcher)                       // tests reach the running watcher
	writeFile func(path string, data []byte) error // tests play a disk; nil: the real one
	lockDir   func(path string) (unlock func(), err error)
}

// Names of the files in the state directory.
const (
	StateFile       = "watch.json"
	HistoryFile     = "events.ndjson"
	MaintenanceFile = "maintenance"
	lockFile        = "watch.lock"
)

// The watcher's pace.
const (
	tickEvery    = time.Second
	catchUpLag   = time.Minute      // lines older than this are catching up
	catchUpPause = 2 * time.Second  // without a line it is over
	catchUpMax   = 30 * time.Second // after that the lines are taken for the present
	stopHTTP     = time.Second
)

// watcher is the running process. Its mutex is held while a batch or a tick is in
// work; the order is watcher, queue, output.
type watcher struct {
	cfg     Config
	out     *output
	metrics *metrics
	history *history
	saver   *saver

	mu          sync.Mutex
	receivers   []*receiver // may change while the watcher runs: see attach
	firing      map[alert.Type]alert.Event
	episodes    episodes
	cursor      any // position behind the last batch in work
	counts      logstream.Counts
	last        time.Time    // time of the newest record
	lastBatch   time.Time    // when it was read
	catchingUp  time.Time    // since when; zero: not
	maintenance *Maintenance // in force; nil: none
	environment *EnvironmentMaintenance
	broken      map[string]string // receivers that get no messages, and why
	fresh       []alert.Event     // told, not yet handed to the saver
	dirty       bool
	lastNag     time.Time
	sourceErr   string // what was last said about the source
	toldFormat  bool   // it was said that the log is not understood
	toldSkipped uint64 // how many lines it was said were passed over
}

// Run watches until ctx ends or the source fails. It returns within 5 s after the
// end of ctx, with everything undelivered on disk.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	if cfg.writeFile == nil {
		cfg.writeFile = slack.WriteFileAtomic
	}
	if cfg.lockDir == nil {
		cfg.lockDir = lockDir
	}
	w := &watcher{cfg: cfg, out: &output{w: cfg.Out}, firing: map[alert.Type]alert.Event{}}
	unlock, err := w.lock()
	if err != nil {
		return err
	}
	defer unlock()
	w.metrics, w.saver = newMetrics(w), newSaver(w)
	w.history = openHistory(filepath.Join(cfg.StateDir, HistoryFile), w.out.notice)
	w.restore()
	if cfg.started != nil {
		cfg.started(w)
	}
	return w.run(ctx)
}

// lock keeps other watchers out of the state directory. Where the disk takes no file,
// no watcher can keep a state: it is better to watch without.
func (w *watcher) lock() (unlock func(), err error) {
	if err = os.MkdirAll(w.cfg.StateDir, 0o700); err != nil {
		err = fmt.Errorf("create state directory: %w", err)
	} else {
		unlock, err = w.cfg.lockDir(filepath.Join(w.cfg.StateDir, lockFile))
	}
	if errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC) {
		w.out.notice("state is not saved, a restart will lose it: " + err.Error())
		return func() {}, nil
	}
	return unlock, err
}

func (w *watcher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	w.attachAll(ctx)
	wg.Go(func() { w.tickLoop(ctx) })
	wg.Go(func() { w.followLease(ctx) })
	wg.Go(func() { w.saver.run(ctx) })
	if w.cfg.Listener != nil {
		wg.Go(func() { w.serve(ctx) })
	}
	w.begin()
	err := w.cfg.Source.Run(ctx, w.deliver)
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		err = nil
	}
	cancel()
	wg.Wait()
	w.end()
	if err != nil {
		return fmt.Errorf("follow the log: %w", err)
	}
	return nil
}

// begin applies a maintenance and delivers what an earlier run left in the outbox.
func (w *watcher) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pollMaintenance(time.Now())
	w.pollAcks(time.Now())
	w.save()
}

// end saves what is left once nothing else runs.
func (w *watcher) end() {
	w.mu.Lock()
	w.save()
	w.mu.Unlock()
	w.saver.step()
	w.saver.flush()
	w.detach("")
	w.history.close()
}

func (w *watcher) tickLoop(ctx context.Context) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			w.tick(now)
		}
	}
}
