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

func note(i int) *alert.Event {
	return &alert.Event{
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
	all, err := ReadHistory(filepath.Dir(path))
	if err != nil || len(all) < 10 || all[len(all)-1].ID() != "notice-99" {
		t.Fatalf("%d entries, %v", len(all), err)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Time().Sub(all[i-1].Time()) != time.Second {
			t.Errorf("a gap before %s", all[i].ID())
		}
	}
	if got, err := ReadHistory(filepath.Join(t.TempDir(), "none")); err != nil || got != nil {
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
	h.delivery(&alert.Delivery{Event: "notice-2", Receiver: "slack", State: alert.Sent, Time: time.Now()})
	h.sync()
	h.close()
	got, err := ReadHistory(filepath.Dir(path))
	if err != nil || len(got) != 3 || got[1].ID() != "notice-2" || got[2].Delivery == nil || got[2].ID() != "notice-2" {
		t.Errorf("got %v, %v", got, err)
	}
}
