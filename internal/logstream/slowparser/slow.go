// Package slowparser is the test bench of package logstream: a parser that is
// slow and plain to see through, to which the fast one is compared.
package slowparser

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bgctl/internal/bluegreen"
	"bgctl/internal/logstream"
)

// Slow parses lines with encoding/json and regular expressions, one at a time and
// without memory of the ones before but for the addresses.
type Slow struct {
	Addrs  *logstream.AddrMap
	Counts logstream.Counts // but for FirstBad, Lines and what only sources count

	format string
	keys   map[string]logstream.Key
}

// NewSlow returns a slow parser of lines in format f.
func NewSlow(f logstream.Format) *Slow {
	name, _, _ := strings.Cut(f.String(), ":")
	return &Slow{Addrs: logstream.NewAddrMap(), format: name, keys: f.Keys()}
}

// line is what a line says, by the names of the fields.
type line struct {
	fields  map[string]string
	kind    string // json, combined, common
	foreign bool
}

// Parse returns the record of a line, false for a bad one.
func (s *Slow) Parse(text string) (logstream.Record, bool) {
	text = strings.TrimPrefix(text, "\xef\xbb\xbf")
	l, ok := s.read(text)
	if !ok {
		s.Counts.Bad++
		return logstream.Record{}, false
	}
	s.Counts.Parsed++
	switch {
	case l.kind == "combined":
		s.Counts.Formats.Combined++
	case l.kind == "common":
		s.Counts.Formats.Common++
	case l.foreign:
		s.Counts.Formats.JSON++
	default:
		s.Counts.Formats.Bgctl++
	}
	return s.record(l), true
}

func (s *Slow) read(text string) (line, bool) {
	if s.format == "auto" || s.format == "combined" || s.format == "common" {
		l, ok := readText(text)
		if ok && (s.format == "auto" || s.format == l.kind) {
			return l, true
		}
		if s.format != "auto" {
			return line{}, false
		}
	}
	if l, ok := s.readJSON(text); ok {
		return l, true
	}
	if l, ok := s.salvage(text); ok {
		return l, true
	}
	end := len(text)
	for range 8 {
		i := strings.LastIndex(text[:end], `{"`)
		if i <= 0 {
			break
		}
		l, ok := s.readJSON(text[i:])
		if !ok {
			l, ok = s.salvage(text[i:])
		}
		if ok {
			s.Counts.Torn++
			return l, true
		}
		end = i + 1
	}
	return line{}, false
}

var hexEscape = regexp.MustCompile(`(?s)\\(?:x[0-9A-Fa-f]{2}|.)`)

// salvage reads a JSON line whose escapes are \xHH.
func (s *Slow) salvage(text string) (line, bool) {
	found := false
	fixed := hexEscape.ReplaceAllStringFunc(text, func(e string) string {
		if len(e) != 4 || e[1] != 'x' {
			return e
		}
		found = true
		return `\u00` + e[2:]
	})
	if !found {
		return line{}, false
	}
	l, ok := s.readJSON(fixed)
	if ok {
		s.Counts.Salvaged++
	}
	return l, ok
}

// readJSON reads a line that is one JSON object.
func (s *Slow) readJSON(text string) (line, bool) {
	if !json.Valid([]byte(text)) || !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return line{}, false
	}
	w := walker{s: s, dec: json.NewDecoder(strings.NewReader(text)), ranks: map[string]int{}}
	w.dec.UseNumber()
	w.line = line{fields: map[string]string{}, kind: "json"}
	w.value(nil)
	for _, name := range []string{"status", "upstream_status", "request"} {
		if _, ok := w.line.fields[name]; ok {
			return w.line, true
		}
	}
	return line{}, false
}

// walker goes through a JSON text in order.
type walker struct {
	s     *Slow
	dec   *json.Decoder
	line  line
	ranks map[string]int
}

// value reads the value that the keys in path lead to; inArray is a path of none.
func (w *walker) value(path []string) {
	token, err := w.dec.Token()
	if err != nil {
		return
	}
	switch v := token.(type) {
	case json.Delim:
		for w.dec.More() {
			if v == '[' {
				w.value([]string{"\x00", "\x00", "\x00", "\x00", "\x00"}) // too deep to be looked for
				continue
			}
			key, err := w.dec.Token()
			if err != nil {
				return
			}
			name, _ := key.(string)
			w.value(append(slices.Clip(path), name))
		}
		_, _ = w.dec.Token() // the closing one: the text is valid
	case string:
		w.leaf(path, v)
	case json.Number:
		w.leaf(path, v.String())
	}
}

// leaf takes a string or a number. Members of objects are found four levels deep.
func (w *walker) leaf(path []string, value string) {
	strict := w.s.format == "bgctl"
	if len(path) > 4 || strict && len(path) > 1 {
		return
	}
	name := strings.Join(path, ".")
	key, ok := w.s.keys[name]
	if !ok && !strict {
		key, ok = w.s.keys[strings.NewReplacer(".", "_", "-", "_").Replace(name)]
	}
	if !ok {
		return
	}
	if rank, had := w.ranks[key.Field]; had && rank < key.Rank {
		return
	}
	w.ranks[key.Field] = key.Rank
	w.line.fields[key.Field] = value
	w.line.foreign = w.line.foreign || key.Foreign
}

var (
	quoted = regexp.MustCompile(`(?s)^((?:[^"\\]|\\.)*)"(.*)$`)
	ending = regexp.MustCompile(`(?s)^ (000|[1-9]\d\d) (-|\d+)( .*)?$`)
)

// readText reads a line in nginx's combined or common format.
func readText(text string) (line, bool) {
	if strings.HasPrefix(text, "{") {
		return line{}, false
	}
	text = strings.TrimRight(text, " \t\r")
	head, rest, ok := strings.Cut(text, " [")
	if !ok || strings.Contains(head, `] "`) {
		return line{}, false
	}
	at, rest, ok := strings.Cut(rest, `] "`)
	if !ok {
		return line{}, false
	}
	addr, _, _ := strings.Cut(head, " ")
	request := quoted.FindStringSubmatch(rest)
	if addr == "" || request == nil {
		return line{}, false
	}
	end := ending.FindStringSubmatch(request[2])
	if end == nil {
		return line{}, false
	}
	l := line{kind: "common", fields: map[string]string{
		"remote_addr": addr, "local_time": at, "request": unescape(request[1]), "status": end[1], "bytes_sent": end[2],
	}}
	if end[3] != "" {
		l.kind = "combined"
	}
	return l, true
}

func unescape(raw string) string {
	text := hexEscape.ReplaceAllStringFunc(raw, func(e string) string {
		if len(e) != 4 || e[1] != 'x' {
			return e[1:]
		}
		b, _ := strconv.ParseUint(e[2:], 16, 8)
		return string([]byte{byte(b)})
	})
	return strings.ToValidUTF8(text, "\uFFFD")
}

// record turns the fields into a record.
func (s *Slow) record(l line) logstream.Record {
	f := l.fields
	r := logstream.Record{
		Time: timeOf(f["time"]), RemoteAddr: f["remote_addr"], Status: statusOf(f["status"]),
		Duration: durationOf(f["request_time"]), BytesSent: countOf(f["bytes_sent"]),
		Active: poolOf(f["active"]), Release: undash(f["release"]), RequestID: undash(f["request_id"]),
		Group: undash(f["upstream_pool"]), Method: undash(f["method"]), Path: undash(f["uri"]),
	}
	if r.Time.IsZero() {
		r.Time = timeOf(f["local_time"])
	}
	if request, ok := f["request"]; ok {
		r.Method, r.Path = split(request)
	}
	s.attempts(&r, f)
	s.name(&r, poolOf(f["pool"]))
	return r
}

var method = regexp.MustCompile(`^([A-Z_-]{1,20}) (?s:(.*))$`)

func split(request string) (string, string) {
	m := method.FindStringSubmatch(request)
	if m == nil {
		return "", undash(request)
	}
	if i := strings.LastIndex(m[2], " "); i >= 0 && strings.HasPrefix(m[2][i+1:], "HTTP/") {
		return m[1], m[2][:i]
	}
	return m[1], m[2]
}

func undash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

var separators = regexp.MustCompile(`, | : `)

func elements(s string) []string {
	if s == "" {
		return nil
	}
	return separators.Split(s, -1)
}

func (s *Slow) attempts(r *logstream.Record, f map[string]string) {
	_, hasAddr := f["upstream_addr"]
	_, hasStatus := f["upstream_status"]
	if !hasAddr && !hasStatus {
		status := r.Status
		if status == 499 {
			status = 0
		}
		r.Attempts = []logstream.Attempt{{Status: status, Duration: r.Duration}}
		return
	}
	addrs, statuses, times := elements(f["upstream_addr"]), elements(f["upstream_status"]), elements(f["upstream_response_time"])
	n := min(len(addrs), len(statuses))
	if n == 0 {
		n = max(len(addrs), len(statuses))
	} else if len(addrs) != len(statuses) {
		s.Counts.Uneven++
	}
	at := func(list []string, i int) string {
		if i < len(list) {
			return list[i]
		}
		return ""
	}
	for i := range n {
		a := logstream.Attempt{Addr: undash(at(addrs, i)), Status: statusOf(at(statuses, i)), Duration: durationOf(at(times, i))}
		if a.Addr == "" && a.Status == 0 {
			continue
		}
		r.NoUpstream = noServer(a.Addr)
		if !r.NoUpstream {
			r.Attempts = append(r.Attempts, a)
		}
	}
}

var withPort = regexp.MustCompile(`(?s)^unix:|^$|:[^:\]]+$`)

// noServer tells the name of a group from the address of a server.
func noServer(addr string) bool { return !withPort.MatchString(addr) }

// name names the pools.
func (s *Slow) name(r *logstream.Record, header bluegreen.Pool) {
	n := len(r.Attempts)
	if n == 0 {
		return
	}
	last := &r.Attempts[n-1]
	answered := !r.NoUpstream && last.Status != 0
	if answered {
		s.Addrs.Learn(last.Addr, header)
	}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.Pool = s.Addrs.Lookup(a.Addr)
		if only, ok := strings.CutSuffix(r.Group, "_only"); ok && a.Pool == bluegreen.NoPool {
			a.Pool = poolOf(only)
		}
	}
	if answered && last.Pool == bluegreen.NoPool {
		last.Pool = header
	}
	gateway := last.Status == 502 || last.Status == 504
	if answered && (!gateway || header != bluegreen.NoPool) {
		r.Served = last.Pool
	}
	// nginx tries the active pool first.
	first := &r.Attempts[0]
	moved := n > 1 && first.Addr != last.Addr || n == 1 && r.NoUpstream
	if first.Pool == bluegreen.NoPool && moved {
		first.Pool = r.Active
	}
}

// Equal reports whether two records are the same. It is go-cmp's judgement, for
// millions of records.
func Equal(a, b *logstream.Record) bool {
	if len(a.Attempts) != len(b.Attempts) {
		return false
	}
	for i := range a.Attempts {
		if a.Attempts[i] != b.Attempts[i] {
			return false
		}
	}
	return a.Time.Equal(b.Time) && a.RemoteAddr == b.RemoteAddr && a.Method == b.Method && a.Path == b.Path &&
		a.Status == b.Status && a.Duration == b.Duration && a.BytesSent == b.BytesSent && a.Served == b.Served &&
		a.Active == b.Active && a.Release == b.Release && a.RequestID == b.RequestID && a.Group == b.Group &&
		a.NoUpstream == b.NoUpstream
}
