package sim

import (
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/tui"
)

// sendingTakes is how long a message to Slack is on its way.
const sendingTakes = 400 * time.Millisecond

// judge hands events to the next Take, and the fate of their messages.
func (s *Stack) judge(events []alert.Event) {
	for _, ev := range events {
		s.next.Events = append(s.next.Events, ev)
		d := alert.Delivery{Event: ev.ID, Time: ev.Time, Receiver: "slack", State: alert.Queued}
		if ev.Muted != "" {
			d.State, d.Reason = alert.Muted, ev.Muted
			s.next.Deliveries = append(s.next.Deliveries, d)
			continue
		}
		s.next.Deliveries = append(s.next.Deliveries, d)
		d.State, d.Attempt, d.Time = alert.Sent, 1, ev.Time.Add(sendingTakes)
		s.sending = append(s.sending, d)
	}
}

// settle delivers the messages that are due.
func (s *Stack) settle(now time.Time) {
	for len(s.sending) > 0 && !s.sending[0].Time.After(now) {
		s.next.Deliveries = append(s.next.Deliveries, s.sending[0])
		s.sending = s.sending[1:]
	}
}

// cells translates the detector's window.
func cells(in []alert.Cell) []tui.WindowCell {
	out := make([]tui.WindowCell, len(in))
	for i, c := range in {
		switch c.Kind {
		case alert.CellError:
			out[i] = tui.CellError
		case alert.CellRetried:
			out[i] = tui.CellRetried
		case alert.CellOther:
			out[i] = tui.CellOther
		case alert.CellOK, alert.CellGone:
			out[i] = tui.CellOK
		}
	}
	return slices.Clip(out)
}
