package watch

import (
	"errors"
	"testing"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
)

func TestState_FiringFindsWhatIsMeant(t *testing.T) {
	since := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	event := func(id string, typ alert.Type, since time.Time) alert.Event {
		return alert.Event{ID: id, Type: typ, Status: alert.Firing, Since: since, Time: since}
	}
	rate, fail := event("error_rate-9", alert.ErrorRate, since), event("failover-4", alert.Failover, since)
	earlier, before := event("error_rate-7", alert.ErrorRate, since), event("error_rate-3", alert.ErrorRate, since.Add(-time.Hour))
	st := State{Alerts: []alert.Event{rate, fail}}
	past := func() ([]Entry, error) { return []Entry{{Event: &before}, {Event: &earlier}, {Event: &rate}}, nil }
	for name, want := range map[string]struct {
		ids     string
		refused bool
		usage   string
	}{
		"":             {ids: "error_rate-9 failover-4"},
		"error_rate":   {ids: "error_rate-9"},
		"failover-4":   {ids: "failover-4"},
		"error_rate-7": {ids: "error_rate-9"}, // a reminder has another number
		"error_rate-3": {refused: true},
		"latency":      {refused: true},
		"latency-3":    {refused: true},
		"nonsense":     {usage: "unknown"},
	} {
		got, err := st.Firing(name, past)
		ids := ""
		for i := range got {
			if ids += " "; ids == " " {
				ids = ""
			}
			ids += got[i].ID
		}
		if ids != want.ids || errors.Is(err, bluegreen.ErrRefused) != want.refused || (err != nil) != (want.refused || want.usage != "") {
			t.Errorf("%q: %q, %v", name, ids, err)
		}
	}
	if _, err := (&State{}).Firing("", past); !errors.Is(err, bluegreen.ErrRefused) {
		t.Errorf("nothing fires: %v", err)
	}
	broken := errors.New("disk")
	if _, err := st.Firing("error_rate-1", func() ([]Entry, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("a history that cannot be read: %v", err)
	}
}
