package logstream_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"bgctl/internal/logstream"
	"bgctl/internal/logstream/logstreamtest"
)

// TestRemoteSource_F19_SkipsForwardWhenTooFarBehind at its start, and after a connection
// that was away for long: the server does it, and tells how many lines it passed over.
func TestRemoteSource_F19_SkipsForwardWhenTooFarBehind(t *testing.T) {
	t.Parallel()
	r := &agentRig{fileRig: newFileRig(t), t: t}
	var away sync.Mutex
	src := logstream.NewRemoteSource(logstream.RemoteConfig{
		Dial: func(ctx context.Context) (io.ReadWriteCloser, error) {
			away.Lock()
			defer away.Unlock()
			return r.dial(ctx)
		},
		Start: logstream.AtCursor(logstream.Cursor{}).Within(100), MinWait: 5 * time.Millisecond,
	})
	r.Write(t, accessLog(1100))
	batches := make(chan logstream.Batch, 100)
	go func() {
		_ = src.Run(t.Context(), func(b logstream.Batch) error { batches <- b; return nil })
	}()
	records := 0
	until := func(lines, skipped uint64) {
		t.Helper()
		for b := range batches {
			records += len(b.Records)
			if c := b.Counts; c.Lines >= lines {
				if c.Lines != lines || c.Skipped != skipped || c.Gaps != 0 || records != int(lines) {
					t.Fatalf("%d records, counts %+v, want %d lines and %d skipped", records, c, lines, skipped)
				}
				return
			}
		}
	}
	until(100, 1000)
	away.Lock()
	r.Sever(t)
	r.Write(t, accessLog(400))
	away.Unlock()
	until(200, 1300)
	r.Write(t, accessLog(150)) // it follows: whatever comes at once is read
	until(350, 1300)
}

// TestContainerSource_F19_LeavesABacklogToTheEngine: it asks for the last lines only, and
// says that lines may be missing when they do not reach back to the cursor.
func TestContainerSource_F19_LeavesABacklogToTheEngine(t *testing.T) {
	t.Parallel()
	for missed, gaps := range map[int]uint64{90: 0, 110: 1} {
		e := newFakeEngine()
		var first logstream.Cursor
		followEngine(t, e, func(_ *testing.T, r *outputRun) {
			r.write("/a", "/b")
			first = r.cursor
		})
		for i := range missed {
			e.write(logstreamtest.Line(fmt.Sprintf("/%d", i)))
		}
		followFrom(t, e, logstream.AtCursor(first).Within(100), func(t *testing.T, r *outputRun) {
			if want := min(missed, 100); len(r.got) != want || r.got[want-1] != fmt.Sprintf("/%d", missed-1) {
				t.Errorf("%d lines missed: %d came: %.60q", missed, len(r.got), r.got)
			}
			if r.counts.Gaps != gaps {
				t.Errorf("%d lines missed: %d gaps, want %d", missed, r.counts.Gaps, gaps)
			}
			r.write("/z")
			if r.got[len(r.got)-1] != "/z" {
				t.Errorf("got %.60q", r.got)
			}
		})
	}
}
