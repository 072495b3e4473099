package feed

import (
	"slices"
	"time"

	"bgctl/internal/alert"
	"bgctl/internal/bluegreen"
	"bgctl/internal/tui"
)

// Take implements [tui.Feed]. Nothing in it is shared with the feed.
func (f *Feed) Take() tui.FeedSnapshot {
	now := f.cfg.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready {
		return tui.FeedSnapshot{Waiting: true, End: now}
	}
	rows := f.rows.Take(nil)
	dropped := f.rows.Dropped()
	end := now.Truncate(time.Second).Add(-time.Second) // the running second is not over
	snap := tui.FeedSnapshot{
		End: end, Window: f.detector.Window(), Cells: cells(f.detector.Cells()),
		Counts: f.counts, Lag: f.lag, Rows: rows, DroppedRows: dropped - f.dropped,
		Events: f.events, Deliveries: f.deliveries, Maintenance: f.muted, MutedBy: f.mutedBy,
		Filling: f.before.reading,
	}
	if begins := f.seconds.first; begins > end.Unix()-hour+1 {
		snap.Begins = time.Unix(begins, 0)
	}
	f.dropped, f.events, f.deliveries = dropped, nil, nil
	n := f.seconds.take(end.Unix())
	recent, past := f.stats.Snapshot(now, span), f.stats.Snapshot(end, time.Duration(n)*time.Second)
	for i, pool := range bluegreen.Pools() {
		snap.Pools[i] = poolStats(&recent.Pools[pool])
		snap.Pools[i].Series = f.series(i, past.Pools[pool].Series)
	}
	for _, name := range []string{"log", "alerts"} {
		if s, ok := f.sources[name]; ok {
			snap.Sources = append(snap.Sources, s)
		}
	}
	return snap
}

// poolStats are the figures of the last seconds.
func poolStats(recent *alert.PoolStats) tui.PoolStats {
	out := tui.PoolStats{
		Rate: recent.Rate, ErrRate: recent.AttemptRate, N: recent.N,
		P50: millis(recent.P50), P95: millis(recent.P95), P99: millis(recent.P99), Max: millis(recent.Max),
	}
	copy(out.Classes[:], recent.Classes[2:])
	return out
}

// series are the seconds that the screen does not know yet. A second without a
// request is no gap when the log was read in it.
func (f *Feed) series(pool int, past []alert.Point) []tui.Point {
	out := make([]tui.Point, len(past))
	for i := range past {
		p := &past[i]
		at := p.At.Unix()
		if known, ok := f.before.point(pool, at); ok {
			known.Gap = f.seconds.blind(at)
			out[i] = known
			continue
		}
		out[i] = tui.Point{
			Gap: p.Gap && f.seconds.blind(at), Requests: float64(p.Requests), Errors: float64(p.Errors),
			Tries: float64(p.Tries), Failures: float64(p.Failures),
			P50: millis(p.P50), P95: millis(p.P95), P99: millis(p.P99), Classes: f.seconds.class(pool, at),
			Saved: f.seconds.savedIn(pool, at),
		}
	}
	return out
}

// cells translates the window's cells.
func cells(in []alert.Cell) []tui.WindowCell {
	out := make([]tui.WindowCell, 0, len(in))
	for _, c := range in {
		switch c.Kind {
		case alert.CellError:
			out = append(out, tui.CellError)
		case alert.CellRetried:
			out = append(out, tui.CellRetried)
		case alert.CellOther:
			out = append(out, tui.CellOther)
		case alert.CellOK, alert.CellGone:
			out = append(out, tui.CellOK)
		}
	}
	return slices.Clip(out)
}

// millis converts a duration to milliseconds.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
