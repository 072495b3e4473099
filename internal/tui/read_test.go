package tui_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

func TestModel_PauseFreezesTheDisplayAndCountsOn(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("space")
	before := logRows(s.text())
	s.pass(3 * time.Second)
	s.contains("‖ PAUSED 14:32:07, +", "newer, G follows")
	if got := logRows(s.text()); got != before {
		t.Errorf("the log moved while paused:\n%s\nbefore:\n%s", got, before)
	}
	s.press("space")
	s.lacks("PAUSED")
	s.contains("FOLLOW ▼", "14:32:1")
}

// logRows are the rows of the log panel.
func logRows(frame string) string {
	lines := strings.Split(frame, "\n")
	return strings.Join(lines[len(lines)-9:len(lines)-2], "\n")
}

func TestModel_ScrollingKeepsTheReadersPlace(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("k", "k", "k")
	before := logRows(s.text())
	s.pass(2 * time.Second)
	if got := logRows(s.text()); got != before {
		t.Errorf("the log moved under the reader:\n%s\nbefore:\n%s", got, before)
	}
	s.press("G")
	s.contains("FOLLOW ▼")
}

func TestModel_FindHighlightsAndKeepsContext(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("/")
	s.typed("/CART")
	s.contains("matches · enter finds")
	s.press("enter")
	s.contains("matches", "▸", "GET  /static/app.js")
	first := logRows(s.text())
	s.press("N")
	if logRows(s.text()) == first {
		t.Error("N did not move")
	}
	s.press("esc")
	s.lacks("matches")
}

func TestModel_JumpsToErrors(t *testing.T) {
	s := live(t, usual(120, 36))
	s.feed(func(f *tui.FeedSnapshot) {
		f.Rows = []logstream.Record{{Time: s.clock, Method: "GET", Path: "/broken", Status: 502}}
		for range 50 {
			f.Rows = append(f.Rows, logstream.Record{Time: s.clock, Method: "GET", Path: "/fine", Status: 200})
		}
	})
	s.lacks("/broken")
	s.press("E")
	s.contains("502 GET  /broken")
	s.press("enter")
	s.contains("Request", "served by")
}

func TestModel_FilterShowsOnePool(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("p", "p")
	s.contains("GREEN only")
	if rows := logRows(s.text()); strings.Contains(rows, " BLUE ") {
		t.Errorf("rows of blue are shown:\n%s", rows)
	}
}

func TestModel_SelectionFollowsTheContainer(t *testing.T) {
	s := live(t, usual(120, 36))
	s.press("5", "j")
	s.contains("▸ app_green-1")
	s.observe(func(d *bluegreen.Deployment) {
		extra := d.Blue.Containers[0]
		extra.ID, extra.Name = "extra", "shop-app_blue-0"
		d.Blue.Containers = append([]bluegreen.Container{extra}, d.Blue.Containers...)
	})
	s.contains("▸ app_green-1")
}

func TestModel_AlertsAreShownWorstFirstAndWithTheirDelivery(t *testing.T) {
	s := live(t, usual(120, 36))
	event := func(id string, typ alert.Type, sev alert.Severity) alert.Event {
		return alert.Event{ID: id, Type: typ, Status: alert.Firing, Severity: sev, Time: s.clock, Since: s.clock, Summary: "summary " + id}
	}
	s.feed(func(f *tui.FeedSnapshot) {
		f.Events = []alert.Event{event("w", alert.Flapping, alert.Warning), event("c", alert.AllDown, alert.Critical)}
		f.Deliveries = []alert.Delivery{{Event: "c", Receiver: "slack", State: alert.Retrying, Attempt: 2}, {Event: "w", Receiver: "slack", State: alert.Muted}}
	})
	s.contains("▲ 2 ALERTS  summary c", "+1 more", "▲ slack retry 2", "slack muted", "▲ 2 firing")
	s.feed(func(f *tui.FeedSnapshot) {
		ev := event("c2", alert.AllDown, alert.Good)
		ev.Status = alert.Resolved
		f.Events = []alert.Event{ev}
	})
	s.contains("▲ 1 ALERT  summary w", "RESOLVED summary c2")
}

func TestModel_ForeignTextCannotReachTheTerminal(t *testing.T) {
	const evil = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\u202egnp.exe\u0000\u009b31m\nnew\tline 世界 🏴‍☠️ e\u0301"
	s := open(t, usual(120, 36))
	s.observe(func(d *bluegreen.Deployment) {
		c := &d.Blue.Containers[0]
		c.Name, c.Release, c.Image, c.HealthLog = evil, evil, evil, evil
		d.RouterErr = evil
	})
	s.feed(func(f *tui.FeedSnapshot) {
		f.Rows = []logstream.Record{{Time: s.clock, Method: evil, Path: evil, RequestID: evil, Release: evil, Attempts: []logstream.Attempt{{Addr: evil}}}}
		f.Events = []alert.Event{{ID: "x", Type: alert.Notice, Status: alert.Firing, Severity: alert.Critical, Summary: evil, Cause: evil}}
		f.Sources = append(f.Sources, tui.SourceState{Name: evil, Detail: evil})
	})
	s.send(tui.Observed(bluegreen.Deployment{}, errors.New(evil)))
	for _, keys := range [][]string{{"R"}, {"5", "enter"}, {"esc", "a", "enter"}, {"esc", "7", "enter"}} {
		s.press(keys...)
		frame := s.View().Content
		exact(t, frame, 120, 36)
		for _, r := range ansi.Strip(frame) {
			if r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u202e') {
				t.Fatalf("after %v the frame contains %U", keys, r)
			}
		}
		if strings.Contains(frame, "]52;") && strings.Contains(frame, "\x1b]") {
			t.Fatal("an escape sequence of the log is in the frame")
		}
	}
}

func TestModel_FramesAreExactAtEverySize(t *testing.T) {
	s := live(t, usual(120, 36))
	failover(s)
	overlays := [][]string{nil, {"?"}, {"?", "s"}, {"esc", "z"}, {"z", "a"}, {"enter"}}
	for _, keys := range overlays {
		s.press(keys...)
		for w := 1; w <= 170; w += 11 {
			for h := 1; h <= 60; h += 7 {
				s.send(tea.WindowSizeMsg{Width: w, Height: h})
				exact(t, s.View().Content, w, h)
			}
		}
		if t.Failed() {
			t.Fatalf("with %v open", keys)
		}
	}
}

func TestModel_TimesAreTheOperators(t *testing.T) {
	s := live(t, usual(120, 36))
	zone := time.FixedZone("CEST", 2*60*60)
	s.feed(func(f *tui.FeedSnapshot) {
		f.Rows = []logstream.Record{{Time: s.clock.Add(time.Hour).In(zone), Method: "GET", Path: "/zoned", Status: 200}}
	})
	s.contains("15:32:07", "/zoned")
}
