package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"bgctl/internal/alert"
)

// colour follows what the reader has to do: act, know, or nothing any more.
func colour(ev alert.Event) string {
	switch {
	case ev.Status == alert.Resolved:
		return "good"
	case ev.Type == alert.Switch, ev.Type == alert.Flapping, ev.Severity == alert.Warning:
		return "warning"
	case ev.Status == alert.Firing:
		return "danger"
	}
	return "#6b7280"
}

// sign is what a reader sees who does not see the colour: on a watch, in a log.
func sign(ev alert.Event) string {
	switch colour(ev) {
	case "good":
		return "✅ "
	case "warning":
		return "⚠️ "
	case "danger":
		return "🔴 "
	}
	return "ℹ️ "
}

// title is the message's header. An event of a type that is not known here speaks
// for itself.
func title(ev alert.Event) string {
	over := ev.Status == alert.Resolved
	switch ev.Type {
	case alert.ErrorRate:
		return pick(ev.Status, "Error rate is back to "+percent(ev.Window.Rate),
			"Error rate "+percent(ev.Window.Rate)+" is over "+percent(ev.Threshold))
	case alert.Failover:
		if over {
			return "Recovered: " + name(ev.To.String()) + " serves again"
		}
		return "Failover: " + name(ev.To.String()) + " serves for " + name(ev.From.String())
	case alert.AllDown:
		return pick(ev.Status, "Pools answer again", "No pool answers")
	case alert.Switch:
		return "Traffic moved: " + name(ev.From.String()) + " → " + name(ev.To.String())
	case alert.Flapping:
		return pick(ev.Status, "Serving pool is stable: "+name(ev.Pool.String()), "Serving pool keeps changing")
	case alert.NoTraffic:
		return pick(ev.Status, "Traffic is back", "No traffic")
	case alert.Notice:
		return "Notice"
	case alert.Degraded:
		return pick(ev.Status, "No attempt fails any more", "Degraded: attempts on "+name(ev.Pool.String())+" fail")
	case alert.Latency:
		return pick(ev.Status, "Answers are fast again", "Answers are slow")
	case alert.SourceLost:
		return pick(ev.Status, "The access log is read again", "The access log cannot be read")
	case alert.Upkeep:
		return "Maintenance"
	case alert.Acked:
		return "Somebody looks after it"
	}
	return ownTitle(ev)
}

// ownTitle makes a title out of an event's own words.
func ownTitle(ev alert.Event) string {
	words := strings.TrimSpace(strings.ReplaceAll(string(ev.Type), "_", " "))
	if words == "" {
		words = "event"
	}
	first, size := utf8.DecodeRuneInString(words)
	words = string(unicode.ToUpper(first)) + words[size:]
	if ev.Pool != 0 {
		words += " on " + ev.Pool.String()
	}
	switch ev.Status {
	case alert.Resolved:
		words += " is over"
	case alert.Firing:
		words += " is firing"
	case alert.Info:
	}
	return words
}
