package alert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

func TestErrorRate_GoesThroughItsPhases(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Pending = 3; c.Hold = 10 * time.Second })
	phase := func(want Phase) {
		t.Helper()
		if got := s.d.Phase(ErrorRate); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	s.ok(100)
	phase(Inactive)
	s.send(7, rec(blue, 500))
	phase(Pending)
	if s.send(1, rec(blue, 500)); !slices.Equal(s.said(), []string{"error_rate firing"}) {
		t.Errorf("posted %q", s.said())
	}
	phase(Fires)
	s.ok(198)
	phase(Recovering)
	s.send(5, rec(blue, 500)) // a breach: it fires on without a word
	phase(Fires)
	s.ok(200)
	phase(Recovering)
	s.ok(200)
	phase(Inactive)
	if len(s.said()) != 1 || s.last(ErrorRate, Resolved).Muted == "" {
		t.Errorf("posted %q", s.said())
	}
}

// A rate that falls before the pending requests are over never fired.
func TestErrorRate_PendingEndsWithTheRate(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Pending = 30 })
	s.ok(195).send(5, rec(blue, 500)).ok(500)
	if len(s.all) != 0 || s.d.Phase(ErrorRate) != Inactive {
		t.Errorf("%s, events %q", s.d.Phase(ErrorRate), s.said())
	}
}

// What fired in the traffic of the day ends in that of the night, which never
// brings enough requests to fire.
func TestErrorRate_RecoversInLittleTraffic(t *testing.T) {
	s := newSim(t, nil)
	s.ok(200).send(10, rec(blue, 500))
	s.step = 10 * time.Second // 31 requests in the window
	s.ok(31)
	if s.d.Phase(ErrorRate) == Inactive {
		t.Fatal("recovered although its errors are in the window")
	}
	if s.ok(40); s.d.Phase(ErrorRate) != Inactive || s.said()[len(s.said())-1] != "error_rate resolved" {
		t.Errorf("%s, posted %q", s.d.Phase(ErrorRate), s.said())
	}
}

// Two of three requests are no half of anything.
func TestErrorRate_EscalatesOnlyOnEnoughRequests(t *testing.T) {
	s := newSim(t, nil)
	s.ok(150).send(6, rec(blue, 500)).idle(10*time.Minute).ok(1).send(2, rec(blue, 500))
	if want := []string{"error_rate firing"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

func TestErrorRate_ClearLevelIsASetting(t *testing.T) {
	for _, tt := range []struct {
		clear float64
		want  Phase
	}{{0, Fires}, {0.5, Fires}, {1.5, Recovering}, {2, Recovering}} {
		s := newSim(t, func(c *Config) { c.ClearPercent = tt.clear })
		s.ok(200).send(6, rec(blue, 500)).ok(194).send(3, rec(blue, 500)).ok(3) // 3 of 200
		if got := s.d.Phase(ErrorRate); got != tt.want {
			t.Errorf("clear level %v: %s at 1.5 %%, want %s", tt.clear, got, tt.want)
		}
	}
}

func TestUnknown_NeverRecovers(t *testing.T) {
	s := newSim(t, nil)
	s.ok(100).send(3, rec(blue, 502, 200)).send(17, rec(green, 200)).send(10, rec(blue, 500))
	n := len(s.said())
	s.idle(6 * time.Minute)
	for _, typ := range []Type{ErrorRate, Failover, AllDown, Degraded, Flapping} {
		if got := s.d.Phase(typ); got != Unknown {
			t.Errorf("%s is %s", typ, got)
		}
	}
	if s.d.Traffic() != TrafficUnknown || len(s.said()) != n {
		t.Errorf("traffic %s, posted %q", s.d.Traffic(), s.said())
	}
	// Nine good lines after the gap are no proof together with those before it.
	s.ok(9)
	if s.d.Phase(Failover) != Fires || s.d.Phase(ErrorRate) != Fires {
		t.Errorf("failover %s, error rate %s", s.d.Phase(Failover), s.d.Phase(ErrorRate))
	}
	s.step = 100 * time.Millisecond
	s.ok(1200).idle(2 * time.Second)
	want := []string{"failover resolved", "error_rate resolved"}
	if got := s.said()[n:]; !slices.Equal(got, want) {
		t.Errorf("posted %q, want %q", got, want)
	}
}

func TestSourceLost_IsToldAndKeepsTheStates(t *testing.T) {
	s := newSim(t, nil)
	s.ok(100).send(10, rec(blue, 500))
	s.d.SourceLost("no such file")
	s.idle(29 * time.Second)
	if s.d.Phase(ErrorRate) != Unknown || len(s.said()) != 1 {
		t.Fatalf("%s, posted %q", s.d.Phase(ErrorRate), s.said())
	}
	s.d.SourceLost("no such file") // told again: nothing new
	s.idle(2 * time.Second)
	e := s.last(SourceLost, Firing)
	if e.Cause != "no such file" || e.Severity != Critical || s.d.Phase(SourceLost) != Fires {
		t.Errorf("event %+v", e)
	}
	s.idle(time.Hour)
	s.d.SourceBack()
	s.idle(2 * time.Second)
	want := []string{"error_rate firing", "source_lost firing", "source_lost resolved"}
	if !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
	if s.ok(1); s.d.Phase(ErrorRate) != Fires {
		t.Errorf("error rate %s after the first line", s.d.Phase(ErrorRate))
	}
}

// A rotation is no loss, and silence is not told when the log is what is missing.
func TestSourceLost_BrieflyIsNothing(t *testing.T) {
	s := newSim(t, func(c *Config) { c.NoTraffic, c.SourceLost = time.Minute, 10*time.Minute })
	s.d.SourceLost("rotated")
	s.idle(5 * time.Second)
	s.ok(10)
	s.d.SourceBack()
	s.ok(10)
	s.d.SourceLost("unmounted")
	s.idle(5 * time.Minute)
	s.d.SourceBack()
	if s.ok(10); len(s.all) != 0 {
		t.Errorf("said %q", s.said())
	}
}

func TestTraffic_TellsWhereRequestsGo(t *testing.T) {
	s := newSim(t, nil)
	check := func(want Traffic) {
		t.Helper()
		if got := s.d.Traffic(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check(TrafficUnknown)
	s.ok(40)
	check(ByActive)
	s.send(10, rec(green, 200))
	check(ByBoth)
	s.send(10, rec(green, 200))
	check(ByOther)
	s.send(5, noUpstream())
	check(ByNone)
}

// A mixed phase is one failover, and its end one recovery.
func TestFailover_MixedLinesChangeNothing(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Cooldown = 0 })
	s.ok(100).send(3, rec(blue, 502, 200)).send(40, rec(green, 200)).idle(5 * time.Second)
	for range 16 {
		s.send(1, rec(blue, 200)).send(1, rec(green, 200))
	}
	if s.ok(30); !slices.Equal(s.said(), []string{"failover firing", "failover resolved"}) {
		t.Errorf("posted %q", s.said())
	}
}

func TestForeignLog_TakesALastingSilentFailoverForASwitch(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Active = blue })
	s.active = bluegreen.NoPool
	s.send(100, rec(blue, 200)).send(1, rec(blue, 502, 200)).send(100, rec(green, 200))
	if !slices.Equal(s.said(), []string{"failover firing"}) {
		t.Fatalf("posted %q", s.said())
	}
	s.step = time.Second // blue is not even tried any more
	s.send(120, rec(green, 200))
	if e := s.last(Switch, Info); e.To != green || s.d.Phase(Failover) != Inactive {
		t.Errorf("switch to %s, failover %s", e.To, s.d.Phase(Failover))
	}
}

// Every word that is kept must be a copy: a reader may lend its buffer.
func TestObserve_KeepsNothingOfARecord(t *testing.T) {
	buf := []byte("/secret/path-0123456789 GET release-9 req-77 10.9.8.7:80")
	lend := func(from, to int) string { return unsafe.String(&buf[from], to-from) }
	s := newSim(t, func(c *Config) { c.LatencyP95 = time.Millisecond; c.Active = blue })
	r := rec(blue, 502, 500)
	r.Path, r.Method, r.Release, r.RequestID = lend(0, 23), lend(24, 27), lend(28, 37), lend(38, 44)
	r.Attempts[0].Addr, r.Attempts[1].Addr = lend(45, 56), lend(45, 55)
	r.Duration = time.Second
	unnamed := r
	unnamed.Served, unnamed.Attempts = 0, []logstream.Attempt{{Addr: lend(45, 56), Status: 503}, {Addr: lend(45, 55), Status: 200}}
	s.ok(100).send(1, unnamed).send(20, r).send(3, noUpstream())
	before, err := json.Marshal(s.d.State())
	if err != nil {
		t.Fatal(err)
	}
	for i := range buf {
		buf[i] = '#'
	}
	after, err := json.Marshal(s.d.State())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(before), "/secret/path-") || !strings.Contains(string(before), "release-9") {
		t.Fatalf("nothing was kept: %s", before)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the state changed with the reader's buffer:\n%s", diff)
	}
}

// A sweep over settings lets many detectors look at one record.
func TestObserve_LeavesTheRecordAsItIs(t *testing.T) {
	records := randomTraffic(3, 1500)
	alone := func(cfg Config) []Event {
		d := NewDetector(cfg)
		var all []Event
		for i := range records {
			r := records[i]
			all = append(all, d.Observe(&r)...)
		}
		return all
	}
	var configs []Config
	for i := range 6 {
		cfg := DefaultConfig()
		cfg.ThresholdPercent, cfg.Window, cfg.Active = float64(1+i), 50+20*i, blue
		configs = append(configs, cfg)
	}
	together := make([][]Event, len(configs))
	detectors := make([]*Detector, len(configs))
	for i := range detectors {
		detectors[i] = NewDetector(configs[i])
	}
	for i := range records {
		before := fmt.Sprint(records[i])
		for j, d := range detectors {
			together[j] = append(together[j], d.Observe(&records[i])...)
		}
		if after := fmt.Sprint(records[i]); after != before {
			t.Fatalf("record changed from %s to %s", before, after)
		}
	}
	for i, cfg := range configs {
		if diff := cmp.Diff(alone(cfg), together[i]); diff != "" {
			t.Errorf("detector %d (-alone +together):\n%s", i, diff)
		}
	}
}

// A state file of the version before this one goes on; the words of its window's
// errors are translated.
func TestRestore_UpgradesVersion1(t *testing.T) {
	const v1 = `{"version":1,"seq":9,"now":"2026-01-02T11:59:50Z","last_record":"2026-01-02T11:59:50Z","active":"blue","serving":"green",
		"releases":{"blue":"r1"},"posts":{"failover":{"announced":"firing:blue>green","severity":"critical","last":"2026-01-02T11:50:00Z"}},
		"rate":{"why":500},"failover":{"firing":true,"since":"2026-01-02T11:50:00Z","from":"blue","active":"blue","failed_at":"2026-01-02T11:50:00Z"},
		"all_down":{},"flapping":{},"switch":{},"unnamed":-1,
		"times":[1767355190000000000,1767355190000000000,1767355190000000000],"marks":"CAwr"}`
	var snap Snapshot
	if err := json.Unmarshal([]byte(v1), &snap); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, nil)
	s.d.Restore(snap)
	if w := s.d.Window(); w.N != 3 || w.Errors != 1 || w.ClientErrors != 1 || w.AttemptErrors != 1 {
		t.Errorf("window %+v", w)
	}
	if s.ok(200).idle(time.Second); !slices.Equal(s.said(), []string{"failover resolved"}) || s.last(Failover, Resolved).ID != "failover-10" {
		t.Errorf("posted %q", s.said())
	}
}

// Other settings than those of the snapshot hold from the first record on.
func TestRestore_ObeysTheSettingsOfToday(t *testing.T) {
	old := newSim(t, func(c *Config) { c.Active = blue; c.LatencyP95 = time.Millisecond })
	old.active = bluegreen.NoPool
	old.send(100, rec(blue, 200)).send(10, rec(blue, 500))
	cfg := DefaultConfig()
	cfg.Window, cfg.Active, cfg.Off = 20, green, []Type{ErrorRate}
	d := NewDetector(cfg)
	d.Restore(old.d.State())
	if w := d.Window(); w.N != 20 || w.Errors != 10 || d.st.Assumed != green {
		t.Errorf("window %d of %d, assumed %s", w.Errors, w.N, d.st.Assumed)
	}
	if p := d.post(ErrorRate); p.Announced != "" {
		t.Errorf("an alert that is off is %q", p.Announced)
	}
}

func TestWindow_ShortCountIsThatOfTheNewest(t *testing.T) {
	for _, size := range []int{1, 7, 20, 50} {
		s := newSim(t, func(c *Config) { c.Window, c.MaxAge = size, 3*time.Second })
		for i, r := range randomTraffic(uint64(size), 2000) {
			r.Time = start().Add(time.Duration(i*i%7000) * time.Millisecond)
			if i%3 == 0 {
				r.Time = start().Add(time.Duration(i) * 100 * time.Millisecond)
			}
			s.d.Observe(&r)
			r := &s.d.ring
			if want := r.countedInLast(r.short); r.last.counted != want {
				t.Fatalf("window %d, record %d: %d errors among the newest %d, counted %d", size, i, want, r.short, r.last.counted)
			}
			if want := r.countedInLast(r.n); r.all.counted != want {
				t.Fatalf("window %d, record %d: %d errors of %d, counted %d", size, i, want, r.n, r.all.counted)
			}
		}
	}
}

func TestLatency_EndsWhenAnotherPoolAnswers(t *testing.T) {
	s := newSim(t, func(c *Config) { c.LatencyP95, c.Cooldown = 100*time.Millisecond, 0 })
	slow := rec(blue, 200)
	slow.Duration = 300 * time.Millisecond
	s.send(60, slow)
	s.active = green
	s.ok(30)
	want := []string{"latency firing", "switch info", "latency resolved"}
	if !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
	if e := s.first(Latency, Firing); e.Latency == nil || e.Latency.P95 != 300 || e.Latency.Limit != 100 || e.Latency.N != 50 {
		t.Errorf("latency %+v", e.Latency)
	}
}

// A WebSocket that lasts an hour is not a slow request, and neither is one that the
// standby answered.
func TestLatency_LooksAtRequestsOfTheActivePool(t *testing.T) {
	s := newSim(t, func(c *Config) { c.LatencyP95 = 100 * time.Millisecond })
	socket, other := rec(blue, 101), rec(green, 200)
	socket.Duration, other.Duration = time.Hour, time.Minute
	s.ok(100)
	for range 30 {
		s.ok(5).send(2, socket).send(1, other)
	}
	if len(s.all) != 0 {
		t.Errorf("posted %q", s.said())
	}
}

// What is usual is not learned from what is slow, and small figures do not count.
func TestLatency_Baseline(t *testing.T) {
	took := func(d time.Duration) logstream.Record {
		r := rec(blue, 200)
		r.Duration = d
		return r
	}
	s := newSim(t, func(c *Config) { c.LatencyFactor, c.MaxAge = 3, 0 })
	s.send(1000, took(2*time.Millisecond)).send(200, took(8*time.Millisecond))
	if len(s.all) != 0 || s.d.lat.limit != 22*time.Millisecond {
		t.Fatalf("limit %v, posted %q", s.d.lat.limit, s.said())
	}
	s.send(5000, took(50*time.Millisecond))
	if s.d.Phase(Latency) != Fires || s.d.lat.limit != 22*time.Millisecond {
		t.Errorf("%s, limit %v: it got used to slowness", s.d.Phase(Latency), s.d.lat.limit)
	}
}
