// Package backtest replays access logs through the watcher's own detector and
// reports every alert that would have fired. With a sweep it replays them through
// many settings at once and says which of them serve best.
//
//	inputs ─▶ blocks of lines ─┬▶ decoder ─┬▶ in order: pools named, times, totals ─┬▶ detector
//	 (one goroutine, gunzip)   └▶ decoder ─┘        (one goroutine)                └▶ detectors of a sweep
//
// It owns no rule: what counts as an error, a failover or an alert is decided in
// package alert. The result does not depend on the number of decoders, and memory
// does not depend on the length of the log: blocks and their records are used again.
package backtest

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/logstream"
)

// Config says what to replay and how.
type Config struct {
	Inputs   []Input
	Format   logstream.Format
	Alert    alert.Config
	Since    time.Time // leave out what is older; zero: nothing
	Until    time.Time // leave out this and what is newer; zero: nothing
	Grid     *Grid     // compare settings; nil: do not
	Workers  int       // decoders; 0: one for each processor
	Progress func(done, total int64)
}

// Run replays the inputs in the order of their times. It returns what it found, or
// an error that names the input at fault.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	sources, err := inOrder(cfg.Inputs, cfg.Format)
	defer closeAll(sources)
	if err != nil {
		return nil, err
	}
	r := newReplay(&cfg)
	if err := r.run(ctx, sources); err != nil {
		return nil, err
	}
	if r.totals.Counts.Parsed == 0 {
		return nil, r.totals.nothing(names(sources))
	}
	return r.report(names(sources)), nil
}

// nothing explains a log without a single line understood.
func (t *totals) nothing(inputs []string) error {
	if t.Counts.Bad == 0 {
		return fmt.Errorf("%w in %s", ErrEmpty, list(inputs))
	}
	return fmt.Errorf("%w: %s; give the format with --format", ErrNotUnderstood, t.Counts.Trouble())
}
