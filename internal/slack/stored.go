package slack

import (
	"context"
	"sync"
	"time"
)

// storedProbe is how often a webhook is read again.
const storedProbe = 5 * time.Second

// Stored is a receiver whose webhook is kept in a file, or in a variable, and may be
// missing, unreadable or wrong: then its messages wait in their queue, and go out when
// the webhook can be read. A file that changes is taken up.
type Stored struct {
	name string
	load func() (Webhook, error)
	open func(Webhook) Receiver

	mu       sync.Mutex
	url      string // of the webhook that receiver posts to
	receiver Receiver
}

// NewStored returns a receiver of that name, whose webhook comes from load and whose
// messages are sent by what open makes of it. The errors of load are shown.
func NewStored(name string, load func() (Webhook, error), open func(Webhook) Receiver) *Stored {
	return &Stored{name: name, load: load, open: open}
}

// Name implements [Receiver].
func (s *Stored) Name() string { return s.name }

// Look reads the webhook again. It says why nothing can be sent, "" when it can, and
// whether the webhook is another one than before.
func (s *Stored) Look() (trouble string, changed bool) {
	hook, err := s.load()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.receiver, s.url = nil, ""
		return err.Error(), false
	case hook.IsZero():
		s.receiver, s.url = nil, ""
		return "no webhook is configured", false
	}
	url := hook.reveal().String()
	if s.receiver != nil && s.url == url {
		return "", false
	}
	s.receiver, s.url = s.open(hook), url
	return "", true
}

// Send implements [Receiver].
func (s *Stored) Send(ctx context.Context, item Item) Outcome {
	if trouble, _ := s.Look(); trouble != "" {
		return Outcome{Action: Broken, Wait: storedProbe, Reason: trouble}
	}
	s.mu.Lock()
	r := s.receiver
	s.mu.Unlock()
	if r == nil { // it went away between the two
		return Outcome{Action: Broken, Wait: storedProbe, Reason: "the webhook is being replaced"}
	}
	return r.Send(ctx, item)
}

// looker is a receiver that knows by itself whether it can send.
type looker interface {
	Look() (trouble string, changed bool)
}

// look asks the receiver whether it can send, says once what has changed about that,
// and returns how long the answer holds; 0: for ever.
func (q *Queue) look() (usable bool, holds time.Duration) {
	r, ok := q.cfg.Receiver.(looker)
	if !ok {
		return true, 0
	}
	trouble, changed := r.Look()
	q.mu.Lock()
	before := q.trouble
	q.trouble = trouble
	if changed { // what the last webhook was refused for says nothing about this one
		q.failures, q.broken, q.gate = 0, "", q.throttle
	}
	q.mu.Unlock()
	switch {
	case trouble == before:
	case trouble != "":
		q.cfg.Notice(q.cfg.Receiver.Name() + " gets no messages, they wait: " + trouble)
	default:
		q.cfg.Notice(q.cfg.Receiver.Name() + " gets messages again: the webhook can be read")
	}
	return trouble == "", storedProbe
}
