package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/sanitize"
	"bgctl/internal/watch"
)

// eventPrinter prints entries of the history that are asked for.
type eventPrinter struct {
	a     *app
	flags *eventFlags
	since time.Time
	kept  map[string]bool // events printed, whose deliveries are of interest
}

func newEventPrinter(a *app, f *eventFlags, since time.Time) *eventPrinter {
	return &eventPrinter{a: a, flags: f, since: since, kept: map[string]bool{}}
}

// keeps reports whether an entry is to be printed, and remembers an event that is.
func (p *eventPrinter) keeps(e *watch.Entry) bool {
	if e.Delivery != nil {
		return p.kept[e.Delivery.Event]
	}
	ev := e.Event
	keep := p.flags.wants(string(ev.Type)) && !ev.Time.Before(p.since)
	if keep {
		p.kept[ev.ID] = true
	} else {
		delete(p.kept, ev.ID) // a number is used again when a state was lost
	}
	return keep
}

// past prints the last events of a history, all of them with limit 0.
func (p *eventPrinter) past(entries []watch.Entry, limit int) error {
	kept := slices.DeleteFunc(slices.Clone(entries), func(e watch.Entry) bool { return !p.keeps(&e) })
	if limit > 0 {
		kept = lastEvents(kept, limit)
	}
	if p.flags.json {
		for i := range kept {
			if err := p.line(kept[i].Raw); err != nil {
				return err
			}
		}
		return nil
	}
	if len(kept) == 0 {
		if !p.flags.follow {
			fmt.Fprintln(p.a.err, "no events"+p.filtered())
		}
		return nil
	}
	if err := p.header(); err != nil {
		return err
	}
	messages := messagesOf(kept)
	for i := range kept {
		if ev := kept[i].Event; ev != nil {
			if err := p.row(ev, messages[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastEvents returns the last n events with what belongs to them.
func lastEvents(entries []watch.Entry, n int) []watch.Entry {
	from := len(entries)
	for i := len(entries) - 1; i >= 0 && n > 0; i-- {
		if entries[i].Event != nil {
			from = i
			n--
		}
	}
	ids := map[string]bool{}
	return slices.DeleteFunc(entries[from:], func(e watch.Entry) bool {
		if e.Event != nil {
			ids[e.Event.ID] = true
			return false
		}
		return !ids[e.Delivery.Event]
	})
}

// filtered says that a filter may be why there is nothing.
func (p *eventPrinter) filtered() string {
	if len(p.flags.types) > 0 || !p.since.IsZero() {
		return " of this kind; without --since and --type all are shown"
	}
	return " yet"
}

// next prints a line that has come.
func (p *eventPrinter) next(line []byte) error {
	e, ok := watch.ParseEntry(line)
	if !ok || !p.keeps(&e) {
		return nil
	}
	if p.flags.json {
		return p.line(line)
	}
	if e.Event != nil {
		return p.row(e.Event, "")
	}
	d := e.Delivery
	_, err := fmt.Fprintf(p.a.out, "%-19s    %s: %s\n", d.Time.Local().Format(eventTime), clean(d.Event), clean(deliveryWords(d)))
	return err
}

// line prints an entry as the watcher wrote it.
func (p *eventPrinter) line(raw []byte) error {
	_, err := sanitize.NewJSONWriter(p.a.out).Write(append(slices.Clip(raw), '\n'))
	return err
}

// eventTime is how times read: the reader's zone, which the table's head names.
const eventTime = "2006-01-02 15:04:05"

// eventColumns are the widths that a table which grows can know beforehand.
const eventColumns = "%-19s  %-10s  %-14s  %-8s  %-34s  %s\n"

func (p *eventPrinter) header() error {
	zone, _ := time.Now().Zone()
	_, err := fmt.Fprintf(p.a.out, eventColumns, "TIME ("+zone+")", "SEVERITY", "EVENT", "STATUS", "MESSAGES", "SUMMARY")
	return err
}

// row prints one event. Its texts may come from a log: they are made safe.
func (p *eventPrinter) row(ev *alert.Event, messages string) error {
	if ev.Muted != "" {
		messages = "muted: " + ev.Muted
	}
	_, err := fmt.Fprintf(p.a.out, eventColumns, ev.Time.Local().Format(eventTime), severity(ev.Severity),
		clean(ev.ID), clean(string(ev.Status)), dash(clean(messages)), clean(ev.Summary))
	return err
}

// severity is a sign and a word: neither colour nor shape alone tells.
func severity(s alert.Severity) string {
	switch s {
	case alert.Critical:
		return "✖ critical"
	case alert.Warning:
		return "▲ warning"
	case alert.Good:
		return "✔ good"
	case alert.Note:
		return "• info"
	}
	return "• " + clean(string(s))
}

// messagesOf says for each event of a history what became of its messages at last:
// by the index of the event.
func messagesOf(entries []watch.Entry) map[int]string {
	type place struct {
		index    int
		receiver string
	}
	at := map[string]int{}
	last := map[place]string{}
	for i := range entries {
		if ev := entries[i].Event; ev != nil {
			at[ev.ID] = i
			continue
		}
		d := entries[i].Delivery
		last[place{at[d.Event], d.Receiver}] = deliveryWords(d)
	}
	out := map[int]string{}
	for _, k := range slices.SortedFunc(maps.Keys(last), func(a, b place) int { return strings.Compare(a.receiver, b.receiver) }) {
		if out[k.index] != "" {
			out[k.index] += ", "
		}
		out[k.index] += last[k]
	}
	return out
}

// deliveryWords says where a message stands.
func deliveryWords(d *alert.Delivery) string {
	text := d.Receiver + " " + string(d.State)
	switch d.State {
	case alert.Sent:
		if d.Duplicate {
			text += " (maybe twice)"
		}
	case alert.Muted:
		text = d.Receiver + ": " + d.Reason
	case alert.Retrying:
		if !d.Until.IsZero() {
			text += " until " + d.Until.Local().Format("15:04:05")
		}
		text += " (" + d.Reason + ")"
	case alert.Dropped:
		text += " (" + d.Reason + ")"
	case alert.Queued:
	}
	return text
}
