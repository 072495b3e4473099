package tui

import (
	"context"
	"io"
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Deps is everything the screen needs of the world. The caller wires it.
type Deps struct {
	// Observe looks at the deployment. It is called about once a second, never
	// twice at a time, with a deadline.
	Observe func(ctx context.Context) (bluegreen.Deployment, error)
	// Execute runs a plan and reports its steps through on, which never blocks.
	Execute func(ctx context.Context, plan bluegreen.Plan, on func(bluegreen.Progress)) (bluegreen.Outcome, error)
	// Feed gives what the log says. Nil shows the containers alone.
	Feed Feed
	// Now is the clock.
	Now func() time.Time

	// What follows may be nil: its key is not offered then.

	// Save writes what the save key keeps and returns where.
	Save func(ctx context.Context, s Saved) (path string, err error)
	// Logs follows the output of a container.
	Logs func(ctx context.Context, container string) (Tail, error)
	// PlanRollback plans the way back to the release before.
	PlanRollback func(d *bluegreen.Deployment) (bluegreen.Plan, error)
	// PlanDeploy plans to bring image into the standby pool and to move traffic there.
	PlanDeploy func(d *bluegreen.Deployment, image string) (bluegreen.Plan, error)
	// PlanRestart plans to restart one container, named by its ID.
	PlanRestart func(d *bluegreen.Deployment, container string) (bluegreen.Plan, error)
	// PlanPromote plans to end a running bake with success.
	PlanPromote func(d *bluegreen.Deployment) (bluegreen.Plan, error)
	// Phase tells the long state an observed deployment is in, nil for none. It does no I/O.
	Phase func(d *bluegreen.Deployment) *Phase
	// Maintain mutes messages, or ends that. It returns what it did in one line.
	Maintain func(ctx context.Context, m Maintenance) (string, error)
	// Acknowledge says that somebody looks after an alert; its reminders rest for a
	// while. It returns what it did in one line.
	Acknowledge func(ctx context.Context, ev alert.Event) (string, error)
}

// PhaseKind is a state that lasts longer than a step.
type PhaseKind string

// The kinds of phases.
const (
	PhaseDraining   PhaseKind = "draining"    // a pool answers its last requests
	PhaseBaking     PhaseKind = "baking"      // a new release is watched
	PhaseRolledBack PhaseKind = "rolled back" // a new release was taken back
)

// Phase is a long state of the deployment.
type Phase struct {
	ID        string // tells one rollback from the next
	Kind      PhaseKind
	Pool      bluegreen.Pool // that drains, that is watched, that has traffic again
	Since     time.Time
	Until     time.Time // when it ends, or ended
	InFlight  int       // draining: requests not yet answered
	Rate      float64   // baking: error rate of the new release, percent
	Threshold float64   // baking: what rolls it back, percent
	Text      string    // why, in words
}

// Maintenance is what the operator asks for: messages of a scope are muted for a
// time, [alert.ScopeNone] ends it.
type Maintenance struct {
	Scope alert.Scope
	For   time.Duration
}

// Tail is the output of a container that goes on. Take is called by one goroutine a
// few times a second and must not block; after the end it returns why, once it gave
// every line. Close ends it.
type Tail interface {
	Take() TailSnapshot
	Close()
}

// TailSnapshot is what is new of a [Tail].
type TailSnapshot struct {
	Lines   []string // foreign text
	Dropped uint64   // lines left out since the last Take
	Err     error    // why it ended; io.EOF when the container stopped
}

// Feed gives the newest data of the log. Take is called by one goroutine, ten
// times a second, and must not block. What it returns belongs to the screen: it
// must share no slice with what the feed goes on writing to.
type Feed interface {
	Take() FeedSnapshot
}

// FeedSnapshot is the state of the log's reader, and what is new since the last one.
type FeedSnapshot struct {
	Pools   [2]PoolStats // blue, green; the current state
	End     time.Time    // the second of the newest point of both series
	Window  alert.Window // the current state
	Cells   []WindowCell // the window's requests, oldest first
	Counts  logstream.Counts
	Sources []SourceState // the current state of each source
	Lag     time.Duration // from a request's end to its arrival here

	Rows        []logstream.Record // new since the last Take
	DroppedRows uint64             // rows left out since the last Take
	Events      []alert.Event      // new since the last Take
	Deliveries  []alert.Delivery   // new since the last Take
	Maintenance alert.Maintenance  // the watcher's, as far as it is known
	MutedBy     string             // who began it; foreign text
	Waiting     bool               // nothing was read yet: there is no state to show
	Begins      time.Time          // when the log begins that is known; zero: it fills the hour
	Filling     bool               // more of the past is being read
}

// localize moves every time that the screen prints into the operator's zone.
func (s *FeedSnapshot) localize(zone *time.Location) {
	s.End = s.End.In(zone)
	if !s.Begins.IsZero() {
		s.Begins = s.Begins.In(zone)
	}
	for i := range s.Rows {
		s.Rows[i].Time = s.Rows[i].Time.In(zone)
	}
	for i := range s.Events {
		ev := &s.Events[i]
		ev.Time = ev.Time.In(zone)
		if !ev.Since.IsZero() {
			ev.Since = ev.Since.In(zone)
		}
	}
}

// news reports whether the snapshot shows something that the one before did not.
// That a second went by is no news: the clock is drawn anyway.
func (s *FeedSnapshot) news(before *FeedSnapshot) bool {
	if before == nil || len(s.Rows) > 0 || len(s.Events) > 0 || len(s.Deliveries) > 0 || s.DroppedRows > 0 {
		return true
	}
	return s.Counts != before.Counts || s.Window != before.Window || s.Maintenance != before.Maintenance || s.Filling != before.Filling || !s.Begins.Equal(before.Begins) || !slices.Equal(s.Sources, before.Sources)
}

// PoolStats is how one pool served in the last seconds.
type PoolStats struct {
	Rate    float64    // requests a second that this pool answered
	ErrRate float64    // percent of the attempts on this pool that failed
	P50     float64    // milliseconds; the percentiles mean nothing while N is 0
	P95     float64    // milliseconds
	P99     float64    // milliseconds
	Max     float64    // milliseconds
	N       int        // requests behind the percentiles
	Classes [4]float64 // 2xx, 3xx, 4xx, 5xx answers a second
	// Series are the seconds that are new or changed since the last Take, one a
	// second, oldest first, ending at [FeedSnapshot.End]. The screen keeps an hour.
	Series []Point
}

// Point is one second of one pool.
type Point struct {
	Gap      bool    // nobody looked: not the same as no request
	Requests float64 // answered by this pool
	Errors   float64 // those of them that the client saw fail
	Tries    float64 // attempts on this pool
	Failures float64 // those of them that failed
	Saved    float64 // answered by this pool after another one failed
	P50      float64 // milliseconds, meaningless while Requests is 0
	P95      float64
	P99      float64
	Classes  [4]float64 // 2xx, 3xx, 4xx, 5xx answers
}

// WindowCell is one request of the error-rate window.
type WindowCell uint8

// What became of a request in the window, mildest first.
const (
	CellOK      WindowCell = iota // the active pool answered at once
	CellRetried                   // a second attempt answered
	CellOther                     // the pool that is not active answered
	CellError                     // the client saw an error
)

// SourceState is the health of one source of data.
type SourceState struct {
	Name    string // "log", "slack"
	OK      bool
	Detail  string        // why not, in words
	Since   time.Time     // since when it is as it is
	RetryIn time.Duration // until the next attempt
}

// Charset says which glyphs the terminal can show.
type Charset string

// The character sets.
const (
	CharsetUnicode Charset = "unicode"
	CharsetASCII   Charset = "ascii"
)

// Graph says what plots are drawn with.
type Graph string

// The graph glyphs. ASCII screens always draw ASCII graphs.
const (
	GraphBlock   Graph = "block"
	GraphBraille Graph = "braille"
	GraphASCII   Graph = "ascii"
)

// Access says what the operator may do.
type Access string

// The kinds of access.
const (
	ReadWrite Access = ""
	ReadOnly  Access = "read-only"
)

// Mouse says whether the screen takes the mouse, which keeps the terminal from
// selecting text.
type Mouse string

// The mouse modes.
const (
	MouseOff Mouse = ""
	MouseOn  Mouse = "on"
)

// Options is how the screen looks and what it allows.
type Options struct {
	Project  string        // name of the compose project
	Host     string        // Docker host as shown in the header, "" for the local engine
	URL      string        // where users reach the proxy, for hints
	Alert    alert.Config  // the watcher's rules, so that the window on screen is the one that fires
	Latency  time.Duration // latency threshold drawn in the plots; 0: none
	Theme    string        // [ThemeAuto], [ThemeDark], [ThemeLight] or [ThemeMono]
	Charset  Charset
	Graph    Graph
	Access   Access
	Window   string              // how far back plots look at the start: "1m", "5m", "15m" or "1h"
	Keys     map[string][]string // other keys for named acts, see [KeyNames]; a clash leaves the defaults
	Warnings []string            // said once at the start, the settings' troubles for instance
	Mouse    Mouse
	FirstRun bool      // shows how to begin
	User     string    // who acts, for the notes of the events panel
	Farewell io.Writer // one line about the deployment after the screen is gone; may be nil
	Demo     string    // says in the header that nothing here is real; "" when it is
}
