// Package alert decides what the log means: it takes records and yields events.
// It holds the sliding error-rate window, the per-pool statistics and one detector
// per kind of alert.
//
// The package is pure. It does no I/O and reads no clock: time comes with the
// records and with the ticks of its caller, so that a replay of a log yields the
// very events the live run yielded.
//
//	record ─▶ window ─▶ all_down ─▶ failover, flapping ─▶ error_rate ─▶ degraded ─▶ latency
//	tick ───▶ source_lost, no_traffic                       │
//	                                                         ▼
//	                         transition ─▶ post now, or keep for later ─▶ Event
//
// # When an alert changes
//
// Error rate, degraded and latency are shares of bad requests and obey one machine
// (level): they fire above a threshold over the long window and over its newest
// part, given enough requests and enough bad ones, and end at a clear level that
// has lasted. Failover needs three lines in a row by the pool that is not active
// and a failed attempt on the active one, or a longer run without; recovery needs
// 80 % of 20 lines and twice the proxy's fail timeout without a failure. A switch
// is a change of the pool that the lines name. Logs that name none are understood
// as far as they go, and what is guessed is said so.
//
// No traffic and a lost log make a state [Unknown]: it keeps what was known, and
// only new requests end it.
//
// # When a change is posted
//
// Every change is an event; one whose Muted is empty is to be posted. Two posts of
// one type are a cooldown apart. A change within it is kept, and at its end what is
// so then is compared with what was said: nothing new, the state, one message for an
// episode that came and went, or a digest of three changes and more. So within a
// cooldown and a second after the last change, what was said last is what is so. An
// outage of everything and an error rate of 50 % break the cooldown once. Reminders
// ([Config].Repeat) come to the tick after that time since the last post of the
// alert; they use the type's cooldown like any post. Maintenance, a greater alert
// and lines that are read to catch up mute messages, never the evaluation, and what
// they muted and is over is not told afterwards. An alert that somebody looks after
// ([Detector.Acknowledge]) is neither repeated nor escalated for a time.
//
// # Restarts
//
// [Snapshot] is the whole state. A restored detector goes on as if it had never
// stopped; whether the lines in between are read or skipped is the caller's choice:
// see [Detector.MuteBefore] and [Detector.SourceLost].
package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Type names what an event is about. One type has one cooldown.
type Type string

// The event types.
const (
	ErrorRate  Type = "error_rate"   // error rate of the window over the threshold
	Failover   Type = "failover"     // the pool that is not active answers
	AllDown    Type = "all_down"     // no pool answers
	Switch     Type = "switch"       // traffic was moved on purpose
	Flapping   Type = "flapping"     // the serving pool keeps changing
	Degraded   Type = "degraded"     // requests fail on a pool and are saved by another, or nobody waits for it
	Latency    Type = "latency"      // answers take too long
	NoTraffic  Type = "no_traffic"   // no request for longer than allowed
	SourceLost Type = "source_lost"  // the log cannot be read: nothing is known
	Upkeep     Type = "maintenance"  // a maintenance began or ended
	Acked      Type = "acknowledged" // somebody looks after an alert that fires, or no longer does
	Notice     Type = "notice"       // said once: format, configuration, start
	typeCount       = 12
)

// types returns every type, in the order in which deferred posts leave.
func types() [typeCount]Type {
	return [typeCount]Type{
		AllDown, SourceLost, Switch, Failover, Flapping, ErrorRate, Degraded, Latency, NoTraffic, Upkeep, Acked, Notice,
	}
}

// Types returns every event type.
func Types() []Type {
	all := types()
	return all[:]
}

// index is the place of t in [types], -1 for none.
func (t Type) index() int {
	for i, other := range types() {
		if t == other {
			return i
		}
	}
	return -1
}

func typeNames() string {
	names := make([]string, 0, typeCount)
	for _, t := range types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

// ParseTypes reads a comma-separated list of types.
func ParseTypes(s string) ([]Type, error) {
	var list []Type
	for name := range strings.SplitSeq(s, ",") {
		t := Type(strings.TrimSpace(name))
		if t == "" {
			continue
		}
		if t.index() < 0 {
			return nil, fmt.Errorf("unknown alert %q: use one of %s", t, typeNames())
		}
		list = append(list, t)
	}
	return list, nil
}

// Status is where an alert stands.
type Status string

// The states of an event. Info events (a switch, a notice) neither fire nor resolve.
const (
	Firing   Status = "firing"
	Resolved Status = "resolved"
	Info     Status = "info"
)

// Severity orders events for people.
type Severity string

// The severities.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Good     Severity = "good"
	Note     Severity = "info"
)

// Event is one transition of one alert. Its JSON form is the NDJSON line of the
// watcher and the body of the generic webhook; fields are added, never renamed.
type Event struct {
	ID        string         `json:"id"`   // type-seq, the same at every delivery attempt
	Time      time.Time      `json:"time"` // time of the deciding record
	Type      Type           `json:"type"`
	Status    Status         `json:"status"`
	Severity  Severity       `json:"severity"`
	Summary   string         `json:"summary"`          // one line for a person
	Pool      bluegreen.Pool `json:"pool,omitempty"`   // pool the event is about
	From      bluegreen.Pool `json:"from,omitempty"`   // failover, switch: the pool left
	To        bluegreen.Pool `json:"to,omitempty"`     // failover, switch: the pool reached
	Active    bluegreen.Pool `json:"active,omitempty"` // pool the proxy was told to use
	Release   string         `json:"release,omitempty"`
	Window    Window         `json:"window"`
	Threshold float64        `json:"threshold"`       // percent
	Since     time.Time      `json:"since,omitzero"`  // firing since; on resolved: fired at
	First     *Sample        `json:"first,omitempty"` // first bad request of the episode
	Last      *Sample        `json:"last,omitempty"`  // last bad request of the episode
	Cause     string         `json:"cause,omitempty"` // likely cause, in words
	Episode   *Episode       `json:"episode,omitempty"`
	Command   string         `json:"command,omitempty"`
	Muted     string         `json:"muted,omitempty"` // why no message was posted: cooldown, maintenance
	Deferred  bool           `json:"deferred,omitempty"`
	Flips     int            `json:"flips,omitempty"`   // transitions this message stands for, when more than one
	Repeat    int            `json:"repeat,omitempty"`  // number of the reminder
	Latency   *Tail          `json:"latency,omitempty"` // on latency events
	Ack       *Ack           `json:"ack,omitempty"`     // on acknowledged: what was said; on firing: who looks after it
}

// Tail is the slow end of the requests that a latency alert is about.
type Tail struct {
	N        int     `json:"n"`                     // requests looked at
	P95      float64 `json:"p95_ms"`                // of them
	Limit    float64 `json:"limit_ms"`              // over which it fires
	Baseline float64 `json:"baseline_ms,omitempty"` // what is usual, when the limit comes from it
}

// Window is the sliding window at one moment.
type Window struct {
	Size          int     `json:"size"`           // configured number of requests
	N             int     `json:"n"`              // requests in the window
	Errors        int     `json:"errors"`         // requests that count as errors, by the basis
	Rate          float64 `json:"rate"`           // percent, 0 when empty
	AttemptErrors int     `json:"attempt_errors"` // requests with a failed attempt, answered or not
	AttemptRate   float64 `json:"attempt_rate"`   // percent
	ClientErrors  int     `json:"client_errors"`  // requests whose client got an error
	ClientRate    float64 `json:"client_rate"`    // percent
	Saved         int     `json:"saved"`          // requests that failed on a pool and were answered by another
	Basis         Basis   `json:"basis,omitempty"`
	ClientGone    int     `json:"client_gone"`    // status 499
	MinSamples    int     `json:"min_samples"`    // requests needed before it may fire
	ErrorsToFire  int     `json:"errors_to_fire"` // further errors until it fires, 0 when over
}

// Sample is one request shown as evidence.
type Sample struct {
	Time      time.Time      `json:"time"`
	Method    string         `json:"method"`
	Path      string         `json:"path"`
	Status    int            `json:"status"`
	Attempts  string         `json:"attempts,omitempty"` // "502 blue, 200 green"
	Pool      bluegreen.Pool `json:"pool,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
}

// UnmarshalJSON hides the query of a path that an older watcher wrote in full.
func (s *Sample) UnmarshalJSON(data []byte) error {
	type fields Sample
	if err := json.Unmarshal(data, (*fields)(s)); err != nil {
		return err
	}
	s.Path = logstream.HideQuery(s.Path)
	return nil
}

// DeliveryState is where a message to a receiver stands.
type DeliveryState string

// The delivery states.
const (
	Queued   DeliveryState = "queued"
	Sent     DeliveryState = "sent"
	Retrying DeliveryState = "retrying"
	Muted    DeliveryState = "muted"
	Dropped  DeliveryState = "dropped"
)

// Delivery reports what became of an event's message.
type Delivery struct {
	Event     string        `json:"event"` // Event.ID
	Time      time.Time     `json:"time"`
	Receiver  string        `json:"receiver"` // "slack", "webhook"
	State     DeliveryState `json:"state"`
	Attempt   int           `json:"attempt,omitempty"`
	Reason    string        `json:"reason,omitempty"` // never contains the webhook URL
	Until     time.Time     `json:"until,omitzero"`   // muted or waiting until
	Duplicate bool          `json:"may_be_duplicate,omitempty"`
}
