//go:build !e2e

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
)

// historyLine prints one operation and returns its line with single spaces.
func historyLine(t *testing.T, op *bluegreen.Operation) string {
	t.Helper()
	var b strings.Builder
	if err := printHistory(&b, []bluegreen.Operation{*op}); err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(b.String(), "\n")
	return strings.Join(strings.Fields(line), " ")
}

// TestPrintHistory_SaysWhatEachKindDid: what an operation did is in its line, and traffic is
// said to have moved only where the ending says so.
func TestPrintHistory_SaysWhatEachKindDid(t *testing.T) {
	v1, v2 := &bluegreen.Release{ID: "v1"}, &bluegreen.Release{ID: "v2"}
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		op   bluegreen.Operation
		want string
		not  string
	}{
		{
			bluegreen.Operation{Kind: bluegreen.ActSwitch, From: bluegreen.Blue, To: bluegreen.Green, Old: v1, New: v2, Ending: bluegreen.EndDone, Receipt: &bluegreen.Receipt{Sent: 40}},
			"switch blue → green v1 → v2 1s 40 sent, 0 failed done", "",
		},
		{
			// Words in the result do not count.
			bluegreen.Operation{Kind: bluegreen.ActSwitch, From: bluegreen.Blue, To: bluegreen.Green, Old: v1, New: v2, Ending: bluegreen.EndFailed, Result: "done for: no answer"},
			"switch on blue v1 1s - done for: no answer", "→",
		},
		{
			bluegreen.Operation{Kind: bluegreen.ActDeploy, From: bluegreen.Blue, To: bluegreen.Green, Before: v1, New: v2, Ending: bluegreen.EndUndone, Cut: true, Result: "undone (its command was cut off; v1 was put back into green)"},
			"deploy, cut off on blue green: v1, not v2 1s - undone (its", "",
		},
		{
			bluegreen.Operation{Kind: bluegreen.ActDeploy, From: bluegreen.Blue, To: bluegreen.Green, Before: v1, New: v2, Staged: true, Ending: bluegreen.EndStaged},
			"deploy on blue green: v1 → v2 1s - staged", "",
		},
		{
			bluegreen.Operation{Kind: bluegreen.ActChaos, From: bluegreen.Blue, To: bluegreen.Green, Fault: &bluegreen.Fault{Mode: bluegreen.FaultKill}, Ending: bluegreen.EndDone},
			"chaos green (kill) on blue - 1s - done", "",
		},
		{bluegreen.Operation{Kind: bluegreen.ActHeal, From: bluegreen.Blue, To: bluegreen.Green, Ending: bluegreen.EndDone}, "heal green on blue - 1s - done", ""},
		{bluegreen.Operation{Kind: bluegreen.ActRestart, From: bluegreen.Blue, To: bluegreen.Green, New: v2, Ending: bluegreen.EndDone}, "restart green on blue v2 1s - done", ""},
		{
			bluegreen.Operation{Kind: bluegreen.ActUp, From: bluegreen.Blue, To: bluegreen.Blue, Change: []string{"recreate alert_watcher", "proxy settings: FAIL_TIMEOUT"}, Ending: bluegreen.EndDone},
			"up on blue - 1s - done; changed: recreate alert_watcher; proxy settings: FAIL_TIMEOUT", "",
		},
		{
			bluegreen.Operation{Kind: bluegreen.ActUp, From: bluegreen.Blue, To: bluegreen.Blue, Change: []string{"proxy: image"}, Gap: 412 * time.Millisecond, Ending: bluegreen.EndDone},
			"done; changed: proxy: image; nothing listened for 412 ms", "",
		},
		{bluegreen.Operation{Kind: bluegreen.ActUp, From: bluegreen.Blue, To: bluegreen.Green, Old: v1, New: v2, Ending: bluegreen.EndDone}, "up blue → green v1 → v2", ""},
		{bluegreen.Operation{Kind: bluegreen.ActDown, From: bluegreen.Blue, Ending: bluegreen.EndDone}, "down on blue - 1s - done", ""},
	} {
		tt.op.By, tt.op.Started, tt.op.Finished = bluegreen.Holder{User: "ana", Host: "desk"}, at, at.Add(time.Second)
		line := historyLine(t, &tt.op)
		if !strings.Contains(line, "ana@desk") || !strings.Contains(line, tt.want) || tt.not != "" && strings.Contains(line, tt.not) {
			t.Errorf("%q, want %q and not %q", line, tt.want, tt.not)
		}
	}
}

// TestPrintHistory_OfAnOlderJournal: a journal without endings says the same.
func TestPrintHistory_OfAnOlderJournal(t *testing.T) {
	var op bluegreen.Operation
	text := `{"kind":"switch","from":"blue","to":"green","started":"2026-01-02T03:04:05Z","finished":"2026-01-02T03:04:06Z","result":"done"}`
	if err := json.Unmarshal([]byte(text), &op); err != nil {
		t.Fatal(err)
	}
	if line := historyLine(t, &op); !strings.Contains(line, "switch blue → green") {
		t.Errorf("%q", line)
	}
}
