// Package logstream turns bytes of an access log into [Record] values: the
// parser, the sources that follow a log (a file, a stream out of a container)
// and the batches they deliver.
//
// A source delivers every complete line exactly once and in order, says what it
// had to drop, and never blocks its reader's clock: time comes from the records.
package logstream

import (
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

// Record is one request as nginx logged it. String fields are valid UTF-8 but
// otherwise foreign text: sanitise them before they reach a terminal.
type Record struct {
	Time       time.Time      // when the request ended (nginx $msec)
	RemoteAddr string         // the client's address
	Method     string         // "" when the request line could not be split
	Path       string         // path and query as requested
	Status     int            // final status sent to the client; 0 when unknown
	Duration   time.Duration  // $request_time; negative when unknown
	BytesSent  int64          // bytes sent to the client
	Attempts   []Attempt      // upstream attempts in order; empty when not proxied
	Served     bluegreen.Pool // pool of the answer; NoPool when no pool answered
	Active     bluegreen.Pool // pool the proxy was told to use; NoPool in foreign logs
	Release    string         // release that answered, "" when unknown
	RequestID  string
	Group      string // upstream group nginx used, "" in foreign logs
	NoUpstream bool   // nginx found no live upstream
}

// Attempt is one try on one upstream server.
type Attempt struct {
	Pool     bluegreen.Pool // NoPool when the address belongs to no known pool
	Addr     string         // host:port as nginx tried it
	Status   int            // 0 when the server never answered
	Duration time.Duration  // negative when unknown
}

// Proxied reports whether nginx handed the request to an upstream group.
func (r *Record) Proxied() bool { return len(r.Attempts) > 0 || r.NoUpstream }

// Failed reports whether the attempt counts as a failure of its server: a status
// of 500 or more, or no answer at all.
func (a Attempt) Failed() bool { return a.Status == 0 || a.Status >= 500 }

// FailedOn reports whether any attempt on pool failed. A final attempt without a
// status is not a failure when the client went away first (status 499).
func (r *Record) FailedOn(pool bluegreen.Pool) bool {
	for i, a := range r.Attempts {
		last := i == len(r.Attempts)-1
		gone := last && r.Status == 499 && a.Status == 0
		if a.Pool == pool && a.Failed() && !gone {
			return true
		}
	}
	return false
}

// Retried reports whether an earlier attempt failed and a later one answered.
func (r *Record) Retried() bool { return len(r.Attempts) > 1 }

// Counts says what a source or a parser had to leave out. All fields only grow.
type Counts struct {
	Lines     uint64 `json:"lines"`     // complete lines read
	Parsed    uint64 `json:"parsed"`    // lines understood
	Bad       uint64 `json:"bad"`       // lines not understood
	TooLong   uint64 `json:"too_long"`  // lines over the length limit, dropped
	Truncated uint64 `json:"truncated"` // times the log was cut under the reader
	FirstBad  string `json:"first_bad"` // first line not understood: printable, at most 256 bytes

	Salvaged   uint64 `json:"salvaged"`    // parsed lines whose \xHH escapes had to be rewritten
	Torn       uint64 `json:"torn"`        // parsed lines whose damaged head was cut off
	Uneven     uint64 `json:"uneven"`      // parsed lines whose upstream lists differ in length
	Cut        uint64 `json:"cut"`         // unfinished lines dropped at a truncation, rotation or reconnect
	Rotated    uint64 `json:"rotated"`     // times the log was replaced by a new file
	Gaps       uint64 `json:"gaps"`        // times lines may be missing: the place last read was gone
	Repeated   uint64 `json:"repeated"`    // lines a reconnect sent again, dropped
	ReadErrors uint64 `json:"read_errors"` // reads that failed and were tried again
	Skipped    uint64 `json:"skipped"`     // lines passed over by a reader that was too far behind

	Formats Formats `json:"formats"`
}

// Formats says how many lines of each format were understood.
type Formats struct {
	Bgctl    uint64 `json:"bgctl"` // the proxy's own and the reference kit's keys
	JSON     uint64 `json:"json"`  // other keys
	Combined uint64 `json:"combined"`
	Common   uint64 `json:"common"`
}

// String names the format of most lines, "" when no line was understood.
func (f Formats) String() string {
	name, most := "", uint64(0)
	for _, c := range [...]struct {
		name string
		n    uint64
	}{{"bgctl", f.Bgctl}, {"json", f.JSON}, {"combined", f.Combined}, {"common", f.Common}} {
		if c.n > most {
			name, most = c.name, c.n
		}
	}
	return name
}

// Trouble says in one line that a log is not understood, for whoever would
// otherwise see nothing; it is "" while at least half of the lines are.
func (c Counts) Trouble() string {
	if c.Bad == 0 || c.Parsed >= c.Bad {
		return ""
	}
	return fmt.Sprintf("%d of %d lines understood, first bad line: %s", c.Parsed, c.Parsed+c.Bad, c.FirstBad)
}

// Add adds what comes after c in the same log.
func (c *Counts) Add(next Counts) {
	c.Lines += next.Lines
	c.Parsed += next.Parsed
	c.Bad += next.Bad
	c.TooLong += next.TooLong
	c.Truncated += next.Truncated
	c.Salvaged += next.Salvaged
	c.Torn += next.Torn
	c.Uneven += next.Uneven
	c.Cut += next.Cut
	c.Rotated += next.Rotated
	c.Gaps += next.Gaps
	c.Repeated += next.Repeated
	c.ReadErrors += next.ReadErrors
	c.Skipped += next.Skipped
	c.Formats.Bgctl += next.Formats.Bgctl
	c.Formats.JSON += next.Formats.JSON
	c.Formats.Combined += next.Formats.Combined
	c.Formats.Common += next.Formats.Common
	if c.FirstBad == "" {
		c.FirstBad = next.FirstBad
	}
}

// Batch is a run of consecutive records with the counts after them. It belongs to
// whom it is delivered to.
type Batch struct {
	Records []Record
	Counts  Counts
	Cursor  Cursor // file sources: where to go on after these records
}
