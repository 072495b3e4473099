package watch

import (
	"context"
	"sync"

	"bgctl/internal/alert"
)

// saver carries what the pipeline decided to disk and on to the queues, in a
// goroutine of its own: reading goes on while a disk takes its time.
//
// Its order is what makes delivery exact. The state that has an event behind it is
// on disk together with the event (the outbox) before any queue may send it. Killed
// before that write, the log is read again and yields the event anew; killed after
// it, the event comes out of the outbox, the very same one, and the queues recognise
// what they have had.
type saver struct {
	w    *watcher
	wake chan struct{}

	mu     sync.Mutex
	state  *State        // newest, not yet written
	events []alert.Event // not yet handed to the queues

	outbox []alert.Event // handed over, maybe not yet in every queue's file; one goroutine's
}

// maxOutbox bounds the outbox while a disk refuses the queues' files.
const maxOutbox = 256

func newSaver(w *watcher) *saver { return &saver{w: w, wake: make(chan struct{}, 1)} }

// put takes a state and the events that led to it. It does not block on a disk.
func (s *saver) put(st *State, events []alert.Event) {
	s.mu.Lock()
	s.state = st
	s.events = append(s.events, events...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run saves until ctx ends. What is put after that is for [saver.step].
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.step()
		}
	}
}

// step writes the newest state and hands the events to history and queues.
func (s *saver) step() {
	s.mu.Lock()
	st, events := s.state, s.events
	s.state, s.events = nil, nil
	s.mu.Unlock()
	queues := s.w.queues()
	// What the last step handed over is in the queues' files before the outbox
	// forgets it.
	flushed := true
	for _, q := range queues {
		flushed = q.Flush() && flushed
	}
	if flushed || len(s.outbox) > maxOutbox {
		s.outbox = nil
	}
	s.outbox = append(s.outbox, events...)
	if st != nil {
		st.Outbox = s.outbox
		s.w.write(st)
	}
	if len(events) == 0 {
		return
	}
	for i := range events {
		s.w.history.add(&events[i])
	}
	for _, q := range queues {
		q.Put(events...)
	}
	s.w.history.sync()
}

// flush makes everything durable that was handed to the queues.
func (s *saver) flush() {
	for _, q := range s.w.queues() {
		q.Flush()
	}
}
