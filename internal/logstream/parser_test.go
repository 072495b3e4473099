package logstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bgctl/internal/bluegreen"
)

const ourLine = `{"time_local":"30/Oct/2025:15:23:34 +0000","msec":"1761837814.123","remote_addr":"172.18.0.1",` +
	`"request":"GET /x?a=1 HTTP/1.1","status":"200","upstream_status":"502, 200","upstream_addr":"10.0.0.2:3000, 10.0.0.3:3000",` +
	`"request_time":"0.012","upstream_response_time":"0.010, 0.002","pool":"green","release":"v1","active":"blue",` +
	`"request_id":"7f3a","bytes_sent":"123","upstream_pool":"blue"}`

func knownAddrs() *AddrMap {
	m := NewAddrMap()
	m.Set(bluegreen.Blue, "10.0.0.2:80", "8081", "h:8081", "[::1]:80", "unix:/run/b.sock")
	m.Set(bluegreen.Green, "10.0.0.3:80", "h:8082", "[::1]:81", "unix:/run/a.sock")
	return m
}

func TestParser_ReadsOurLine(t *testing.T) {
	t.Parallel()
	var got Record
	if err := NewParser(nil).Parse([]byte(ourLine), &got); err != nil {
		t.Fatal(err)
	}
	want := Record{
		Time:       time.Date(2025, 10, 30, 15, 23, 34, 123e6, time.UTC),
		RemoteAddr: "172.18.0.1", Method: "GET", Path: "/x?a=1", Status: 200,
		Duration: 12 * time.Millisecond, BytesSent: 123,
		Attempts: []Attempt{
			{Pool: bluegreen.Blue, Addr: "10.0.0.2:3000", Status: 502, Duration: 10 * time.Millisecond},
			{Pool: bluegreen.Green, Addr: "10.0.0.3:3000", Status: 200, Duration: 2 * time.Millisecond},
		},
		Served: bluegreen.Green, Active: bluegreen.Blue, Release: "v1", RequestID: "7f3a", Group: "blue",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParser_ReadsTheReferenceKitsLine(t *testing.T) {
	t.Parallel()
	line := `{"time_local":"30/Oct/2025:15:23:34 +0100","remote_addr":"1.2.3.4","request":"GET / HTTP/1.1",` +
		`"status":502,"upstream_status":"502","pool":"blue","release":"v1.0.0"}`
	var got Record
	if err := NewParser(nil).Parse([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	want := Record{
		Time: time.Date(2025, 10, 30, 14, 23, 34, 0, time.UTC), RemoteAddr: "1.2.3.4", Method: "GET", Path: "/",
		Status: 502, Duration: -1, Release: "v1.0.0", Served: bluegreen.Blue,
		Attempts: []Attempt{{Pool: bluegreen.Blue, Status: 502, Duration: -1}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestParser_Attempts covers P1 to P12: what the upstream lists mean.
func TestParser_Attempts(t *testing.T) {
	t.Parallel()
	const b, g, none = bluegreen.Blue, bluegreen.Green, bluegreen.NoPool
	tests := []struct {
		name, addr, status, final, pool string
		served                          bluegreen.Pool
		attempts                        int
		failedBlue, failedGreen, dead   bool
	}{
		{"P1 retried", "h:8081, h:8082", "502, 200", "200", "green", g, 2, true, false, false},
		{"P2 groups", "10.0.0.2:80, 10.0.0.3:80 : 10.0.0.3:80", "502, 200 : 504", "504", "", none, 3, true, true, false},
		{"P3 redirect", "10.0.0.2:80 : 10.0.0.3:80", "404 : 200", "200", "green", g, 2, false, false, false},
		{"P4 client gone", "10.0.0.2:80", "-", "499", "", none, 1, false, false, false},
		{"P5 retried, then client gone", "10.0.0.2:80, 10.0.0.3:80", "502, -", "499", "", none, 2, true, false, false},
		{"P6 not proxied", "", "", "200", "", none, 0, false, false, false},
		{"P6 not proxied, default escaping", "-", "-", "200", "-", none, 0, false, false, false},
		{"P7 no live upstream", "app", "502", "502", "", none, 0, false, false, true},
		{"P8 stale header", "10.0.0.2:80, app", "500, 502", "502", "green", none, 1, true, false, true},
		{"P9 unix", "unix:/run/a.sock", "200", "200", "", g, 1, false, false, false},
		{"P9 IPv6", "[::1]:80, [::1]:81", "502, 200", "200", "", g, 2, true, false, false},
		{"P11 more addresses", "10.0.0.2:80, 10.0.0.3:80", "502", "502", "", none, 1, true, false, false},
		{"P11 no addresses", "", "502, 200", "200", "green", g, 2, false, false, false},
		{"address wins over header", "10.0.0.2:80", "200", "200", "green", b, 1, false, false, false},
		{"an app's own 502", "10.0.0.2:80", "502", "502", "blue", b, 1, true, false, false},
		{"P12 100 attempts", strings.Repeat("10.0.0.2:80, ", 99) + "10.0.0.3:80", strings.Repeat("502, ", 99) + "200", "200", "", g, 100, true, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			line := `{"status":"` + tt.final + `","upstream_addr":"` + tt.addr + `","upstream_status":"` + tt.status +
				`","pool":"` + tt.pool + `"}`
			var r Record
			if err := NewParser(knownAddrs()).Parse([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if r.Served != tt.served || len(r.Attempts) != tt.attempts || r.NoUpstream != tt.dead {
				t.Errorf("served %q, %d attempts, no upstream %v; want %q, %d, %v",
					r.Served, len(r.Attempts), r.NoUpstream, tt.served, tt.attempts, tt.dead)
			}
			if r.FailedOn(b) != tt.failedBlue || r.FailedOn(g) != tt.failedGreen {
				t.Errorf("failed on blue %v, green %v; want %v, %v", r.FailedOn(b), r.FailedOn(g), tt.failedBlue, tt.failedGreen)
			}
		})
	}
}

// TestParser_Status covers P10.
func TestParser_Status(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		`200`: 200, `"503"`: 503, `""`: 0, `"000"`: 0, `99999999999999999999`: 0, `-1`: 0, `"abc"`: 0, `null`: 0, `2e2`: 0, `[200]`: 0,
	} {
		var r Record
		if err := NewParser(nil).Parse([]byte(`{"request":"GET / HTTP/1.1","status":`+in+`}`), &r); err != nil || r.Status != want {
			t.Errorf("status %s: got %d, %v; want %d", in, r.Status, err, want)
		}
	}
}

// TestParser_Tolerates covers P13 to P19.
func TestParser_Tolerates(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	tests := []struct {
		name, line, path string
		bad              bool
	}{
		{"P13 invalid UTF-8", "{\"status\":200,\"request\":\"GET /\xff\xc0\x7f HTTP/1.1\"}", "/\uFFFD\uFFFD\x7f", false},
		{"P13 NUL and lone surrogate", `{"status":200,"request":"GET /\u0000\ud800x HTTP/1.1"}`, "/\x00\uFFFDx", false},
		{"P13 surrogate pair", `{"status":200,"request":"GET /\ud83d\ude00 HTTP/1.1"}`, "/\U0001F600", false},
		{"P14 default escaping", `{"status":200,"request":"GET /\x22a\xC3 HTTP/1.1"}`, "/\"a\u00c3", false},
		{"P14 half an escape", `{"status":200,"request":"GET /\x2"}`, "", true},
		{"P15 nothing unquoted", `{"status":200,"urt":}`, "", true},
		{"P16 torn and glued", `{"msec":"17{"status":200,"request":"GET /tail HTTP/1.1"}`, "/tail", false},
		{"P16 torn only", `{"msec":"17`, "", true},
		{"P16 two glued", `{"status":200,"request":"GET /a HTTP/1.1"}{"status":200,"request":"GET /b HTTP/1.1"}`, "/b", false},
		{"P17 array", `[]`, "", true},
		{"P17 null", `null`, "", true},
		{"P17 empty object", `{}`, "", true},
		{"P17 deep", `{"x":` + deep + `,"status":200}`, "", true},
		{"P17 nested unknown", `{"x":{"a":[1,{"b":"}"}]},"status":200,"request":"GET /n HTTP/1.0"}`, "/n", false},
		{"P17 BOM and CR", "\xef\xbb\xbf{\"status\":200,\"request\":\"GET /c HTTP/1.1\"}\r", "/c", false},
		{"P17 garbage behind", `{"status":200} x`, "", true},
		{"P17 error log", `2025/10/30 15:23:34 [error] 7#7: *1 connect() failed`, "", true},
		{"P18 the last of two wins", `{"status":200,"request":"GET /1 HTTP/1.1","request":"GET /2 HTTP/1.1"}`, "/2", false},
		{"P18 case matters", `{"status":200,"REQUEST":"GET /1 HTTP/1.1"}`, "", false},
		{"P18 escaped key", `{"status":200,"reques\u0074":"GET /k HTTP/1.1"}`, "/k", false},
		{"P19 foreign pool", `{"status":200,"request":"GET /p HTTP/1.1","upstream_status":"200","pool":"<!channel>"}`, "/p", false},
		{"P19 pool of 10 KiB with controls", `{"status":200,"request":"GET /q HTTP/1.1","upstream_status":"200","pool":"\u001b[2J` + strings.Repeat("blue", 2560) + `"}`, "/q", false},
		{"no request line", `{"status":400,"request":"\u0016\u0003\u0001"}`, "\x16\x03\x01", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r Record
			p := NewParser(nil)
			err := p.Parse([]byte(tt.line), &r)
			if tt.bad != errors.Is(err, ErrBadLine) {
				t.Fatalf("err = %v, want bad %v", err, tt.bad)
			}
			if c := p.Counts(); tt.bad && (c.Bad != 1 || c.FirstBad == "" || len(c.FirstBad) > 3*badLineShown) {
				t.Errorf("counts %+v", c)
			}
			if !tt.bad && r.Path != tt.path {
				t.Errorf("path %q, want %q", r.Path, tt.path)
			}
			if r.Served != bluegreen.NoPool {
				t.Errorf("served %v", r.Served)
			}
		})
	}
}

func TestParser_LearnsAddressesFromHeaders(t *testing.T) {
	t.Parallel()
	addrs := NewAddrMap()
	p := NewParser(addrs)
	parse := func(addr, status, pool string) Record {
		var r Record
		if err := p.Parse([]byte(`{"status":200,"upstream_addr":"`+addr+`","upstream_status":"`+status+`","pool":"`+pool+`"}`), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	parse("1.1.1.1:80", "200", "blue")
	parse("2.2.2.2:80", "200", "green")
	if r := parse("1.1.1.1:80, 2.2.2.2:80", "502, 200", "green"); !r.FailedOn(bluegreen.Blue) || r.Served != bluegreen.Green {
		t.Errorf("got %+v", r)
	}
	// One contradiction is not believed, three in a row are: the container was replaced.
	if r := parse("1.1.1.1:80", "200", "green"); r.Served != bluegreen.Blue {
		t.Error("one forged header moved an address")
	}
	parse("1.1.1.1:80", "200", "blue")
	parse("1.1.1.1:80", "200", "green")
	if r := parse("1.1.1.1:80", "200", "green"); r.Served != bluegreen.Blue {
		t.Error("contradictions not in a row moved an address")
	}
	if r := parse("1.1.1.1:80", "200", "green"); r.Served != bluegreen.Green {
		t.Error("three contradictions in a row did not move the address")
	}
	addrs.Set(bluegreen.Blue, "1.1.1.1:80")
	for range 5 {
		if r := parse("1.1.1.1:80", "200", "green"); r.Served != bluegreen.Blue {
			t.Error("a header overruled an observed address")
		}
	}
}
