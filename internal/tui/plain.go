package tui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// How often the plain form looks, and how often it sums the traffic up.
const (
	plainEvery   = time.Second
	plainSummary = time.Minute
)

// Plain prints what changes as sentences, one a line, until ctx ends: for screen
// readers, and for logs. Nothing is ever drawn over, and words say everything.
func Plain(ctx context.Context, deps Deps, opts Options, out io.Writer) error {
	n := &narrator{deps: deps, opts: opts, out: out, said: map[string]string{}, hist: newHistory()}
	ticker := time.NewTicker(plainEvery)
	defer ticker.Stop()
	for {
		n.look(ctx)
		if n.err != nil {
			return n.err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// narrator remembers what it has said.
type narrator struct {
	deps   Deps
	opts   Options
	out    io.Writer
	err    error // of out
	said   map[string]string
	hist   *history
	summed time.Time
}

// fact is a sentence about one thing. A calm one is news only after another one.
type fact struct {
	about, text string
	calm        bool
}

// look looks at everything once and says what is new.
func (n *narrator) look(ctx context.Context) {
	looking, cancel := context.WithTimeout(ctx, observeTimeout)
	d, err := n.deps.Observe(looking)
	cancel()
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		n.tell(fact{"docker", "Docker does not answer: " + clean(err.Error()) + ". The last state may be old.", false})
	} else {
		n.tell(fact{"docker", "Docker answers.", true})
		for _, f := range facts(&d) {
			n.tell(f)
		}
	}
	if n.deps.Feed == nil {
		return
	}
	s := n.deps.Feed.Take()
	if s.Waiting {
		return
	}
	s.localize(n.deps.Now().Location())
	n.hist.merge(&s)
	n.feed(&s)
}

// tell says a fact unless it was the last thing said about it.
func (n *narrator) tell(f fact) {
	before, known := n.said[f.about]
	if before == f.text && known {
		return
	}
	n.said[f.about] = f.text
	if known || !f.calm {
		n.say(f.text)
	}
}

// say prints a sentence with the time.
func (n *narrator) say(text string) {
	if n.err == nil {
		_, n.err = fmt.Fprintln(n.out, clock(n.deps.Now()), text)
	}
}

// facts are the sentences about a deployment.
func facts(d *bluegreen.Deployment) []fact {
	var out []fact
	if active := d.Active(); active != bluegreen.NoPool {
		out = append(out, fact{"active", fmt.Sprintf("%s is active, release %s.", upper(active), or(clean(d.Pool(active).Release()), "unknown")), false})
	} else {
		out = append(out, fact{"active", "nginx does not say which pool is active: " + or(clean(d.RouterErr), "no proxy") + ".", false})
	}
	for _, pool := range bluegreen.Pools() {
		ps := d.Pool(pool)
		_, words := condition(ps)
		text := fmt.Sprintf("%s, release %s, is %s.", upper(pool), or(clean(ps.Release()), "unknown"), strings.TrimLeft(words, "×▲ "))
		if ps.Fault != nil {
			text = strings.TrimSuffix(text, ".") + fmt.Sprintf("; an injected fault stands: %s by %s.", ps.Fault.Mode, clean(ps.Fault.By.User))
		}
		out = append(out, fact{"pool " + pool.String(), text, false})
	}
	lock := fact{"lock", "Nobody changes the deployment.", true}
	if l := routerLock(d); l != nil {
		lock = fact{"lock", fmt.Sprintf("%s on %s changes the deployment: %s.", clean(l.User), clean(l.Host), clean(l.What)), false}
	}
	watcher := fact{"watcher", "The watcher runs.", true}
	if d.Watcher == nil || d.Watcher.State != "running" {
		watcher = fact{"watcher", "The watcher does not run: nobody is told of alerts.", false}
	}
	return append(out, lock, watcher)
}

// feed says what the log and the watcher tell.
func (n *narrator) feed(s *FeedSnapshot) {
	for i := range s.Sources {
		src := &s.Sources[i]
		f := fact{"source " + src.Name, fmt.Sprintf("Source %s is read.", clean(src.Name)), true}
		if !src.OK {
			f = fact{f.about, fmt.Sprintf("Source %s cannot be read: %s.", clean(src.Name), or(clean(src.Detail), "it ended")), false}
		}
		n.tell(f)
	}
	mt := fact{"maintenance", "Messages are posted.", true}
	if s.Maintenance.Scope != alert.ScopeNone {
		mt = fact{"maintenance", "Maintenance: messages are muted until " + clock(s.Maintenance.Until.In(n.deps.Now().Location())) + ".", false}
	}
	n.tell(mt)
	for i := range s.Events {
		n.event(&s.Events[i])
	}
	for _, d := range s.Deliveries {
		if d.State == alert.Dropped || d.State == alert.Retrying {
			n.say(fmt.Sprintf("The message about %s to %s is %s: %s.", clean(d.Event), clean(d.Receiver), d.State, or(clean(d.Reason), "no reason given")))
		}
	}
	n.traffic(s)
}

// event says an event in a sentence.
func (n *narrator) event(ev *alert.Event) {
	lead := "Event: "
	switch ev.Status {
	case alert.Firing:
		lead = strings.ToUpper(string(ev.Severity)) + " alert: "
	case alert.Resolved:
		lead = "Resolved: "
	case alert.Info:
	}
	text := lead + clean(ev.Summary) + "."
	if ev.Status == alert.Firing && ev.Command != "" {
		text += " Try: " + clean(ev.Command)
	}
	n.say(text)
}

// traffic sums the last minute up, once a minute.
func (n *narrator) traffic(s *FeedSnapshot) {
	now := n.deps.Now()
	if n.summed.IsZero() {
		n.summed = now.Add(plainEvery*2 - plainSummary) // the first one soon
	}
	if now.Sub(n.summed) < plainSummary {
		return
	}
	n.summed = now
	points := n.hist.both(s.End, 60)
	all := samples(points)
	if all == 0 {
		n.say("Last minute: no request.")
		return
	}
	pool := bluegreen.Blue
	if s.Pools[1].Rate > s.Pools[0].Rate {
		pool = bluegreen.Green
	}
	st := &s.Pools[index(pool)]
	n.say(fmt.Sprintf("Last minute: %s requests, %s failed; %s answers most, p95 %s. Window: %d of %d requests, %s errors, threshold %s%%.",
		count(all), percent(errorRate(points)), upper(pool), millis(st.P95), s.Window.N, s.Window.Size, percent(s.Window.Rate), number(n.opts.Alert.ThresholdPercent)))
}
