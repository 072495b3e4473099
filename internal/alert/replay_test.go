package alert

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/logstream"
)

// Run with -update to write the goldens, and the logs that are not recorded, anew.
var update = flag.Bool("update", false, "write testdata anew")

// replay is one log with what has to be made of it.
type replay struct {
	log    string        // file in testdata without its ending
	name   string        // of the golden, when it is not that of the log
	change func(*Config) // from the default settings
	at     map[int]func(*Detector)
	after  time.Duration // ticks after the last line
}

// replays is the list of what an alert has to make of a log. The numbers are those
// of the list of torture tests; what begins with "recorded" was written by nginx:
// see scripts/record-cases.sh.
func replays() []replay {
	reference := func(c *Config) { *c = ReferenceConfig() }
	minutes := func(n time.Duration) time.Duration { return n * time.Minute }
	return []replay{
		{log: "a01-errors-at-the-start"},
		{log: "a02-at-the-threshold"},
		{log: "a03-around-the-threshold"},
		{log: "a04-traffic-stops", after: minutes(60)},
		{log: "a05-old-errors"},
		{log: "recorded-killed", after: minutes(6)},
		{log: "recorded-error-some", after: minutes(6)},
		{log: "recorded-error-all", after: minutes(6)},
		{log: "recorded-healed", after: minutes(6)},
		{log: "recorded-both-down", after: minutes(6)},
		{log: "a10-posts-fail"},
		{log: "recorded-failing-posts", after: minutes(6)},
		{log: "recorded-paused", after: minutes(6)},
		{log: "recorded-impatient", after: minutes(6)},
		{
			log: "recorded-impatient", name: "recorded-impatient-counted", after: minutes(6),
			change: func(c *Config) { c.Count499Slower = 400 * time.Millisecond },
		},
		{log: "a11-hang-of-some"},
		{log: "a12-round-robin", change: func(c *Config) { c.Active = blue }},
		{log: "a13-scanner"},
		{log: "a13-scanner", name: "a13-scanner-reference", change: reference},
		{log: "a14-there-and-back", name: "a14-maintenance-over-all-of-it", at: map[int]func(*Detector){
			90:  func(d *Detector) { d.SetMaintenance(ScopePools, time.Time{}) },
			790: func(d *Detector) { d.SetMaintenance(ScopeNone, time.Time{}) },
		}},
		{log: "a14-there-and-back", name: "a14-maintenance-ends-early", at: map[int]func(*Detector){
			90:  func(d *Detector) { d.SetMaintenance(ScopePools, time.Time{}) },
			200: func(d *Detector) { d.SetMaintenance(ScopeNone, time.Time{}) },
		}, after: minutes(6)},
		{log: "a14-there-and-back", name: "a14-maintenance-expires", at: map[int]func(*Detector){
			90: func(d *Detector) { d.SetMaintenance(ScopeAll, d.st.Now.Add(20*time.Second)) },
		}, after: minutes(6)},
		{log: "a15-again-within-the-cooldown", after: minutes(6)},
		{log: "a16-two-at-once", after: minutes(6)},
		{log: "a18-clock-steps", after: minutes(6)},
		{log: "recorded-switched", after: minutes(6)},
		{log: "a19-foreign-switch", change: func(c *Config) { c.Active = blue }, after: minutes(6)},
		{log: "a19-foreign-failover", after: minutes(6)},
		{log: "a20-reload-storm"},
		{log: "b01-on-the-backup-from-the-start", after: minutes(6)},
		{log: "b02-no-pool-names", after: minutes(6)},
		{log: "b03-degraded", after: minutes(6)},
		{log: "b04-slower-than-usual", change: func(c *Config) { c.LatencyFactor = 3 }, after: minutes(6)},
		{log: "b06-slow", change: func(c *Config) { c.LatencyP95 = 500 * time.Millisecond }, after: minutes(6)},
		{log: "b05-flapping", change: func(c *Config) { c.Cooldown = 30 * time.Second }, after: minutes(12)},
	}
}

// readLog parses a log of testdata.
func readLog(t *testing.T, name string) []logstream.Record {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".log.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var records []logstream.Record
	parser := logstream.NewParser(nil)
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		var rec logstream.Record
		if err := parser.Parse(lines.Bytes(), &rec); err != nil {
			t.Fatalf("line %d: %v", len(records)+1, err)
		}
		records = append(records, rec)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return records
}

// told is an event with the line that caused it.
type told struct {
	line  int
	event Event
}

// run feeds records with a tick for every whole second between them. restart is
// asked before every record and tick whether to go on with a restored detector.
func (c *replay) run(t *testing.T, records []logstream.Record, restart func() bool) []told {
	t.Helper()
	cfg := DefaultConfig()
	if c.change != nil {
		c.change(&cfg)
	}
	d := NewDetector(cfg)
	var all []told
	note := func(line int, events []Event) {
		for _, e := range events {
			all = append(all, told{line, e})
		}
		if restart() {
			d = reborn(t, d)
		}
	}
	var second time.Time
	ticks := func(line int, until time.Time) {
		if second.IsZero() || until.Before(second.Add(-time.Minute)) {
			second = until.Truncate(time.Second)
		}
		for second = second.Add(time.Second); !second.After(until); second = second.Add(time.Second) {
			note(line, d.Tick(second))
		}
		second = second.Add(-time.Second)
	}
	for i := range records {
		if do := c.at[i+1]; do != nil {
			do(d)
		}
		ticks(i, records[i].Time)
		note(i+1, d.Observe(&records[i]))
	}
	ticks(len(records), records[len(records)-1].Time.Add(c.after))
	return all
}

// golden writes events as people check them: where, when, what.
func golden(records []logstream.Record, all []told) string {
	var out strings.Builder
	begin := records[0].Time
	fmt.Fprintf(&out, "%d lines in %s\n", len(records), records[len(records)-1].Time.Sub(begin).Round(time.Second))
	for _, x := range all {
		e := &x.event
		state := fmt.Sprintf("%s %s, %s", e.ID, e.Status, e.Severity)
		switch {
		case e.Muted != "":
			state += ", muted: " + e.Muted
		case e.Deferred:
			state += ", deferred"
		}
		fmt.Fprintf(&out, "\nline %d, %+.1f s: %s\n  %s\n", x.line, e.Time.Sub(begin).Seconds(), state, e.Summary)
		fmt.Fprintf(&out, "  cause: %s | next: %s\n", e.Cause, e.Command)
		for _, s := range []struct {
			name   string
			sample *Sample
		}{{"first", e.First}, {"last", e.Last}} {
			if s.sample != nil {
				fmt.Fprintf(&out, "  %s: %+.1f s %s %s %d (%s)\n", s.name, s.sample.Time.Sub(begin).Seconds(),
					s.sample.Method, s.sample.Path, s.sample.Status, s.sample.Attempts)
			}
		}
	}
	return out.String()
}

func TestReplay_TellsWhatTheLogMeans(t *testing.T) {
	if *update {
		writeLogs(t)
	}
	for _, c := range replays() {
		if c.name == "" {
			c.name = c.log
		}
		t.Run(c.name, func(t *testing.T) {
			records := readLog(t, c.log)
			all := c.run(t, records, func() bool { return false })
			got := golden(records, all)
			path := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A17: restarts at random moments change nothing of what is told.
func TestReplay_IsTheSameAcrossRestarts(t *testing.T) {
	for i, c := range replays() {
		records := readLog(t, c.log)
		want := golden(records, c.run(t, records, func() bool { return false }))
		rng := rand.New(rand.NewPCG(uint64(i), 5))
		got := golden(records, c.run(t, records, func() bool { return rng.IntN(40) == 0 }))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-without +with restarts):\n%s", c.log, c.name, diff)
		}
	}
}

// The logs that are not recorded are made by script; the files must be what it makes.
func TestReplay_LogsAreThoseOfTheScript(t *testing.T) {
	for name, text := range syntheticLogs() {
		f, err := os.Open(filepath.Join("testdata", name+".log.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is not what the test makes (%v): run with -update", name, err)
		}
		f.Close()
	}
}

func writeLogs(t *testing.T) {
	t.Helper()
	for name, text := range syntheticLogs() {
		var buf bytes.Buffer
		z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("testdata", name+".log.gz"), buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
