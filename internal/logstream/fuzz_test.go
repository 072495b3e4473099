package logstream

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// slowParse is the parser in the most obvious way: it tells what the fields of a
// line are by encoding/json, for lines that are one whole object.
func slowParse(line []byte) (map[string]string, bool) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(line, &raw) != nil || raw == nil {
		return nil, false
	}
	out := map[string]string{}
	for k, v := range raw {
		var text string
		switch {
		case v[0] == '"':
			if json.Unmarshal(v, &text) != nil {
				return nil, false
			}
			out[k] = text
		case v[0] == '-' || v[0] >= '0' && v[0] <= '9':
			out[k] = string(v)
		}
	}
	for _, k := range []string{"status", "upstream_status", "request"} {
		if _, ok := out[k]; ok {
			return out, true
		}
	}
	return nil, false
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(ourLine))
	f.Add([]byte(`{"status":502,"upstream_status":"502","pool":"blue"}`))
	f.Add([]byte(`{"a":"17{"status":"1","request":"GET /\x22 HTTP/1.1"}`))
	f.Add([]byte("{\"request\":\"\xff\\ud800\\u0000\",\"x\":[{},1e5,-0.1,null],\"status\":\"200\"}"))
	f.Add([]byte(`{"upstream_addr":"a:1, b : [::1]:2","upstream_status":"- : 200, 502","status":499,"active":"green"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p := NewParser(nil)
		var r Record
		err := p.Parse(line, &r)
		if len(r.Attempts) > len(line) || len(p.counts.FirstBad) > 3*badLineShown {
			t.Fatalf("%d attempts, %d bytes shown", len(r.Attempts), len(p.counts.FirstBad))
		}
		for _, s := range []string{r.Path, r.Method, r.RequestID, r.Release, r.RemoteAddr, r.Group, p.counts.FirstBad} {
			if !utf8.ValidString(s) {
				t.Fatalf("not UTF-8: %q", s)
			}
		}
		want, ok := slowParse(bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")))
		if !ok || strings.Count(string(line), "[")+strings.Count(string(line), "{") > maxDepth {
			return // damaged lines may be recovered in part
		}
		if err != nil {
			t.Fatalf("a good line was refused: %q", line)
		}
		if p.counts.Salvaged+p.counts.Torn > 0 {
			t.Fatalf("a good line was repaired: %q", line)
		}
		compareParsed(t, want, &r)
	})
}

func compareParsed(t *testing.T, want map[string]string, r *Record) {
	t.Helper()
	check := func(key, got string) {
		w := want[key]
		if w == "-" {
			w = ""
		}
		if got != w {
			t.Fatalf("%s is %q, want %q", key, got, w)
		}
	}
	check("request_id", r.RequestID)
	check("release", r.Release)
	check("upstream_pool", r.Group)
	if r.RemoteAddr != want["remote_addr"] {
		t.Fatalf("remote_addr %q, want %q", r.RemoteAddr, want["remote_addr"])
	}
	if r.Status != parseStatus(want["status"]) || r.Active != parsePool(want["active"]) {
		t.Fatalf("status %d, active %v of %v", r.Status, r.Active, want)
	}
	request := want["request"]
	if joined := r.Method + " " + r.Path; r.Method == "" && r.Path != request ||
		r.Method != "" && !strings.HasPrefix(request, joined) {
		t.Fatalf("method %q, path %q of %q", r.Method, r.Path, request)
	}
	compareAttempts(t, want, r)
}

func compareAttempts(t *testing.T, want map[string]string, r *Record) {
	t.Helper()
	split := func(key string) []string {
		if want[key] == "" {
			return nil
		}
		return regexp.MustCompile(`, | : `).Split(want[key], -1)
	}
	addrs, statuses := split("upstream_addr"), split("upstream_status")
	n := min(len(addrs), len(statuses))
	if n == 0 {
		n = max(len(addrs), len(statuses))
	}
	if len(r.Attempts) > n {
		t.Fatalf("%d attempts of %q, %q", len(r.Attempts), addrs, statuses)
	}
	j := 0
	for i := range n {
		addr, status := "", 0
		if i < len(addrs) && addrs[i] != "-" {
			addr = addrs[i]
		}
		if i < len(statuses) {
			status = parseStatus(statuses[i])
		}
		if addr == "" && status == 0 || noLiveUpstream(addr) {
			continue
		}
		if j >= len(r.Attempts) || r.Attempts[j].Addr != addr || r.Attempts[j].Status != status {
			t.Fatalf("attempt %d is not %q %d: %+v", j, addr, status, r.Attempts)
		}
		j++
	}
	if j != len(r.Attempts) {
		t.Fatalf("%d attempts, want %d", len(r.Attempts), j)
	}
}
