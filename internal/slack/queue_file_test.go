package slack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
)

func TestQueue_OverflowGivesUpResolvedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: down}
		q, j, _ := startQueue(t, r, filepath.Join(t.TempDir(), "q.json"))
		q.Put(event(alert.AllDown, 1, alert.Firing))
		q.Put(event(alert.ErrorRate, 2, alert.Resolved))
		for i := range 150 {
			ev := event(alert.Notice, i, alert.Info)
			ev.Cause = strings.Repeat("x", 64<<10)
			q.Put(ev)
		}
		if h := q.Health(); h.Pending > 101 || h.Lost < 50 {
			t.Errorf("health %+v", h)
		}
		if s := j.states("all_down-1"); strings.Contains(s, "dropped") {
			t.Errorf("the firing alert was given up: %s", s)
		}
		if s := j.states("error_rate-2"); !strings.HasSuffix(s, "dropped") {
			t.Errorf("the resolved pair was kept: %s", s)
		}
		data, err := readAll(q.cfg.Path)
		if err != nil || len(data) > maxQueueSize+64<<10 {
			t.Errorf("queue file has %d bytes, %v", len(data), err)
		}
	})
}

func TestS15_StopsWithin5SecondsAndKeepsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.json")
		r := &fakeReceiver{stand: okay, took: time.Hour}
		q, _, stop := startQueue(t, r, path)
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		q.Put(event(alert.Failover, 1, alert.Firing))
		time.Sleep(time.Second)
		begin := time.Now()
		stop()
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("stopping took %v", took)
		}
		next := &fakeReceiver{stand: okay}
		_, _, _ = startQueue(t, next, path)
		time.Sleep(10 * time.Minute)
		got := next.seen()
		if len(got) != 2 {
			t.Fatalf("%d messages after the restart, want 2", len(got))
		}
		for _, s := range got {
			if want := s.item.Event.Type == alert.ErrorRate; s.item.Meta.Duplicate != want {
				t.Errorf("%s: duplicate %v, want %v", s.item.Event.ID, s.item.Meta.Duplicate, want)
			}
		}
	})
}

func TestQueue_LetsARunningAttemptEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.json")
		r := &fakeReceiver{stand: okay, took: 2 * time.Second}
		q, j, stop := startQueue(t, r, path)
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(time.Second)
		stop()
		if s := j.states("error_rate-1"); s != "queued sent" {
			t.Errorf("reports: %s", s)
		}
		if h := OpenQueue(QueueConfig{Receiver: r, Path: path}).Health(); h.Pending != 0 {
			t.Errorf("%d entries left", h.Pending)
		}
	})
}

func TestS10_KilledWhileSendingSendsAgainAsDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.json")
		q := OpenQueue(QueueConfig{Receiver: &fakeReceiver{}, Path: path})
		ev := event(alert.ErrorRate, 1, alert.Firing)
		q.Put(ev)
		_, _ = q.take() // and the process dies here

		r := &fakeReceiver{stand: okay}
		again, j, _ := startQueue(t, r, path)
		again.Put(ev) // the log is replayed from the last cursor
		time.Sleep(time.Minute)
		got := r.seen()
		if len(got) != 1 || !got[0].item.Meta.Duplicate {
			t.Fatalf("got %+v", got)
		}
		again.Put(ev)
		time.Sleep(time.Minute)
		if len(r.seen()) != 1 || j.states(ev.ID) != "sent" {
			t.Errorf("a replayed event was sent again: %s", j.states(ev.ID))
		}
		ev.Time = ev.Time.Add(time.Second) // same number after a lost state file
		again.Put(ev)
		time.Sleep(time.Minute)
		if len(r.seen()) != 2 {
			t.Error("a new event with an old number was swallowed")
		}
	})
}

func TestS11_QuarantinesADamagedFile(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "truncated": `{"version":1,"entries":[{"key":"a"`, "garbage": "\x00\x01\x02",
		"other version": `{"version":99,"entries":[]}`, "null entry": `{"version":1,"entries":[null]}`,
		"array": "[]", "too long": strings.Repeat(" ", maxQueueFile+1),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "q.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var notices []string
			r := &fakeReceiver{stand: okay}
			q := OpenQueue(QueueConfig{Receiver: r, Path: path, Notice: func(s string) { notices = append(notices, s) }})
			if len(notices) != 1 || !strings.Contains(notices[0], ".corrupt") {
				t.Errorf("notices %q", notices)
			}
			if kept, err := readAll(path + ".corrupt"); err != nil || kept != text {
				t.Errorf("the damaged file is not kept: %v", err)
			}
			q.Put(event(alert.ErrorRate, 1, alert.Firing))
			if !q.Flush() {
				t.Error("the queue file was not written")
			}
			if st, err := loadState(path); err != nil || len(st.Entries) != 1 {
				t.Errorf("the new file holds %+v, %v", st, err)
			}
		})
	}
}

func TestQueue_GoesOnWithoutADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := &fakeReceiver{stand: okay}
		q, j, _ := startQueue(t, r, filepath.Join(dir, "gone", "q.json"))
		for i := range 120 {
			q.Put(event(alert.ErrorRate, i, alert.Firing))
			time.Sleep(2 * time.Second)
		}
		if n := len(r.seen()); n != 120 {
			t.Errorf("%d messages, want 120", n)
		}
		if n := len(j.noticed()); n < 3 || n > 5 { // once a minute
			t.Errorf("%d notices in four minutes", n)
		}
		if err := os.Mkdir(filepath.Join(dir, "gone"), 0o700); err != nil {
			t.Fatal(err)
		}
		q.Put(event(alert.ErrorRate, 999, alert.Firing))
		time.Sleep(2 * time.Second)
		if _, err := loadState(q.cfg.Path); err != nil {
			t.Errorf("the disk is back and unused: %v", err)
		}
	})
}

func TestQueue_ClockStepCannotMuteForHours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.json")
	gate := time.Now().Add(72 * time.Hour).UTC().Format(time.RFC3339)
	text := `{"version":1,"entries":[{"key":"error_rate","event":{"id":"error_rate-1","type":"error_rate"}}],"gate":"` + gate + `"}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	q := OpenQueue(QueueConfig{Receiver: &fakeReceiver{}, Path: path})
	if wait, _ := q.pause(); wait > time.Hour {
		t.Errorf("the gate holds for %v", wait)
	}
}
