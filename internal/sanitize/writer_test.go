package sanitize_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bgctl/internal/sanitize"
)

func TestWriter(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"lines and tabs stay", "a\tb\n\nc\n", "a\tb\n\nc\n"},
		{"sequences go", "a\x1b[31mb\x1b]52;c;eA==\x07c\n\x9bKd", "abc\nd"},
		{"overwriting goes", "real\rfake\n", "realfake\n"},
		{"bidi goes", "a\u202eb\u2028c\n", "ab c\n"},
		{"no line is cut", strings.Repeat("x", 3*sanitize.MaxLine), strings.Repeat("x", 3*sanitize.MaxLine)},
		{"a string does not swallow the next line", "\x1b]0;t\nnext\x07\n", "0;t\nnext\n"},
		{"an erased line alone stays", sanitize.EraseLine, sanitize.EraseLine},
		{"one within text goes", "a" + sanitize.EraseLine + "b", "ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			n, err := sanitize.NewWriter(&buf).Write([]byte(tt.in))
			if n != len(tt.in) || err != nil || buf.String() != tt.want {
				t.Errorf("wrote %q (%d, %v), want %q", buf.String(), n, err, tt.want)
			}
		})
	}
}

func TestWriter_TellsErrors(t *testing.T) {
	if n, err := sanitize.NewWriter(broken{}).Write([]byte("x")); n != 0 || !errors.Is(err, errBroken) {
		t.Errorf("%d, %v", n, err)
	}
}

func TestUnwrap(t *testing.T) {
	var buf bytes.Buffer
	if sanitize.Unwrap(sanitize.NewWriter(sanitize.NewWriter(&buf))) != &buf || sanitize.Unwrap(&buf) != &buf {
		t.Error("not the writer behind it")
	}
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestJSONWriter_EscapesAndPassesAWriter(t *testing.T) {
	var buf bytes.Buffer
	fmt.Fprint(sanitize.NewJSONWriter(sanitize.NewWriter(&buf)), "{\"a\":\"x\u009b\\\"\u202e\u2028\x7f\U000e0041é🙂\xff\"}\n")
	want := `{"a":"x\u009b\"\u202e\u2028\u007f\udb40\udc41é🙂\ufffd"}` + "\n"
	if buf.String() != want {
		t.Errorf("%s, want %s", buf.String(), want)
	}
}

// FuzzAppendJSON: the text says the same and passes a Writer unchanged.
func FuzzAppendJSON(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31m", "\u009b\"x", "\u202e\u2028\u200d", "\U000E0041", "\x7f", "a\xffb", "\\u009b", "日本🙂"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var raw bytes.Buffer
		enc := json.NewEncoder(&raw)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{"v": s, s: "v"}); err != nil {
			t.Fatal(err)
		}
		text := sanitize.AppendJSON(nil, raw.Bytes())
		var safe bytes.Buffer
		if _, err := sanitize.NewWriter(&safe).Write(text); err != nil || safe.String() != string(text) {
			t.Errorf("%q is changed to %q on a terminal (%v)", text, safe.String(), err)
		}
		var got, want map[string]string
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := json.Unmarshal(raw.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) || got["v"] != want["v"] || got[s] != want[s] {
			t.Errorf("%q says %q, want %q", text, got, want)
		}
	})
}

// FuzzWriter: no line that a terminal shows holds anything but safe text, however the
// text is cut into calls.
func FuzzWriter(f *testing.F) {
	f.Add("a\x1b[31mb\n\u202e", 3)
	f.Add("\r\x1b[K\x9b", 1)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		var buf bytes.Buffer
		w := sanitize.NewWriter(&buf)
		cut = max(0, min(cut, len(s)))
		fmt.Fprint(w, s[:cut])
		fmt.Fprint(w, s[cut:])
		for line := range strings.SplitSeq(strings.ReplaceAll(buf.String(), sanitize.EraseLine, ""), "\n") {
			check(t, strings.ReplaceAll(line, "\t", ""))
		}
	})
}
