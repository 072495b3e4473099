// Package outpost is a drill's helper inside the watcher's container: it tells what
// the watcher says of its health, and, when there is no webhook, stands in for one,
// so that the watcher that is really deployed really posts over HTTP.
//
// It lives on one exec with its standard streams attached and answers one request a
// line with one JSON object a line. It ends with its input, so that it dies with the
// drill; the watcher forgets its receiver when the lease is no longer renewed.
//
//	drill ── "health" ─▶ outpost ─ GET /healthz ─▶ watcher
//	      ◀─ message ───    ▲───── POST ──────────────┘
package outpost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"time"

	"bgctl/internal/slack"
	"bgctl/internal/watch"
)

// The outpost's pace.
const (
	leaseFor    = 6 * time.Second
	renewEvery  = 2 * time.Second
	attachLimit = 5 * time.Second // for the watcher to notice a lease, and its end
	askTimeout  = 2 * time.Second
	pollEvery   = 50 * time.Millisecond
	maxHealth   = 1 << 20
)

// Mode says what an outpost does besides telling the watcher's health.
type Mode string

// The modes.
const (
	Observe Mode = "observe" // nothing
	Receive Mode = "receive" // receives what the watcher posts
)

// Message is one message that the watcher posted.
type Message struct {
	Time   time.Time `json:"time"`
	Status int       `json:"status"` // what was answered
	Text   string    `json:"text"`
	ID     string    `json:"id"` // of the event, "" when the message names none
}

// line is one line of the outpost's output.
type line struct {
	Kind    string        `json:"kind"` // ready, health, message, bye
	Error   string        `json:"error,omitempty"`
	Health  *watch.Health `json:"health,omitempty"`
	Message *Message      `json:"message,omitempty"`
}

// Outpost is the helper's process.
type Outpost struct {
	StateDir string // of the watcher
	Health   string // URL of its /healthz
	Mode     Mode

	mu  sync.Mutex
	out *json.Encoder
}

// Run serves until in ends, "end" is asked for, or ctx ends. On return nothing of
// it is left: no listener and no lease.
func (o *Outpost) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.out = json.NewEncoder(out)
	requests := readLines(ctx, in)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	if o.Mode == Receive {
		defer func() { _ = watch.EndLease(o.StateDir) }() // it would end by itself
		if err := o.receive(ctx, &wg); err != nil {
			o.say(line{Kind: "ready", Error: err.Error()})
			return err
		}
	}
	o.say(line{Kind: "ready"})
	for {
		select {
		case <-ctx.Done():
			return nil
		case req, open := <-requests:
			switch {
			case !open:
				return nil
			case req == "health":
				o.say(o.health(ctx))
			case req == "end":
				cancel()
				wg.Wait()
				return o.end(context.WithoutCancel(ctx))
			}
		}
	}
}

// say writes one line. A reader that has gone ends the outpost through its input.
func (o *Outpost) say(l line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.out.Encode(l)
}

// receive listens, tells the watcher, and waits until it posts here.
func (o *Outpost) receive(ctx context.Context, wg *sync.WaitGroup) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for messages: %w", err)
	}
	standIn := slack.NewStandIn()
	srv := &http.Server{Handler: standIn, ReadHeaderTimeout: askTimeout}
	wg.Go(func() { _ = srv.Serve(l) }) // ends with Close
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	url := "http://" + l.Addr().String() + "/services/drill"
	if err := o.renew(url); err != nil {
		return err
	}
	wg.Go(func() { o.hold(ctx, url) })
	wg.Go(func() { o.tell(ctx, standIn) })
	return o.await(ctx, func(names []string) bool { return slices.Contains(names, watch.DrillReceiver) })
}

// renew writes the lease.
func (o *Outpost) renew(url string) error {
	return watch.WriteLease(o.StateDir, watch.Lease{URL: url, Until: time.Now().Add(leaseFor)})
}

// hold renews the lease until ctx ends.
func (o *Outpost) hold(ctx context.Context, url string) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			_ = o.renew(url) // the next one may succeed; else the drill sees no message
		}
	}
}

// eventID finds an event's ID in a message: it stands in the footer.
var eventID = regexp.MustCompile("event `([a-z_]+-[0-9]+)`")

// tell passes on every accepted message.
func (o *Outpost) tell(ctx context.Context, standIn *slack.StandIn) {
	for told := 0; ; {
		got, err := standIn.Wait(ctx, told+1)
		for ; told < len(got); told++ {
			m := Message{Time: got[told].Time, Status: got[told].Status, Text: got[told].Text}
			if id := eventID.FindSubmatch(got[told].Body); id != nil {
				m.ID = string(id[1])
			}
			o.say(line{Kind: "message", Message: &m})
		}
		if err != nil {
			return
		}
	}
}

// await waits until the watcher's receivers are as wanted.
func (o *Outpost) await(ctx context.Context, ok func(names []string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		h := o.health(ctx)
		if h.Health != nil {
			var names []string
			for _, r := range h.Health.Receivers {
				names = append(names, r.Receiver)
			}
			if ok(names) {
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if h.Error != "" {
				return fmt.Errorf("the watcher's /healthz does not answer: %s", h.Error)
			}
			return errors.New("the watcher does not take a drill's receiver; renew it: bgctl up")
		}
	}
}

// end takes the receiver away, sees that the watcher has let go of it, and says so.
func (o *Outpost) end(ctx context.Context) error {
	bye := line{Kind: "bye"}
	if o.Mode == Receive {
		err := watch.EndLease(o.StateDir)
		if err == nil {
			err = o.await(ctx, func(names []string) bool { return !slices.Contains(names, watch.DrillReceiver) })
		}
		if err != nil {
			bye.Error = err.Error()
		}
	}
	o.say(bye)
	return nil
}

// health asks the watcher.
func (o *Outpost) health(ctx context.Context) line {
	l := line{Kind: "health"}
	h, err := o.ask(ctx)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	l.Health = &h
	return l
}

// ask reads /healthz; its status only repeats what the body says.
func (o *Outpost) ask(ctx context.Context) (watch.Health, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.Health, http.NoBody)
	if err != nil {
		return watch.Health{}, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return watch.Health{}, err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	var h watch.Health
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxHealth)).Decode(&h); err != nil {
		return watch.Health{}, fmt.Errorf("read the watcher's health: %w", err)
	}
	return h, nil
}

// readLines yields the lines of r and closes the channel at its end.
func readLines(ctx context.Context, r io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			select {
			case out <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
