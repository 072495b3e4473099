package slack

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"bgctl/internal/alert"
)

// Meta is what a message says besides the event itself.
type Meta struct {
	Host    string // machine the watcher runs on
	Project string

	Delay      time.Duration // since the event; shown when over 10 s
	Duplicate  bool          // an earlier attempt may have arrived
	FirstFired time.Time     // earliest firing this message stands for, when not delivered
	Merged     int           // earlier transitions this message replaces
	Lost       int           // messages dropped since the last delivered one
}

// delayShown is the delay from which a message admits to be late.
const delayShown = 10 * time.Second

// stamp is how times read in a message: with zone, because readers sit anywhere.
const stamp = "2006-01-02 15:04:05 MST"

// projectName is what compose accepts; anything else is not put into a command.
var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// typeName is how types are spelled; anything else is not put into a command.
var typeName = regexp.MustCompile(`^[a-z][a-z_]{0,40}$`)

// Message renders ev as a webhook message: a text for notifications, and one
// coloured attachment with the facts and the command to run next.
func Message(ev alert.Event, meta Meta) *slack.WebhookMessage {
	blocks := []slack.Block{
		slack.NewHeaderBlock(slack.NewTextBlockObject(slack.PlainTextType, clip(sign(ev)+clean(title(ev)), maxHeader), false, false)),
		slack.NewSectionBlock(mrkdwn(lead(ev, meta), maxSection), fields(ev), nil),
	}
	if cmd := command(ev, meta); cmd != "" {
		text := "*" + pick(ev.Status, "Look back", "Run next") + ":* ```" + foreign(strings.ReplaceAll(cmd, "`", "'"), maxField) + "```"
		blocks = append(blocks, slack.NewSectionBlock(mrkdwn(text, maxSection), nil, nil))
	}
	blocks = append(blocks, slack.NewContextBlock("", mrkdwn(footer(ev, meta), maxSection)))
	no := false
	return &slack.WebhookMessage{
		Text:        fallback(ev, meta, maxText),
		Parse:       "none", // a bare @channel in foreign text stays text
		UnfurlLinks: &no,
		UnfurlMedia: &no,
		Attachments: []slack.Attachment{{
			Color:  colour(ev),
			Blocks: slack.Blocks{BlockSet: blocks},
		}},
	}
}

// PlainMessage renders ev as text alone: what is sent after Slack refused the
// blocks of [Message].
func PlainMessage(ev alert.Event, meta Meta) *slack.WebhookMessage {
	return &slack.WebhookMessage{Text: fallback(ev, meta, maxPlain), Parse: "none"}
}

// mrkdwn wraps text that is already escaped. Verbatim: Slack must not turn words
// into links by itself.
func mrkdwn(text string, limit int) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, clip(text, limit), false, true)
}

func fallback(ev alert.Event, meta Meta, limit int) string {
	parts := []string{strings.ToUpper(string(ev.Status))}
	if meta.Project != "" {
		parts = append(parts, "["+meta.Project+"]")
	}
	summary := ev.Summary
	if summary == "" {
		summary = title(ev)
	}
	parts = append(parts, summary)
	if meta.Duplicate {
		parts = append(parts, "(may be a duplicate)")
	}
	return prose(strings.Join(parts, " "), limit)
}

// lead is the sentence below the header, and what happened while nobody was told.
func lead(ev alert.Event, meta Meta) string {
	text := prose(ev.Summary, maxSection/2)
	if text == "" {
		text = prose(title(ev), maxSection/2)
	}
	told := 1 // changes the message tells by itself
	if !meta.FirstFired.IsZero() && ev.Status == alert.Resolved {
		told = 2
		text += "\nFired " + meta.FirstFired.UTC().Format(stamp) + ", recovered " +
			ev.Time.UTC().Format(stamp) + "; the first message could not be delivered in time."
	}
	if meta.Merged > told {
		text += fmt.Sprintf("\nStands for %d changes that could not be delivered one by one.", meta.Merged)
	}
	return text
}

// fields returns the facts, at most ten, as Slack allows no more.
func fields(ev alert.Event) []*slack.TextBlockObject {
	var out []*slack.TextBlockObject
	add := func(label, text string) {
		if text != "" && len(out) < 10 {
			out = append(out, mrkdwn("*"+label+"*\n"+text, maxField))
		}
	}
	add("What", code(string(ev.Type)+" "+string(ev.Status)))
	add("Pool", pools(ev))
	if ev.Release != "" {
		add("Release", code(ev.Release))
	}
	if w := ev.Window; w.N > 0 {
		add("Clients saw", fmt.Sprintf("%d of %d requests failed: %s (threshold %s)",
			w.ClientErrors, w.N, percent(w.ClientRate), percent(ev.Threshold))+gone(w))
		add("Attempts", fmt.Sprintf("%d of %d requests with a failed attempt: %s",
			w.AttemptErrors, w.N, percent(w.AttemptRate))+saved(w))
	}
	add("Latency", latency(ev.Latency))
	add(since(ev))
	add("How bad it was", outcome(ev.Episode))
	add("First bad request", sample(ev.First))
	add("Last bad request", sample(ev.Last))
	if ev.Cause != "" {
		add("Likely cause", prose(ev.Cause, maxField/2))
	}
	return out
}

// since says when it began and, when it is over, how long it lasted.
func since(ev alert.Event) (label, text string) {
	if ev.Since.IsZero() {
		return "", ""
	}
	text = ev.Since.UTC().Format(stamp)
	if ev.Status != alert.Resolved {
		return "Since", text
	}
	lasted := ev.Time.Sub(ev.Since)
	if ev.Episode != nil {
		lasted = ev.Episode.Duration()
	}
	if lasted > 0 {
		text += ", for " + lasted.Round(time.Second).String()
	}
	return "Began", text
}

// outcome closes the loop: what it cost while it lasted.
func outcome(e *alert.Episode) string {
	if e == nil {
		return ""
	}
	text := fmt.Sprintf("%d of %d requests failed", e.Failed, e.Requests)
	if e.Failed == 0 {
		text = "no request failed"
	}
	if e.Saved > 0 {
		text += fmt.Sprintf(", %d were answered by the other pool", e.Saved)
	}
	text += "; worst " + percent(e.Peak) + " of the window"
	if e.PeakAttempts > e.Peak {
		text += ", " + percent(e.PeakAttempts) + " with a failed attempt"
	}
	return text
}

// latency says how slow the slow end is, and against what.
func latency(t *alert.Tail) string {
	if t == nil {
		return ""
	}
	text := fmt.Sprintf("p95 of %d requests: %.0f ms (limit %.0f ms)", t.N, t.P95, t.Limit)
	if t.Baseline > 0 {
		text += fmt.Sprintf("; usual are %.0f ms", t.Baseline)
	}
	return text
}

// saved tells how many of the failed attempts nobody noticed.
func saved(w alert.Window) string {
	if w.Saved == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of them answered by the other pool", w.Saved)
}

func gone(w alert.Window) string {
	if w.ClientGone == 0 {
		return ""
	}
	return fmt.Sprintf("; %d clients gave up waiting", w.ClientGone)
}

func pools(ev alert.Event) string {
	text := ""
	switch {
	case ev.From != 0 && ev.To != 0:
		text = code(ev.From.String()) + " → " + code(ev.To.String())
	case ev.Pool != 0:
		text = code(ev.Pool.String())
	}
	if ev.Active != 0 {
		if text != "" {
			text += ", "
		}
		text += "active " + code(ev.Active.String())
	}
	return text
}

func sample(s *alert.Sample) string {
	if s == nil {
		return ""
	}
	text := fmt.Sprintf("%s %s %s %d", s.Time.UTC().Format("15:04:05.000"), s.Method,
		clip(clean(s.Path), 120), s.Status)
	if s.Attempts != "" {
		text += " (" + clip(clean(s.Attempts), 60) + ")"
	}
	out := code(text)
	if s.RequestID != "" {
		out += "\nid " + code(s.RequestID)
	}
	return out
}

// command is what to type next. The detector knows best; the rest is the command
// that shows most about an alert of this type.
func command(ev alert.Event, meta Meta) string {
	cmd := clean(ev.Command)
	switch {
	case cmd != "":
	case ev.Status == alert.Firing:
		cmd = "bgctl status"
	case ev.Status == alert.Resolved && typeName.MatchString(string(ev.Type)):
		cmd = "bgctl events --since 1h --type " + string(ev.Type)
	}
	named := strings.Contains(cmd, " -p ") || strings.Contains(cmd, "--project-name")
	if strings.HasPrefix(cmd, "bgctl ") && !named && projectName.MatchString(meta.Project) {
		cmd += " -p " + meta.Project
	}
	return cmd
}

func footer(ev alert.Event, meta Meta) string {
	parts := []string{"host " + code(meta.Host)}
	if meta.Project != "" {
		parts = append(parts, "project "+code(meta.Project))
	}
	parts = append(parts, "event "+code(ev.ID), ev.Time.UTC().Format(stamp))
	if meta.Delay > delayShown {
		parts = append(parts, "delayed by "+meta.Delay.Round(time.Second).String())
	}
	if meta.Duplicate {
		parts = append(parts, "may be a duplicate")
	}
	if meta.Lost > 0 {
		parts = append(parts, fmt.Sprintf("%d earlier messages were dropped", meta.Lost))
	}
	return strings.Join(parts, " · ")
}

func percent(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " %"
}

func name(s string) string {
	if s == "" {
		return "a pool"
	}
	return s
}

// pick chooses between the text of an alert that is over and one that is not.
func pick(status alert.Status, over, on string) string {
	if status == alert.Resolved {
		return over
	}
	return on
}
