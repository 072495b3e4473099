package sanitize_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"bgctl/internal/sanitize"
)

func TestLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "GET /a?b=c 200", "GET /a?b=c 200"},
		{"letters of the world", "é ß 日本 🙂", "é ß 日本 🙂"},
		{"tab and newline become spaces", "a\tb\nc", "a b c"},
		{"crlf", "a\r\nb", "a b"},
		{"overwriting", "real\rfake\b\b", "realfake"},
		{"other C0 and DEL", "a\x00b\x07c\x0bd\x0ce\x7ff", "abcdef"},
		{"CSI colour", "\x1b[1;31mred\x1b[0m", "red"},
		{"CSI private and intermediate", "a\x1b[?25l\x1b[!pb\x1b[0 qc", "abc"},
		{"CSI cut short", "a\x1b[31", "a"},
		{"CSI broken by a control", "a\x1b[3\x01mb", "amb"},
		{"CSI raw C1", "a\x9b31mb", "ab"},
		{"CSI UTF-8 C1", "a\u009b31mb", "ab"},
		{"OSC title, BEL", "a\x1b]0;title\x07b", "ab"},
		{"OSC link, ST", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"OSC raw C1", "a\x9d0;t\x9cb", "ab"},
		{"OSC UTF-8 C1", "a\u009d0;t\u009cb", "ab"},
		{"OSC with a letter that holds 0x9c", "a\x1b]0;\u271c;t\x07b", "ab"},
		{"OSC without an end hides nothing", "a\x1b]0;rest of the line", "a0;rest of the line"},
		{"DCS, SOS, PM, APC", "a\x1bPq\x1b\\b\x1bXq\x1b\\c\x1b^q\x1b\\d\x1b_q\x1b\\e", "abcde"},
		{"DCS, SOS, PM, APC raw C1", "a\x90q\x9cb\x98q\x9cc\x9eq\x9cd\x9fq\x9ce", "abcde"},
		{"reset", "a\x1bcb", "ab"},
		{"character set", "a\x1b(0b", "ab"},
		{"lone ESC", "a\x1b", "a"},
		{"ESC ESC", "a\x1b\x1b[31mb", "ab"},
		{"ESC before a letter beyond ASCII", "a\x1bé", "aé"},
		{"other C1", "a\u0085b\x84c", "abc"},
		{"bidi", "a\u202eb\u2066c\u2069d\u200fe\u061cf", "abcdef"},
		{"line separators", "a\u2028b\u2029c", "a b c"},
		{"tags", "a\U000E0041\U000E007F\U000E0000b", "ab"},
		{"zero width", "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", "abcdefg"},
		{"variation selectors", "a\ufe0fb\U000E0100c", "abc"},
		{"not UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
		{"overlong ESC", "a\xc0\x9b31mb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := sanitize.Line(tt.in); got != tt.want {
				t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestAppendLine_CutsAtLimit(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"abc", 3, ">abc"},
		{"abcd", 3, ">ab…"},
		{"äöüß", 3, ">äö…"},
		{"äöü", 3, ">äöü"},
		{"ab\x1b[31mc\x1b[0m", 3, ">abc"},
		{"abc", 1, ">…"},
		{"a", 1, ">a"},
		{"abcd", 0, ">abcd"},
		{"ab\tcd", -1, ">ab cd"},
	}
	for _, tt := range tests {
		if got := string(sanitize.AppendLine([]byte(">"), []byte(tt.in), tt.limit)); got != tt.want {
			t.Errorf("AppendLine(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestLine_BoundsLength(t *testing.T) {
	got := sanitize.Line(strings.Repeat("x", 1<<20))
	if n := utf8.RuneCountInString(got); n != sanitize.MaxLine || !strings.HasSuffix(got, "…") {
		t.Errorf("%d runes ending in %q, want %d ending in …", n, got[len(got)-3:], sanitize.MaxLine)
	}
}

func TestAppendLine_DoesNotAllocateForPlainText(t *testing.T) {
	dst, in := make([]byte, 0, 64), []byte("GET /index.html 200")
	if n := testing.AllocsPerRun(100, func() { dst = sanitize.AppendLine(dst[:0], in, 60) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred", "\x9b1m", "\u009b1m", "\x1b]0;t\x07", "\x1bP\x1b\\", "a\xff\xc3\x1b", "\u202e\u2028\U000E0041\u200d", "\x1b]\x1b]\x1b]"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		line := sanitize.Line(s)
		check(t, line)
		if again := sanitize.Line(line); again != line {
			t.Errorf("not stable: %q, then %q", line, again)
		}
		const before = "kept \x1b"
		in := []byte(s)
		out := string(sanitize.AppendLine([]byte(before), in, limit))
		if string(in) != s {
			t.Errorf("the input was changed: %q, was %q", in, s)
		}
		cut, kept := strings.CutPrefix(out, before)
		if !kept {
			t.Errorf("what was there before is gone: %q", out)
		}
		check(t, cut)
		if again := string(sanitize.AppendLine(nil, []byte(cut), limit)); again != cut {
			t.Errorf("not stable with limit %d: %q, then %q", limit, cut, again)
		}
		whole := string(sanitize.AppendLine(nil, in, 0))
		if limit > 0 && utf8.RuneCountInString(cut) > limit {
			t.Errorf("more runes than %d: %q", limit, cut)
		}
		if start, short := strings.CutSuffix(cut, "…"); cut != whole && (!short || !strings.HasPrefix(whole, start)) {
			t.Errorf("%q is no beginning of %q", cut, whole)
		}
		// Whatever a sender writes, the line that follows it is shown whole.
		if next := sanitize.Line(s[:min(len(s), 64)] + "\x18\n" + "next"); !strings.HasSuffix(next, "next") {
			t.Errorf("the text behind %q is hidden: %q", s, next)
		}
	})
}

// check fails when line is not safe to print.
func check(t *testing.T, line string) {
	t.Helper()
	if !utf8.ValidString(line) {
		t.Errorf("not UTF-8: %q", line)
	}
	for i := range len(line) {
		if line[i] < 0x20 || line[i] == 0x7f {
			t.Errorf("byte %#x in %q", line[i], line)
		}
	}
	for _, r := range line {
		switch {
		case r < 0x20 || r >= 0x7f && r <= 0x9f,
			// Bidi: marks, embeddings, overrides, isolates.
			r == 0x061c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069,
			// Line and paragraph separators, zero-width characters, tags.
			r == 0x2028 || r == 0x2029 || r >= 0x200b && r <= 0x200d || r == 0x2060 || r == 0xfeff || r >= 0xe0000 && r <= 0xe0fff,
			unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs):
			t.Errorf("%U in %q", r, line)
		}
	}
}

func BenchmarkAppendLine(b *testing.B) {
	for name, in := range map[string]string{
		"plain":    strings.Repeat("GET /index.html ", 16),
		"coloured": strings.Repeat("\x1b[31mGET\x1b[0m /ä ", 16),
		"hostile":  strings.Repeat("\x1b]", 1<<15),
	} {
		b.Run(name, func(b *testing.B) {
			line, dst := []byte(in), []byte(nil)
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				dst = sanitize.AppendLine(dst[:0], line, 0)
			}
		})
	}
}
