package watch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
)

// attending returns a change of the configuration whose detector takes every
// acknowledgement.
func attending(c *Config) {
	det := c.Detector.(keeper[fakeDetector]).Detector.(*fakeDetector)
	c.Acknowledge = func(a alert.Ack) []alert.Event {
		det.Seq++
		return []alert.Event{{ID: "acknowledged-" + a.By, Time: a.At, Type: alert.Acked, Status: alert.Info, Ack: &a}}
	}
}

// attended is who looks after the error rate, as the state on disk has it.
func attended(t *testing.T, dir string) *alert.Ack {
	t.Helper()
	st, err := LoadState(dir)
	if err != nil || len(st.Alerts) != 1 {
		t.Fatalf("the state has %+v, %v", st.Alerts, err)
	}
	return st.Alerts[0].Ack
}

func TestRun_AnAcknowledgementIsTakenUpOnceAndSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, attending)
		b.feed(record(500))
		time.Sleep(2 * time.Second)
		st, _ := LoadState(dir)
		r := AckRequest{Ack: alert.Ack{Type: alert.ErrorRate, By: "ana", At: time.Now(), Until: time.Now().Add(time.Hour)}, Since: Began(&st.Alerts[0])}
		if err := WriteAck(dir, r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if a := attended(t, dir); a == nil || a.By != "ana" || !a.At.Equal(r.At) {
			t.Fatalf("the state says %+v", a)
		}
		_ = b.stop()
		n := start(t, dir, attending)
		time.Sleep(5 * time.Second)
		if a := attended(t, dir); a == nil || a.By != "ana" {
			t.Errorf("after a restart the state says %+v", a)
		}
		told := strings.Count(b.out.String()+n.out.String(), `"id":"acknowledged-ana"`)
		if told != 1 {
			t.Errorf("told %d times:\n%s%s", told, b.out.String(), n.out.String())
		}
		r.By, r.At, r.Until = "ben", time.Now(), time.Time{}
		if err := WriteAck(dir, r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if a := attended(t, dir); a != nil {
			t.Errorf("taken back, and the state says %+v", a)
		}
		if n := strings.Count(n.out.String(), `"id":"acknowledged-ben"`); n != 1 {
			t.Errorf("the end is told %d times", n)
		}
	})
}

func TestRun_AnAcknowledgementOfAnEarlierAlertIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, attending)
		b.feed(record(500))
		time.Sleep(2 * time.Second)
		st, _ := LoadState(dir)
		r := AckRequest{Ack: alert.Ack{Type: alert.ErrorRate, By: "ana", At: time.Now(), Until: time.Now().Add(time.Hour)}, Since: Began(&st.Alerts[0])}
		b.feed(record(200))
		time.Sleep(time.Second)
		b.feed(record(500))
		if err := WriteAck(dir, r); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		over := r
		over.Since = time.Now()
		for _, text := range []string{`{"type":"error_rate","until":"20`, "", `{}`} {
			if err := os.WriteFile(filepath.Join(dir, "ack-error_rate"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		st, _ = LoadState(dir)
		over.Since, over.Until = Began(&st.Alerts[0]), time.Now().Add(-time.Second)
		if err := WriteAck(dir, over); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if a := attended(t, dir); a != nil || strings.Contains(b.out.String(), "acknowledged") {
			t.Errorf("it was taken up: %+v", a)
		}
	})
}

func TestRun_AnAlertThatIsToldAgainStaysAcknowledged(t *testing.T) {
	w := &watcher{firing: map[alert.Type]alert.Event{}}
	since := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	ev := alert.Event{ID: "error_rate-1", Type: alert.ErrorRate, Status: alert.Firing, Since: since}
	w.fires(&ev)
	w.acked(&alert.Ack{Type: alert.ErrorRate, By: "ana", Until: since.Add(time.Hour)})
	w.acked(&alert.Ack{Type: alert.Failover, By: "ana", Until: since.Add(time.Hour)})
	ev.ID = "error_rate-2"
	w.fires(&ev)
	if got := w.firing[alert.ErrorRate]; got.ID != "error_rate-2" || got.Ack == nil || got.Ack.By != "ana" || len(w.firing) != 1 {
		t.Errorf("got %+v", w.firing)
	}
	ev.Since = since.Add(time.Minute)
	w.fires(&ev)
	if got := w.firing[alert.ErrorRate]; got.Ack != nil {
		t.Errorf("the next alert is acknowledged: %+v", got.Ack)
	}
	if data, err := json.Marshal(w.firing[alert.ErrorRate]); err != nil || strings.Contains(string(data), "ack") {
		t.Errorf("%s, %v", data, err)
	}
}

func TestWriteAck_WantsAWatchersDirectory(t *testing.T) {
	if err := WriteAck(filepath.Join(t.TempDir(), "none"), AckRequest{}); err == nil {
		t.Error("a directory without a watcher was taken")
	}
}
