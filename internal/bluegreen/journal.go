package bluegreen

import (
	"encoding/json"
	"strings"
	"time"
)

// Ending is how an operation ended.
type Ending string

// The endings.
const (
	EndDone   Ending = "done"   // what was asked for is so
	EndStaged Ending = "staged" // the release stands in its pool, traffic was not to move
	EndUndone Ending = "undone" // everything is as it was before
	EndFailed Ending = "failed" // it failed, and what had begun was undone
)

// Holder names who holds the deployment's lock.
type Holder struct {
	User  string    `json:"user"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	What  string    `json:"what"` // the command
	Since time.Time `json:"since"`
}

// Operation is one journal entry: what was asked, how far it came.
type Operation struct {
	ID       string    `json:"id"`
	Kind     Action    `json:"kind"`
	From     Pool      `json:"from,omitempty"`
	To       Pool      `json:"to,omitempty"`
	By       Holder    `json:"by"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Ending   Ending    `json:"ending,omitempty"` // how it ended; "" while it is under way
	Result   string    `json:"result,omitempty"` // the ending in words, for people
	Receipt  *Receipt  `json:"receipt,omitempty"`

	Phase  StepOp        `json:"phase,omitempty"`   // the step it is at, written before the step begins
	Before *Release      `json:"before,omitempty"`  // what stood in To before it was replaced
	Old    *Release      `json:"old,omitempty"`     // what took traffic before
	New    *Release      `json:"new,omitempty"`     // what takes traffic after, or stands in To
	Staged bool          `json:"staged,omitempty"`  // traffic was not meant to move
	Drain  *Drain        `json:"drain,omitempty"`   // while it drains
	Bake   *Bake         `json:"bake,omitempty"`    // what watching the new release came to
	Reason string        `json:"reason,omitempty"`  // why it was done, when no person asked
	Cut    bool          `json:"cut_off,omitempty"` // its command was cut off, and a later one ended it
	Fault  *Fault        `json:"fault,omitempty"`   // what chaos broke, or heal mended
	Change []string      `json:"change,omitempty"`  // what `up` changed beside the pools
	Gap    time.Duration `json:"gap,omitempty"`     // how long nothing answered while the proxy was replaced
}

// UnmarshalJSON implements [json.Unmarshaler]. Journals of older versions have no
// ending, but a result whose first word is one.
func (o *Operation) UnmarshalJSON(text []byte) error {
	type plain Operation
	if err := json.Unmarshal(text, (*plain)(o)); err != nil {
		return err
	}
	if o.Ending != "" {
		return nil
	}
	for _, e := range []Ending{EndDone, EndStaged, EndUndone, EndFailed} {
		if strings.HasPrefix(o.Result, string(e)) {
			o.Ending = e
		}
	}
	return nil
}

// ended reports whether what the operation meant to bring about is so.
func (o *Operation) ended() bool {
	return !o.Finished.IsZero() && (o.Ending == EndDone || o.Ending == EndStaged)
}

// Moved reports whether the operation moved traffic and ended well.
func (o *Operation) Moved() bool {
	return o.ended() && !o.Staged && o.From != o.To && o.To != NoPool &&
		(o.Kind == ActSwitch || o.Kind == ActDeploy || o.Kind == ActRollback || o.Kind == ActUp)
}

// Installed reports whether the operation put a release into a pool and left it there.
func (o *Operation) Installed() bool { return o.ended() && o.Before != nil }
