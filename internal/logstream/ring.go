package logstream

import "sync"

// Ring hands records to a screen that may be slow: it keeps the newest ones and
// counts what it had to drop. One side pushes, the other takes, each in its own
// goroutine. Nothing that decides about alerts may stand behind a Ring.
type Ring struct {
	mu      sync.Mutex
	rows    []Record
	start   int
	n       int
	dropped uint64
}

// NewRing returns a ring for size records, at least one.
func NewRing(size int) *Ring { return &Ring{rows: make([]Record, max(1, size))} }

// Push adds records; the oldest not taken yet make room.
func (r *Ring) Push(records []Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if over := len(records) - len(r.rows); over > 0 {
		r.dropped += uint64(over)
		records = records[over:]
	}
	for i := range records {
		if r.n == len(r.rows) {
			r.start = (r.start + 1) % len(r.rows)
			r.n--
			r.dropped++
		}
		r.rows[(r.start+r.n)%len(r.rows)] = records[i]
		r.n++
	}
}

// Take appends what is in the ring to dst, oldest first, and empties the ring.
func (r *Ring) Take(dst []Record) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.n {
		row := &r.rows[(r.start+i)%len(r.rows)]
		dst = append(dst, *row)
		*row = Record{}
	}
	r.start, r.n = 0, 0
	return dst
}

// Len returns how many records wait.
func (r *Ring) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// Dropped returns how many records were never taken. It only grows.
func (r *Ring) Dropped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}
