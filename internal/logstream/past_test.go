package logstream

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// pastNoon is when the newest line was written.
func pastNoon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// pastLines are lines from one second to another before noon, per of them a second.
func pastLines(from, to, per int) []byte {
	var b bytes.Buffer
	for s := from; s > to; s-- {
		for i := range per {
			at := pastNoon().Add(-time.Duration(s)*time.Second + time.Duration(i)*time.Millisecond)
			fmt.Fprintf(&b, `{"msec":"%d.%03d","request":"GET /%d HTTP/1.1","status":"200","upstream_status":"200","upstream_addr":"10.0.0.2:3000","request_time":"0.012"}`+"\n",
				at.Unix(), at.Nanosecond()/1e6, s)
		}
	}
	return b.Bytes()
}

// readPast returns the age of the oldest line, and how many there are.
func readPast(t *testing.T, path string, span time.Duration, limit int64) (oldest time.Duration, n int, whole bool) {
	t.Helper()
	p, err := OpenPast(path, pastNoon().Add(-span), limit)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	var last time.Time
	err = Read(t.Context(), p, nil, func(b Batch) error {
		if b.Counts.Bad > 0 {
			t.Fatalf("a line was cut: %+v", b.Counts)
		}
		for i := range b.Records {
			at := b.Records[i].Time
			if n == 0 {
				oldest = pastNoon().Sub(at)
			}
			if at.Before(last) {
				t.Fatalf("%s comes after %s", at, last)
			}
			last = at
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return oldest, n, p.Whole
}

func TestOpenPast_ReadsTheSpanAcrossRotatedFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	for i, part := range [][]byte{pastLines(600, 0, 3), pastLines(1800, 600, 3), pastLines(7200, 1800, 3)} {
		name := path
		if i > 0 {
			name = fmt.Sprintf("%s.%d", path, i)
		}
		if err := os.WriteFile(name, part, 0o600); err != nil {
			t.Fatal(err)
		}
		old := pastNoon().Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		span      time.Duration
		limit     int64
		low, high time.Duration // of the oldest line
		whole     bool
	}{
		{time.Minute, 1 << 30, time.Minute, 10 * time.Minute, true},
		{20 * time.Minute, 1 << 30, 20 * time.Minute, 25 * time.Minute, true},
		{time.Hour, 1 << 30, time.Hour, 65 * time.Minute, true},
		{3 * time.Hour, 1 << 30, 2 * time.Hour, 2 * time.Hour, false},
		{time.Hour, 100 << 10, 3 * time.Minute, 5 * time.Minute, false},
	} {
		oldest, n, whole := readPast(t, path, tt.span, tt.limit)
		if oldest < tt.low || oldest > tt.high || whole != tt.whole || n == 0 || float64(n) < 3*oldest.Seconds()-3 {
			t.Errorf("%s within %d bytes: the oldest of %d lines is %s old, whole %v", tt.span, tt.limit, n, oldest, whole)
		}
	}
}

func TestOpenPast_TakesWhatThereIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if _, err := OpenPast(path, pastNoon(), 1<<20); err == nil {
		t.Error("a log that is not there was opened")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, n, whole := readPast(t, path, time.Hour, 1<<20); n != 0 || whole {
		t.Errorf("an empty log has %d lines, whole %v", n, whole)
	}
	// What is old is left out, but for the few lines beside the place.
	if err := os.WriteFile(path, pastLines(7200, 3700, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, n, _ := readPast(t, path, time.Minute, 1<<30); n > 1000 {
		t.Errorf("%d lines are read of a log in which nothing is new", n)
	}
}
