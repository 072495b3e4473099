package logstream

import "strings"

// list walks an $upstream_* variable: ", " separates attempts, " : " the groups of
// internal redirects. Both only mean "the next one" to us.
type list struct {
	rest string
	more bool
}

// newList treats "" as no attempt at all: the request was not proxied.
func newList(s string) list { return list{rest: s, more: s != ""} }

func (l *list) next() (string, bool) {
	if !l.more {
		return "", false
	}
	for i := 0; i+1 < len(l.rest); i++ {
		n := separator(l.rest[i:])
		if n == 0 {
			continue
		}
		elem := l.rest[:i]
		l.rest = l.rest[i+n:]
		return elem, true
	}
	l.more = false
	return l.rest, true
}

func separator(s string) int {
	switch {
	case s[0] == ',' && s[1] == ' ':
		return 2
	case s[0] == ' ' && s[1] == ':' && len(s) > 2 && s[2] == ' ':
		return 3
	}
	return 0
}

func (l list) count() int {
	n := 0
	for {
		if _, ok := l.next(); !ok {
			return n
		}
		n++
	}
}

const (
	slabSize         = 256
	statusClientGone = 499
)

// attempts fills rec.Attempts. The lists may differ in length (a foreign log may
// lack one): attempts end with the shortest that is there.
func (d *Decoder) attempts(rec *Record) {
	if d.fields.set&(1<<fieldUpstreamAddr|1<<fieldUpstreamStatus) == 0 {
		d.assumeAttempt(rec)
		return
	}
	f := &d.fields
	addr, status, took := f.raw(fieldUpstreamAddr), f.raw(fieldUpstreamStatus), f.raw(fieldUpstreamTime)
	if code := parseStatus(status); code != 0 && addr != "" && strings.IndexByte(addr, ' ') < 0 && strings.IndexByte(took, ' ') < 0 {
		d.add(rec, d.room(1), Attempt{Addr: dash(addr), Status: code, Duration: parseDuration(took)})
		return
	}
	addrs, statuses, times := newList(addr), newList(status), newList(took)
	na, ns := addrs.count(), statuses.count()
	n := min(na, ns)
	if na == 0 || ns == 0 {
		n = max(na, ns)
	} else if na != ns {
		d.counts.Uneven++
	}
	if n == 0 {
		return
	}
	out := d.room(n)
	for range n {
		addr, _ := addrs.next()
		status, _ := statuses.next()
		took, _ := times.next()
		out = d.add(rec, out, Attempt{Addr: dash(addr), Status: parseStatus(status), Duration: parseDuration(took)})
	}
}

// room returns an empty list for n attempts.
func (d *Decoder) room(n int) []Attempt {
	if len(d.slab) < n {
		d.slab, d.spilled = make([]Attempt, max(slabSize, n)), true
	}
	out := d.slab[:0:n]
	d.slab = d.slab[n:]
	return out
}

// add appends an attempt, unless it says that there was none.
func (d *Decoder) add(rec *Record, out []Attempt, a Attempt) []Attempt {
	if a.Addr == "" && a.Status == 0 {
		return out // "-": not proxied, in the default escaping
	}
	if rec.NoUpstream = noLiveUpstream(a.Addr); !rec.NoUpstream {
		out = append(out, a)
		rec.Attempts = out
	}
	return out
}

// assumeAttempt: a log that tells nothing of upstreams may still be a proxy's.
// Every request is taken for one that its one server answered.
func (d *Decoder) assumeAttempt(rec *Record) {
	a := Attempt{Status: rec.Status, Duration: rec.Duration}
	if a.Status == statusClientGone {
		a.Status = 0
	}
	rec.Attempts = append(d.room(1), a)
}

// noLiveUpstream: nginx logs the name of the group, without a port, when it found
// no server to try. An address from a log without that field is unknown, not dead.
func noLiveUpstream(addr string) bool {
	if addr == "" || strings.HasPrefix(addr, "unix:") {
		return false
	}
	for i := len(addr) - 1; i >= 0; i-- {
		switch addr[i] {
		case ':':
			return i == len(addr)-1
		case ']':
			return true
		}
	}
	return true
}
