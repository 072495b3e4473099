package compose

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

const (
	eventBackoffMin = 200 * time.Millisecond
	eventBackoffMax = 5 * time.Second
	eventPing       = 15 * time.Second // a dead ssh or tcp connection says nothing by itself
	eventSettle     = 100 * time.Millisecond
	eventSeenMax    = 1024 // the daemon replays at most 256
)

// EventKind says what an [Event] is about.
type EventKind string

const (
	// EventContainer is something that happened to a container.
	EventContainer EventKind = "container"
	// EventLost says that the stream of events broke: what is known may be old.
	EventLost EventKind = "lost"
	// EventResync says that the stream is back. The daemon remembers few
	// events, so the receiver has to list the containers again.
	EventResync EventKind = "resync"
)

// Event is something that happened to a container of the project, or to the
// stream of events itself. Its texts are foreign.
type Event struct {
	Kind        EventKind
	At          time.Time
	Action      string // start, die, oom, kill, pause, "health_status: healthy", …
	ContainerID string
	Name        string
	Service     string
	ExitCode    int // of die
	Signal      string
	Err         error // of EventLost
}

// Events follows the project's containers until ctx ends, then closes the
// channel. It reconnects by itself, asks for what it missed and drops what it
// already delivered. Exec events are left out: health checks make them all
// the time.
func (c *Client) Events(ctx context.Context, project string) <-chan Event {
	out := make(chan Event, 64)
	go func() {
		defer close(out)
		f := follower{client: c, project: project, out: out, seen: map[string]struct{}{}}
		f.run(ctx)
	}()
	return out
}

// follower is the memory across connections.
type follower struct {
	client  *Client
	project string
	out     chan<- Event
	last    int64 // timeNano of the newest event
	seen    map[string]struct{}
	order   []string // of seen, oldest first
	lost    bool
	backoff time.Duration
}

func (f *follower) run(ctx context.Context) {
	f.backoff = eventBackoffMin
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if !f.lost {
			f.lost = true
			err = f.client.wrap("follow the engine's events", err)
			if !f.send(ctx, Event{Kind: EventLost, At: time.Now(), Err: err}) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.backoff):
		}
		f.backoff = min(2*f.backoff, eventBackoffMax)
	}
}

// follow reads one connection to its end.
func (f *follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	options := events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", string(events.ContainerEventType)),
		filters.Arg("label", projectLabel+"="+f.project),
	)}
	if f.last > 0 {
		options.Since = fmt.Sprintf("%d.%09d", f.last/1e9, f.last%1e9)
	}
	if err := f.ping(ctx); err != nil {
		return err
	}
	messages, errs := f.client.api.Events(ctx, options)
	go f.watch(ctx, cancel)
	// The client says that it tried, not that it succeeded.
	settled := time.After(eventSettle)
	for ok := true; ok; {
		select {
		case err := <-errs:
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return err
		case <-settled:
			ok = f.connected(ctx)
		case message := <-messages:
			ok = f.connected(ctx) && f.deliver(ctx, message)
		}
	}
	return ctx.Err()
}

// connected tells the receiver after a loss. It comes after the subscription
// stands, so that a list made now misses nothing.
func (f *follower) connected(ctx context.Context) bool {
	f.backoff = eventBackoffMin
	if !f.lost {
		return true
	}
	f.lost = false
	return f.send(ctx, Event{Kind: EventResync, At: time.Now()})
}

// watch ends a connection that is only half there.
func (f *follower) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(eventPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := f.ping(ctx); err != nil {
				cancel(err)
				return
			}
		}
	}
}

func (f *follower) ping(ctx context.Context) error {
	ctx, cancel := within(ctx, readTimeout)
	defer cancel()
	_, err := f.client.api.Ping(ctx)
	return err
}

func (f *follower) deliver(ctx context.Context, message events.Message) bool {
	if strings.HasPrefix(string(message.Action), "exec_") || !f.isNew(message) {
		return true
	}
	return f.send(ctx, eventFrom(message))
}

// isNew remembers what was delivered: "since" is inclusive, and events of one
// instant do not come in a fixed order.
func (f *follower) isNew(message events.Message) bool {
	key := strconv.FormatInt(message.TimeNano, 36) + " " + string(message.Action) + " " + message.Actor.ID
	if _, ok := f.seen[key]; ok {
		return false
	}
	f.seen[key] = struct{}{}
	f.order = append(f.order, key)
	if len(f.order) > eventSeenMax {
		delete(f.seen, f.order[0])
		f.order = f.order[1:]
	}
	f.last = max(f.last, message.TimeNano)
	return true
}

func (f *follower) send(ctx context.Context, event Event) bool {
	select {
	case f.out <- event:
		return true
	case <-ctx.Done():
		return false
	}
}

func eventFrom(message events.Message) Event {
	out := Event{
		Kind:        EventContainer,
		At:          time.Unix(0, message.TimeNano),
		Action:      string(message.Action),
		ContainerID: message.Actor.ID,
		Name:        message.Actor.Attributes["name"],
		Service:     message.Actor.Attributes[serviceLabel],
		Signal:      message.Actor.Attributes["signal"],
	}
	if code, err := strconv.Atoi(message.Actor.Attributes["exitCode"]); err == nil {
		out.ExitCode = code
	}
	return out
}
