package slack

import (
	"context"
	"fmt"
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

func readAll(path string) (string, error) {
	data, err := os.ReadFile(path)
	return string(data), err
}

// sending is one attempt a fake receiver saw.
type sending struct {
	at   time.Time
	item Item
}

// fakeReceiver answers as its script says, then with its standing answer.
type fakeReceiver struct {
	mu     sync.Mutex
	script []Outcome
	stand  Outcome
	took   time.Duration // how long one attempt lasts
	got    []sending
}

func (f *fakeReceiver) Name() string { return "slack" }

func (f *fakeReceiver) Send(ctx context.Context, item Item) Outcome {
	f.mu.Lock()
	out := f.stand
	if len(f.script) > 0 {
		out, f.script = f.script[0], f.script[1:]
	}
	f.got = append(f.got, sending{time.Now(), item})
	took := f.took
	f.mu.Unlock()
	select {
	case <-time.After(took):
		return out
	case <-ctx.Done():
		return Outcome{Action: Retry, Reason: "stopped while sending", MaybeSent: true}
	}
}

func (f *fakeReceiver) set(out Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stand = out
}

func (f *fakeReceiver) seen() []sending {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

var (
	okay = Outcome{Action: Delivered}
	down = Outcome{Action: Retry, Reason: "HTTP 503"}
)

// journal collects what a queue reports.
type journal struct {
	mu      sync.Mutex
	reports []alert.Delivery
	notices []string
}

func (j *journal) states(event string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []string
	for _, d := range j.reports {
		if d.Event == event {
			out = append(out, string(d.State))
		}
	}
	return strings.Join(out, " ")
}

// end follows the reports about an event to the message that told it, which must be
// the one about last, and returns where that stands.
func (j *journal) end(event, last string) alert.DeliveryState {
	j.mu.Lock()
	defer j.mu.Unlock()
	for range len(j.reports) {
		var state alert.DeliveryState
		var reason string
		for _, d := range j.reports {
			if d.Event == event {
				state, reason = d.State, d.Reason
			}
		}
		next, ok := strings.CutPrefix(reason, "told together with ")
		if !ok {
			if event != last {
				return "told as " + alert.DeliveryState(event)
			}
			return state
		}
		event = next
	}
	return "a circle"
}

func (j *journal) noticed() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.notices)
}

// startQueue opens a queue and runs it until the test ends.
func startQueue(t *testing.T, r Receiver, path string) (*Queue, *journal, func()) {
	t.Helper()
	j := &journal{}
	q := OpenQueue(QueueConfig{
		Receiver: r, Path: path, Meta: Meta{Host: "h", Project: "p"},
		Report: func(d alert.Delivery) { j.mu.Lock(); defer j.mu.Unlock(); j.reports = append(j.reports, d) },
		Notice: func(s string) { j.mu.Lock(); defer j.mu.Unlock(); j.notices = append(j.notices, s) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); q.Run(ctx) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return q, j, stop
}

func event(typ alert.Type, seq int, status alert.Status) alert.Event {
	return alert.Event{
		ID: fmt.Sprintf("%s-%d", typ, seq), Time: time.Now(), Type: typ, Status: status,
		Summary: fmt.Sprintf("%s number %d", typ, seq),
	}
}

func TestQueue_DeliversAtMostOnePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: okay}
		q, j, _ := startQueue(t, r, filepath.Join(t.TempDir(), "q.json"))
		for i, typ := range []alert.Type{alert.ErrorRate, alert.Failover, alert.Switch, alert.AllDown} {
			q.Put(event(typ, i, alert.Firing))
		}
		time.Sleep(10 * time.Second)
		got := r.seen()
		if len(got) != 4 {
			t.Fatalf("%d messages, want 4", len(got))
		}
		for i := 1; i < len(got); i++ {
			if gap := got[i].at.Sub(got[i-1].at); gap < time.Second {
				t.Errorf("gap of %v", gap)
			}
		}
		if s := j.states("failover-1"); s != "queued sent" {
			t.Errorf("reports: %s", s)
		}
		if h := q.Health(); h.Pending != 0 || h.Sent != 4 || h.Broken != "" {
			t.Errorf("health %+v", h)
		}
	})
}

func TestS9_OutageOf30MinutesWith50Transitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: down}
		q, j, _ := startQueue(t, r, filepath.Join(t.TempDir(), "q.json"))
		var last [2]alert.Event
		var first [2]time.Time
		for i := range 50 {
			k := i % 2
			typ := []alert.Type{alert.ErrorRate, alert.Failover}[k]
			status := []alert.Status{alert.Firing, alert.Resolved}[(i/2)%2]
			last[k] = event(typ, i, status)
			if first[k].IsZero() {
				first[k] = last[k].Time
			}
			q.Put(last[k])
			time.Sleep(36 * time.Second)
		}
		if len(r.seen()) > 40 {
			t.Errorf("%d attempts during the outage", len(r.seen()))
		}
		before := len(r.seen())
		r.set(okay)
		time.Sleep(10 * time.Minute)
		got := r.seen()[before:]
		if len(got) != 2 {
			t.Fatalf("%d messages after the outage, want one per type", len(got))
		}
		for _, s := range got {
			k := slices.IndexFunc(last[:], func(e alert.Event) bool { return e.Type == s.item.Event.Type })
			if s.item.Event.ID != last[k].ID || s.item.Event.Status != last[k].Status {
				t.Errorf("told %s %s, real is %s %s", s.item.Event.ID, s.item.Event.Status, last[k].ID, last[k].Status)
			}
			if s.item.Event.Status == alert.Resolved && !s.item.Meta.FirstFired.Equal(first[k]) {
				t.Errorf("first fired %v, want %v", s.item.Meta.FirstFired, first[k])
			}
			if s.item.Meta.Merged != 25 || s.item.Meta.Delay < 10*time.Second {
				t.Errorf("meta %+v", s.item.Meta)
			}
		}
		if gap := got[1].at.Sub(got[0].at); gap < time.Second {
			t.Errorf("gap of %v", gap)
		}
		// Nothing is lost: whatever was not told by itself was told with a newer one.
		if h := q.Health(); h.Lost != 0 || h.Pending != 0 {
			t.Errorf("health %+v", h)
		}
		for i := range 50 {
			typ := []alert.Type{alert.ErrorRate, alert.Failover}[i%2]
			id := fmt.Sprintf("%s-%d", typ, i)
			if end := j.end(id, last[i%2].ID); end != alert.Sent {
				t.Errorf("%s ended as %q", id, end)
			}
		}
		if s := j.states("error_rate-0"); !strings.HasPrefix(s, "queued retrying") || !strings.HasSuffix(s, "muted") {
			t.Errorf("reports of a superseded event: %s", s)
		}
	})
}

func TestQueue_CollapsesFiredAndRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{script: []Outcome{down}, stand: okay}
		q, _, _ := startQueue(t, r, "")
		fired := event(alert.ErrorRate, 1, alert.Firing)
		q.Put(fired)
		synctest.Wait()
		q.Put(event(alert.ErrorRate, 2, alert.Resolved))
		time.Sleep(5 * time.Second)
		got := r.seen()
		if len(got) != 2 || got[1].item.Event.Status != alert.Resolved || !got[1].item.Meta.FirstFired.Equal(fired.Time) {
			t.Fatalf("got %+v", got)
		}
		text := lead(got[1].item.Event, got[1].item.Meta)
		if !strings.Contains(text, "Fired") || strings.Contains(text, "Stands for") {
			t.Errorf("text: %s", text)
		}
	})
}

func TestQueue_SendsRecoveryOfADeliveredAlertAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: okay, took: 3 * time.Second}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(time.Second)
		q.Put(event(alert.ErrorRate, 2, alert.Resolved)) // while the first is in flight
		time.Sleep(20 * time.Second)
		got := r.seen()
		if len(got) != 2 || got[0].item.Event.Status != alert.Firing || got[1].item.Event.Status != alert.Resolved {
			t.Fatalf("got %+v", got)
		}
		if !got[1].item.Meta.FirstFired.IsZero() || got[1].item.Meta.Merged != 1 {
			t.Errorf("meta %+v", got[1].item.Meta)
		}
	})
}

func TestQueue_FailureInFlightMergesWithTheNewerState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{script: []Outcome{{Action: Retry, Reason: "timed out", MaybeSent: true}}, stand: okay, took: 3 * time.Second}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.Failover, 1, alert.Firing))
		time.Sleep(time.Second)
		q.Put(event(alert.Failover, 2, alert.Resolved))
		time.Sleep(time.Minute)
		got := r.seen()
		if len(got) != 2 || got[1].item.Event.ID != "failover-2" || !got[1].item.Meta.Duplicate {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestQueue_ThrottleGatesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{script: []Outcome{{Action: Throttled, Wait: 30 * time.Second}}, stand: okay}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		synctest.Wait()
		q.Put(event(alert.AllDown, 1, alert.Firing))
		time.Sleep(29 * time.Second)
		if n := len(r.seen()); n != 1 {
			t.Fatalf("%d attempts within the gate", n)
		}
		time.Sleep(5 * time.Second)
		if n := len(r.seen()); n != 3 {
			t.Errorf("%d attempts after the gate, want 3", n)
		}
	})
}

func TestQueue_ThrottleWithoutTimeBacksOffFromAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: Outcome{Action: Throttled}}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(10 * time.Hour)
		got := r.seen()
		want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}
		for i, w := range want {
			if gap := got[i+1].at.Sub(got[i].at); gap != w*time.Minute {
				t.Errorf("pause %d is %v, want %d min", i, gap, w)
			}
		}
	})
}

func TestQueue_RetriesWithGrowingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: down}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(2 * time.Hour)
		got := r.seen()
		for i := 1; i < len(got); i++ {
			base := doubled(time.Second, i-1, 5*time.Minute)
			gap := got[i].at.Sub(got[i-1].at)
			if gap < max(base/2, time.Second) || gap > min(base*3/2, 5*time.Minute)+time.Second {
				t.Errorf("pause %d is %v, base %v", i, gap, base)
			}
		}
		if len(got) < 25 {
			t.Errorf("only %d attempts in two hours", len(got))
		}
	})
}

func TestQueue_RejectedFallsBackToPlainTextOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := Outcome{Action: Rejected, Reason: "HTTP 400 invalid_blocks"}
		r := &fakeReceiver{script: []Outcome{bad, bad}, stand: okay}
		q, j, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		time.Sleep(time.Minute)
		q.Put(event(alert.Failover, 1, alert.Firing))
		time.Sleep(time.Minute)
		got := r.seen()
		if len(got) != 3 || got[0].item.Plain || !got[1].item.Plain || got[2].item.Plain {
			t.Fatalf("got %+v", got)
		}
		if got[2].item.Meta.Lost != 1 {
			t.Errorf("the next message tells of %d lost", got[2].item.Meta.Lost)
		}
		if s := j.states("error_rate-1"); s != "queued retrying dropped" {
			t.Errorf("reports: %s", s)
		}
		if h := q.Health(); h.Lost != 1 || h.Pending != 0 {
			t.Errorf("health %+v", h)
		}
	})
}

func TestQueue_BrokenWebhookIsProbedAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: Outcome{Action: Broken, Wait: 15 * time.Minute, Reason: "HTTP 404 no_service"}}
		q, _, _ := startQueue(t, r, "")
		q.Put(event(alert.ErrorRate, 1, alert.Firing))
		for i := range 60 {
			time.Sleep(time.Minute)
			q.Put(event(alert.Failover, i, alert.Firing))
		}
		time.Sleep(30 * time.Second)
		if n := len(r.seen()); n != 5 { // at 0, 15, 30, 45 and 60 minutes
			t.Errorf("%d probes in an hour", n)
		}
		if h := q.Health(); h.Broken != "HTTP 404 no_service" || h.Pending != 2 || h.Until.IsZero() {
			t.Errorf("health %+v", h)
		}
		r.set(okay)
		time.Sleep(20 * time.Minute)
		if h := q.Health(); h.Broken != "" || h.Pending != 0 || h.Sent != 2 {
			t.Errorf("health after repair %+v", h)
		}
	})
}

func TestQueue_MutedIsReportedAndNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &fakeReceiver{stand: okay}
		q, j, _ := startQueue(t, r, "")
		ev := event(alert.ErrorRate, 1, alert.Firing)
		ev.Muted = "maintenance"
		q.Put(ev)
		time.Sleep(time.Minute)
		if len(r.seen()) != 0 || j.states("error_rate-1") != "muted" {
			t.Errorf("%d sent, reports %s", len(r.seen()), j.states("error_rate-1"))
		}
	})
}
