package drill_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/drill"
	"bgctl/internal/slack"
)

func receiverHealth(name string) slack.Health { return slack.Health{Receiver: name} }

func TestRunner_PassesAHealthyDeployment(t *testing.T) {
	for _, mode := range []bluegreen.FaultMode{bluegreen.FaultKill, bluegreen.FaultStop, bluegreen.FaultPause} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				rep, err := w.drill(t.Context(), drill.Options{Mode: mode}, nil)
				if err != nil || rep.Result != drill.Passed {
					t.Errorf("%v\n%s", err, rep.String())
				}
				w.intact()
				if rep.Timings.Failover <= 0 || rep.Timings.Detection <= 0 || rep.Timings.Alert <= 0 || rep.Requests.Sent < 300 || len(rep.Alerts.Received) != 2 {
					t.Errorf("%+v, %+v, %v", rep.Timings, rep.Requests, rep.Alerts.Received)
				}
			})
		})
	}
}

func TestRunner_FindsWhatIsWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*world)
		opts   drill.Options
		want   []string
	}{
		"the webhook refuses": {
			func(w *world) { w.refuse = "HTTP 404 no_service" },
			drill.Options{},
			[]string{"failover/the receiver has the alert", "slack/posted alerts delivered to slack"},
		},
		"requests are lost": {
			func(w *world) { w.lose = true },
			drill.Options{Phases: []drill.Phase{drill.Baseline}},
			[]string{"baseline/no request lost"},
		},
		"the log loses a line": {
			func(w *world) { w.forget = true },
			drill.Options{},
			[]string{"log/every request logged once"},
		},
		"a real webhook is demanded": {
			func(*world) {},
			drill.Options{Webhook: true, Phases: []drill.Phase{drill.Slack}},
			[]string{"health/messages have a receiver", "slack/posted alerts delivered"},
		},
		"a sick pool, forced": {
			func(w *world) { w.engine.Set("green", "exited", "") },
			drill.Options{Force: true, Phases: []drill.Phase{drill.Baseline}},
			[]string{"health/every container is ready", "restore/green is healed and ready"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.change(w)
				rep, err := w.drill(t.Context(), tt.opts, nil)
				if err != nil || rep.Result != drill.Failed {
					t.Errorf("%s, %v", rep.Result, err)
				}
				if diff := cmp.Diff(strings.Join(tt.want, "\n"), failures(&rep)); diff != "" {
					t.Errorf("failures (-want +got):\n%s\n%s", diff, rep.String())
				}
			})
		})
	}
}

func TestRunner_WaitsForWhatACooldownHoldsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		begin := time.Now()
		rep, err := w.drill(t.Context(), drill.Options{Wait: true}, nil)
		if err != nil || rep.Result != drill.Passed {
			t.Fatalf("%v\n%s", err, rep.String())
		}
		var ids []string
		for _, m := range rep.Alerts.Received {
			ids = append(ids, m.Text)
		}
		text := strings.Join(ids, "\n")
		if !strings.Contains(text, "error rate back to") || !strings.Contains(text, "recovered: blue") {
			t.Errorf("received:\n%s\n%s", text, rep.String())
		}
		if took := time.Since(begin); took < 5*time.Minute || took > 8*time.Minute {
			t.Errorf("it took %s", took)
		}
		w.intact()
	})
}

func TestRunner_SkipsWhatAnApplicationCannotDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.noApp = true
		rep, err := w.drill(t.Context(), drill.Options{}, nil)
		if err != nil || rep.Result != drill.Passed || rep.Score.Skipped != 1 || !strings.Contains(rep.String(), "has no /chaos") {
			t.Errorf("%v\n%s", err, rep.String())
		}
		w.intact()
	})
}

func TestRunner_PutsEverythingBackWhenInterrupted(t *testing.T) {
	for _, phase := range append(drill.Phases(), drill.Restore) {
		for _, delay := range []time.Duration{0, 1500 * time.Millisecond} {
			t.Run(string(phase)+delay.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					rep, err := w.drill(ctx, drill.Options{}, func(p drill.Progress) {
						if p.Phase == phase && p.State == drill.Working && p.Detail == "" {
							time.AfterFunc(delay, cancel)
						}
					})
					w.intact()
					last := rep.Phases[len(rep.Phases)-1]
					if last.Phase != drill.Restore || last.State != drill.PhasePass {
						t.Errorf("the last phase is %s: %s\n%s", last.Phase, last.State, rep.String())
					}
					// A phase may have ended within the delay, and the drill with it.
					if err == nil && rep.Result == drill.Passed {
						return
					}
					if rep.Result != drill.Interrupted || err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("%s, %v", rep.Result, err)
					}
				})
			})
		}
	}
}

func TestRunner_UndoesWhatAKilledDrillLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		deps := w.deps()
		d, err := deps.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p, err := bluegreen.PlanChaos(&d, bluegreen.Blue, bluegreen.ChaosOptions{Mode: bluegreen.FaultKill})
		if err != nil {
			t.Fatal(err)
		}
		p.Command = drill.Command + " (failover)"
		if _, err := deps.Execute(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		rep, err := w.drill(t.Context(), drill.Options{}, nil)
		if err != nil || rep.Result != drill.Passed || !strings.Contains(rep.String(), "that is undone first") {
			t.Errorf("%v\n%s", err, rep.String())
		}
		w.intact()
	})
}

func TestRunner_SwitchesBackWhatWasSwitchedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rep, err := w.drill(t.Context(), drill.Options{Phases: []drill.Phase{drill.Baseline}}, func(p drill.Progress) {
			if p.Phase == drill.Baseline && p.Detail != "" && p.State == drill.Working {
				r, err := w.proxy.Open(t.Context())
				if err == nil {
					err = errors.Join(r.Lock(t.Context(), bluegreen.Holder{User: "bob"}), r.Route(t.Context(), bluegreen.Green), r.Close())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		if err != nil || failures(&rep) != "baseline/all by the active pool" {
			t.Errorf("%v\n%s", err, rep.String())
		}
		w.intact()
	})
}

func TestReport_JSONKeepsItsFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rep, err := newWorld(t).drill(t.Context(), drill.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(rep)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{
			`"project":"shop"`, `"result":"pass"`, `"score":{"passed":`, `"active":"blue"`, `"mode":"kill"`, `"failover_ms":`,
			`"detection_ms":`, `"alert_ms":`, `"recovery_ms":`, `"phases":[{"phase":"health","state":"pass","took_ms":`,
			`"judgements":[{"name":`, `"verdict":"pass"`, `"stand_in":true`, `"expected":[{"type":"failover","status":"firing"}`,
			`"requests":{"sent":`, `"received":[{"time":`,
		} {
			if !strings.Contains(string(data), field) {
				t.Errorf("%s is missing in %s", field, data)
			}
		}
	})
}

func TestBoard_TellsEveryPhase(t *testing.T) {
	plan := drill.Plan{Steps: []drill.Step{{Phase: drill.Health}, {Phase: drill.Baseline}, {Phase: drill.Restore}}}
	b := drill.NewBoard(&plan)
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	b.Update(drill.Progress{Phase: drill.Health, State: drill.PhasePass, Detail: "6 of 6", Took: 400 * time.Millisecond}, now)
	b.Update(drill.Progress{Phase: drill.Baseline, State: drill.Working, Detail: "30 requests/s for 5s, and more than fits"}, now)
	want := "  ✓ health     0.4 s  6 of 6\n  · baseline   2.5 s  30 requests/s…\n  · restore"
	if diff := cmp.Diff(want, strings.Join(b.Lines(now.Add(2500*time.Millisecond), 36), "\n")); diff != "" {
		t.Error(diff)
	}
}
