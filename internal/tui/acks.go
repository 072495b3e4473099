package tui

import (
	"strings"
	"time"

	"bgctl/internal/alert"
)

// acks is who looks after the alerts that fire. The watcher tells; what this screen
// asked for shows at once.
type acks struct {
	of  map[alert.Type]alert.Ack
	now time.Time
}

// hear takes what an event tells about it.
func (a *acks) hear(ev *alert.Event) {
	switch {
	case ev.Status == alert.Resolved:
		delete(a.of, ev.Type)
	case ev.Ack == nil:
	case ev.Ack.Until.IsZero():
		delete(a.of, ev.Ack.Type)
	default:
		a.of[ev.Ack.Type] = *ev.Ack
	}
}

// about is who looks after an alert now, nil for nobody.
func (a *acks) about(ev *alert.Event) *alert.Ack {
	if k, ok := a.of[ev.Type]; ok && k.InForce(a.now) {
		return &k
	}
	return nil
}

// ackWords says in few words who looks after an alert.
func ackWords(k *alert.Ack, zone *time.Location) string {
	who, _, _ := strings.Cut(k.By, "@")
	return "ack by " + or(clean(who), "–") + " " + k.At.In(zone).Format("15:04")
}

// ackDetail says it in full.
func ackDetail(k *alert.Ack, zone *time.Location) string {
	return "by " + or(k.By, "–") + " at " + clock(k.At.In(zone)) + ", until " + clock(k.Until.In(zone))
}

// waits reports whether a firing alert waits for somebody: an acknowledged one does
// not, nor does one that a graver alert explains.
func (p *eventPanel) waits(ev *alert.Event) bool {
	return p.acks.about(ev) == nil && !strings.HasPrefix(ev.Muted, "inhibited")
}

// unattended counts what fires and nobody has acknowledged.
func (p *eventPanel) unattended() int {
	n := 0
	for i := range p.firing {
		if p.waits(&p.firing[i]) {
			n++
		}
	}
	return n
}
