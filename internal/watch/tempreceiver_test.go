package watch

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/slack"
)

func TestLease_ReachesARealReceiverAndEnds(t *testing.T) {
	standIn := slack.NewStandIn()
	srv := httptest.NewServer(standIn)
	defer srv.Close()
	dir := t.TempDir()
	b := start(t, dir, func(c *Config) { c.Receivers = nil })
	waitFor(t, "the state directory", func() bool { _, err := os.Stat(filepath.Join(dir, lockFile)); return err == nil })
	if err := WriteLease(dir, Lease{URL: srv.URL + "/services/drill", Until: time.Now().Add(MaxLease)}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the receiver", func() bool { return strings.Contains(b.out.String(), "receiver is attached") })
	b.src.batches <- logstream.Batch{Records: []logstream.Record{record(500)}}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	got, err := standIn.Wait(ctx, 1)
	if err != nil || !strings.Contains(string(got[0].Body), "error_rate-1") {
		t.Fatalf("received %v, %v", got, err)
	}
	waitFor(t, "the report", func() bool { return strings.Contains(b.out.String(), `"receiver":"drill","state":"sent"`) })
	if err := EndLease(dir); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end", func() bool { return strings.Contains(b.out.String(), "was detached") })
	b.src.batches <- logstream.Batch{Records: []logstream.Record{record(200)}}
	waitFor(t, "the second event", func() bool { return strings.Contains(b.out.String(), "error_rate-2") })
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if n := len(standIn.All()); n != 1 {
		t.Errorf("%d messages after the lease had ended", n)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "queue-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := EndLease(dir); err != nil {
		t.Errorf("ending what has ended: %v", err)
	}
}

func TestLease_OfAHolderThatDiedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, func(c *Config) { c.Receivers = nil })
		synctest.Wait()
		if err := WriteLease(dir, Lease{URL: "http://127.0.0.1:1/x", Until: time.Now().Add(10 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if !strings.Contains(b.out.String(), "is attached") || strings.Contains(b.out.String(), "detached") {
			t.Fatalf("before its end: %s", b.out.String())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !strings.Contains(b.out.String(), "was detached") {
			t.Errorf("after its end: %s", b.out.String())
		}
		if _, err := os.Stat(filepath.Join(dir, LeaseFile)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
	})
}

func TestLease_RefusesWhatWouldSendAlertsElsewhereOrForLong(t *testing.T) {
	now := time.Now()
	for name, l := range map[string]Lease{
		"another host": {URL: "http://192.0.2.1/x", Until: now},
		"a name":       {URL: "http://localhost:9/x", Until: now},
		"https":        {URL: "https://127.0.0.1/x", Until: now},
		"no URL":       {URL: "", Until: now},
		"for an hour":  {URL: "http://127.0.0.1/x", Until: now.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := WriteLease(dir, l); !errors.Is(err, ErrLease) {
				t.Errorf("written: %v", err)
			}
			path := filepath.Join(dir, LeaseFile)
			data, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := readLease(path, now); !errors.Is(err, ErrLease) || got.URL != "" {
				t.Errorf("read %+v, %v", got, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Error("the file was left")
			}
		})
	}
}

// waitFor polls real time: the test has a real connection in it.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
