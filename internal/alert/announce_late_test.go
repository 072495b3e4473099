package alert

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// quick makes an error rate recover with the first good lines, so that a few
// seconds hold several episodes.
func quick(c *Config) { c.Hold, c.GoodLines, c.MaxAge = 0, 0, 0 }

// episode fires and recovers once.
func (s *sim) episode() *sim { return s.send(6, rec(blue, 500)).ok(300) }

func TestCooldown_TellsAnEpisodeItMutedInOneMessage(t *testing.T) {
	s := newSim(t, quick)
	s.ok(200).episode().idle(5*time.Minute + time.Second) // fired, and recovered late
	s.episode().idle(5*time.Minute + time.Second)
	want := []string{"error_rate firing", "error_rate resolved deferred", "error_rate resolved deferred"}
	if diff := cmp.Diff(want, s.said()); diff != "" {
		t.Fatalf("posted (-want +got):\n%s", diff)
	}
	e := s.last(ErrorRate, Resolved)
	if e.Flips != 2 || !strings.HasPrefix(e.Summary, "fired 12:05:") || !strings.Contains(e.Summary, ", recovered 12:05:") {
		t.Errorf("flips %d, summary %q", e.Flips, e.Summary)
	}
}

func TestCooldown_TellsADigestOfManyChanges(t *testing.T) {
	s := newSim(t, quick)
	s.ok(200).send(6, rec(blue, 500)).ok(300).episode().episode().send(6, rec(blue, 500)).idle(6 * time.Minute)
	e := s.all[len(s.all)-1]
	if e.Status != Firing || e.Flips != 6 || !strings.HasPrefix(e.Summary, "flapped 6× in ") || !strings.Contains(e.Summary, "now firing · error rate") {
		t.Errorf("%s, flips %d, summary %q", e.Status, e.Flips, e.Summary)
	}
}

func TestCooldown_SaysNothingWhenAllIsAsItWasSaid(t *testing.T) {
	s := newSim(t, quick)
	s.ok(200).send(6, rec(blue, 500)).ok(300).send(6, rec(blue, 500)).idle(time.Hour)
	if want := []string{"error_rate firing"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

// An alert that went through maintenance unsaid is not told afterwards, however
// often it changed.
func TestMaintenance_TellsNothingOfWhatWasAndIsOver(t *testing.T) {
	s := newSim(t, quick)
	s.d.SetMaintenance(ScopeAll, time.Time{})
	s.ok(200).episode().episode().episode()
	s.d.SetMaintenance(ScopeNone, time.Time{})
	s.idle(10 * time.Minute)
	if want := []string{"maintenance info", "maintenance info"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

func TestMaintenance_SumsUpAtItsEnd(t *testing.T) {
	s := newSim(t, nil)
	s.d.SetMaintenance(ScopePools, time.Time{})
	s.ok(100).send(3, rec(blue, 502, 200)).send(20, rec(green, 200))
	s.d.SetMaintenance(ScopeNone, time.Time{})
	s.idle(time.Second)
	e := s.last(Upkeep, Info)
	if e.Summary != "maintenance ended: active=blue, error rate 0.0 %" || e.Cause != "still firing: failover" {
		t.Errorf("summary %q, cause %q", e.Summary, e.Cause)
	}
}

// The bound of a maintenance of the environment begins with the first start and
// survives those that follow.
func TestMaintenance_KeepsItsEndAcrossARestart(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Maintenance = Maintenance{Scope: ScopeAll}
	d := NewDetector(cfg)
	d.Tick(start())
	want := start().Add(DefaultMaintenance)
	later := reborn(t, d)
	events := later.Tick(start().Add(30 * time.Minute))
	if got := later.Maintenance().Until; !got.Equal(want) || len(events) != 0 {
		t.Errorf("ends %v, want %v; said again: %v", got, want, events)
	}
}

func TestRepeat_RemindsToTheSecond(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Repeat = 10 * time.Minute })
	s.ok(100).send(20, rec(blue, 500))
	begin := s.last(ErrorRate, Firing).Time
	s.idle(31 * time.Minute)
	var after []time.Duration
	for _, e := range s.all {
		if e.Repeat > 0 {
			after = append(after, e.Time.Sub(begin).Truncate(time.Minute))
			if !strings.HasPrefix(e.Summary, "still firing after ") || e.Status != Firing || e.Muted != "" {
				t.Errorf("event %+v", e)
			}
		}
	}
	if want := []time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute}; !slices.Equal(after, want) {
		t.Errorf("reminded after %v, want %v", after, want)
	}
	s.d.SetMaintenance(ScopeAll, s.now.Add(25*time.Minute))
	n := len(s.said())
	if s.idle(24 * time.Minute); len(s.said()) != n+1 {
		t.Errorf("maintenance did not mute reminders: %q", s.said()[n:])
	}
	if s.idle(2 * time.Minute); len(s.said()) != n+3 { // its end, and the reminder that is overdue
		t.Errorf("after maintenance: %q", s.said()[n:])
	}
}

func TestRepeat_EndsWithTheAlert(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Repeat = 10 * time.Minute })
	s.ok(100).send(6, rec(blue, 500)).ok(300).flow(2 * time.Minute).idle(time.Hour)
	if want := []string{"error_rate firing", "error_rate resolved deferred"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

func TestOmitResolved_SaysNoEndAndFiresAgain(t *testing.T) {
	s := newSim(t, func(c *Config) { quick(c); c.OmitResolved = true })
	s.ok(200).episode().idle(6 * time.Minute).episode().idle(6 * time.Minute)
	if want := []string{"error_rate firing", "error_rate firing"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

func TestOff_YieldsNoEventOfTheType(t *testing.T) {
	s := newSim(t, func(c *Config) { c.Off = []Type{Failover, AllDown, Upkeep} })
	s.d.SetMaintenance(ScopePools, time.Time{})
	s.ok(100).send(3, rec(blue, 502, 200)).send(20, rec(green, 200)).send(20, noUpstream())
	for _, e := range s.all {
		if e.Type != ErrorRate {
			t.Errorf("event %s", e.ID)
		}
	}
	if s.d.Phase(AllDown) != Inactive || len(s.said()) == 0 {
		t.Errorf("all_down is %s; posted %q", s.d.Phase(AllDown), s.said())
	}
}

// What is as bad as can be breaks the cooldown of its own end, and only once.
func TestEscalation_BreaksTheCooldownOnce(t *testing.T) {
	s := newSim(t, nil)
	s.ok(20).send(5, noUpstream()).ok(20).idle(301 * time.Second) // fired, resolved late
	s.send(5, noUpstream()).ok(20).send(5, noUpstream()).ok(20)
	want := []string{"all_down firing", "all_down resolved deferred", "all_down firing"}
	if !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
	if s.idle(301 * time.Second); len(s.said()) != 4 || s.last(AllDown, Resolved).Flips != 3 {
		t.Errorf("posted %q, flips %d", s.said(), s.last(AllDown, Resolved).Flips)
	}
}

func TestMuteBefore_PostsOnlyWhatIsStillSo(t *testing.T) {
	old := func(s *sim) { // an outage that is over, and errors that are not
		s.ok(100).send(5, noUpstream()).ok(300)
		s.send(10, rec(blue, 500))
	}
	s := newSim(t, nil)
	s.d.MuteBefore(start().Add(10 * time.Minute))
	old(s)
	if len(s.said()) != 0 {
		t.Fatalf("old lines posted %q", s.said())
	}
	s.now = start().Add(10 * time.Minute)
	s.idle(time.Second)
	if want := []string{"error_rate firing deferred"}; !slices.Equal(s.said(), want) {
		t.Errorf("posted %q, want %q", s.said(), want)
	}
}

// At the very first start the lines before it are where things start from; after a
// restart a switch among them is news.
func TestMuteBefore_SwitchIsNewsOnlyAfterARestart(t *testing.T) {
	for restarted, want := range map[bool][]string{false: {}, true: {"switch info deferred"}} {
		s := newSim(t, nil)
		if restarted {
			s.ok(10)
			s.d = reborn(t, s.d)
		}
		s.d.MuteBefore(start().Add(time.Minute))
		s.ok(10)
		s.active = green
		s.ok(10)
		s.now = start().Add(time.Minute)
		s.idle(2 * time.Second)
		if got := s.said(); !slices.Equal(got, want) {
			t.Errorf("restarted %v: posted %q, want %q", restarted, got, want)
		}
		s.active = blue
		if s.ok(10).idle(6 * time.Minute); len(s.said()) != len(want)+1 {
			t.Errorf("restarted %v: switching back posted %q", restarted, s.said())
		}
	}
}

func TestEvents_NameSeverityCauseAndCommand(t *testing.T) {
	for _, c := range replays() {
		records := readLog(t, c.log)
		for _, x := range c.run(t, records, func() bool { return false }) {
			e := &x.event
			if e.Severity == "" || e.Cause == "" || e.Summary == "" || !strings.HasPrefix(e.Command, "bgctl ") {
				t.Errorf("%s: %s: severity %q, cause %q, command %q, summary %q", c.log, e.ID, e.Severity, e.Cause, e.Command, e.Summary)
			}
			if strings.HasPrefix(e.Command, "bgctl switch") && e.Command != "bgctl switch "+e.Active.Other().String() {
				t.Errorf("%s: %s: %q while %s is active", c.log, e.ID, e.Command, e.Active)
			}
			if !slices.Contains(Types(), e.Type) {
				t.Errorf("unknown type %q", e.Type)
			}
		}
	}
}
