package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"bgctl/internal/slack"
)

// LeaseFile is the file in the state directory that attaches a receiver for the
// time of a drill. See [Lease].
const LeaseFile = "drill-receiver.json"

// DrillReceiver is the name under which such a receiver appears in delivery
// reports and in /healthz.
const DrillReceiver = "drill"

// The pace of leases. Whoever holds one renews it well before it ends.
const (
	MaxLease   = 30 * time.Second
	leaseEvery = 250 * time.Millisecond
	maxLease   = 1 << 10 // bytes of the file
)

// Lease attaches a receiver to a running watcher until a moment that is never far
// away: a holder that dies is forgotten when it has passed. Only an address on the
// watcher's own loopback is accepted, so that a file cannot send alerts elsewhere.
type Lease struct {
	URL   string    `json:"url"` // http://127.0.0.1:port/…
	Until time.Time `json:"until"`
}

// ErrLease says that a lease is not acceptable.
var ErrLease = errors.New("lease is not acceptable")

// WriteLease attaches the lease's receiver to the watcher of a state directory, or
// renews it.
func WriteLease(dir string, l Lease) error {
	if err := l.check(time.Now()); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode the lease: %w", err)
	}
	return slack.WriteFileAtomic(filepath.Join(dir, LeaseFile), data)
}

// EndLease takes the receiver away again. Without one it does nothing.
func EndLease(dir string) error {
	if err := os.Remove(filepath.Join(dir, LeaseFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// check reports what is wrong with a lease.
func (l *Lease) check(now time.Time) error {
	u, err := url.Parse(l.URL)
	if err != nil || u.Scheme != "http" {
		return fmt.Errorf("%w: want an http URL", ErrLease)
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%w: the receiver must be on the loopback address", ErrLease)
	}
	if l.Until.After(now.Add(MaxLease)) {
		return fmt.Errorf("%w: it must end within %s", ErrLease, MaxLease)
	}
	return nil
}

// readLease returns the lease in a file. Without one, and after its end, it is the
// zero Lease; a file that has ended or is no lease is removed.
func readLease(path string, now time.Time) (Lease, error) {
	f, err := os.Open(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return Lease{}, nil
	}
	if err != nil {
		return Lease{}, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxLease))
	if err != nil {
		return Lease{}, err
	}
	var l Lease
	if err = json.Unmarshal(data, &l); err == nil {
		err = l.check(now)
	}
	if err == nil && l.Until.After(now) {
		return l, nil
	}
	return Lease{}, errors.Join(err, os.Remove(path))
}

// drillSlack is a Slack receiver under the drill's name.
type drillSlack struct{ *slack.Slack }

// Name implements [slack.Receiver].
func (drillSlack) Name() string { return DrillReceiver }

// followLease attaches and detaches the receiver of a drill until ctx ends. Its
// queue has no file: what is undelivered at the end of a drill concerns nobody.
func (w *watcher) followLease(ctx context.Context) {
	path := filepath.Join(w.cfg.StateDir, LeaseFile)
	ticker := time.NewTicker(leaseEvery)
	defer ticker.Stop()
	for attached := ""; ; {
		select {
		case <-ctx.Done():
			return // the caller detaches every receiver
		case now := <-ticker.C:
			l, err := readLease(path, now)
			if err != nil {
				w.out.notice("a drill's receiver is not attached: " + err.Error())
			}
			if l.URL != attached {
				w.lease(ctx, attached, l)
				attached = l.URL
			}
		}
	}
}

// lease replaces the receiver of a drill, "" and the zero lease meaning none.
func (w *watcher) lease(ctx context.Context, old string, l Lease) {
	if old != "" {
		w.detach(DrillReceiver)
		w.out.notice("a drill's receiver was detached")
	}
	if l.URL == "" {
		return
	}
	hook, err := slack.ParseWebhook(l.URL, slack.AllowHTTP)
	if err != nil {
		w.out.notice("a drill's receiver is not attached: " + err.Error())
		return
	}
	w.attach(ctx, drillSlack{slack.NewSlack(slack.NewClient(hook, slack.Options{UserAgent: "bgctl-drill"}))}, "")
	w.out.notice("a drill's receiver is attached")
}
