package alert

import (
	"strings"

	"bgctl/internal/bluegreen"
)

// unnamedLimit is how many proxied lines without pool names are waited for.
const unnamedLimit = 50

// observeNames handles a log whose lines do not name the pool that answered. It
// says so once, and from a retry on it knows the pools by address: nginx tries the
// active pool first and only then the other.
func (d *Detector) observeNames(v *view) {
	s := &d.st
	if v.active != bluegreen.NoPool && v.served != bluegreen.NoPool {
		s.Unnamed = -1
		return
	}
	if v.served == bluegreen.NoPool {
		v.served = d.byAddress(v)
	}
	if s.Unnamed >= unnamedLimit {
		return
	}
	if s.Unnamed++; s.Unnamed < unnamedLimit {
		return
	}
	switch {
	case v.active == bluegreen.NoPool:
		d.notice("the log does not name the active pool: failover and switch detection is off",
			`no "active" in the log lines and no ACTIVE_POOL`)
	case len(v.rec.Attempts) > 0 && v.rec.Attempts[0].Addr != "":
		d.notice("no X-App-Pool in the log; using upstream_addr, which names the pools from the first retried request on",
			"the application sends no X-App-Pool")
	default:
		d.notice("the log does not name the pool that answered: failover detection is off",
			"no X-App-Pool and no upstream address in the log lines")
	}
}

// byAddress names the pool that answered an unnamed line by its address.
func (d *Detector) byAddress(v *view) bluegreen.Pool {
	s, tries := &d.st, v.rec.Attempts
	if v.active == bluegreen.NoPool || len(tries) == 0 || v.rec.NoUpstream {
		return bluegreen.NoPool
	}
	last := &tries[len(tries)-1]
	// What nginx itself wrote for a broken connection is no answer of a pool.
	if last.Addr == "" || last.Status == 0 || last.Status == 502 || last.Status == 504 {
		return bluegreen.NoPool
	}
	mine, other := &s.Addrs[v.active], &s.Addrs[v.active.Other()]
	if len(tries) > 1 && tries[0].Addr != last.Addr {
		remember(mine, tries[0].Addr)
		remember(other, last.Addr)
		return v.active.Other()
	}
	switch {
	case last.Addr == *mine:
		return v.active
	case last.Addr == *other:
		return v.active.Other()
	case *other != "":
		// A new address that is not the other pool's: the active one was recreated.
		remember(mine, last.Addr)
		return v.active
	}
	return bluegreen.NoPool
}

func remember(place *string, addr string) {
	if *place != addr {
		*place = strings.Clone(addr)
	}
}
