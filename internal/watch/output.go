package watch

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"bgctl/internal/alert"
)

// output writes one JSON object a line. Its kinds are alert, delivery and notice.
// A writer that fails costs the line only.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

// alertLine is an event on standard output and in the history.
type alertLine struct {
	Kind string `json:"kind"`
	alert.Event
}

type deliveryLine struct {
	Kind string `json:"kind"`
	alert.Delivery
}

type noticeLine struct {
	Kind string    `json:"kind"`
	Time time.Time `json:"time"`
	Text string    `json:"text"`
}

func (o *output) alert(ev *alert.Event)     { o.line(alertLine{"alert", *ev}) }
func (o *output) delivery(d alert.Delivery) { o.line(deliveryLine{"delivery", d}) }
func (o *output) notice(text string)        { o.line(noticeLine{"notice", time.Now(), text}) }

func (o *output) line(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	_, _ = o.w.Write(append(data, '\n'))
}
