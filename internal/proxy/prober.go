package proxy

import (
	"context"
	"sync"
	"time"

	"bgctl/internal/bluegreen"
)

const (
	proberEvery = time.Second
	// proberAgain is the pause after an answer that was none, and how old it may be before a
	// status waits for a newer one: a pool that was just brought back is not silent any more.
	proberAgain = 200 * time.Millisecond
	// proberRests is how long after the last status the pools are still asked.
	proberRests = 5 * time.Second
	// proberFresh is how old an answer may be that a status carries.
	proberFresh = 3 * time.Second
	// proberWait is how long a status waits for fresh answers.
	proberWait = 300 * time.Millisecond
)

// prober asks both pools once a second while somebody looks at the status, so that a
// status waits for no pool. The zero value asks nobody.
type prober struct {
	http Asker

	mu      sync.Mutex
	running bool
	ctx     context.Context // of the session
	looked  time.Time       // when the status was last asked for
	answers map[bluegreen.Pool]bluegreen.ProbeResult
	at      map[bluegreen.Pool]time.Time
	stored  chan struct{}    // closed and replaced with every answer
	wake    [2]chan struct{} // of each pool
}

// start prepares the prober for a session, which ends with ctx.
func (p *prober) start(ctx context.Context, http Asker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.http, p.ctx, p.running = http, ctx, false
	p.answers, p.at = map[bluegreen.Pool]bluegreen.ProbeResult{}, map[bluegreen.Pool]time.Time{}
	p.stored = make(chan struct{})
	for i := range p.wake {
		p.wake[i] = make(chan struct{}, 1)
	}
}

// newest returns the newest answers of the pools, and has them asked from now on.
func (p *prober) newest(ctx context.Context) map[bluegreen.Pool]bluegreen.ProbeResult {
	p.look()
	ctx, cancel := context.WithTimeout(ctx, proberWait)
	defer cancel()
	for {
		answers, settled, next := p.fresh(time.Now())
		if settled {
			return answers
		}
		select {
		case <-next:
		case <-ctx.Done():
			return answers
		}
	}
}

// look notes that somebody wants answers and wakes who gets them.
func (p *prober) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.http == nil {
		return
	}
	p.looked = time.Now()
	for i, pool := range bluegreen.Pools() {
		if !p.running {
			go p.run(p.ctx, pool, p.wake[i])
		}
		select {
		case p.wake[i] <- struct{}{}:
		default:
		}
	}
	p.running = true
}

// fresh returns the answers that are not too old, whether there is no use in waiting for
// newer ones, and what is closed with the next one.
func (p *prober) fresh(now time.Time) (out map[bluegreen.Pool]bluegreen.ProbeResult, settled bool, next <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, settled = make(map[bluegreen.Pool]bluegreen.ProbeResult, len(p.answers)), true
	for pool, res := range p.answers {
		age := now.Sub(p.at[pool])
		if age <= proberFresh {
			out[pool] = res
		}
		// The next answer of a pool that hangs is as far away as the last one was.
		hangs := res.Took >= proberEvery/2
		settled = settled && (res.Answers() || hangs || age <= proberAgain/2)
	}
	return out, settled && len(out) == len(p.wake), p.stored
}

// run asks one pool until ctx ends, and rests while nobody looks.
func (p *prober) run(ctx context.Context, pool bluegreen.Pool, wake <-chan struct{}) {
	for {
		res := p.http.Probe(ctx, pool, proberEvery)
		p.store(pool, res)
		pause := proberEvery
		if !res.Answers() {
			pause = proberAgain
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		select {
		case <-wake: // left over from an earlier look
		default:
		}
		if p.wanted(time.Now()) {
			continue
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// wanted reports whether somebody looked lately.
func (p *prober) wanted(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(p.looked) < proberRests
}

// store keeps an answer.
func (p *prober) store(pool bluegreen.Pool, res bluegreen.ProbeResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[pool], p.at[pool] = res, time.Now()
	close(p.stored)
	p.stored = make(chan struct{})
}
