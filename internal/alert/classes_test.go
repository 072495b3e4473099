package alert

import (
	"fmt"
	"testing"
	"time"

	"bgctl/internal/logstream"
)

func TestWindow_CountsByBasisAndClass(t *testing.T) {
	gone := func(took time.Duration) logstream.Record {
		r := rec(blue, 0)
		r.Status, r.Served, r.Duration = 499, 0, took
		return r
	}
	type counts struct{ errors, client, attempts, saved, gone int }
	tests := []struct {
		name   string
		rec    logstream.Record
		change func(*Config)
		want   counts
	}{
		{"answered", rec(blue, 200), nil, counts{}},
		{"5xx", rec(blue, 503), nil, counts{1, 1, 1, 0, 0}},
		{"5xx by attempt", rec(blue, 503), func(c *Config) { c.Basis = ByAttempt }, counts{1, 1, 1, 0, 0}},
		{"saved, by client", rec(blue, 502, 200), nil, counts{0, 0, 1, 1, 0}},
		{"saved, by attempt", rec(blue, 502, 200), func(c *Config) { c.Basis = ByAttempt }, counts{1, 0, 1, 1, 0}},
		{"saved, by either", rec(blue, 502, 200), func(c *Config) { c.Basis = ByEither }, counts{1, 0, 1, 1, 0}},
		{"nginx's own 502", noUpstream(), nil, counts{1, 1, 1, 0, 0}},
		{"error of the proxy, by attempt", logstream.Record{Status: 500, Attempts: rec(blue, 200).Attempts}, func(c *Config) { c.Basis = ByAttempt }, counts{0, 1, 0, 0, 0}},
		{"the same by either", logstream.Record{Status: 500, Attempts: rec(blue, 200).Attempts}, func(c *Config) { c.Basis = ByEither }, counts{1, 1, 0, 0, 0}},
		{"404", rec(blue, 404), nil, counts{}},
		{"404 with 4xx", rec(blue, 404), func(c *Config) { c.Classes = Class4xx5xx }, counts{1, 1, 1, 0, 0}},
		{"429", rec(blue, 429), nil, counts{}},
		{"429 when asked for", rec(blue, 429), func(c *Config) { c.Classes = Class5xx429 }, counts{1, 1, 1, 0, 0}},
		{"404 when 429 is asked for", rec(blue, 404), func(c *Config) { c.Classes = Class5xx429 }, counts{}},
		{"499", gone(5 * time.Second), nil, counts{0, 0, 0, 0, 1}},
		{"499 after long", gone(time.Second), func(c *Config) { c.Count499Slower = time.Second }, counts{1, 1, 0, 0, 1}},
		{"499 after a moment", gone(999 * time.Millisecond), func(c *Config) { c.Count499Slower = time.Second }, counts{0, 0, 0, 0, 1}},
		{"499 with 4xx, as the kit counts", gone(0), func(c *Config) { c.Classes = Class4xx5xx }, counts{1, 1, 0, 0, 1}},
		{"499 after a failed attempt", logstream.Record{Status: 499, Attempts: rec(blue, 502, 0).Attempts}, nil, counts{0, 0, 1, 0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSim(t, tt.change)
			s.ok(1).send(1, tt.rec)
			w := s.d.Window()
			if got := (counts{w.Errors, w.ClientErrors, w.AttemptErrors, w.Saved, w.ClientGone}); got != tt.want || w.N != 2 {
				t.Errorf("got %+v of %d, want %+v of 2", got, w.N, tt.want)
			}
			if got, want := w.Rate, 50*float64(tt.want.errors); got != want {
				t.Errorf("rate %v, want %v", got, want)
			}
			s.ok(200)
			if w := s.d.Window(); w.Errors+w.ClientErrors+w.AttemptErrors+w.Saved+w.ClientGone != 0 {
				t.Errorf("left behind in the window: %+v", w)
			}
		})
	}
}

func TestWindow_LeavesOutWhatNginxAnswersUnlessAsked(t *testing.T) {
	for want, counted := range map[int]bool{0: false, 3: true} {
		s := newSim(t, func(c *Config) { c.NotProxied = counted })
		s.send(3, logstream.Record{Status: 404})
		if n := s.d.Window().N; n != want {
			t.Errorf("NotProxied %v: %d requests in the window, want %d", counted, n, want)
		}
	}
}

// Both numbers stand in every message about the rate, whichever decides.
func TestErrorRate_SaysBothNumbers(t *testing.T) {
	for basis, want := range map[Basis]string{
		ByClient:  "error rate 4.5 % of the last 110 requests (5; 15 with a failed attempt), threshold 2 %",
		ByAttempt: "error rate 4.7 % of the last 107 requests (5; 0 failed for the client), threshold 2 %",
		ByEither:  "error rate 4.7 % of the last 107 requests (5; 0 failed for the client), threshold 2 %",
	} {
		s := newSim(t, func(c *Config) { c.Basis = basis })
		s.ok(100).send(2, rec(blue, 503, 200)).ok(2).send(8, rec(blue, 503, 200)).ok(3).send(5, rec(blue, 500))
		e := s.first(ErrorRate, Firing)
		if basis == ByClient {
			want = fmt.Sprintf("error rate %.1f %% of the last 120 requests (5; 15 with a failed attempt), threshold 2 %%", 500.0/120)
		}
		if e.Summary != want {
			t.Errorf("by %s: %q, want %q", basis, e.Summary, want)
		}
	}
}

func TestParseBasis(t *testing.T) {
	for text, want := range map[string]Basis{"client": ByClient, " Attempt ": ByAttempt, "either": ByEither, "": "", "both": ""} {
		if got, err := ParseBasis(text); got != want || (err == nil) != (want != "") {
			t.Errorf("ParseBasis(%q) = %q, %v", text, got, err)
		}
	}
}
