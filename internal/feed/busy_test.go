package feed

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"bgctl/internal/logstream"
)

// logLines are n lines of the proxy's log, spread over the second that begins at t.
func logLines(t time.Time, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		at := t.Add(time.Duration(i) * time.Second / time.Duration(n))
		fmt.Fprintf(&b, `{"msec":"%d.%03d","remote_addr":"172.18.0.1","request":"GET /cart?n=%d HTTP/1.1","status":"200","upstream_status":"200",`+
			`"upstream_addr":"10.0.0.2:3000","request_time":"0.012","upstream_response_time":"0.010","pool":"blue","release":"v1","active":"blue",`+
			`"request_id":"%08x","bytes_sent":"123","upstream_pool":"blue"}`+"\n", at.Unix(), at.Nanosecond()/1e6, i, i)
	}
	return b.Bytes()
}

// 50,000 lines a second, ten looks a second: the counts are exact, and every row that
// is not shown is told of.
func TestFeed_FiftyThousandLinesASecondAreCountedExactly(t *testing.T) {
	const perSecond, seconds = 50_000, 2
	clock, mu := noon(), sync.Mutex{}
	f := newFeed()
	f.cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	stop, looked := make(chan struct{}), make(chan [2]uint64, 1)
	go func() {
		var shown, dropped uint64
		look := func() {
			s := f.Take()
			shown, dropped = shown+uint64(len(s.Rows)), dropped+s.DroppedRows
		}
		for {
			select {
			case <-stop:
				look()
				looked <- [2]uint64{shown, dropped}
				return
			case <-time.After(100 * time.Millisecond):
				look()
			}
		}
	}()
	for i := range seconds {
		lines := logLines(noon().Add(time.Duration(i)*time.Second), perSecond)
		err := logstream.Read(t.Context(), bytes.NewReader(lines), f.addrs, func(b logstream.Batch) error { f.add(b); return nil })
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		clock = clock.Add(time.Second)
		mu.Unlock()
	}
	close(stop)
	got := <-looked
	if got[0]+got[1] != perSecond*seconds || got[1] == 0 {
		t.Errorf("%d rows shown and %d told of as dropped, want %d together", got[0], got[1], perSecond*seconds)
	}
	mu.Lock()
	clock = clock.Add(time.Second)
	mu.Unlock()
	if n := f.stats.Snapshot(clock, time.Minute).Pools[1].N; n != perSecond*seconds {
		t.Errorf("the statistics know %d requests, want %d", n, perSecond*seconds)
	}
	if w := f.detector.Window(); w.N != 200 {
		t.Errorf("the window holds %d", w.N)
	}
}

// BenchmarkSecond is a second of 5,000 requests: parsed, counted, and looked at ten
// times. What it takes of a second is what the feed takes of a core.
func BenchmarkSecond(b *testing.B) {
	clock := noon()
	f := newFeed()
	f.cfg.Now = func() time.Time { return clock }
	var lines [10][]byte
	for i := range lines {
		lines[i] = logLines(noon(), 500)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range lines {
			_ = logstream.Read(b.Context(), bytes.NewReader(lines[i]), f.addrs, func(batch logstream.Batch) error { f.add(batch); return nil })
			f.Take()
		}
	}
}
