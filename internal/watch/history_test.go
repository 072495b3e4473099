package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bgctl/internal/alert"
)

func note(i int) alert.Event {
	return alert.Event{
		ID: fmt.Sprintf("notice-%d", i), Type: alert.Notice, Status: alert.Info,
		Time: time.Date(2026, 3, 3, 12, 0, i, 0, time.UTC), Summary: strings.Repeat("x", 100),
	}
}

func TestHistory_IsBoundedAndReadable(t *testing.T) {
	path := filepath.Join(t.TempDir(), HistoryFile)
	h := openHistory(path, func(s string) { t.Error(s) })
	h.limit = 4 << 10
	for i := range 100 {
		h.add(note(i))
	}
	h.close()
	for _, p := range []string{path, path + ".1"} {
		if info, err := os.Stat(p); err != nil || info.Size() > h.limit {
			t.Errorf("%s: %v, %v", filepath.Base(p), info, err)
		}
	}
	all, err := History(path, time.Time{}, 0)
	if err != nil || len(all) < 10 || all[len(all)-1].ID != "notice-99" {
		t.Fatalf("%d events, %v", len(all), err)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Time.Sub(all[i-1].Time) != time.Second {
			t.Errorf("a gap before %s", all[i].ID)
		}
	}
	if got, _ := History(path, time.Time{}, 3); len(got) != 3 || got[0].ID != "notice-97" {
		t.Errorf("last three: %v", got)
	}
	if got, _ := History(path, note(98).Time, 0); len(got) != 2 {
		t.Errorf("since: %v", got)
	}
	if got, err := History(filepath.Join(t.TempDir(), "none"), time.Time{}, 0); err != nil || got != nil {
		t.Errorf("no file: %v, %v", got, err)
	}
}

func TestHistory_SurvivesATornLineAndAReplay(t *testing.T) {
	path := filepath.Join(t.TempDir(), HistoryFile)
	h := openHistory(path, func(s string) { t.Error(s) })
	h.add(note(1))
	h.close()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.WriteString(`{"kind":"alert","id":"noti`)
	_ = f.Close()
	h = openHistory(path, func(s string) { t.Error(s) })
	h.add(note(1)) // read again after a crash
	h.add(note(2))
	h.close()
	got, err := History(path, time.Time{}, 0)
	if err != nil || len(got) != 2 || got[1].ID != "notice-2" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestMaintenanceUntil(t *testing.T) {
	path := filepath.Join(t.TempDir(), MaintenanceFile)
	now := time.Now().Truncate(time.Second)
	tests := map[string]struct {
		text string
		age  time.Duration
		want time.Duration // from now; 0: off
	}{
		"empty":          {"", 0, time.Hour},
		"empty and old":  {"", 2 * time.Hour, 0},
		"duration":       {"30m\n", 10 * time.Minute, 20 * time.Minute},
		"duration over":  {"5m", 10 * time.Minute, 0},
		"time":           {now.Add(3 * time.Hour).Format(time.RFC3339), 0, 3 * time.Hour},
		"time over":      {now.Add(-time.Second).Format(time.RFC3339), 0, 0},
		"not understood": {"yes please", 0, time.Hour},
		"negative":       {"-5m", 0, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, now, now.Add(-tt.age)); err != nil {
				t.Fatal(err)
			}
			got := MaintenanceUntil(path, now)
			if tt.want == 0 != got.IsZero() || (tt.want != 0 && !got.Equal(now.Add(tt.want))) {
				t.Errorf("got %v", got)
			}
		})
	}
	dir := filepath.Dir(path)
	if err := WriteMaintenance(dir, now.Add(time.Hour)); err != nil || !MaintenanceUntil(path, now).Equal(now.Add(time.Hour)) {
		t.Errorf("writing: %v", err)
	}
	for range 2 {
		if err := WriteMaintenance(dir, time.Time{}); err != nil || !MaintenanceUntil(path, now).IsZero() {
			t.Errorf("ending: %v", err)
		}
	}
}
