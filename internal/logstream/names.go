package logstream

import (
	"strings"

	"bgctl/internal/bluegreen"
)

// Namer names the pools of records that a [Decoder] filled. It learns which pool
// an address belongs to, so that it must see the records in the log's order. It is
// for one goroutine.
type Namer struct {
	addrs *AddrMap

	// The last addresses looked up, as long as the map has not changed.
	table  *map[string]addrEntry
	recent [4]named
	next   int
}

type named struct {
	addr  string
	entry addrEntry
}

// NewNamer returns a Namer that goes by addrs, or by what it learns when addrs is nil.
func NewNamer(addrs *AddrMap) *Namer { return &Namer{addrs: addrs} }

// Name names the pool of each attempt and of the answer. The address decides where
// it is known: the header is the app's word, absent on nginx's own 502 and left
// over from an earlier attempt when a later one found no server.
func (n *Namer) Name(rec *Record) {
	header := rec.Served
	rec.Served = bluegreen.NoPool
	if len(rec.Attempts) == 0 {
		return
	}
	if n.addrs == nil {
		n.addrs = NewAddrMap()
	}
	only := groupPool(rec.Group)
	last := &rec.Attempts[len(rec.Attempts)-1]
	answered := !rec.NoUpstream && last.Status != 0
	if answered && header != bluegreen.NoPool {
		n.learn(last.Addr, header)
	}
	for i := range rec.Attempts {
		a := &rec.Attempts[i]
		a.Pool = n.lookup(a.Addr).pool
		if a.Pool == bluegreen.NoPool {
			a.Pool = only
		}
	}
	if answered && last.Pool == bluegreen.NoPool {
		last.Pool = header
	}
	if answered && (header != bluegreen.NoPool || !gatewayStatus(last.Status)) {
		rec.Served = last.Pool
	}
	infer(rec)
}

// lookup is a look into the map that is free for the few addresses that repeat.
func (n *Namer) lookup(addr string) addrEntry {
	table := n.addrs.current.Load()
	if table != n.table {
		n.table, n.recent = table, [4]named{}
	}
	if addr == "" {
		return addrEntry{}
	}
	for i := range n.recent {
		if n.recent[i].addr == addr {
			return n.recent[i].entry
		}
	}
	entry := (*table)[addr]
	n.recent[n.next] = named{addr: strings.Clone(addr), entry: entry}
	n.next = (n.next + 1) % len(n.recent)
	return entry
}

func (n *Namer) learn(addr string, pool bluegreen.Pool) {
	if e := n.lookup(addr); e.pool == pool && (e.fixed || !n.addrs.disputed.Load()) {
		return
	}
	n.addrs.Learn(addr, pool)
}

// infer names an unknown first attempt: nginx tries the active pool first, and
// only then the other.
func infer(rec *Record) {
	n := len(rec.Attempts)
	first := &rec.Attempts[0]
	if first.Pool != bluegreen.NoPool || rec.Active == bluegreen.NoPool {
		return
	}
	if n > 1 && first.Addr != rec.Attempts[n-1].Addr || n == 1 && rec.NoUpstream {
		first.Pool = rec.Active
	}
}

// gatewayStatus: the status nginx itself notes for a server that refused, reset or
// timed out. Without the header that every answer of an app has, no app answered.
func gatewayStatus(status int) bool { return status == 502 || status == 504 }

// groupPool: a group without a backup server holds one pool only.
func groupPool(group string) bluegreen.Pool {
	name, ok := strings.CutSuffix(group, "_only")
	if !ok {
		return bluegreen.NoPool
	}
	return parsePool(name)
}
