package past

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bgctl/internal/alert"
)

// noon is the end of the hour.
func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// line is a request that ended so long before noon.
func line(before time.Duration, path, upstream, status string) string {
	at := noon().Add(-before)
	return fmt.Sprintf(`{"msec":"%d.500","request":"GET %s HTTP/1.1","status":"%s","upstream_status":"%s","upstream_addr":"%s","request_time":"0.020",`+
		`"upstream_response_time":"0.010","pool":"%s","release":"v1","active":"blue","request_id":"x","bytes_sent":"1","upstream_pool":"%s"}`+"\n",
		at.Unix(), path, status, map[bool]string{true: "502, 200", false: status}[upstream == "saved"],
		map[bool]string{true: "10.0.0.2:3000, 10.0.0.3:3000", false: "10.0.0.2:3000"}[upstream == "saved"],
		map[bool]string{true: "green", false: "blue"}[upstream == "saved"], map[bool]string{true: "blue, green", false: "blue"}[upstream == "saved"])
}

func TestSum_CountsBySecondAndPool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	var b bytes.Buffer
	b.WriteString(line(2*time.Hour, "/old", "", "200"))
	for range 3 {
		b.WriteString(line(50*time.Minute, "/", "", "200"))
	}
	b.WriteString(line(10*time.Second, "/healthz", "", "200"))
	b.WriteString(line(10*time.Second, "/", "", "500"))
	b.WriteString(line(5*time.Second, "/", "saved", "200"))
	b.WriteString("no line\n")
	b.WriteString(line(-3*time.Second, "/", "", "200"))
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := alert.DefaultConfig()
	s, err := Sum(t.Context(), &Source{Path: path, Counts: cfg.Counts}, noon().Unix())
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(s.Seconds)
	at := func(d time.Duration) int64 { return noon().Add(-d).Unix() }
	want := fmt.Sprintf(`[{"t":%d,"p":"blue","n":3,"a":3,"l":[19967,19967,19967],"c":[3,0,0,0]},`+
		`{"t":%d,"p":"blue","n":1,"e":1,"a":1,"f":1,"l":[19967,19967,19967],"c":[0,0,0,1]},`+
		`{"t":%d,"p":"blue","a":1,"f":1,"l":[0,0,0],"c":[0,0,0,0]},`+
		`{"t":%d,"p":"green","n":1,"a":1,"s":1,"l":[19967,19967,19967],"c":[1,0,0,0]}]`, at(50*time.Minute), at(10*time.Second), at(5*time.Second), at(5*time.Second))
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s.Begins != noon().Unix()-Hour+1 {
		t.Errorf("it begins at %d", s.Begins)
	}
}

func TestSum_SaysWhereAShortLogBegins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	cfg := alert.DefaultConfig()
	if _, err := Sum(t.Context(), &Source{Path: path, Counts: cfg.Counts}, noon().Unix()); err == nil {
		t.Error("a log that is not there has an hour")
	}
	for text, want := range map[string]int64{
		"": 0, line(10*time.Minute, "/", "", "200"): noon().Add(-10*time.Minute).Unix() + 1,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Sum(t.Context(), &Source{Path: path, Counts: cfg.Counts}, noon().Unix()); err != nil || s.Begins != want {
			t.Errorf("%q: begins at %d, %v; want %d", text, s.Begins, err, want)
		}
	}
}
