package alert

import (
	"encoding/json"
	"strings"
	"testing"
)

// A query may hold tokens and passwords: it must be in no event, and in no snapshot.
func TestDetector_QueriesStayInTheLog(t *testing.T) {
	s := newSim(t, nil)
	s.ok(60)
	bad := rec(s.active, 502)
	bad.Path = "/login?token=s3cr3t&password=s3cr3t"
	s.every(2, 100, bad)
	ev := s.last(ErrorRate, Firing)
	if ev.First == nil || ev.First.Path != "/login?token=…&password=…" || ev.Last.Path != ev.First.Path {
		t.Errorf("first %+v, last %+v", ev.First, ev.Last)
	}
	for name, v := range map[string]any{"events": s.all, "state": s.d.State()} {
		data, err := json.Marshal(v)
		if err != nil || !strings.Contains(string(data), "/login?token") || strings.Contains(string(data), "s3cr3t") {
			t.Errorf("%s: error %v, %s", name, err, data)
		}
	}
}

// What an older version stored is hidden when it is read.
func TestSample_OldFilesShowNoQuery(t *testing.T) {
	var ev Event
	if err := json.Unmarshal([]byte(`{"id":"x-1","first":{"method":"GET","path":"/a?token=s3cr3t"}}`), &ev); err != nil {
		t.Fatal(err)
	}
	if ev.First.Path != "/a?token=…" || ev.First.Method != "GET" {
		t.Errorf("got %+v", ev.First)
	}
}
