package logstream

import (
	"bytes"
	"time"

	"bgctl/internal/bluegreen"
)

// Parser turns lines into records. It is made for one goroutine and one log: it
// reuses its buffers, shares strings between records and learns addresses.
// Records it filled stay valid for ever; only the line may be reused.
type Parser struct {
	addrs    *AddrMap
	interned interner
	texts    arena
	slab     []Attempt // attempts of coming records are cut from here
	fields   fields
	scratch  []byte
	rewrite  []byte
	counts   Counts

	localText string // last time_local and what it meant: it changes once a second
	localTime time.Time
}

// NewParser returns a parser that names pools by addrs, or by what it learns when addrs is nil.
func NewParser(addrs *AddrMap) *Parser {
	if addrs == nil {
		addrs = NewAddrMap()
	}
	return &Parser{addrs: addrs, scratch: make([]byte, 0, 512)}
}

// Counts returns what the parser met so far. Lines and TooLong belong to the source.
func (p *Parser) Counts() Counts { return p.counts }

const (
	badLineShown   = 256
	maxGluedStarts = 8 // attempts to find a good tail; each one costs a scan
)

// Parse fills rec from one line of the log, without its newline. A line that is
// damaged but holds a whole object at its end (nginx appends to a torn line after
// a full disk) yields that object. Everything else is [ErrBadLine].
func (p *Parser) Parse(line []byte, rec *Record) error {
	line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	if p.scan(line) || p.salvage(line) || p.recoverTail(line) {
		p.build(rec)
		p.counts.Parsed++
		return nil
	}
	p.counts.Bad++
	if p.counts.FirstBad == "" {
		shown := line[:min(len(line), badLineShown)]
		p.counts.FirstBad = string(bytes.ToValidUTF8(shown, []byte("\uFFFD")))
	}
	return ErrBadLine
}

// scan reports whether line is one object that has something of a request in it.
func (p *Parser) scan(line []byte) bool {
	p.fields = fields{}
	s := scanner{data: line}
	if !s.object(&p.fields, p.scratch) {
		return false
	}
	f := &p.fields
	return f[fieldStatus].set || f[fieldUpstreamStatus].set || f[fieldRequest].set
}

func (p *Parser) salvage(line []byte) bool {
	if !bytes.Contains(line, []byte(`\x`)) {
		return false
	}
	fixed, found := rewriteHexEscapes(p.rewrite[:0], line)
	p.rewrite = fixed[:0]
	if !found || !p.scan(fixed) {
		return false
	}
	p.counts.Salvaged++
	return true
}

// recoverTail looks for the last object that starts inside the line.
func (p *Parser) recoverTail(line []byte) bool {
	end := len(line)
	for range maxGluedStarts {
		i := bytes.LastIndex(line[:end], []byte(`{"`))
		if i <= 0 {
			return false
		}
		if p.scan(line[i:]) || p.salvage(line[i:]) {
			p.counts.Torn++
			return true
		}
		end = i + 1
	}
	return false
}

// text returns the decoded value of a field. It is valid until the next call.
func (p *Parser) text(f field) []byte { return p.decoded(p.fields[f]) }

func (p *Parser) decoded(v value) []byte {
	if !v.coded {
		return v.raw
	}
	p.scratch = decode(p.scratch[:0], v.raw)
	return p.scratch
}

func (p *Parser) build(rec *Record) {
	*rec = Record{
		Time:       p.stamp(),
		RemoteAddr: p.interned.text(p.text(fieldRemoteAddr)),
		Status:     parseStatus(p.text(fieldStatus)),
		Duration:   parseDuration(p.text(fieldRequestTime)),
		BytesSent:  parseCount(p.text(fieldBytesSent)),
		Active:     parsePool(p.text(fieldActive)),
		Release:    p.interned.text(dash(p.text(fieldRelease))),
		RequestID:  p.texts.text(dash(p.text(fieldRequestID))),
		Group:      p.interned.text(dash(p.text(fieldUpstreamPool))),
	}
	method, path := splitRequest(p.text(fieldRequest))
	rec.Method, rec.Path = p.interned.text(method), p.texts.text(path)
	p.attempts(rec)
	p.attribute(rec)
}

// stamp prefers $msec: time_local has whole seconds only.
func (p *Parser) stamp() time.Time {
	if sec, nsec, ok := parseSeconds(p.text(fieldMsec)); ok {
		return time.Unix(sec, nsec).UTC()
	}
	local := p.text(fieldTimeLocal)
	if len(local) == 0 {
		return time.Time{}
	}
	if string(local) != p.localText {
		t, err := time.Parse("02/Jan/2006:15:04:05 -0700", string(local))
		if err != nil {
			return time.Time{}
		}
		p.localText, p.localTime = string(local), t.UTC()
	}
	return p.localTime
}

// splitRequest cuts "GET /x HTTP/1.1". A request line that is not one (a TLS
// handshake on a plain port) has no method and is all path.
func splitRequest(b []byte) (method, path []byte) {
	i := bytes.IndexByte(b, ' ')
	if i <= 0 || i > 20 {
		return nil, b
	}
	for _, c := range b[:i] {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return nil, b
		}
	}
	method, path = b[:i], b[i+1:]
	if j := bytes.LastIndexByte(path, ' '); j >= 0 && bytes.HasPrefix(path[j+1:], []byte("HTTP/")) {
		path = path[:j]
	}
	return method, path
}

// dash maps the "-" of nginx's default escaping to the "" of escape=json.
func dash(b []byte) []byte {
	if len(b) == 1 && b[0] == '-' {
		return nil
	}
	return b
}

func parsePool(b []byte) bluegreen.Pool {
	switch string(b) {
	case "blue":
		return bluegreen.Blue
	case "green":
		return bluegreen.Green
	}
	return bluegreen.NoPool
}
