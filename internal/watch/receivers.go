package watch

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

// receiver is one place messages go to, with the queue that delivers to it.
type receiver struct {
	queue *slack.Queue
	stop  context.CancelFunc // ends the queue's worker
	done  chan struct{}      // closed when it has ended
}

// attach opens a queue for r and begins to deliver to it. The queue is kept in a
// file unless path is empty. ctx bounds the worker. The watcher's mutex must not be
// held; call it at any time.
func (w *watcher) attach(ctx context.Context, r slack.Receiver, path string) {
	q := slack.OpenQueue(slack.QueueConfig{
		Receiver: r,
		Path:     path,
		Meta:     slack.Meta{Host: w.cfg.Host, Project: w.cfg.Project},
		Report:   w.delivered,
		Notice:   w.out.notice,
	})
	ctx, stop := context.WithCancel(ctx)
	added := &receiver{queue: q, stop: stop, done: make(chan struct{})}
	w.mu.Lock()
	w.receivers = append(w.receivers, added)
	w.mu.Unlock()
	go func() {
		defer close(added.done)
		q.Run(ctx)
	}()
}

// detach stops delivering to the receivers of a name and waits until the message
// in flight has ended. What they did not deliver stays in their queue files.
func (w *watcher) detach(name string) {
	w.mu.Lock()
	var gone []*receiver
	w.receivers = slices.DeleteFunc(w.receivers, func(r *receiver) bool {
		if name != "" && r.queue.Health().Receiver != name {
			return false
		}
		gone = append(gone, r)
		return true
	})
	w.mu.Unlock()
	for _, r := range gone {
		r.stop()
	}
	for _, r := range gone {
		<-r.done
	}
}

// attachAll opens the queues of the configured receivers.
func (w *watcher) attachAll(ctx context.Context) {
	for _, r := range w.cfg.Receivers {
		w.attach(ctx, r, filepath.Join(w.cfg.StateDir, "queue-"+r.Name()+".json"))
	}
	if len(w.cfg.Receivers) == 0 {
		w.out.notice("no webhook configured: alerts appear on standard output only")
	}
}

// queues returns the queues of the moment.
func (w *watcher) queues() []*slack.Queue {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]*slack.Queue, len(w.receivers))
	for i, r := range w.receivers {
		out[i] = r.queue
	}
	return out
}

// checkReceivers notes for the state file which receivers get no messages.
func (w *watcher) checkReceivers() {
	broken := map[string]string{}
	for _, r := range w.receivers {
		if h := r.queue.Health(); h.Broken != "" {
			broken[h.Receiver] = h.Broken
		}
	}
	if !maps.Equal(broken, w.broken) {
		w.broken, w.dirty = broken, true
	}
}

// delivered takes a queue's report about one message.
func (w *watcher) delivered(d alert.Delivery) {
	w.metrics.deliveries.WithLabelValues(d.Receiver, string(d.State)).Inc()
	w.out.delivery(d)
	w.history.delivery(&d)
}
