package logstream

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"bgctl/internal/bluegreen"
)

// AddrMap knows which pool an upstream address belongs to. Addresses come and go
// with containers, so it learns: from whoever observes the containers through
// [AddrMap.Set], and from the lines themselves through [AddrMap.Learn]. It is safe
// for concurrent use; a lookup takes no lock.
type AddrMap struct {
	mu       sync.Mutex
	current  atomic.Pointer[map[string]addrEntry]
	conflict map[string]int // consecutive lines that contradict a learned entry
	disputed atomic.Bool    // conflict is not empty: spares the lock on every line
}

type addrEntry struct {
	pool  bluegreen.Pool
	fixed bool // set by an observer, not to be overruled by a header
}

const (
	// maxAddrs bounds what forged or ever-changing addresses can cost.
	maxAddrs = 4096
	// relearnAfter is how many lines in a row must contradict a learned address
	// before it changes hands. One is not enough: the header is the app's word.
	relearnAfter = 3
)

// NewAddrMap returns an empty map.
func NewAddrMap() *AddrMap {
	m := &AddrMap{conflict: map[string]int{}}
	m.current.Store(&map[string]addrEntry{})
	return m
}

// Set replaces every address known for pool by addrs, as seen from outside the log.
func (m *AddrMap) Set(pool bluegreen.Pool, addrs ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := make(map[string]addrEntry, len(addrs)+len(*m.current.Load()))
	for addr, e := range *m.current.Load() {
		if e.pool != pool {
			next[addr] = e
		}
	}
	for _, addr := range addrs {
		next[addr] = addrEntry{pool: pool, fixed: true}
	}
	clear(m.conflict)
	m.current.Store(&next)
}

// Lookup returns the pool of addr, NoPool when unknown.
func (m *AddrMap) Lookup(addr string) bluegreen.Pool { return (*m.current.Load())[addr].pool }

// Learn takes note that an answer from addr said it came from pool. A known
// address keeps its pool until several lines in a row contradict it.
func (m *AddrMap) Learn(addr string, pool bluegreen.Pool) {
	if pool == bluegreen.NoPool || addr == "" {
		return
	}
	if e, ok := (*m.current.Load())[addr]; ok && (e.fixed || e.pool == pool) {
		if !e.fixed {
			m.settle(addr)
		}
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *m.current.Load()
	if e, ok := known[addr]; ok && e.pool != pool {
		m.conflict[strings.Clone(addr)]++
		m.disputed.Store(true)
		if m.conflict[addr] < relearnAfter {
			return
		}
	}
	delete(m.conflict, addr)
	next := make(map[string]addrEntry, len(known)+1)
	if len(known) < maxAddrs {
		maps.Copy(next, known)
	}
	next[strings.Clone(addr)] = addrEntry{pool: pool} // addr may be a piece of a buffer
	m.current.Store(&next)
}

// settle ends a run of contradictions.
func (m *AddrMap) settle(addr string) {
	if !m.disputed.Load() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conflict, addr)
	m.disputed.Store(len(m.conflict) > 0)
}

// Known returns a copy of the map, to be kept across a restart.
func (m *AddrMap) Known() map[string]bluegreen.Pool {
	known := *m.current.Load()
	out := make(map[string]bluegreen.Pool, len(known))
	for addr, e := range known {
		out[addr] = e.pool
	}
	return out
}
