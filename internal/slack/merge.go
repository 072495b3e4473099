package slack

import (
	"slices"
	"strings"
	"unicode/utf8"

	"bgctl/internal/alert"
)

// maxStored bounds each string of a stored event, in bytes, so that the queue's
// size is bounded by its length.
const maxStored = 2048

// keyOf names what an event competes with for its place in the queue: its type.
// Notices say different things once each, so each is a key of its own, and so is
// each alert that is acknowledged.
func keyOf(ev *alert.Event) string {
	switch {
	case ev.Type == alert.Notice:
		return string(ev.Type) + ":" + ev.Summary
	case ev.Type == alert.Acked && ev.Ack != nil:
		return string(ev.Type) + ":" + string(ev.Ack.Type)
	}
	return string(ev.Type)
}

// doneKey recognises an event that a replay of the log yields again. The time is
// part of it, because a lost state file starts the numbers anew; a deferred event
// is told apart from the one it repeats.
func doneKey(ev *alert.Event) string {
	key := ev.ID + "@" + ev.Time.UTC().Format("20060102T150405.000000000")
	if ev.Deferred {
		key += "+deferred"
	}
	return key
}

// merge folds the newer entry into the older undelivered one: the newest state,
// the first time it fired, and every doubt about an earlier attempt.
func merge(older, newer *entry) *entry {
	out := *newer
	out.Merged = older.Merged + newer.Merged
	out.Queued = older.Queued
	out.MaybeSent = older.MaybeSent || newer.MaybeSent
	out.Attempts = older.Attempts
	if !older.FirstFired.IsZero() {
		out.FirstFired = older.FirstFired
	}
	return &out
}

// overflow returns the entry to give up when the queue is too long: a fired and
// recovered pair that nobody needs to act on any more, then information, then
// simply the oldest.
func overflow(entries []*entry) int {
	for i, e := range entries {
		if e.Event.Status == alert.Resolved {
			return i
		}
	}
	for i, e := range entries {
		if e.Event.Status == alert.Info {
			return i
		}
	}
	return 0
}

// bounded returns ev with every text cut to what the queue stores.
func bounded(ev alert.Event) alert.Event {
	for _, s := range []*string{&ev.ID, &ev.Summary, &ev.Release, &ev.Cause, &ev.Command, &ev.Muted} {
		*s = cut(*s)
	}
	ev.First, ev.Last = boundedSample(ev.First), boundedSample(ev.Last)
	return ev
}

func boundedSample(s *alert.Sample) *alert.Sample {
	if s == nil {
		return nil
	}
	out := *s
	for _, t := range []*string{&out.Method, &out.Path, &out.Attempts, &out.RequestID} {
		*t = cut(*t)
	}
	return &out
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= maxStored {
		return s
	}
	s = s[:maxStored]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// remember appends key to a bounded list.
func remember(list []string, key string) []string {
	list = append(list, key)
	if len(list) > maxDone {
		list = slices.Delete(list, 0, len(list)-maxDone)
	}
	return list
}
