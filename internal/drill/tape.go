package drill

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"bgctl/internal/alert"
)

// Told is one event of the watcher and what became of its message. Times are those
// at which the drill heard of it: one clock measures everything.
type Told struct {
	Event      alert.Event `json:"event"`
	Seen       time.Time   `json:"seen"`
	Deliveries []Delivery  `json:"deliveries,omitempty"`
}

// Delivery is a report about the event's message.
type Delivery struct {
	alert.Delivery
	Seen time.Time `json:"seen"`
}

// Muted is why no message was posted, "" when one was.
func (t *Told) Muted() string { return t.Event.Muted }

// sent is when a receiver first accepted the message, and how often one did.
func (t *Told) sent(receiver string) (first time.Time, times int) {
	for i := range t.Deliveries {
		d := &t.Deliveries[i]
		if d.State == alert.Sent && (receiver == "" || d.Receiver == receiver) {
			if times++; times == 1 {
				first = d.Seen
			}
		}
	}
	return first, times
}

// merged is the event whose message told this one too, "" when there is none.
func (t *Told) merged(receiver string) string {
	for i := range t.Deliveries {
		d := &t.Deliveries[i]
		if d.State == alert.Muted && d.Receiver == receiver {
			if id, ok := strings.CutPrefix(d.Reason, "told together with "); ok {
				return id
			}
		}
	}
	return ""
}

// settled reports whether nothing more is to come for a receiver.
func (t *Told) settled(receiver string) bool {
	if t.Muted() != "" || t.merged(receiver) != "" {
		return true
	}
	return slices.ContainsFunc(t.Deliveries, func(d Delivery) bool {
		return d.Receiver == receiver && (d.State == alert.Sent || d.State == alert.Dropped)
	})
}

// trouble is why a receiver has not accepted the message.
func (t *Told) trouble(receiver string) string {
	for i := len(t.Deliveries) - 1; i >= 0; i-- {
		if d := &t.Deliveries[i]; d.Receiver == receiver && d.Reason != "" {
			return string(d.State) + ": " + d.Reason
		}
	}
	for i := len(t.Deliveries) - 1; i >= 0; i-- {
		if d := &t.Deliveries[i]; d.Receiver == receiver {
			return string(d.State) + ", not sent"
		}
	}
	return "no report of a delivery"
}

// Tape keeps what the watcher says. Its methods may be called from any goroutine.
type Tape struct {
	mu      sync.Mutex
	told    []Told
	changed chan struct{}
}

// NewTape returns an empty tape.
func NewTape() *Tape { return &Tape{changed: make(chan struct{})} }

// Line takes one line of the watcher's output. What is not an event or a report
// is left out, and so is an event told before.
func (t *Tape) Line(text []byte, at time.Time) {
	var kind struct {
		Kind string `json:"kind"`
	}
	if json.Unmarshal(text, &kind) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch kind.Kind {
	case "alert":
		var ev alert.Event
		if json.Unmarshal(text, &ev) == nil && t.find(ev.ID) == nil {
			t.told = append(t.told, Told{Event: ev, Seen: at})
		}
	case "delivery":
		var d alert.Delivery
		if json.Unmarshal(text, &d) != nil {
			return
		}
		// A report about a message from before the drill belongs to nothing here.
		if of := t.find(d.Event); of != nil {
			of.Deliveries = append(of.Deliveries, Delivery{d, at})
		}
	default:
		return
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// find returns an event of the tape; the mutex is held.
func (t *Tape) find(id string) *Told {
	for i := range t.told {
		if t.told[i].Event.ID == id {
			return &t.told[i]
		}
	}
	return nil
}

// Told returns a copy of the tape.
func (t *Tape) Told() []Told {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := slices.Clone(t.told)
	for i := range out {
		out[i].Deliveries = slices.Clone(out[i].Deliveries)
	}
	return out
}

// Wait blocks until ok holds for the tape, for at most limit. It returns whether it does.
func (t *Tape) Wait(ctx context.Context, limit time.Duration, ok func([]Told) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, max(limit, 0))
	defer cancel()
	for {
		t.mu.Lock()
		changed := t.changed
		t.mu.Unlock()
		if ok(t.Told()) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ok(t.Told())
		}
	}
}

// first returns the first event of a type and status at or after a moment, nil when
// there is none.
func first(told []Told, typ alert.Type, status alert.Status, since time.Time) *Told {
	for i := range told {
		if e := &told[i].Event; e.Type == typ && e.Status == status && !told[i].Seen.Before(since) {
			return &told[i]
		}
	}
	return nil
}
