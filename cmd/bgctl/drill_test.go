//go:build !e2e

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill"
)

func TestConfirmDrill_WantsYesWhereNobodyCanBeAsked(t *testing.T) {
	breaking := &drill.Plan{Active: bluegreen.Blue, Steps: []drill.Step{{Phase: drill.Failover, Breaks: true}}}
	harmless := &drill.Plan{Active: bluegreen.Blue, Steps: []drill.Step{{Phase: drill.Baseline}}}
	var usage usageError
	a := &app{in: strings.NewReader("blue\n"), err: &bytes.Buffer{}}
	if err := a.confirmDrill(breaking, &drillFlags{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("got %v", err)
	}
	if err := a.confirmDrill(harmless, &drillFlags{}); err != nil {
		t.Errorf("what breaks nothing is asked for: %v", err)
	}
	if err := a.confirmDrill(breaking, &drillFlags{actFlags: actFlags{yes: true}}); err != nil {
		t.Errorf("with --yes: %v", err)
	}
}

func TestDrillRuns_TellsTheLivingFromTheDead(t *testing.T) {
	a := &app{}
	me, now := a.holder(), time.Now()
	for name, tt := range map[string]struct {
		by    bluegreen.Holder
		until time.Time
		want  bool
	}{
		"elsewhere, in its time":     {bluegreen.Holder{Host: "elsewhere", PID: 1}, now.Add(time.Minute), true},
		"elsewhere, long over":       {bluegreen.Holder{Host: "elsewhere", PID: 1}, now.Add(-time.Minute), false},
		"here, gone":                 {bluegreen.Holder{Host: me.Host, PID: 1 << 30}, now.Add(time.Minute), false},
		"here, another process's ID": {bluegreen.Holder{Host: me.Host, PID: 1}, now.Add(time.Minute), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := a.drillRuns(bluegreen.Fault{By: tt.by, Until: tt.until}); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestDrillView_PrintsALineForEachChangeWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	a := &app{err: &out, env: func(string) string { return "" }}
	v := newDrillView(a, &drill.Plan{Steps: []drill.Step{{Phase: drill.Health}}})
	v.update(drill.Progress{Phase: drill.Health, State: drill.Working})
	v.update(drill.Progress{Phase: drill.Health, State: drill.Working, Detail: "evil \x1b[31mred"})
	v.update(drill.Progress{Phase: drill.Health, State: drill.PhasePass, Detail: "6 of 6", Took: 1200 * time.Millisecond})
	v.close()
	if got := out.String(); strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 2 || !strings.Contains(got, "✓ health     1.2 s  6 of 6") {
		t.Errorf("%q", got)
	}
}
