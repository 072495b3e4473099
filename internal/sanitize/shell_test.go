package sanitize_test

import (
	"os/exec"
	"strings"
	"testing"

	"bgctl/internal/sanitize"
)

func TestShell(t *testing.T) {
	tests := []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, "''"},
		{[]string{"bgctl", "deploy", "registry.example/shop:1.5.0@sha256:ab", "--to=green"}, "bgctl deploy registry.example/shop:1.5.0@sha256:ab --to=green"},
		{[]string{"a b"}, "'a b'"},
		{[]string{"x; rm -rf ~"}, "'x; rm -rf ~'"},
		{[]string{"it's"}, `'it'\''s'`},
		{[]string{"$(id)", "`id`", "~", "=ls", "*", "#x", "!!"}, "'$(id)' '`id`' '~' '=ls' '*' '#x' '!!'"},
		{[]string{"größe"}, "'größe'"},
		{[]string{"1\x1b[31m\nundo"}, `"$(printf '1\033\13331m\012undo')"`},
		{[]string{"-\u202ex"}, `"$(printf '\055\342\200\256x')"`},
	}
	for _, tt := range tests {
		if got := sanitize.Shell(tt.words...); got != tt.want {
			t.Errorf("Shell(%q) = %s, want %s", tt.words, got, tt.want)
		}
	}
}

// FuzzShell gives the line to a shell, which has to read the same words.
func FuzzShell(f *testing.F) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"plain", "", "a b", "it's", `back\slash`, "$(id) `id` $HOME", "x\ny", "\x1b]0;t\x07", "\u202e", "-n", "%s%d", "!!", "~", "#", "*?[a]", "a\xffb", "\"", "{a,b}", "a=b", "=a"} {
		f.Add(s, "second")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsRune(one+two, 0) {
			return // no argument can hold a zero byte
		}
		line := sanitize.Shell("printf", "%s|", one, two)
		if clean := string(sanitize.AppendLine(nil, []byte(line), 0)); clean != line {
			t.Errorf("%q is changed to %q on a terminal", line, clean)
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		want := kept(one) + "|" + kept(two) + "|"
		if string(out) != want {
			t.Errorf("%s gives %q, want %q", line, out, want)
		}
	})
}

// kept is a word as a shell can take it: without the line ends at its end.
func kept(word string) string { return strings.TrimRight(word, "\n") }
