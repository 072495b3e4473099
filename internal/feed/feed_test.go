package feed

import (
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
	"bgctl/internal/tui"
)

// noon is when the tests happen.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

func newFeed() *Feed {
	return New(Config{Alert: alert.DefaultConfig(), Now: noon})
}

// served is a request that pool answered after the given earlier attempts.
func served(pool bluegreen.Pool, status int, failed ...bluegreen.Pool) logstream.Record {
	rec := logstream.Record{Time: noon().Add(-time.Second), Path: "/", Status: status, Served: pool, Active: bluegreen.Blue, Duration: 10 * time.Millisecond}
	for _, p := range failed {
		rec.Attempts = append(rec.Attempts, logstream.Attempt{Pool: p, Status: 502})
	}
	rec.Attempts = append(rec.Attempts, logstream.Attempt{Pool: pool, Status: status})
	return rec
}

func TestTake_CountsRequestsAndAttempts(t *testing.T) {
	f := newFeed()
	probe := served(bluegreen.Blue, 200)
	probe.Path = "/healthz"
	f.add(logstream.Batch{Records: []logstream.Record{
		served(bluegreen.Blue, 200), served(bluegreen.Blue, 500), served(bluegreen.Green, 200, bluegreen.Blue), probe,
	}, Counts: logstream.Counts{Lines: 4, Parsed: 4}})
	s := f.Take()
	blue, green := s.Pools[0], s.Pools[1]
	if blue.N != 2 || green.N != 1 || s.Window.N != 3 || len(s.Cells) != 3 || len(s.Rows) != 4 {
		t.Errorf("blue %d, green %d, window %+v, %d cells, %d rows", blue.N, green.N, s.Window, len(s.Cells), len(s.Rows))
	}
	// Two of blue's three attempts failed, although users saw one error.
	if blue.ErrRate < 66 || blue.ErrRate > 67 || s.Window.Errors != 1 {
		t.Errorf("blue fails %.1f %%, the window has %d errors", blue.ErrRate, s.Window.Errors)
	}
	if s.Cells[2] != tui.CellRetried && s.Cells[2] != tui.CellOther {
		t.Errorf("cells %v", s.Cells)
	}
	if again := f.Take(); len(again.Rows) != 0 || again.Counts.Lines != 4 {
		t.Errorf("taken twice: %d rows, %d lines", len(again.Rows), again.Counts.Lines)
	}
}

func TestTake_SaysHowManyRowsItDropped(t *testing.T) {
	f := newFeed()
	rows := make([]logstream.Record, rowBuffer+7)
	for i := range rows {
		rows[i] = served(bluegreen.Blue, 200)
	}
	f.add(logstream.Batch{Records: rows})
	if s := f.Take(); len(s.Rows) != rowBuffer || s.DroppedRows != 7 || s.Window.N != 200 {
		t.Errorf("%d rows, %d dropped, window %d", len(s.Rows), s.DroppedRows, s.Window.N)
	}
	if s := f.Take(); s.DroppedRows != 0 {
		t.Errorf("the same rows were dropped twice: %d", s.DroppedRows)
	}
}

func TestEvent_ReadsTheWatchersLines(t *testing.T) {
	f := newFeed()
	for _, line := range []string{
		`{"kind":"alert","id":"failover-1","type":"failover","status":"firing"}`,
		`{"kind":"delivery","event":"failover-1","state":"sent"}`,
		`{"kind":"notice","text":"x"}`, `warning: plain text`, ``,
	} {
		f.event([]byte(line))
	}
	f.add(logstream.Batch{})
	s := f.Take()
	if len(s.Events) != 1 || s.Events[0].ID != "failover-1" || len(s.Deliveries) != 1 || s.Deliveries[0].State != alert.Sent {
		t.Errorf("%+v %+v", s.Events, s.Deliveries)
	}
}
