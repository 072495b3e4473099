// Package synth writes access logs of a blue-green deployment that never was:
// traffic with the variety of a real one and a fixed story of faults, failovers
// and switches in it. The same options give the same bytes.
package synth

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Style is the format of the lines.
type Style string

// The styles.
const (
	Ours      Style = "bgctl"     // the proxy's log_format, some 370 bytes a line
	Short     Style = "short"     // the same keys without the four longest, some 270 bytes a line
	Reference Style = "reference" // the seven keys of the reference kit
	Combined  Style = "combined"  // nginx's default
	Foreign   Style = "foreign"   // someone else's JSON: other names, nested, numbers bare
)

// Styles lists the styles.
func Styles() []Style { return []Style{Ours, Short, Reference, Combined, Foreign} }

// Options say what to write.
type Options struct {
	Lines int
	Seed  uint64
	Style Style
	Start time.Time     // time of the first line; zero: 30 October 2025, 15:00 UTC
	Every time.Duration // mean time between two lines, default 5 ms
}

// Write writes the log.
func Write(w io.Writer, o Options) error {
	if o.Start.IsZero() {
		o.Start = time.Date(2025, 10, 30, 15, 0, 0, 0, time.UTC)
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Millisecond
	}
	line, ok := writers()[o.Style]
	if !ok {
		return fmt.Errorf("unknown style %q", o.Style)
	}
	g := &generator{
		rng: rand.New(rand.NewPCG(o.Seed, 17)), //nolint:gosec // a log that can be had again
		now: o.Start, every: o.Every, total: o.Lines, active: "blue",
	}
	out := bufio.NewWriterSize(w, 1<<20)
	buf := make([]byte, 0, 4096)
	for i := range o.Lines {
		g.next(i)
		buf = append(line(buf[:0], &g.req), '\n')
		if i > 0 && i%97_001 == 0 {
			buf = append(buf[:len(buf)/2], buf...) // a torn line and the next one glued to it
		}
		if _, err := out.Write(buf); err != nil {
			return err
		}
	}
	return out.Flush()
}
