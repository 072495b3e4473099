package slack

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/alert"
)

// shelf is where a test keeps a webhook.
type shelf struct {
	mu   sync.Mutex
	hook Webhook
	err  error
}

func (s *shelf) put(t *testing.T, raw, problem string) {
	t.Helper()
	hook, err := ParseWebhook(raw, HTTPSOnly)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook, s.err = hook, nil
	if problem != "" {
		s.err = errors.New(problem)
	}
}

func (s *shelf) load() (Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hook, s.err
}

// A webhook that cannot be read stops neither the queue nor the watcher: it is said
// once, the messages wait, and go out when it can be read.
func TestStored_WaitsForItsWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, r := &shelf{}, &fakeReceiver{stand: okay}
		place.put(t, "", "SLACK_WEBHOOK_URL: file is empty")
		stored := NewStored("slack", place.load, func(Webhook) Receiver { return r })
		q, j, _ := startQueue(t, stored, filepath.Join(t.TempDir(), "q.json"))
		q.Put(event(alert.AllDown, 1, alert.Firing))
		time.Sleep(2 * time.Minute)
		if h := q.Health(); h.Broken != "SLACK_WEBHOOK_URL: file is empty" || h.Pending != 1 || len(r.seen()) != 0 {
			t.Errorf("health %+v, sent %d", h, len(r.seen()))
		}
		if said := j.noticed(); len(said) != 1 || !strings.Contains(said[0], "file is empty") {
			t.Errorf("said %q", said)
		}
		place.put(t, "https://hooks.slack.com"+secretPath, "")
		time.Sleep(2 * storedProbe)
		if h := q.Health(); h.Broken != "" || h.Pending != 0 || h.Sent != 1 || len(r.seen()) != 1 {
			t.Errorf("health %+v, sent %d", h, len(r.seen()))
		}
		if said := j.noticed(); len(said) != 2 || leaked(strings.Join(said, "\n")) != "" {
			t.Errorf("said %q", said)
		}
	})
}

// Without a message to send it is known as well, and a new webhook is tried at once.
func TestStored_TakesUpAnotherWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := &shelf{}
		place.put(t, "https://hooks.slack.com/services/T/B/old", "")
		old, next := &fakeReceiver{stand: Outcome{Action: Broken, Wait: revokedProbe, Reason: "HTTP 403"}}, &fakeReceiver{stand: okay}
		stored := NewStored("slack", place.load, func(h Webhook) Receiver {
			if strings.HasSuffix(h.reveal().Path, "old") {
				return old
			}
			return next
		})
		q, _, _ := startQueue(t, stored, "")
		q.Put(event(alert.AllDown, 1, alert.Firing))
		time.Sleep(time.Minute)
		if h := q.Health(); h.Broken == "" || len(old.seen()) != 1 {
			t.Fatalf("health %+v, tried %d times", h, len(old.seen()))
		}
		place.put(t, "https://hooks.slack.com/services/T/B/next", "")
		time.Sleep(2 * storedProbe)
		if h := q.Health(); h.Broken != "" || h.Sent != 1 || len(next.seen()) != 1 {
			t.Errorf("health %+v, sent %d", h, len(next.seen()))
		}
		place.put(t, "", "")
		time.Sleep(2 * storedProbe)
		if h := q.Health(); h.Broken == "" {
			t.Errorf("health %+v without a webhook", h)
		}
	})
}
