package doctor

import (
	"context"
	"fmt"
	"time"

	"bgctl/internal/bluegreen"
)

// checkInterrupted looks for an operation that was cut off.
func checkInterrupted(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	return judgeInterrupted(r), nil
}

func judgeInterrupted(r *bluegreen.RouterStatus) []finding {
	op := r.Unfinished
	if op == nil {
		return nil
	}
	remedy := "bgctl heal blue"
	if op.To == bluegreen.Green {
		remedy = "bgctl heal green"
	}
	what := string(op.Kind)
	if op.To != bluegreen.NoPool {
		what += " to " + op.To.String()
	}
	return []finding{{Failed, string(op.Kind), fmt.Sprintf("the %s was cut off (begun %s by %s), and %s has the traffic", what, op.Started.UTC().Format(time.RFC3339), holder(&op.By), orNone(r.Active.String())), remedy}}
}

// holder names who did something.
func holder(h *bluegreen.Holder) string {
	return fmt.Sprintf("%s@%s, pid %d", h.User, h.Host, h.PID)
}

// checkFaults looks for faults that were injected and never healed.
func checkFaults(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	return judgeFaults(r.Faults, p.Now()), nil
}

// judgeFaults: a fault within its time is a drill, a fault without a time or past it was
// forgotten.
func judgeFaults(list []bluegreen.Fault, now time.Time) []finding {
	var out []finding
	for i := range list {
		f := &list[i]
		verdict, until := Failed, "with no end"
		if !f.Until.IsZero() {
			until = "until " + f.Until.UTC().Format(time.RFC3339)
			if now.Before(f.Until) {
				verdict = Warning
			}
		}
		out = append(out, finding{
			verdict, f.Pool.String(), fmt.Sprintf("under %s since %s, %s, by %s", f.Mode, f.Since.UTC().Format(time.RFC3339), until, holder(&f.By)),
			"bgctl heal " + f.Pool.String(),
		})
	}
	return out
}

// checkSolo looks for a pool that is kept out of the failover.
func checkSolo(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	return judgeSolo(r), nil
}

// judgeSolo: while a command has the lock, it is at work on that pool.
func judgeSolo(r *bluegreen.RouterStatus) []finding {
	if r.Solo == nil || r.Lock != nil {
		return nil
	}
	pool := r.Solo.Pool.String()
	return []finding{{Failed, pool, fmt.Sprintf("kept out of the failover since %s by %s, because its release was not verified: the other pool has no backup", r.Solo.Since.UTC().Format(time.RFC3339), holder(&r.Solo.By)), "bgctl heal " + pool}}
}

// checkBake looks for a bake that nobody watches.
func checkBake(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	return judgeBake(r.Bake), nil
}

func judgeBake(b *bluegreen.Bake) []finding {
	if b == nil || b.Live {
		return nil
	}
	return []finding{{Failed, b.Pool.String(), fmt.Sprintf("the bake by %s, begun %s, is watched by nobody: the release would not be rolled back", holder(&b.By), b.Since.UTC().Format(time.RFC3339)), "keep the release: bgctl promote; go back: bgctl rollback"}}
}

// longLock is longer than every command but a bake, which does not hold the lock.
const longLock = 15 * time.Minute

// checkLock looks for a command that does not end.
func checkLock(ctx context.Context, p *patient) ([]finding, error) {
	_, r, err := p.router(ctx)
	if err != nil {
		return nil, err
	}
	return judgeLock(r.Lock, p.Now()), nil
}

func judgeLock(h *bluegreen.Holder, now time.Time) []finding {
	if h == nil {
		return nil
	}
	held := now.Sub(h.Since)
	text := fmt.Sprintf("%s has held the lock for %s: %s", holder(h), held.Round(time.Second), h.What)
	if h.Since.IsZero() || held < longLock {
		return []finding{{OK, "lock", text, ""}}
	}
	return []finding{{Warning, "lock", text, "End that command on its machine: the lock goes with its process."}}
}
