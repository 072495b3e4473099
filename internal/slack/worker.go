package slack

import (
	"context"
	"slices"
	"time"

	"bgctl/internal/alert"
)

// attempt sends the entry whose turn it is and acts on the outcome.
func (q *Queue) attempt(ctx context.Context) {
	e, item := q.take()
	// The attempt outlives ctx for a moment: cutting it would turn a message that
	// is about to be confirmed into one that may be a duplicate.
	sendCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(stopGrace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-sendCtx.Done():
		}
	})
	defer stop()
	out := q.cfg.Receiver.Send(sendCtx, item)
	q.settle(e, item, out)
}

// take moves the first entry into flight and writes that down before anything
// leaves the machine.
func (q *Queue) take() (*entry, Item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[0]
	q.entries = slices.Delete(q.entries, 0, 1)
	e.Attempts++
	e.Sending = true
	q.inflight = e
	q.lastTry = time.Now()
	q.save()
	meta := q.cfg.Meta
	meta.Delay = time.Since(e.Event.Time)
	meta.Duplicate = e.MaybeSent
	meta.Merged = e.Merged
	meta.Lost = q.lost
	if e.Event.Status == alert.Resolved {
		meta.FirstFired = e.FirstFired
	}
	return e, Item{Event: e.Event, Meta: meta, Plain: e.Plain}
}

// settle books an outcome and reports it.
func (q *Queue) settle(e *entry, item Item, out Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inflight = nil
	e.Sending = false
	e.MaybeSent = e.MaybeSent || out.MaybeSent
	d := alert.Delivery{Attempt: e.Attempts, Reason: out.Reason, Duplicate: item.Meta.Duplicate}
	switch out.Action {
	case Delivered:
		q.delivered(e, item.Meta.Lost)
		d.State, d.Reason = alert.Sent, ""
	case Throttled:
		d.Until, d.State = q.throttled(out.Wait), alert.Retrying
		q.back(e)
	case Broken:
		q.broken = out.Reason
		q.failures++
		q.gate = time.Now().Add(out.Wait)
		d.Until, d.State = q.gate, alert.Retrying
		q.back(e)
	case Rejected:
		q.open()
		if e.Plain {
			d.State = q.drop(e)
			break
		}
		e.Plain = true
		d.State, d.Reason = alert.Retrying, out.Reason+": trying plain text"
		q.rejoin(e, 0)
	case Refused:
		q.open()
		d.State = q.drop(e)
	case Retry:
		q.gate = time.Now().Add(max(min(jittered(doubled(firstRetry, q.failures, maxRetry)), maxRetry), out.Wait))
		q.failures++
		d.Until, d.State = q.gate, alert.Retrying
		q.back(e)
	}
	// Killed between the two, the message is sent again and says so, and then this
	// report is the one that was right: the other order could leave a delivered
	// message without any.
	q.report(&e.Event, d)
	q.save()
}

func (q *Queue) delivered(e *entry, lost int) {
	q.open()
	q.sent++
	q.lost = max(q.lost-lost, 0)
	q.done = remember(q.done, doneKey(&e.Event))
}

// open says that the receiver answers and means this message only.
func (q *Queue) open() {
	q.failures, q.unsaid, q.broken = 0, 0, ""
	q.gate, q.throttle = time.Time{}, time.Time{}
}

func (q *Queue) throttled(wait time.Duration) time.Time {
	if wait == 0 {
		wait = doubled(firstUnsaid, q.unsaid, maxThrottle)
		q.unsaid++
	}
	q.broken = "" // who asks to wait is there
	q.gate = time.Now().Add(wait)
	q.throttle = q.gate
	return q.gate
}

func (q *Queue) drop(e *entry) alert.DeliveryState {
	q.lost++
	q.lostEver++
	q.done = remember(q.done, doneKey(&e.Event))
	return alert.Dropped
}

// back returns e to the end of the line, so that one message the receiver
// stumbles over does not hold up the others.
func (q *Queue) back(e *entry) { q.rejoin(e, len(q.entries)) }

// rejoin puts e back at position at. An entry of its key that came in meanwhile is
// newer and takes e in.
func (q *Queue) rejoin(e *entry, at int) {
	for i, newer := range q.entries {
		if newer.Key == e.Key {
			q.entries[i] = merge(e, newer)
			q.done = remember(q.done, doneKey(&e.Event))
			return
		}
	}
	q.entries = slices.Insert(q.entries, at, e)
}
