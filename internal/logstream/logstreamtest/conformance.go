// Package logstreamtest is the contract of the sources of logstream, as scenarios
// that each of them has to pass: on a file, through an agent, from a container's
// output, on fakes and on a real engine.
//
// It promises that a source which passes delivers every whole line exactly once,
// whatever is done to its log meanwhile.
package logstreamtest

import (
	"context"
	"testing"

	"bgctl/internal/logstream"
)

// Source is what is tested.
type Source interface {
	Run(ctx context.Context, deliver func(logstream.Batch) error) error
}

// Rig is a log and the means to ill-treat it.
type Rig interface {
	// Write writes text as the logging process does; it need not end a line.
	Write(t *testing.T, text string)
	// Rotate does what rotates this log in ordinary life.
	Rotate(t *testing.T)
	// Sever makes a running source lose what it reads from, not for good.
	Sever(t *testing.T)
	// RestartWriter ends the logging process and starts it again.
	RestartWriter(t *testing.T)
	// Source returns a new source on this log.
	Source(start logstream.Start) Source
}

// scenario is a sequence of what happens to a log.
type scenario struct {
	name  string
	start logstream.Start
	steps []step
	// skip is how many lines are older than start wants; they must not come.
	skip    int
	tooLong uint64
	anyway  bool // lines may come in another order
}

// step does something to a log.
type step func(t *testing.T, r *run)

func scenarios() []scenario {
	first := logstream.AtBeginning()
	return []scenario{
		{name: "lines one by one", start: first, steps: times(30, write(1), pause)},
		{name: "a burst", start: first, steps: steps(write(5), begin, write(20_000))},
		{name: "lines in two writes", start: first, steps: steps(begin, times(15, half, pause, rest))},
		{name: "long lines", start: first, tooLong: 1, steps: steps(begin, long(40_000), write(1), long(65_000), overlong, write(3))},
		{name: "lines that are no requests", start: first, steps: steps(begin, times(5, write(2), garbage))},
		{name: "the same line again and again", start: first, steps: steps(begin, times(5, write(1), same, same))},
		{name: "from the end", start: logstream.AtEnd(), skip: 7, steps: steps(write(7), begin, write(5))},
		{name: "from the last lines", start: logstream.AtLast(3), skip: 4, steps: steps(write(7), begin, write(5))},
		{name: "rotation", start: first, steps: steps(begin, times(6, write(40), pause, rotate, write(40)))},
		{name: "rotation within a line", start: first, anyway: true, steps: steps(begin, times(4, write(3), half, pause, rotate, rest))},
		{name: "rotation under load", start: first, steps: steps(begin, times(5, write(1500), rotate))},
		{name: "the connection breaks", start: first, steps: steps(begin, times(5, write(30), caughtUp, sever, write(30)))},
		{name: "the connection breaks within a line", start: first, steps: steps(begin, times(4, write(3), half, pause, sever, pause, rest))},
		{name: "many lines while the connection is gone", start: first, steps: steps(begin, write(10), caughtUp, sever, write(9_000))},
		{name: "the writer restarts", start: first, steps: steps(begin, times(4, write(20), restart, write(20)))},
		{name: "the writer ends in mid-line", start: first, steps: steps(begin, times(3, write(5), torn, restart, write(5)))},
		{name: "a slow consumer", start: first, steps: steps(slow, begin, write(3_000), rotate, write(3_000), sever, write(3_000))},
		{name: "the reader restarts", start: first, steps: steps(begin, times(4, write(25), caughtUp, resume, write(25)))},
		{name: "the reader is away during a rotation", start: first, steps: steps(begin, times(3, write(25), caughtUp, away, write(10), rotate, write(10), back))},
		{name: "the reader ends at any moment", start: first, steps: steps(begin, times(8, write(700), resume))},
		{
			name: "everything at once", start: first, anyway: true,
			steps: steps(begin, times(3, write(200), half, rotate, rest, sever, write(100), torn, restart, write(50), resume, long(20_000), rotate, write(500), sever)),
		},
	}
}

// Conformance runs every scenario on a log of its own.
func Conformance(t *testing.T, open func(t *testing.T) Rig) {
	t.Helper()
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			r := &run{rig: open(t), scenario: sc}
			for _, s := range sc.steps {
				s(t, r)
			}
			if !r.running() {
				r.begin(t, sc.start)
			}
			r.check(t)
		})
	}
}
