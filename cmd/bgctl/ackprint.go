package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/sanitize"
)

// printAckUnless prints what was planned unless planning failed.
func (a *app) printAckUnless(err error, f *ackFlags, out *ackJSON) error {
	if err != nil {
		return err
	}
	return a.printAck(f, out)
}

// printAck prints who looks after what, and the undo after a change.
func (a *app) printAck(f *ackFlags, out *ackJSON) error {
	if f.json {
		return writeJSON(a.out, out)
	}
	_, err := fmt.Fprintln(a.out, out.words())
	return err
}

// words says who looks after each alert.
func (out *ackJSON) words() string {
	var b, undo strings.Builder
	for i := range out.Alerts {
		one := &out.Alerts[i]
		if one.Changed && out.DryRun {
			b.WriteString("would change: ")
		}
		fmt.Fprintf(&b, "%s: %s (%s)\n", clean(one.Alert), one.who(), clean(one.Summary))
		if one.Changed && one.Ack != nil {
			undo.WriteString("\nundo: " + sanitize.Shell("bgctl", "ack", string(one.Type), "--off"))
		}
	}
	if !out.InForce && !out.DryRun {
		b.WriteString("the watcher has not taken it up yet; is it running? bgctl status\n")
	}
	return strings.TrimSuffix(b.String(), "\n") + undo.String()
}

// who says who looks after an alert, and until when.
func (one *ackedJSON) who() string {
	switch {
	case one.Ack == nil && one.Changed:
		return "nobody looks after it any more"
	case one.Ack == nil:
		return "nobody looks after it"
	case !one.Changed:
		return "already " + ackWords(one.Ack)
	}
	return ackWords(one.Ack) + ": neither repeated nor escalated until then"
}

// ackWords is an acknowledgement in words.
func ackWords(k *alert.Ack) string {
	return fmt.Sprintf("acknowledged by %s at %s until %s", or(clean(k.By), "somebody"),
		k.At.Local().Format("15:04:05"), k.Until.Local().Format("15:04:05"))
}

// acknowledge does what `bgctl ack` does, on the screen's connection.
func (a *app) acknowledge(ctx context.Context, t *target, ev *alert.Event) (string, error) {
	h := a.holder()
	f := &ackFlags{lasts: alert.DefaultAck, by: h.User + "@" + h.Host}
	out, err := a.ackInside(ctx, t, f, ev.ID)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s is neither repeated nor escalated until %s", ev.Type, out.Alerts[0].Ack.Until.Local().Format(time.TimeOnly)), nil
}
