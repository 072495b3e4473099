package drill

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/drill/outpost"
	"bgctl/internal/logstream"
)

// noon is when the tests happen.
func noon() time.Time { return time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC) }

// verdicts is judgements as "name: verdict", one a line.
func verdicts(all []Judgement) string {
	var out []string
	for _, j := range all {
		out = append(out, j.Name+": "+string(j.Verdict))
	}
	return strings.Join(out, "\n")
}

// want compares verdicts; a fail also has to say what was measured.
func want(t *testing.T, got []Judgement, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(lines, "\n"), verdicts(got)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s\n%+v", diff, got)
	}
	for _, j := range got {
		if j.Verdict == Fail && j.Measured == "" || j.Verdict == Skip && j.Why == "" {
			t.Errorf("%s says nothing: %+v", j.Name, j)
		}
	}
}

// shot is a request that ended at a time after noon.
func shot(n int, method string, status int, pool bluegreen.Pool, at time.Duration) Shot {
	end := noon().Add(at)
	return Shot{Phase: Failover, N: n, Method: method, Status: status, Pool: pool, Start: end.Add(-2 * time.Millisecond), End: end}
}

func settings() Settings { return Settings{Alert: alert.DefaultConfig(), ReadTimeout: 4 * time.Second} }

func TestErrorsNeeded_IsWhatTheDetectorDoes(t *testing.T) {
	for _, c := range []struct {
		window    int
		threshold float64
		good      int
	}{{200, 2, 200}, {200, 2, 1000}, {200, 2, 0}, {200, 2, 30}, {200, 50, 200}, {100, 5, 100}, {20, 2, 20}, {1000, 2, 1000}, {50, 90, 50}, {200, 0, 200}} {
		t.Run(fmt.Sprintf("%d at %g after %d", c.window, c.threshold, c.good), func(t *testing.T) {
			cfg := alert.DefaultConfig()
			cfg.Window, cfg.ThresholdPercent = c.window, c.threshold
			d := alert.NewDetector(cfg)
			send := func(status int) bool {
				events := d.Observe(&logstream.Record{
					Time: noon(), Path: "/", Status: status, Served: bluegreen.Blue, Active: bluegreen.Blue,
					Attempts: []logstream.Attempt{{Pool: bluegreen.Blue, Status: status}},
				})
				return len(events) > 0 && events[0].Type == alert.ErrorRate
			}
			for range c.good {
				send(200)
			}
			n := 1
			for !send(500) {
				if n++; n > 2000 {
					t.Fatal("the detector never fires")
				}
			}
			if got := errorsNeeded(&cfg, c.good); got != n {
				t.Errorf("needed %d, the detector fired after %d", got, n)
			}
		})
	}
}

func TestJudgeBaseline(t *testing.T) {
	good := []Shot{shot(1, "GET", 200, bluegreen.Blue, 0), shot(2, "POST", 404, bluegreen.Blue, 1)}
	want(t, JudgeBaseline(good, bluegreen.Blue), "traffic: pass", "no request lost: pass", "all by the active pool: pass")
	want(t, JudgeBaseline(append(good, shot(3, "GET", 200, bluegreen.Green, 2)), bluegreen.Blue),
		"traffic: pass", "no request lost: pass", "all by the active pool: fail")
	want(t, JudgeBaseline(append(good, shot(3, "GET", 502, bluegreen.NoPool, 2)), bluegreen.Blue),
		"traffic: pass", "no request lost: fail", "all by the active pool: pass")
	want(t, JudgeBaseline([]Shot{shot(1, "GET", 200, bluegreen.NoPool, 0)}, bluegreen.Blue),
		"traffic: pass", "no request lost: pass", "all by the active pool: skipped")
	want(t, JudgeBaseline(nil, bluegreen.Blue), "traffic: fail")
	want(t, JudgeBaseline([]Shot{shot(1, "GET", 0, bluegreen.NoPool, 0)}, bluegreen.Blue),
		"traffic: fail", "no request lost: fail", "all by the active pool: skipped")
}

// told is an event that the drill saw at a time after noon, sent 20 ms later.
func told(id string, typ alert.Type, status alert.Status, at time.Duration) *Told {
	seen := noon().Add(at)
	return &Told{
		Event: alert.Event{ID: id, Type: typ, Status: status, Time: seen, Since: seen}, Seen: seen,
		Deliveries: []Delivery{{alert.Delivery{Event: id, Receiver: "slack", State: alert.Sent}, seen.Add(20 * time.Millisecond)}},
	}
}

// killed is a failover that went well.
func killed() FailoverFacts {
	f := FailoverFacts{
		Mode: bluegreen.FaultKill, Active: bluegreen.Blue, Ears: Hearing, Receiver: "slack",
		Broken: noon(), Done: noon().Add(100 * time.Millisecond),
		Heal: noon().Add(5 * time.Second), HealedAt: noon().Add(8 * time.Second),
		Fired: told("failover-1", alert.Failover, alert.Firing, 300*time.Millisecond),
	}
	f.Resolved = told("failover-2", alert.Failover, alert.Resolved, 12*time.Second)
	for n := range 300 {
		at := time.Duration(n-30) * 33 * time.Millisecond
		pool := bluegreen.Blue
		if at > 0 && at < 7*time.Second {
			pool = bluegreen.Green
		}
		f.Shots = append(f.Shots, shot(n+1, both()[n%2], 200, pool, at))
	}
	return f
}

const goodFailover = "no GET lost: pass\nPOST lost only in flight: pass\nthe other pool answers: pass\nthe watcher tells it: pass\n" +
	"the receiver has the alert: pass\nblue answers again: pass\nthe watcher tells the recovery: pass"

func TestJudgeFailover(t *testing.T) {
	none := strings.NewReplacer()
	for name, tt := range map[string]struct {
		change func(*FailoverFacts)
		differ *strings.Replacer // applied to goodFailover
	}{
		"well": {func(*FailoverFacts) {}, none},
		"a GET lost": {
			func(f *FailoverFacts) { f.Shots = append(f.Shots, shot(999, "GET", 502, 0, 2*time.Second)) },
			strings.NewReplacer("no GET lost: pass", "no GET lost: fail"),
		},
		"no answer to a GET": {
			func(f *FailoverFacts) { f.Shots = append(f.Shots, shot(999, "GET", 0, 0, 2*time.Second)) },
			strings.NewReplacer("no GET lost: pass", "no GET lost: fail"),
		},
		"a POST in flight lost": {
			func(f *FailoverFacts) { f.Shots = append(f.Shots, shot(999, "POST", 502, 0, 50*time.Millisecond)) },
			none,
		},
		"a later POST lost": {
			func(f *FailoverFacts) { f.Shots = append(f.Shots, shot(999, "POST", 502, 0, time.Second)) },
			strings.NewReplacer("in flight: pass", "in flight: fail"),
		},
		"frozen: a POST lost is nginx's way": {
			func(f *FailoverFacts) {
				f.Mode = bluegreen.FaultPause
				f.Shots = append(f.Shots, shot(999, "POST", 504, 0, 4*time.Second))
			},
			strings.NewReplacer("in flight: pass", "in flight: skipped"),
		},
		"the other pool never answers": {
			func(f *FailoverFacts) {
				for i := range f.Shots {
					f.Shots[i].Pool = bluegreen.Blue
				}
			},
			strings.NewReplacer("the other pool answers: pass", "the other pool answers: fail"),
		},
		"the other pool is late": {
			func(f *FailoverFacts) {
				for i := range f.Shots {
					if f.Shots[i].Pool == bluegreen.Green && f.Shots[i].End.Before(noon().Add(1500*time.Millisecond)) {
						f.Shots[i].Pool = bluegreen.NoPool
					}
				}
			},
			strings.NewReplacer("the other pool answers: pass", "the other pool answers: fail"),
		},
		"nothing told": {
			func(f *FailoverFacts) { f.Fired, f.Resolved = nil, nil },
			strings.NewReplacer("tells it: pass", "tells it: fail", "has the alert: pass", "has the alert: fail", "tells the recovery: pass", "tells the recovery: skipped"),
		},
		"told late": {
			func(f *FailoverFacts) { f.Fired = told("failover-1", alert.Failover, alert.Firing, 3*time.Second) },
			strings.NewReplacer("tells it: pass", "tells it: fail", "has the alert: pass", "has the alert: fail"),
		},
		"muted by the cooldown": {
			func(f *FailoverFacts) {
				f.Fired.Event.Muted, f.Fired.Deliveries = "cooldown until 12:05:00 UTC", nil
			}, none,
		},
		"the webhook refuses": {
			func(f *FailoverFacts) {
				f.Fired.Deliveries[0].State, f.Fired.Deliveries[0].Reason = alert.Retrying, "HTTP 404 no_service"
			}, strings.NewReplacer("has the alert: pass", "has the alert: fail"),
		},
		"nobody receives": {
			func(f *FailoverFacts) { f.Receiver = "" },
			strings.NewReplacer("has the alert: pass", "has the alert: fail"),
		},
		"heal failed": {
			func(f *FailoverFacts) { f.HealedAt = time.Time{} },
			strings.NewReplacer("blue answers again: pass\nthe watcher tells the recovery: pass", "blue answers again: fail"),
		},
		"never back": {
			func(f *FailoverFacts) { f.Resolved = nil },
			strings.NewReplacer("tells the recovery: pass", "tells the recovery: fail"),
		},
		"the watcher is down": {
			func(f *FailoverFacts) { f.Ears = Deaf },
			strings.NewReplacer("tells it: pass", "tells it: fail", "has the alert: pass", "has the alert: fail", "tells the recovery: pass", "tells the recovery: fail"),
		},
		"there is no watcher": {
			func(f *FailoverFacts) { f.Ears = NoneHere },
			strings.NewReplacer("tells it: pass", "tells it: skipped", "has the alert: pass", "has the alert: skipped", "tells the recovery: pass", "tells the recovery: skipped"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, s, o := killed(), settings(), Options{}.Normal()
			tt.change(&f)
			o.Mode = f.Mode
			got, _ := JudgeFailover(&f, &s, &o)
			want(t, got, tt.differ.Replace(goodFailover))
		})
	}
}

func TestJudgeFailover_Figures(t *testing.T) {
	f, s, o := killed(), settings(), Options{}.Normal()
	_, got := JudgeFailover(&f, &s, &o)
	if diff := cmp.Diff(Timings{Failover: 33, Detection: 300, Alert: 320, Recovery: 2029, Resolved: 4971}, got); diff != "" {
		t.Error(diff)
	}
}

// logged is the log that the shots would leave.
func logged(shots []Shot, token string) Extract {
	var e Extract
	for _, s := range shots {
		e.Lines++
		e.Records = append(e.Records, logstream.Record{
			Path: uri("/", token, s.N), Status: s.Status, Served: s.Pool, Active: bluegreen.Blue, Method: s.Method,
		})
	}
	return e
}

func TestJudgeLog(t *testing.T) {
	const good = "every request logged once: pass\nstatus and pool as the clients saw: pass\nevery line understood: pass\n" +
		"the active pool in every line: pass\nserved by the active pool but under a fault: pass"
	for name, tt := range map[string]struct {
		change func(*LogFacts, *Extract)
		fails  string // the judgement that fails, "" for none
	}{
		"well":              {func(*LogFacts, *Extract) {}, ""},
		"one missing":       {func(_ *LogFacts, e *Extract) { e.Records = e.Records[1:] }, "every request logged once"},
		"one twice":         {func(_ *LogFacts, e *Extract) { e.Records = append(e.Records, e.Records[3]) }, "every request logged once"},
		"one never sent":    {func(f *LogFacts, e *Extract) { f.Issued = 299; f.Shots = f.Shots[:299] }, "every request logged once"},
		"another status":    {func(_ *LogFacts, e *Extract) { e.Records[0].Status = 500 }, "status and pool as the clients saw"},
		"a torn line":       {func(_ *LogFacts, e *Extract) { e.Lines++; e.Bad++ }, "every line understood"},
		"another active":    {func(_ *LogFacts, e *Extract) { e.Records[0].Active = bluegreen.Green }, "the active pool in every line"},
		"cut off by us":     {func(f *LogFacts, e *Extract) { f.Shots = f.Shots[:298] }, ""},
		"no answer, no log": {func(f *LogFacts, e *Extract) { f.Shots[0].Status = 0; e.Records = e.Records[1:] }, ""},
		"no fault":          {func(f *LogFacts, _ *Extract) { f.Spans = nil }, "served by the active pool but under a fault"},
	} {
		t.Run(name, func(t *testing.T) {
			facts := killed()
			f := LogFacts{Token: "t", Issued: 300, Shots: facts.Shots, Active: bluegreen.Blue, Settle: 4 * time.Second, Spans: []Span{{facts.Broken, facts.HealedAt}}}
			e := logged(f.Shots, "t")
			tt.change(&f, &e)
			expected := good
			if name == "another active" { // then it is also served elsewhere
				expected = strings.Replace(good, "under a fault: pass", "under a fault: fail", 1)
			}
			if tt.fails != "" {
				expected = strings.Replace(expected, tt.fails+": pass", tt.fails+": fail", 1)
			}
			want(t, JudgeLog(&f, &e), expected)
		})
	}
	want(t, JudgeLog(&LogFacts{}, &Extract{}), "every request logged once: skipped")
}

func TestJoin_NamesPoolsFromTheLog(t *testing.T) {
	shots := []Shot{shot(1, "GET", 200, bluegreen.NoPool, 0), shot(2, "GET", 502, bluegreen.NoPool, 0)}
	e := logged([]Shot{shot(1, "GET", 200, bluegreen.Green, 0), shot(2, "GET", 502, bluegreen.Blue, 0)}, "t")
	join(shots, &e, "t")
	if shots[0].Pool != bluegreen.Green || shots[1].Pool != bluegreen.NoPool {
		t.Errorf("%+v", shots)
	}
}

func TestNumber(t *testing.T) {
	for path, n := range map[string]int{
		uri("/", "abc", 17): 17, uri("/x?y=1", "abc", 2): 2, "/?bgctl-drill=abc-": 0, "/?bgctl-drill=abc-1x": 0,
		"/?bgctl-drill=xyz-3": 0, "/": 0, "/?bgctl-drill=abc-99999999999999999999": 0,
	} {
		if got := number(path, "abc"); got != n {
			t.Errorf("number(%q) = %d, want %d", path, got, n)
		}
	}
}

func TestJudgeBurst(t *testing.T) {
	good := func() BurstFacts {
		return BurstFacts{Ears: Hearing, Need: 5, Failed: 5, Total: 9, Rate: 0.5, Clear: 1, Hold: time.Minute, Fired: told("error_rate-3", alert.ErrorRate, alert.Firing, 0)}
	}
	for name, tt := range map[string]struct {
		change func(*BurstFacts)
		want   string
	}{
		"well":           {func(*BurstFacts) {}, "the error rate fires: pass\nthe error rate resolves: pass"},
		"late":           {func(f *BurstFacts) { f.Failed = 11 }, "the error rate fires: fail\nthe error rate resolves: pass"},
		"never":          {func(f *BurstFacts) { f.Fired = nil }, "the error rate fires: fail"},
		"muted":          {func(f *BurstFacts) { f.Fired.Event.Muted = "cooldown until 12:00:00 UTC" }, "the error rate fires: pass\nthe error rate resolves: pass"},
		"still high":     {func(f *BurstFacts) { f.Rate = 1.5 }, "the error rate fires: pass\nthe error rate resolves: fail"},
		"rate not known": {func(f *BurstFacts) { f.Rate = -1 }, "the error rate fires: pass\nthe error rate resolves: skipped"},
		"waited in vain": {func(f *BurstFacts) { f.Waited = true }, "the error rate fires: pass\nthe error rate resolves: fail"},
		"resolved": {func(f *BurstFacts) {
			f.Waited = true
			f.Over = told("error_rate-4", alert.ErrorRate, alert.Resolved, 1)
		}, "the error rate fires: pass\nthe error rate resolves: pass"},
		"no /chaos":       {func(f *BurstFacts) { f.Skipped = "no /chaos" }, "the error rate fires: skipped"},
		"no watcher runs": {func(f *BurstFacts) { f.Ears = Deaf }, "the error rate fires: fail"},
		"no watcher":      {func(f *BurstFacts) { f.Ears = NoneHere }, "the error rate fires: skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			f := good()
			tt.change(&f)
			want(t, JudgeBurst(&f), tt.want)
		})
	}
}

func TestJudgeAlerts(t *testing.T) {
	const good = "alerts as expected: pass\nposted alerts delivered to slack: pass\nin the order of their events: pass\n" +
		"muted alerts stay silent: pass\nmessages received over HTTP: pass"
	for name, tt := range map[string]struct {
		change func(*AlertFacts)
		fails  []string
	}{
		"well":    {func(*AlertFacts) {}, nil},
		"missing": {func(f *AlertFacts) { f.Told, f.Messages = f.Told[:1], f.Messages[:1] }, []string{"alerts as expected"}},
		"unexpected": {func(f *AlertFacts) {
			f.Told = append(f.Told, *told("all_down-9", alert.AllDown, alert.Firing, 10*time.Second))
			f.Messages = append(f.Messages, outpost.Message{ID: "all_down-9"})
		}, []string{"alerts as expected"}},
		"flapping after many drills": {func(f *AlertFacts) {
			f.Told = append(f.Told, *told("flapping-9", alert.Flapping, alert.Firing, 10*time.Second))
			f.Messages = append(f.Messages, outpost.Message{ID: "flapping-9"})
		}, nil},
		"an earlier one resolves": {func(f *AlertFacts) {
			old := told("failover-0", alert.Failover, alert.Resolved, 0)
			old.Event.Since = noon().Add(-time.Hour)
			f.Told = append([]Told{*old}, f.Told...)
			f.Messages = append(f.Messages, outpost.Message{ID: "failover-0"})
		}, nil},
		"delivered twice": {func(f *AlertFacts) { f.Told[0].Deliveries = append(f.Told[0].Deliveries, f.Told[0].Deliveries[0]) }, []string{"posted alerts delivered to slack"}},
		"not delivered": {func(f *AlertFacts) {
			f.Told[1].Deliveries[0].State, f.Messages = alert.Dropped, f.Messages[:1]
		}, []string{"posted alerts delivered to slack", "messages received over HTTP"}},
		"told together": {func(f *AlertFacts) {
			f.Told[0].Deliveries[0].State, f.Told[0].Deliveries[0].Reason = alert.Muted, "told together with failover-2"
			f.Messages = f.Messages[1:]
		}, nil},
		"told together, never sent": {func(f *AlertFacts) {
			f.Told[0].Deliveries[0].State, f.Told[0].Deliveries[0].Reason = alert.Muted, "told together with failover-2"
			f.Told[1].Deliveries[0].State, f.Messages = alert.Queued, nil
		}, []string{"posted alerts delivered to slack", "messages received over HTTP"}},
		"out of order": {func(f *AlertFacts) { f.Told[1].Deliveries[0].Seen = noon().Add(-time.Second) }, []string{"in the order of their events"}},
		"muted": {func(f *AlertFacts) {
			f.Told[1].Event.Muted, f.Told[1].Deliveries[0].State = "cooldown until 12:05:00 UTC", alert.Muted
			f.Messages = f.Messages[:1]
		}, nil},
		"muted and sent":       {func(f *AlertFacts) { f.Told[1].Event.Muted = "cooldown" }, []string{"muted alerts stay silent", "messages received over HTTP"}},
		"a message twice":      {func(f *AlertFacts) { f.Messages = append(f.Messages, f.Messages[0]) }, []string{"messages received over HTTP"}},
		"a message of nothing": {func(f *AlertFacts) { f.Messages = append(f.Messages, outpost.Message{ID: ""}) }, []string{"messages received over HTTP"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := AlertFacts{
				Ears: Hearing, Began: noon().Add(-time.Minute), Receivers: []string{"slack"}, StandIn: true,
				Expected: []Expectation{{alert.Failover, alert.Firing}, {alert.Failover, alert.Resolved}},
				Told:     []Told{*told("failover-1", alert.Failover, alert.Firing, 0), *told("failover-2", alert.Failover, alert.Resolved, 9*time.Second)},
				Messages: []outpost.Message{{ID: "failover-1"}, {ID: "failover-2"}},
			}
			tt.change(&f)
			expected := good
			for _, name := range tt.fails {
				expected = strings.Replace(expected, name+": pass", name+": fail", 1)
			}
			want(t, JudgeAlerts(&f), expected)
		})
	}
	want(t, JudgeAlerts(&AlertFacts{Ears: Hearing}), "alerts as expected: pass", "posted alerts delivered: fail")
	want(t, JudgeAlerts(&AlertFacts{Ears: Deaf}), "alerts as expected: fail")
	want(t, JudgeAlerts(&AlertFacts{Ears: NoneHere}), "alerts as expected: skipped")
}
