package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/slack"
)

// ErrNotDelivered says that a test message was not accepted.
var ErrNotDelivered = errors.New("the test message was not delivered")

// TestAlert posts one test message and returns the receiver's verdict in words.
// The error is [ErrNotDelivered] unless the message was accepted.
func TestAlert(ctx context.Context, r slack.Receiver, meta slack.Meta) (string, error) {
	now := time.Now()
	out := r.Send(ctx, slack.Item{Meta: meta, Event: alert.Event{
		ID: "test-" + now.UTC().Format("20060102T150405"), Time: now,
		Type: alert.Notice, Status: alert.Info, Severity: alert.Note,
		Summary: "Test message: alerts of this stack arrive here.", Command: "bgctl status",
	}})
	verdict := words(r.Name(), out)
	if out.Action != slack.Delivered {
		return verdict, fmt.Errorf("%w: %s", ErrNotDelivered, verdict)
	}
	return verdict, nil
}

// words says what an outcome means for the person who set the webhook up.
func words(name string, out slack.Outcome) string {
	switch out.Action {
	case slack.Delivered:
		return name + " accepted the message (" + out.Reason + ")"
	case slack.Retry:
		return name + " could not be reached (" + out.Reason + "): check the network, the proxy and the host name"
	case slack.Throttled:
		return name + " asks to wait (" + out.Reason + "): the webhook works, try again later"
	case slack.Rejected, slack.Refused:
		return name + " refused this message (" + out.Reason + ")"
	case slack.Broken:
		return name + " refuses this webhook (" + out.Reason + "): create a new one and set SLACK_WEBHOOK_URL"
	}
	return name + ": " + out.Reason
}
