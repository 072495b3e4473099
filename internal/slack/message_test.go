package slack

import (
	"encoding/json"
	"flag"
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

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// failoverEvent is a complete event as the detector yields it.
func failoverEvent() alert.Event {
	return alert.Event{
		ID: "failover-3", Time: noon, Type: alert.Failover, Status: alert.Firing, Severity: alert.Critical,
		Summary: "green serves requests meant for blue", From: bluegreen.Blue, To: bluegreen.Green,
		Pool: bluegreen.Green, Active: bluegreen.Blue, Release: "v1.4.2",
		Window:    alert.Window{Size: 200, N: 200, Errors: 1, Rate: 0.5, ClientErrors: 1, ClientRate: 0.5, AttemptErrors: 24, AttemptRate: 12, ClientGone: 2},
		Threshold: 2, Since: noon.Add(-3 * time.Second),
		First: &alert.Sample{
			Time: noon.Add(-3 * time.Second), Method: "GET", Path: "/cart?id=1", Status: 200,
			Attempts: "502 blue, 200 green", Pool: bluegreen.Green, RequestID: "ab12",
		},
		Last:  &alert.Sample{Time: noon, Method: "GET", Path: "/", Status: 200, Attempts: "502 blue, 200 green"},
		Cause: "blue answers 502: its process is gone", Command: "bgctl switch green",
	}
}

func TestMessage_Golden(t *testing.T) {
	recovered := failoverEvent()
	recovered.ID, recovered.Status, recovered.Severity = "failover-4", alert.Resolved, alert.Good
	recovered.Summary, recovered.Time = "blue serves again", noon.Add(150*time.Second)
	recovered.From, recovered.To, recovered.Command = bluegreen.Green, bluegreen.Blue, ""
	meta := Meta{Host: "web-1", Project: "shop"}
	late := Meta{
		Host: "web-1", Project: "shop", Delay: 31 * time.Minute, Duplicate: true,
		FirstFired: noon, Merged: 7, Lost: 2,
	}
	tests := map[string]struct {
		ev   alert.Event
		meta Meta
	}{
		"failover":      {failoverEvent(), meta},
		"recovered":     {recovered, late},
		"switch":        {alert.Event{ID: "switch-1", Time: noon, Type: alert.Switch, Status: alert.Info, Summary: "traffic moved from blue to green", From: bluegreen.Blue, To: bluegreen.Green, Active: bluegreen.Green}, meta},
		"error_rate":    {alert.Event{ID: "error_rate-1", Time: noon, Type: alert.ErrorRate, Status: alert.Firing, Severity: alert.Critical, Summary: "12.5 % of requests fail", Pool: bluegreen.Blue, Window: alert.Window{N: 200, Errors: 25, Rate: 12.5, ClientErrors: 25, ClientRate: 12.5}, Threshold: 2}, meta},
		"latency":       {alert.Event{ID: "latency-1", Time: noon, Type: alert.Latency, Status: alert.Firing, Severity: alert.Warning, Summary: "95 % of the requests to blue take up to 812 ms, limit 300 ms", Pool: bluegreen.Blue, Active: bluegreen.Blue, Since: noon, Latency: &alert.Tail{N: 200, P95: 812, Limit: 300, Baseline: 100}, Window: alert.Window{N: 200, Saved: 3, AttemptErrors: 3, AttemptRate: 1.5}}, meta},
		"minimal":       {alert.Event{ID: "notice-1", Time: noon, Type: alert.Notice, Status: alert.Info, Summary: "watching"}, Meta{}},
		"all_down_over": {alert.Event{ID: "all_down-2", Time: noon, Type: alert.AllDown, Status: alert.Resolved, Since: noon.Add(-time.Minute)}, meta},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(Message(tt.ev, tt.meta), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			plain, err := json.Marshal(PlainMessage(tt.ev, tt.meta))
			if err != nil {
				t.Fatal(err)
			}
			for _, body := range [][]byte{got, plain} {
				if status, answer := verdict(body); status != http.StatusOK {
					t.Errorf("Slack would answer %d %s", status, answer)
				}
			}
			path := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("message differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessage_Colours(t *testing.T) {
	tests := map[string]struct {
		typ    alert.Type
		status alert.Status
	}{
		"danger":  {alert.AllDown, alert.Firing},
		"warning": {alert.Flapping, alert.Firing},
		"good":    {alert.ErrorRate, alert.Resolved},
		"#6b7280": {alert.Notice, alert.Info},
	}
	for want, tt := range tests {
		if got := colour(alert.Event{Type: tt.typ, Status: tt.status}); got != want {
			t.Errorf("%s %s: got %s, want %s", tt.typ, tt.status, got, want)
		}
	}
}

func TestS13_HostileTextIsDead(t *testing.T) {
	evil := []string{
		"<!channel>", "<!here|now>", "<@U123> & <#C1>", "<https://evil.example|click>", "`code` ``` *bold* ~x~ _y_",
		"\x1b[31mred\x1b[0m\x07", "\u202Egnp.exe\u2066", "a\nb\r\nc\u2028d", "\xff\xfe\xc0", "\x00",
		strings.Repeat("<&>", 4000), strings.Repeat("😀", 4000), strings.Repeat("e\u0301\u202e", 4000), strings.Repeat("\\\"", 3000),
	}
	for _, text := range evil {
		ev := failoverEvent()
		ev.ID, ev.Summary, ev.Release, ev.Cause, ev.Command = text, text, text, text, "bgctl "+text
		ev.First = &alert.Sample{Method: text, Path: text, Attempts: text, RequestID: text}
		ev.Last = ev.First
		meta := Meta{Host: text, Project: text, Delay: time.Hour, Duplicate: true, Lost: 3, Merged: 9}
		for _, status := range []alert.Status{alert.Firing, alert.Resolved, alert.Info} {
			ev.Status = status
			body, err := json.Marshal(Message(ev, meta))
			if err != nil {
				t.Fatal(err)
			}
			if code, answer := verdict(body); code != http.StatusOK {
				t.Errorf("%.20q: Slack would answer %d %s", text, code, answer)
			}
			if len(body) > 64<<10 {
				t.Errorf("%.20q: message has %d bytes", text, len(body))
			}
			checkStrings(t, body)
			plain := PlainMessage(ev, meta).Text
			if n := utf8.RuneCountInString(plain); n == 0 || n > maxPlain {
				t.Errorf("%.20q: plain text has %d runes", text, n)
			}
			if n := utf8.RuneCountInString(Message(ev, meta).Text); n == 0 || n > maxText {
				t.Errorf("%.20q: text has %d runes", text, n)
			}
		}
	}
}

// checkStrings fails on anything in a message that Slack would act on.
func checkStrings(t *testing.T, body []byte) {
	t.Helper()
	var doc any
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, x := range v {
				walk(x)
			}
			if v["type"] == "mrkdwn" {
				s, _ := v["text"].(string)
				if strings.ContainsAny(s, "<>") {
					t.Errorf("mrkdwn holds an angle bracket: %.120q", s)
				}
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		case string:
			if strings.ContainsAny(v, "\x00\x07\x1b\r\u202e\u2066\u2028") {
				t.Errorf("control or bidi character in %.120q", v)
			}
		}
	}
	walk(doc)
}

func TestForeign_NeverCutsAnEntity(t *testing.T) {
	for limit := 1; limit < 40; limit++ {
		got := foreign("ab<&>cd<<>>&&&ef", limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("limit %d: %d runes in %q", limit, n, got)
		}
		left := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got)
		if strings.ContainsAny(left, "&<>") {
			t.Errorf("limit %d: torn entity in %q", limit, got)
		}
	}
}

func TestCommand_NamesTheProject(t *testing.T) {
	tests := []struct{ cmd, project, want string }{
		{"bgctl switch green", "shop", "bgctl switch green -p shop"},
		{"bgctl -p other status", "shop", "bgctl -p other status"},
		{"bgctl status", "bad; rm -rf /", "bgctl status"},
		{"docker ps", "shop", "docker ps"},
		{"", "shop", "bgctl status -p shop"},
	}
	for _, tt := range tests {
		ev := alert.Event{Status: alert.Firing, Command: tt.cmd}
		if got := command(ev, Meta{Project: tt.project}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
