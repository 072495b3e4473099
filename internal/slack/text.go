package slack

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of Slack, in runes, with room to spare where Slack counts differently.
const (
	maxText    = 300
	maxPlain   = 500
	maxHeader  = 150
	maxSection = 2900
	maxField   = 1900 // Slack: 2000
	maxForeign = 240  // one piece of foreign text: a path, a user's release name
	maxReason  = 200
)

// clean makes foreign text safe to show: one line of valid UTF-8 without control
// or formatting characters (escape sequences, bidi overrides, zero-width marks).
func clean(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

// clip cuts s to at most limit runes and marks the cut.
func clip(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	runes := []rune(s)
	return string(runes[:limit-1]) + "…"
}

// escape replaces the three characters Slack gives a meaning to. What cannot
// open a `<` cannot mention, link or notify anybody.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// foreign renders foreign text for mrkdwn, at most limit runes long after
// escaping, never cut inside an entity.
func foreign(s string, limit int) string {
	s = clip(clean(s), limit)
	for n := limit; ; n -= 8 {
		out := escape(s)
		if utf8.RuneCountInString(out) <= limit {
			return out
		}
		s = clip(s, max(n, 1))
		if n <= 1 {
			return ""
		}
	}
}

// code renders foreign text as an inline code span, in which Slack reads no
// formatting. A backtick would end the span.
func code(s string) string {
	s = strings.ReplaceAll(s, "`", "'")
	if s = foreign(s, maxForeign); s == "" {
		return "–"
	}
	return "`" + s + "`"
}

// prose renders a sentence that may embed foreign words. mrkdwn has no escape for
// its formatting characters, so look-alikes take their place.
func prose(s string, limit int) string {
	return foreign(strings.NewReplacer("`", "'", "*", "∗", "~", "∼").Replace(s), limit)
}
