package logstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
)

func TestParseFormat_PrintsWhatItReads(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"auto", "bgctl", "json", "combined", "common", "json:status=code", "json:status=code,pool=headers.x_pool"} {
		f, err := ParseFormat(s)
		if err != nil || f.String() != s {
			t.Errorf("%s: printed %s, error %v", s, f, err)
		}
	}
	if f, err := ParseFormat(""); err != nil || f != (Format{}) || f.String() != "auto" {
		t.Errorf("nothing: %s, %v", f, err)
	}
	for s, want := range map[string]string{
		"xml":           `unknown log format "xml": use auto, bgctl, json, combined, common or json:field=key`,
		"combined:a=b":  "only json takes field=key",
		"json:status":   `"status" is not field=key`,
		"json:status=":  `"status=" is not field=key`,
		"json:stats=cc": `no field "stats"; fields are time, `,
	} {
		if _, err := ParseFormat(s); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", s, err, want)
		}
	}
}

func TestParser_ReadsForeignFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 10, 30, 15, 23, 34, 0, time.UTC)
	tests := []struct {
		name, format, line string
		want               Record
	}{
		{
			"combined", "auto", `1.2.3.4 - - [30/Oct/2025:16:23:34 +0100] "GET /a\x22b HTTP/1.1" 200 612 "-" "curl \"x\""`,
			Record{Time: at, RemoteAddr: "1.2.3.4", Method: "GET", Path: `/a"b`, Status: 200, Duration: -1, BytesSent: 612, Attempts: []Attempt{{Status: 200, Duration: -1}}},
		},
		{
			"common, a user with spaces", "common", `::1 - a b [30/Oct/2025:15:23:34 +0000] "-" 499 -`,
			Record{Time: at, RemoteAddr: "::1", Status: 499, Duration: -1, Attempts: []Attempt{{Duration: -1}}},
		},
		{
			"nested and with dots", "json", `{"@timestamp":"2025-10-30T15:23:34Z","request":{"method":"PUT","uri":"/u"},"http.status":"503","upstream":{"addr":"10.0.0.2:80","status":503,"response-time":0.5}}`,
			Record{Time: at, Method: "PUT", Path: "/u", Status: 503, Duration: -1, Attempts: []Attempt{{Addr: "10.0.0.2:80", Status: 503, Duration: 500 * time.Millisecond}}, Served: bluegreen.NoPool},
		},
		{
			"milliseconds, the more telling key wins", "auto", `{"ts":1761837814000,"code":1,"status":200,"request_uri":"/r","path":"/p","http_x_app_pool":"green"}`,
			Record{Time: at, Path: "/r", Status: 200, Duration: -1, Attempts: []Attempt{{Pool: bluegreen.Green, Status: 200, Duration: -1}}, Served: bluegreen.Green},
		},
		{
			"keys given", "json:status=code,pool=headers.x-pool,time=when", `{"when":"2025-10-30 15:23:34","status":200,"code":500,"headers":{"x-pool":"blue"}}`,
			Record{Time: at, Status: 500, Duration: -1, Attempts: []Attempt{{Pool: bluegreen.Blue, Status: 500, Duration: -1}}, Served: bluegreen.Blue},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := ParseFormat(tt.format)
			if err != nil {
				t.Fatal(err)
			}
			p := NewFormatParser(f, nil)
			// The second time the line is read by what the first one taught.
			for range 2 {
				var got Record
				if err := p.Parse([]byte(tt.line), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestParser_KeepsToTheFormatGiven(t *testing.T) {
	t.Parallel()
	combined := `1.2.3.4 - - [30/Oct/2025:16:23:34 +0100] "GET / HTTP/1.1" 200 612 "-" "-"`
	common := `1.2.3.4 - - [30/Oct/2025:16:23:34 +0100] "GET / HTTP/1.1" 200 612`
	for _, tt := range []struct{ format, line string }{
		{"combined", common},
		{"common", combined},
		{"json", combined},
		{"bgctl", common},
		{"combined", ourLine},
		{"bgctl", `{"code":200,"uri":"/"}`},
	} {
		f, err := ParseFormat(tt.format)
		if err != nil {
			t.Fatal(err)
		}
		if err := NewFormatParser(f, nil).Parse([]byte(tt.line), &Record{}); !errors.Is(err, ErrBadLine) {
			t.Errorf("%s: %s was understood", tt.format, tt.line)
		}
	}
}

// A log that is not understood says so, and shows why on one line that is safe.
func TestCounts_TellTrouble(t *testing.T) {
	t.Parallel()
	p := NewParser(nil)
	var r Record
	for range 3 {
		_ = p.Parse([]byte("error:\x1b[31m\u202e \xff"+strings.Repeat("é", 200)), &r)
	}
	trouble := p.Counts().Trouble()
	if want := "0 of 3 lines understood, first bad line: error:\uFFFD[31m\uFFFD \uFFFDéé"; !strings.HasPrefix(trouble, want) {
		t.Errorf("trouble %q, want %q", trouble, want)
	}
	if n := len(p.Counts().FirstBad); n > badLineShown || n < badLineShown-3 {
		t.Errorf("%d bytes are shown", n)
	}
	for range 3 {
		if err := p.Parse([]byte(ourLine), &r); err != nil {
			t.Fatal(err)
		}
	}
	c := p.Counts()
	if c.Trouble() != "" || c.Formats.String() != "bgctl" {
		t.Errorf("trouble %q, format %s", c.Trouble(), c.Formats)
	}
}

// Records of the parser stay what they are when lines and parser go on.
func TestParser_RecordsLast(t *testing.T) {
	t.Parallel()
	p := NewParser(nil)
	var first, r Record
	line := []byte(ourLine)
	if err := p.Parse(line, &first); err != nil {
		t.Fatal(err)
	}
	want := first
	want.Attempts = append([]Attempt(nil), first.Attempts...)
	clear(line)
	for range 2000 {
		if err := p.Parse([]byte(strings.ReplaceAll(ourLine, "7f3a", "beef")), &r); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, first); diff != "" || first.RequestID != "7f3a" {
		t.Error(diff)
	}
}

// The parser allocates chunks, not lines.
func TestParser_DoesNotAllocateALine(t *testing.T) {
	p := NewParser(nil)
	var r Record
	line := []byte(ourLine)
	per := testing.AllocsPerRun(5000, func() {
		if err := p.Parse(line, &r); err != nil {
			t.Fatal(err)
		}
	})
	if per > 0.05 {
		t.Errorf("%.3f allocations a line", per)
	}
}
