package logstream

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bgctl/internal/bluegreen"
)

// Decoder turns lines into records without knowing which pool an address belongs
// to: what a record says depends on its line alone, so that several decoders may
// share the work on one log and [Namer] can do the rest in order. A Decoder is for
// one goroutine.
type Decoder struct {
	format  Format
	scanner scanner
	fields  fields
	stale   bool       // fields has places that the first layout does not overwrite
	kind    formatKind // of the line in fields
	layouts []layout   // the one that matched last comes first
	misses  int

	texts   arena     // what had to be decoded
	slab    []Attempt // attempts of coming records are cut from here
	spilled bool      // the slab was too small
	scratch []byte
	clock   clock
	counts  Counts
}

// NewDecoder returns a decoder of lines in format f.
func NewDecoder(f Format) *Decoder {
	return &Decoder{
		format:  f,
		scanner: scanner{keys: f.rules(), strict: f.kind == kindBgctl},
		layouts: make([]layout, 0, maxLayouts),
		scratch: make([]byte, 0, 512),
	}
}

const (
	badLineShown   = 256
	maxGluedStarts = 8 // attempts to find a good tail; each one costs a scan
)

// decode fills rec from a line; its strings are pieces of the line where they can
// be. Served holds what the answer's header said, until a [Namer] has decided.
func (d *Decoder) decode(line string, rec *Record) bool {
	line = strings.TrimPrefix(line, "\xef\xbb\xbf")
	if !d.understand(line) {
		d.bad(line)
		return false
	}
	d.count()
	d.build(rec)
	return true
}

// understand fills d.fields from the line.
func (d *Decoder) understand(line string) bool {
	if len(d.layouts) > 0 {
		if d.stale {
			d.fields, d.stale = fields{}, false
		}
		if d.layouts[0].match(line, &d.fields) {
			d.kind = kindJSON
			return true
		}
	}
	d.stale = true
	switch d.format.kind {
	case kindCombined, kindCommon:
		return d.plain(line)
	case kindAuto:
		if d.plain(line) {
			return true
		}
	case kindBgctl, kindJSON:
	}
	d.kind = kindJSON
	return d.matchOther(line) || d.scan(line) || d.salvage(line) || d.recoverTail(line)
}

// plain understands a line of one of the text formats.
func (d *Decoder) plain(line string) bool {
	if strings.HasPrefix(line, "{") {
		return false
	}
	kind, ok := textLine(line, &d.fields)
	if !ok || d.format.kind != kindAuto && d.format.kind != kind {
		return false
	}
	d.kind = kind
	return true
}

// matchOther tries the layouts that did not match last.
func (d *Decoder) matchOther(line string) bool {
	for i := 1; i < len(d.layouts); i++ {
		d.fields = fields{}
		if d.layouts[i].match(line, &d.fields) {
			d.layouts[0], d.layouts[i] = d.layouts[i], d.layouts[0]
			return true
		}
	}
	return false
}

// scan understands a line that is one JSON object and has something of a request.
func (d *Decoder) scan(line string) bool {
	if !d.object(line) {
		return false
	}
	d.remember(line)
	return true
}

func (d *Decoder) object(line string) bool {
	if !d.scanner.line(line) {
		return false
	}
	f := &d.fields
	f.take(line, d.scanner.leaves)
	return f.set&(1<<fieldStatus|1<<fieldUpstreamStatus|1<<fieldRequest) != 0
}

// remember learns the layout of the line just scanned. A log of ever new layouts
// is not worth learning each of them.
func (d *Decoder) remember(line string) {
	full := len(d.layouts) == maxLayouts
	if full {
		if d.misses++; d.misses%relearnMisses != 0 {
			return
		}
	}
	l, ok := learn(line, d.scanner.leaves, &d.fields)
	if !ok {
		return
	}
	if full {
		d.layouts = d.layouts[:maxLayouts-1]
	}
	d.layouts = append(d.layouts, l)
	last := len(d.layouts) - 1
	d.layouts[0], d.layouts[last] = d.layouts[last], d.layouts[0]
}

// salvage understands a JSON line in the wrong escaping: \xHH is not JSON.
func (d *Decoder) salvage(line string) bool {
	if !strings.Contains(line, `\x`) {
		return false
	}
	fixed, found := rewriteHexEscapes(d.scratch[:0], line)
	d.scratch = fixed[:0]
	if !found || !d.object(d.texts.text(fixed)) {
		return false
	}
	d.counts.Salvaged++
	return true
}

// recoverTail looks for the last object that starts inside the line.
func (d *Decoder) recoverTail(line string) bool {
	end := len(line)
	for range maxGluedStarts {
		i := strings.LastIndex(line[:end], `{"`)
		if i <= 0 {
			return false
		}
		if d.object(line[i:]) || d.salvage(line[i:]) {
			d.counts.Torn++
			return true
		}
		end = i + 1
	}
	return false
}

func (d *Decoder) count() {
	c := &d.counts
	c.Parsed++
	switch {
	case d.kind == kindCombined:
		c.Formats.Combined++
	case d.kind == kindCommon:
		c.Formats.Common++
	case d.fields.foreign:
		c.Formats.JSON++
	default:
		c.Formats.Bgctl++
	}
}

func (d *Decoder) bad(line string) {
	d.counts.Bad++
	if d.counts.FirstBad == "" {
		d.counts.FirstBad = showLine(line)
	}
}

// showLine makes a foreign line fit to be shown: one line of printable UTF-8, at
// most 256 bytes.
func showLine(line string) string {
	const mark = "\uFFFD"
	var b strings.Builder
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		text := line[i : i+n]
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != ' ' {
			text = mark
		}
		if b.Len()+len(text) > badLineShown {
			break
		}
		b.WriteString(text)
		i += n
	}
	if b.Len() == 0 {
		return mark
	}
	return b.String()
}

// decodeFields replaces the values that have to be decoded. Most that are marked
// only hold text above ASCII, which may stay where it is.
func (d *Decoder) decodeFields() {
	f := &d.fields
	for x := range fieldCount {
		if f.coded>>x&1 == 0 {
			continue
		}
		if raw := f.raw(x); strings.IndexByte(raw, '\\') < 0 && utf8.ValidString(raw) {
			f.coded &^= 1 << x
		}
	}
	if f.coded == 0 {
		return
	}
	text := d.scratch[:0]
	places := f.at
	for x := range fieldCount {
		from := len(text)
		switch raw := f.raw(x); {
		case f.coded>>x&1 == 0:
			text = append(text, raw...)
		case d.kind == kindJSON:
			text = decode(text, raw)
		default:
			text = decodeText(text, raw)
		}
		places[x] = place{uint32(from), uint32(len(text))} //nolint:gosec // a few times MaxLine at most
	}
	f.line, f.at, f.coded = d.texts.text(text), places, 0
	d.scratch, d.stale = text[:0], true
}

func (d *Decoder) build(rec *Record) {
	f := &d.fields
	if f.coded != 0 {
		d.decodeFields()
	}
	rec.Time = d.stamp()
	rec.RemoteAddr = f.raw(fieldRemoteAddr)
	rec.Status = parseStatus(f.raw(fieldStatus))
	rec.Duration = parseDuration(f.raw(fieldRequestTime))
	rec.BytesSent = parseCount(f.raw(fieldBytesSent))
	rec.Served = parsePool(f.raw(fieldPool))
	rec.Active = parsePool(f.raw(fieldActive))
	rec.Release = dash(f.raw(fieldRelease))
	rec.RequestID = dash(f.raw(fieldRequestID))
	rec.Group = dash(f.raw(fieldUpstreamPool))
	if f.has(fieldRequest) {
		rec.Method, rec.Path = splitRequest(f.raw(fieldRequest))
	} else {
		rec.Method, rec.Path = dash(f.raw(fieldMethod)), dash(f.raw(fieldURI))
	}
	rec.NoUpstream, rec.Attempts = false, nil
	d.attempts(rec)
}

// stamp prefers $msec: time_local has whole seconds only.
func (d *Decoder) stamp() time.Time {
	text := d.fields.raw(fieldMsec)
	if ms, ok := parseMillis(text); ok {
		return time.UnixMilli(ms).UTC()
	}
	if t := d.clock.read(text); !t.IsZero() {
		return t
	}
	return d.clock.read(d.fields.raw(fieldTime))
}

// splitRequest cuts "GET /x HTTP/1.1". A request line that is not one (a TLS
// handshake on a plain port) has no method and is all path.
func splitRequest(s string) (method, path string) {
	i := strings.IndexByte(s, ' ')
	if i <= 0 || i > 20 {
		return "", dash(s)
	}
	for _, c := range []byte(s[:i]) {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return "", s
		}
	}
	method, path = s[:i], s[i+1:]
	if j := strings.LastIndexByte(path, ' '); j >= 0 && strings.HasPrefix(path[j+1:], "HTTP/") {
		path = path[:j]
	}
	return method, path
}

// dash maps the "-" of nginx's default escaping to the "" of escape=json.
func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func parsePool(s string) bluegreen.Pool {
	switch s {
	case "blue":
		return bluegreen.Blue
	case "green":
		return bluegreen.Green
	}
	return bluegreen.NoPool
}
