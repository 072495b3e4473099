package logstream

import (
	"bytes"

	"bgctl/internal/bluegreen"
)

// list walks an $upstream_* variable: ", " separates attempts, " : " the groups of
// internal redirects. Both only mean "the next one" to us.
type list struct {
	rest []byte
	more bool
}

// newList treats "" as no attempt at all: the request was not proxied.
func newList(b []byte) list { return list{rest: b, more: len(b) > 0} }

func (l *list) next() ([]byte, bool) {
	if !l.more {
		return nil, false
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

func separator(b []byte) int {
	switch {
	case b[0] == ',' && b[1] == ' ':
		return 2
	case b[0] == ' ' && b[1] == ':' && len(b) > 2 && b[2] == ' ':
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

const slabSize = 256

// attempts fills rec.Attempts. The lists may differ in length (a foreign log may
// lack one): attempts end with the shortest that is there.
func (p *Parser) attempts(rec *Record) {
	addrs := newList(p.plain(fieldUpstreamAddr))
	statuses := newList(p.plain(fieldUpstreamStatus))
	times := newList(p.plain(fieldUpstreamTime))
	na, ns := addrs.count(), statuses.count()
	n := min(na, ns)
	if na == 0 || ns == 0 {
		n = max(na, ns)
	} else if na != ns {
		p.counts.Uneven++
	}
	if n == 0 {
		return
	}
	if len(p.slab) < n {
		p.slab = make([]Attempt, max(slabSize, n))
	}
	out := p.slab[:0:n]
	p.slab = p.slab[n:]
	for range n {
		addr, _ := addrs.next()
		status, _ := statuses.next()
		took, _ := times.next()
		a := Attempt{Addr: p.interned.text(dash(addr)), Status: parseStatus(status), Duration: parseDuration(took)}
		if a.Addr == "" && a.Status == 0 {
			continue // "-": not proxied, in the default escaping
		}
		if rec.NoUpstream = noLiveUpstream(a.Addr); !rec.NoUpstream {
			out = append(out, a)
		}
	}
	if len(out) > 0 {
		rec.Attempts = out
	}
}

// plain returns a list value. Lists hold addresses and digits, so that one with
// escapes is foreign text; its copy is allocated and outlives the scratch buffer.
func (p *Parser) plain(f field) []byte {
	v := p.fields[f]
	if v.coded {
		return decode(nil, v.raw)
	}
	return v.raw
}

// noLiveUpstream: nginx logs the name of the group, without a port, when it found
// no server to try. An address from a log without that field is unknown, not dead.
func noLiveUpstream(addr string) bool {
	if addr == "" || len(addr) >= 5 && addr[:5] == "unix:" {
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

// attribute names the pool of each attempt and of the answer. The address decides
// where it is known: the header is the app's word, absent on nginx's own 502 and
// left over from an earlier attempt when a later one found no server.
func (p *Parser) attribute(rec *Record) {
	n := len(rec.Attempts)
	if n == 0 {
		return
	}
	header := parsePool(p.text(fieldPool))
	only := groupPool(rec.Group)
	last := &rec.Attempts[n-1]
	answered := !rec.NoUpstream && last.Status != 0
	if answered && header != bluegreen.NoPool {
		p.addrs.Learn(last.Addr, header)
	}
	for i := range rec.Attempts {
		a := &rec.Attempts[i]
		a.Pool = p.addrs.Lookup(a.Addr)
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
	p.infer(rec)
}

// infer names an unknown first attempt: nginx tries the active pool first, and
// only then the other.
func (p *Parser) infer(rec *Record) {
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
	name, ok := bytes.CutSuffix([]byte(group), []byte("_only"))
	if !ok {
		return bluegreen.NoPool
	}
	return parsePool(name)
}
