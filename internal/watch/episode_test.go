package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

func TestRun_AResolvedEventSumsUpItsEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		b := start(t, dir, nil)
		b.feed(record(200), record(200), record(500), record(502))
		b.feed(record(500))
		time.Sleep(90 * time.Second)
		if err := b.stop(); err != nil { // sums survive a restart
			t.Fatal(err)
		}
		b = start(t, dir, nil)
		b.feed(record(503))
		b.feed(record(200))
		time.Sleep(5 * time.Second)
		sent := b.recv.sent
		if len(sent) != 1 || sent[0].Event.Episode == nil {
			t.Fatalf("sent %+v", sent)
		}
		got := sent[0].Event.Episode
		if got.Requests != 5 || got.Failed != 4 || got.Peak != 12.5 || got.Lasted < 89 || got.Lasted > 92 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestTally_TellsFailedFromSaved(t *testing.T) {
	retried := []logstream.Attempt{{Pool: bluegreen.Blue, Status: 502}, {Pool: bluegreen.Green, Status: 200}}
	var got tally
	for _, rec := range []logstream.Record{
		record(200), record(404), record(503),
		{Status: 200, Attempts: retried},
		{Status: 502, Attempts: retried},
		{Status: 499, Attempts: retried},
		{Status: 200}, // answered by the proxy itself
	} {
		got.add(&rec)
	}
	if want := (tally{Requests: 6, Failed: 2, Saved: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
