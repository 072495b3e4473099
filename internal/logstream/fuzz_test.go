package logstream_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/backtest/synth"
	"bgctl/internal/logstream"
	"bgctl/internal/logstream/slowparser"
)

// formats are those that the parsers are compared in.
func formats() []string {
	return []string{
		"auto", "bgctl", "json", "combined", "common",
		"json:status=code,pool=a.b,time=when,uri=headers.x-uri,method=m,upstream_addr=status",
	}
}

// pair is the parser and the one it has to agree with.
type pair struct {
	fast *logstream.Parser
	slow *slowparser.Slow
}

func newPair(tb testing.TB, format string) *pair {
	tb.Helper()
	f, err := logstream.ParseFormat(format)
	if err != nil {
		tb.Fatal(err)
	}
	return &pair{fast: logstream.NewFormatParser(f, nil), slow: slowparser.NewSlow(f)}
}

// compare parses a line with both. A line nested more deeply than the fast one
// goes is left out.
func (p *pair) compare(tb testing.TB, line []byte) {
	tb.Helper()
	if strings.Count(string(line), "[")+strings.Count(string(line), "{") > 1000 {
		return
	}
	want, ok := p.slow.Parse(string(line))
	buf := append([]byte(nil), line...)
	var got logstream.Record
	err := p.fast.Parse(buf, &got)
	clear(buf) // the record must not live in the line
	if (err == nil) != ok {
		tb.Fatalf("%q: error %v, the slow parser understood it: %v", line, err, ok)
	}
	if !slowparser.Equal(&want, &got) {
		tb.Fatalf("%q:\n%s", line, cmp.Diff(want, got))
	}
	counts := p.fast.Counts()
	first := counts.FirstBad
	counts.FirstBad = ""
	if counts != p.slow.Counts {
		tb.Fatalf("%q:\n%s", line, cmp.Diff(p.slow.Counts, counts))
	}
	if len(first) > 256 || strings.ContainsFunc(first, func(r rune) bool { return !unicode.IsPrint(r) }) || (first == "") != (counts.Bad == 0) {
		tb.Fatalf("the first bad line is shown as %q", first)
	}
	for _, s := range []string{got.Path, got.Method, got.RequestID, got.Release, got.RemoteAddr, got.Group, first} {
		if !utf8.ValidString(s) && counts.Formats.Combined+counts.Formats.Common == 0 {
			tb.Fatalf("%q: not UTF-8: %q", line, s)
		}
	}
}

// seeds are lines worth mutating.
func seeds(tb testing.TB) []string {
	tb.Helper()
	list := []string{
		`{"time_local":"30/Oct/2025:15:23:34 +0000","msec":"1761837814.123","remote_addr":"::1","request":"GET /x HTTP/1.1","status":"200","upstream_status":"502, 200","upstream_addr":"10.0.0.2:3000, 10.0.0.3:3000","request_time":"0.012","upstream_response_time":"0.010, 0.002","pool":"green","release":"v1","active":"blue","request_id":"7f3a","bytes_sent":"123","upstream_pool":"blue_only"}`,
		`{"status":502,"upstream_status":"502","pool":"blue"}`,
		`{"a":"17{"status":"1","request":"GET /\x22 HTTP/1.1"}`,
		"{\"request\":\"\xff\\ud800\\u0000\",\"x\":[{},1e5,-0.1,null],\"status\":\"200\"}",
		`{"upstream_addr":"a:1, b : [::1]:2","upstream_status":"- : 200, 502","status":499,"active":"green"}`,
		`{"@timestamp":"2025-10-30T15:23:34.5+01:00","http":{"method":"GET","uri":"/","status":200,"x":{"y":{"z":1}}},"code":404,"a":{"b":"green"},"when":1761837814123,"headers":{"x-uri":"/h"}}`,
		`127.0.0.1 - - [30/Oct/2025:15:23:34 +0100] "GET /a\x22\xc3\xa9 HTTP/1.1" 200 612 "-" "curl/8.5.0"`,
		`::1 - me [you] [30/Oct/2025:15:23:34 +0100] "-" 400 -`,
		"\xef\xbb\xbf{\"status\":\"200\"}\r",
	}
	for _, style := range synth.Styles() {
		var b strings.Builder
		if err := synth.Write(&b, synth.Options{Lines: 400, Seed: 3, Style: style}); err != nil {
			tb.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		for i := 0; i < len(lines); i += 7 {
			list = append(list, lines[i])
		}
	}
	return list
}

// FuzzParse compares the two parsers on two lines one after the other, twice: what
// is learned from one must not change what another means.
func FuzzParse(f *testing.F) {
	list := seeds(f)
	for i, s := range list {
		f.Add([]byte(s), []byte(list[(i+1)%len(list)]), byte(i))
	}
	f.Fuzz(func(t *testing.T, a, b []byte, format byte) {
		p := newPair(t, formats()[int(format)%len(formats())])
		for range 2 {
			p.compare(t, a)
			p.compare(t, b)
		}
	})
}

var mutations = flag.Int("mutations", 30_000, "random lines that the parsers are compared on")

// TestParser_AgreesWithTheSlowOne compares them on lines that are whole, damaged,
// cut, glued and crossed.
func TestParser_AgreesWithTheSlowOne(t *testing.T) {
	t.Parallel()
	list := seeds(t)
	rng := rand.New(rand.NewPCG(1, 2))
	var pairs []*pair
	for _, format := range formats() {
		pairs = append(pairs, newPair(t, format))
	}
	for _, p := range pairs {
		for _, line := range list {
			p.compare(t, []byte(line))
		}
	}
	for i := range *mutations {
		p := pairs[i%len(pairs)]
		if i%20_000 == 0 {
			pairs[i%len(pairs)] = newPair(t, formats()[i%len(pairs)])
		}
		p.compare(t, mutate(rng, list))
	}
}

// mutate returns a line with a few faults.
func mutate(rng *rand.Rand, list []string) []byte {
	line := []byte(list[rng.IntN(len(list))])
	for range rng.IntN(4) {
		if len(line) == 0 {
			break
		}
		at := rng.IntN(len(line))
		switch rng.IntN(8) {
		case 0:
			line[at] = byte(rng.IntN(256))
		case 1:
			line = append(line[:at:at], line[at+1:]...)
		case 2:
			line = line[:at]
		case 3:
			line = append(line[:at:at], list[rng.IntN(len(list))]...)
		case 4:
			pieces := []string{
				`"`, `\`, `\"`, `\x2`, `\x22`, `{"`, `}`, `, `, ` : `, `-`, `null`, "\xff", `\ud83d\ude00`, "é", ` [`, `] "`, `0`,
				`"status":503,`, `"code":"404",`, `"upstream_status":"-",`, `"msec":"1.5",`, `"a":{"b":"blue"},`, "\x00", "\t", "  ",
			}
			piece := pieces[rng.IntN(len(pieces))]
			line = append(line[:at:at], piece+string(line[at:])...)
		case 5:
			line[at] = "0123456789\",:{}[]\\ -."[rng.IntN(21)]
		case 6:
			end := at + rng.IntN(len(line)-at)
			line = append(line, line[at:end]...)
		case 7:
			end := at + rng.IntN(len(line)-at)
			line = append(line[:at:at], line[end:]...)
		}
	}
	return line
}
