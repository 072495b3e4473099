package drill

import (
	"fmt"
	"strings"
	"time"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Extract is the part of the access log that belongs to a drill.
type Extract struct {
	Records []logstream.Record
	Lines   int // lines with the drill's token
	Bad     int // of them not understood
}

// Span is a time in which the active pool was broken.
type Span struct{ From, To time.Time }

// LogFacts is what the log is compared with.
type LogFacts struct {
	Token  string
	Issued int // requests numbered so far; a few may not have been sent
	Shots  []Shot
	Spans  []Span
	Active bluegreen.Pool
	Settle time.Duration // how long after a span the other pool may answer
}

// complete reports whether every answered request is in the log.
func (f *LogFacts) complete(e *Extract) bool {
	seen := map[int]bool{}
	for i := range e.Records {
		seen[number(e.Records[i].Path, f.Token)] = true
	}
	for i := range f.Shots {
		if f.Shots[i].Status != 0 && !seen[f.Shots[i].N] {
			return false
		}
	}
	return true
}

// join gives the shots whose answer named no pool the one of the log.
func join(shots []Shot, e *Extract, token string) {
	served := make(map[int]bluegreen.Pool, len(e.Records))
	for i := range e.Records {
		served[number(e.Records[i].Path, token)] = e.Records[i].Served
	}
	for i := range shots {
		if shots[i].Pool == bluegreen.NoPool && !shots[i].Lost() {
			shots[i].Pool = served[shots[i].N]
		}
	}
}

// logCount is what a comparison found.
type logCount struct {
	missing, double, strange int
	differ                   int
	example                  string
	moved, stray             int
}

// JudgeLog compares the access log with what the clients saw.
func JudgeLog(f *LogFacts, e *Extract) []Judgement {
	if len(f.Shots) == 0 {
		return []Judgement{skipped("every request logged once", "the drill sent none")}
	}
	c := f.count(e)
	once := fmt.Sprintf("%d of %d, %d twice, %d unknown", len(f.Shots)-c.missing, len(f.Shots), c.double, c.strange)
	same := judged("status and pool as the clients saw", "0 differ", fmt.Sprintf("%d differ", c.differ), c.differ == 0)
	same.Why = c.example
	return []Judgement{
		judged("every request logged once", fmt.Sprintf("%d of %d", len(f.Shots), len(f.Shots)), once, c.missing+c.double+c.strange == 0),
		same,
		judged("every line understood", "100 %", fmt.Sprintf("%d of %d lines", e.Lines-e.Bad, e.Lines), e.Bad == 0 && e.Lines > 0),
		judged("the active pool in every line", "always "+f.Active.String(), fmt.Sprintf("%d lines name another", c.moved), c.moved == 0),
		judged("served by the active pool but under a fault", "0 elsewhere", fmt.Sprintf("%d elsewhere", c.stray), c.stray == 0),
	}
}

// count compares request by request.
func (f *LogFacts) count(e *Extract) logCount {
	var c logCount
	byN := make(map[int][]*logstream.Record, len(e.Records))
	for i := range e.Records {
		n := number(e.Records[i].Path, f.Token)
		if n == 0 || n > f.Issued {
			c.strange++
		}
		byN[n] = append(byN[n], &e.Records[i])
	}
	for i := range f.Shots {
		s := &f.Shots[i]
		recs := byN[s.N]
		switch {
		case len(recs) == 0 && s.Status != 0: // a request that met no answer may not have met nginx
			c.missing++
		case len(recs) > 1:
			c.double++
		}
		if len(recs) > 0 {
			f.compare(&c, s, recs[0])
		}
	}
	return c
}

// compare compares one request.
func (f *LogFacts) compare(c *logCount, s *Shot, rec *logstream.Record) {
	pools := s.Pool != bluegreen.NoPool && rec.Served != bluegreen.NoPool && s.Pool != rec.Served
	if s.Status != 0 && (s.Status != rec.Status || pools) {
		c.differ++
		if c.example == "" {
			c.example = fmt.Sprintf("%s %d: %d %s, the log says %d %s", s.Method, s.N, s.Status, s.Pool, rec.Status, rec.Served)
		}
	}
	if rec.Active != f.Active {
		c.moved++
	}
	if rec.Served != bluegreen.NoPool && rec.Served != rec.Active && !f.broken(s) {
		c.stray++
	}
}

// broken reports whether a request ran while the active pool was broken, or was just
// mended: nginx leaves a pool that failed alone for a while.
func (f *LogFacts) broken(s *Shot) bool {
	for _, span := range f.Spans {
		if s.End.After(span.From) && s.Start.Before(span.To.Add(f.Settle)) {
			return true
		}
	}
	return false
}

// ReadExtract parses lines of the log.
func ReadExtract(text string, addrs *logstream.AddrMap) Extract {
	var e Extract
	p := logstream.NewParser(addrs)
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		e.Lines++
		var rec logstream.Record
		if p.Parse([]byte(line), &rec) != nil {
			e.Bad++
			continue
		}
		e.Records = append(e.Records, rec)
	}
	return e
}
