package logstream_test

import (
	"fmt"
	"testing"
	"time"

	"bgctl/internal/logstream"
)

// TestContainerSource_D6_RepeatsFromBeforeTheCursor: an engine that rotates its log just
// after the reader was started again repeats lines that only the earlier reader had.
func TestContainerSource_D6_RepeatsFromBeforeTheCursor(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	var cursor logstream.Cursor
	followEngine(t, e, func(_ *testing.T, r *outputRun) {
		for i := range 50 {
			r.write(fmt.Sprintf("/old/%d", i))
		}
		cursor = r.cursor
	})
	followFrom(t, e, logstream.AtCursor(cursor), func(t *testing.T, r *outputRun) {
		r.write("/a", "/b", "/c")
		for range 3 {
			e.change(func() { e.moved++ })
			wait(time.Second)
		}
		r.write("/d")
		r.want(t, "/a", "/b", "/c", "/d")
		if r.counts.Gaps != 0 {
			t.Errorf("counts %+v", r.counts)
		}
	})
}

// TestContainerSource_D6_TheClockIsSetBack: lines whose time lies before the cursor are news
// when the engine's clock was set back.
func TestContainerSource_D6_TheClockIsSetBack(t *testing.T) {
	t.Parallel()
	e := newFakeEngine()
	var cursor logstream.Cursor
	followEngine(t, e, func(_ *testing.T, r *outputRun) {
		r.write("/old")
		cursor = r.cursor
	})
	followFrom(t, e, logstream.AtCursor(cursor), func(t *testing.T, r *outputRun) {
		want := []string{}
		for i := range 5000 {
			want = append(want, fmt.Sprintf("/%d", i))
		}
		r.write(want...)
		e.change(func() { e.clock -= int64(time.Hour) })
		r.write("/back")
		r.want(t, append(want, "/back")...)
	})
}
