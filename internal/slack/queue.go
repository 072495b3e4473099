package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"bgctl/internal/alert"
)

// The queue's pace.
const (
	sendGap      = time.Second // Slack allows one message per second
	firstRetry   = time.Second
	maxRetry     = 5 * time.Minute
	firstUnsaid  = time.Minute     // 429 that names no time
	stopGrace    = 4 * time.Second // a running attempt may end; SIGTERM allows 5 s
	diskNagEvery = time.Minute
)

// QueueConfig is what a [Queue] needs. The callbacks run in order and must not call
// the queue.
type QueueConfig struct {
	Receiver Receiver
	Path     string // queue file; empty: memory only
	Meta     Meta   // host and project
	Report   func(alert.Delivery)
	Notice   func(string) // what an operator should know: disk, damaged file
}

// Queue holds messages until its receiver confirmed them. All methods may be
// called from any goroutine; Run must run once.
type Queue struct {
	cfg  QueueConfig
	wake chan struct{}

	mu       sync.Mutex
	entries  []*entry // in the order of their turn
	inflight *entry
	done     []string
	lost     int
	lostEver uint64
	sent     uint64
	failures int // attempts failed in a row
	unsaid   int // 429 answers in a row that named no time
	gate     time.Time
	throttle time.Time // the part of gate that outlives a restart
	lastTry  time.Time
	broken   string
	trouble  string // why the receiver cannot send at all, by its own word
	lastNag  time.Time
	dirty    bool // the file is behind
}

// Health is how a queue stands.
type Health struct {
	Receiver string    `json:"receiver"`
	Broken   string    `json:"broken,omitempty"` // why the webhook refuses everything, or cannot be read
	Pending  int       `json:"pending"`
	Failures int       `json:"failures"` // attempts failed in a row
	Until    time.Time `json:"until,omitzero"`
	Sent     uint64    `json:"sent"`
	Lost     uint64    `json:"lost"`
	// OldestSeconds is how long the oldest undelivered message waits.
	OldestSeconds float64 `json:"oldest_seconds,omitempty"`
}

// OpenQueue returns a queue with what its file held. A damaged file is moved
// aside and an unreadable one leaves the queue in memory: alerts go on either way.
func OpenQueue(cfg QueueConfig) *Queue {
	if cfg.Report == nil {
		cfg.Report = func(alert.Delivery) {}
	}
	if cfg.Notice == nil {
		cfg.Notice = func(string) {}
	}
	q := &Queue{cfg: cfg, wake: make(chan struct{}, 1)}
	if cfg.Path == "" {
		return q
	}
	st, err := loadState(cfg.Path)
	switch {
	case errors.Is(err, errQueueFile):
		aside, err := quarantine(cfg.Path)
		if err != nil {
			cfg.Notice("the damaged queue file could not be moved aside: " + err.Error())
			break
		}
		cfg.Notice("the queue file was damaged and moved to " + aside)
	case err != nil:
		cfg.Notice(err.Error() + ": undelivered messages of an earlier run are not known")
	}
	q.restore(st)
	return q
}

func (q *Queue) restore(st fileState) {
	q.lost, q.done = st.Lost, st.Done
	for _, e := range st.Entries {
		if e.Sending {
			e.Sending, e.MaybeSent = false, true
		}
		q.place(e)
	}
	// A clock that jumped must not mute for longer than a receiver may ask.
	if limit := time.Now().Add(maxThrottle); st.Gate.After(limit) {
		st.Gate = limit
	}
	q.gate, q.throttle = st.Gate, st.Gate
}

// Put queues the messages of events, in their order and all at once: of several of
// one type only the newest is sent. It wakes the worker. A message is on disk before
// it is sent, at the latest with the next [Queue.Flush]. A muted event is reported
// and not queued; one that was delivered or superseded before is ignored.
func (q *Queue) Put(events ...alert.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range events {
		q.put(bounded(events[i]))
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) put(ev alert.Event) {
	if ev.Muted != "" {
		q.report(&ev, alert.Delivery{State: alert.Muted, Reason: ev.Muted})
		return
	}
	if q.known(&ev) {
		return
	}
	e := &entry{Key: keyOf(&ev), Event: ev, Queued: time.Now(), Merged: 1}
	if ev.Status == alert.Firing {
		e.FirstFired = ev.Time
	}
	superseded := q.place(e)
	dropped := q.trim()
	q.dirty = true
	if superseded != nil {
		q.done = remember(q.done, doneKey(&superseded.Event))
		q.report(&superseded.Event, alert.Delivery{State: alert.Muted, Reason: "told together with " + ev.ID})
	}
	q.report(&ev, alert.Delivery{State: alert.Queued})
	for _, d := range dropped {
		q.report(&d.Event, alert.Delivery{State: alert.Dropped, Reason: "the queue is full"})
	}
}

// Flush writes the queue file if it is behind and reports whether it is up to date.
func (q *Queue) Flush() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dirty {
		q.save()
	}
	return !q.dirty
}

// known reports whether ev is delivered, waiting or being sent.
func (q *Queue) known(ev *alert.Event) bool {
	key := doneKey(ev)
	if slices.Contains(q.done, key) || (q.inflight != nil && doneKey(&q.inflight.Event) == key) {
		return true
	}
	return slices.ContainsFunc(q.entries, func(e *entry) bool { return doneKey(&e.Event) == key })
}

// place puts e into the line, in the place of an older entry of its key if there
// is one, which it returns.
func (q *Queue) place(e *entry) *entry {
	for i, old := range q.entries {
		if old.Key == e.Key {
			q.entries[i] = merge(old, e)
			return old
		}
	}
	q.entries = append(q.entries, e)
	return nil
}

// trim drops entries over the limits and counts them.
func (q *Queue) trim() []*entry {
	var dropped []*entry
	size := func() int {
		data, err := json.Marshal(q.entries)
		if err != nil {
			return 0
		}
		return len(data)
	}
	for len(q.entries) > maxEntries || (len(q.entries) > 1 && size() > maxQueueSize) {
		i := overflow(q.entries)
		dropped = append(dropped, q.entries[i])
		q.entries = slices.Delete(q.entries, i, i+1)
		q.done = remember(q.done, doneKey(&dropped[len(dropped)-1].Event))
		q.lost++
		q.lostEver++
	}
	return dropped
}

// save writes the queue file. A disk that fails costs durability, not delivery.
func (q *Queue) save() {
	q.dirty = false
	if q.cfg.Path == "" {
		return
	}
	st := fileState{Version: queueVersion, Entries: q.entries, Lost: q.lost, Gate: q.throttle, Done: q.done}
	if q.inflight != nil {
		st.Entries = append([]*entry{q.inflight}, q.entries...)
	}
	data, err := json.Marshal(st)
	if err == nil {
		err = WriteFileAtomic(q.cfg.Path, data)
	}
	q.dirty = err != nil
	if err != nil && (q.lastNag.IsZero() || time.Since(q.lastNag) >= diskNagEvery) {
		q.lastNag = time.Now()
		q.cfg.Notice(fmt.Sprintf("queue is kept in memory only, a restart would lose it: %v", err))
	}
}

// report completes a delivery report and hands it out. Under q.mu the reports of
// one event keep their order.
func (q *Queue) report(ev *alert.Event, d alert.Delivery) {
	d.Event, d.Time, d.Receiver = ev.ID, time.Now(), q.cfg.Receiver.Name()
	q.cfg.Report(d)
}

// Health returns how the queue stands.
func (q *Queue) Health() Health {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := Health{
		Receiver: q.cfg.Receiver.Name(), Broken: cmp.Or(q.trouble, q.broken), Pending: len(q.entries),
		Failures: q.failures, Sent: q.sent, Lost: q.lostEver,
	}
	oldest := func(e *entry) { h.OldestSeconds = max(h.OldestSeconds, time.Since(e.Queued).Seconds()) }
	if q.inflight != nil {
		h.Pending++
		oldest(q.inflight)
	}
	for _, e := range q.entries {
		oldest(e)
	}
	if q.gate.After(time.Now()) {
		h.Until = q.gate
	}
	return h
}

// Run delivers until ctx ends. A running attempt then has 4 s to finish; whatever
// is left stays in the queue file.
func (q *Queue) Run(ctx context.Context) {
	for {
		usable, holds := q.look()
		wait, ready := q.pause()
		if holds > 0 && (!usable || wait < 0 || wait > holds) {
			wait = holds
		}
		if ready && usable {
			if ctx.Err() != nil {
				return
			}
			q.attempt(ctx)
			continue
		}
		if !q.sleep(ctx, wait) {
			return
		}
	}
}

// pause returns how long to wait before the next attempt. A negative wait means
// until something is put into the queue.
func (q *Queue) pause() (wait time.Duration, ready bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		return -1, false
	}
	at := q.gate
	if !q.lastTry.IsZero() && q.lastTry.Add(sendGap).After(at) {
		at = q.lastTry.Add(sendGap)
	}
	wait = time.Until(at)
	return wait, wait <= 0
}

func (q *Queue) sleep(ctx context.Context, wait time.Duration) bool {
	var due <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-q.wake:
	case <-due:
	}
	return true
}

// jittered spreads a pause by ±50 %, so that watchers of many stacks do not knock
// in step after one outage.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + rand.Float64())) //nolint:gosec // a pause is no secret
}

// doubled returns first×2^n within limit.
func doubled(first time.Duration, n int, limit time.Duration) time.Duration {
	for range n {
		if first *= 2; first >= limit {
			return limit
		}
	}
	return first
}
