package slack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

// everyEvent returns one event for each type and status there is, and for a type
// that this package has never heard of.
func everyEvent() []alert.Event {
	var out []alert.Event
	add := func(typ alert.Type, status alert.Status, severity alert.Severity, change func(*alert.Event)) {
		ev := failoverEvent()
		ev.Type, ev.Status, ev.Severity, ev.ID = typ, status, severity, fmt.Sprintf("%s-%d", typ, len(out)+1)
		ev.Summary = strings.ReplaceAll(string(typ), "_", " ") + " in the detector's words"
		if status == alert.Resolved {
			ev.Time, ev.Command = noon.Add(150*time.Second), ""
			ev.Episode = &alert.Episode{Lasted: 153, Peak: 12.5, PeakAttempts: 40, Requests: 4000, Failed: 120, Saved: 380}
		}
		if change != nil {
			change(&ev)
		}
		out = append(out, ev)
	}
	for _, kind := range []struct {
		typ      alert.Type
		severity alert.Severity
	}{
		{alert.AllDown, alert.Critical},
		{alert.Failover, alert.Critical},
		{alert.ErrorRate, alert.Warning},
		{"degraded", alert.Warning},
		{"latency", alert.Warning},
		{alert.Flapping, alert.Warning},
		{alert.NoTraffic, alert.Warning},
		{"source_lost", alert.Critical},
		{"brand_new", alert.Critical},
	} {
		add(kind.typ, alert.Firing, kind.severity, nil)
		add(kind.typ, alert.Resolved, alert.Good, nil)
	}
	for _, typ := range []alert.Type{alert.Switch, "maintenance", alert.Notice, "brand_new"} {
		add(typ, alert.Info, alert.Note, func(ev *alert.Event) {
			ev.First, ev.Last, ev.Since, ev.Cause = nil, nil, time.Time{}, ""
		})
	}
	add(alert.Switch, alert.Info, alert.Note, func(ev *alert.Event) { // nothing but what every event has
		*ev = alert.Event{ID: ev.ID, Time: noon, Type: ev.Type, Status: ev.Status}
	})
	return out
}

// plainView renders a message as a reader sees it.
func plainView(t *testing.T, ev alert.Event, meta Meta) string {
	t.Helper()
	body, err := json.Marshal(Message(ev, meta))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := verdict(body); status != http.StatusOK {
		t.Errorf("%s: Slack would answer %d %s", ev.ID, status, answer)
	}
	var msg struct {
		Text        string
		Attachments []struct {
			Color  string
			Blocks []struct {
				Type             string
				Text             struct{ Text string }
				Fields, Elements []struct{ Text string }
			}
		}
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		t.Fatal(err)
	}
	if n := utf8.RuneCountInString(msg.Text); n == 0 || n > maxText {
		t.Errorf("%s: the text has %d runes", ev.ID, n)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "## %s %s\n%s\n[%s]\n", ev.Type, ev.Status, msg.Text, msg.Attachments[0].Color)
	for _, b := range msg.Attachments[0].Blocks {
		if b.Text.Text != "" {
			fmt.Fprintln(&out, b.Text.Text)
		}
		for _, f := range append(b.Fields, b.Elements...) {
			fmt.Fprintln(&out, "  "+strings.ReplaceAll(f.Text, "\n", " | "))
		}
	}
	return out.String()
}

// TestMessage_EveryTypeAndStatus shows every message in one file, and holds each to
// what somebody woken by it needs.
func TestMessage_EveryTypeAndStatus(t *testing.T) {
	meta := Meta{Host: "web-1", Project: "shop"}
	var all strings.Builder
	for _, ev := range everyEvent() {
		view := plainView(t, ev, meta)
		all.WriteString(view + "\n")
		needs := []string{"event `" + ev.ID + "`", "host `web-1`", "project `shop`"}
		if !ev.Since.IsZero() {
			needs = append(needs, "v1.4.2", "1 of 200 requests failed", "24 of 200 requests with a failed attempt",
				"First bad request", "Last bad request", "Likely cause")
		}
		switch ev.Status {
		case alert.Firing:
			needs = append(needs, "*Since*", "Run next", "bgctl switch green -p shop")
		case alert.Resolved:
			needs = append(needs, "for 2m33s", "120 of 4000 requests failed", "380 were answered by the other pool", "worst 12.5 %", "bgctl events")
		case alert.Info:
		}
		for _, text := range needs {
			if !strings.Contains(view, text) {
				t.Errorf("%s %s lacks %q:\n%s", ev.Type, ev.Status, text, view)
			}
		}
	}
	path := filepath.Join("testdata", "every.golden")
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("messages differ (-want +got):\n%s", diff)
	}
}

func TestTitle_OfAnUnknownTypeIsItsOwn(t *testing.T) {
	for want, ev := range map[string]alert.Event{
		"Disk full on blue is firing": {Type: "disk_full", Status: alert.Firing, Pool: bluegreen.Blue},
		"Disk full is over":           {Type: "disk_full", Status: alert.Resolved},
		"Österreich":                  {Type: "österreich", Status: alert.Info},
		"Event is firing":             {Status: alert.Firing},
	} {
		if got := title(ev); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
