package watch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
)

func TestReadMaintenance(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, MaintenanceFile)
	now := time.Now().Truncate(time.Second)
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339) }
	tests := map[string]struct {
		text  string
		age   time.Duration
		want  time.Duration // from now; 0: off
		scope alert.Scope
	}{
		"empty":          {"", 0, time.Hour, alert.ScopePools},
		"empty and old":  {"", 2 * time.Hour, 0, ""},
		"duration":       {"30m\n", 10 * time.Minute, 20 * time.Minute, alert.ScopePools},
		"duration over":  {"5m", 10 * time.Minute, 0, ""},
		"time":           {at(3 * time.Hour), 0, 3 * time.Hour, alert.ScopePools},
		"time over":      {at(-time.Second), 0, 0, ""},
		"not understood": {"yes please", 0, time.Hour, alert.ScopePools},
		"negative":       {"-5m", 0, time.Hour, alert.ScopePools},
		"object":         {`{"until":"` + at(time.Minute) + `","scope":"all","reason":"x","by":"y"}`, 0, time.Minute, alert.ScopeAll},
		"unknown scope":  {`{"until":"` + at(time.Minute) + `","scope":"world"}`, 0, time.Minute, alert.ScopePools},
		"ended":          {`{"until":"0001-01-01T00:00:00Z","ended":"` + at(0) + `"}`, 0, 0, ""},
		"far future":     {`{"until":"9999-01-01T00:00:00Z"}`, 0, MaxMaintenance, alert.ScopePools},
		"torn object":    {`{"until":"20`, 0, time.Hour, alert.ScopePools},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, now, now.Add(-tt.age)); err != nil {
				t.Fatal(err)
			}
			got := ReadMaintenance(dir, now)
			switch {
			case tt.want == 0:
				if got != nil {
					t.Errorf("got %+v, want none", got)
				}
			case got == nil || !got.Until.Equal(now.Add(tt.want)) || got.Scope != tt.scope:
				t.Errorf("got %+v, want %v from now, scope %s", got, tt.want, tt.scope)
			}
		})
	}
}

func TestWriteMaintenance_ComesBackAndEnds(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	m := Maintenance{Until: now.Add(time.Hour), Since: now, Scope: alert.ScopeAll, Reason: "disk swap", By: "jo@web-1"}
	if err := WriteMaintenance(dir, m); err != nil {
		t.Fatal(err)
	}
	got := ReadMaintenance(dir, now)
	if got == nil || !got.Until.Equal(m.Until) || got.Scope != m.Scope || got.Reason != m.Reason || got.By != m.By {
		t.Errorf("got %+v", got)
	}
	for range 2 {
		if err := EndMaintenance(dir, now); err != nil || ReadMaintenance(dir, now) != nil {
			t.Errorf("ending: %v", err)
		}
	}
	if err := WriteMaintenance(filepath.Join(dir, "none"), m); err == nil {
		t.Error("a directory without a watcher was taken")
	}
}

func TestParseMode(t *testing.T) {
	since := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"true": time.Hour, "1": time.Hour, "30m": 30 * time.Minute, " 2h ": 2 * time.Hour, "2026-03-03T15:00:00Z": 3 * time.Hour,
	} {
		if got, err := ParseMode(value, since); err != nil || !got.Equal(since.Add(want)) {
			t.Errorf("%q: got %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "false", "0"} {
		if got, err := ParseMode(value, since); err != nil || !got.IsZero() {
			t.Errorf("%q: got %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"on", "-5m", "400h", "tomorrow"} {
		if _, err := ParseMode(value, since); err == nil || !strings.Contains(err.Error(), "30m") {
			t.Errorf("%q: got %v, want an error that says what to write", value, err)
		}
	}
}

// orders are the maintenances that a detector was told.
type orders struct {
	mu   sync.Mutex
	list []Maintenance
}

func (o *orders) all() []Maintenance {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list)
}

// muted reports whether the last order was to mute.
func (o *orders) muted() bool {
	list := o.all()
	return len(list) > 0 && !list[len(list)-1].Until.IsZero()
}

// muting returns a change of the configuration whose detector mutes as it is told.
func (o *orders) muting(c *Config) {
	det := c.Detector.(keeper[fakeDetector]).Detector.(*fakeDetector)
	c.SetMaintenance = func(m Maintenance) []alert.Event {
		det.muted = !m.Until.IsZero()
		o.mu.Lock()
		defer o.mu.Unlock()
		o.list = append(o.list, m)
		return nil
	}
}

func TestRun_MaintenanceFileTogglesAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var o orders
		b := start(t, dir, o.muting)
		synctest.Wait()
		m := Maintenance{Until: time.Now().Add(10 * time.Minute), Scope: alert.ScopeAll, By: "jo@web-1", Reason: "disk swap"}
		if err := WriteMaintenance(dir, m); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		b.feed(record(500))
		time.Sleep(5 * time.Second)
		if b.recv.ids() != "" || !strings.Contains(b.out.String(), `"state":"muted"`) {
			t.Errorf("sent %q in maintenance; output %s", b.recv.ids(), b.out.String())
		}
		time.Sleep(11 * time.Minute) // it expires by itself
		b.feed(record(200))
		time.Sleep(5 * time.Second)
		if b.recv.ids() != "error_rate-2" {
			t.Errorf("sent %q after the end", b.recv.ids())
		}
		for _, text := range []string{"all messages are muted, by jo@web-1, because: disk swap", "maintenance ended"} {
			if n := strings.Count(b.out.String(), text); n != 1 {
				t.Errorf("%q said %d times", text, n)
			}
		}
		if told := o.all(); len(told) != 2 || told[0].Scope != alert.ScopeAll || !told[1].Until.IsZero() {
			t.Errorf("the detector was told %+v", told)
		}
	})
}

func TestRun_MaintenanceModeIsBoundedAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		run := func(mode string, lasts time.Duration) (muted []bool, told []Maintenance) {
			var o orders
			b := start(t, dir, func(c *Config) { o.muting(c); c.MaintenanceMode = mode })
			for end := time.Now().Add(lasts); time.Now().Before(end); {
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				muted = append(muted, o.muted())
			}
			if err := b.stop(); err != nil {
				t.Error(err)
			}
			return muted, o.all()
		}
		if muted, _ := run("true", 30*time.Minute); !muted[0] || !muted[5] {
			t.Errorf("first half hour: %v", muted)
		}
		muted, told := run("true", 35*time.Minute) // the clock goes on where it stood
		if len(told) != 1 || !told[0].Until.IsZero() || muted[len(muted)-1] {
			t.Errorf("second run: muted %v, told %+v", muted, told)
		}
		if _, told := run("true", 5*time.Minute); len(told) != 0 {
			t.Errorf("a third start with the old value began it again: %+v", told)
		}
		if _, told := run("20m", 25*time.Minute); len(told) != 2 {
			t.Errorf("a new value is a new maintenance: %+v", told)
		}
		if _, told := run("false", 5*time.Minute); len(told) != 0 {
			t.Errorf("off: %+v", told)
		}
		if muted, _ := run("true", 5*time.Minute); !muted[0] {
			t.Error("on again after off did not begin")
		}
	})
}

func TestRun_MaintenanceOffEndsThatOfTheEnvironment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var o orders
		start(t, dir, func(c *Config) { o.muting(c); c.MaintenanceMode = "true" })
		time.Sleep(10 * time.Second)
		if !o.muted() {
			t.Fatal("MAINTENANCE_MODE does not mute")
		}
		if err := EndMaintenance(dir, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if o.muted() || len(o.all()) != 2 {
			t.Errorf("still muted; told %+v", o.all())
		}
	})
}
