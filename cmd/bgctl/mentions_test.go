//go:build !e2e

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// anything stands for what a message fills in.
const anything = "\u2039any\u203a"

var (
	mentionRE = regexp.MustCompile("(?:^|[\\s`(\"'$:])(?:bin/)?bgctl ([^\\n`]+)")
	fieldRE   = regexp.MustCompile(`"[^"\s][^"]*"[,.;:)]*|\S+`)
	templRE   = regexp.MustCompile(`\{\{[^}]*\}\}`)
	verbRE    = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)
	capsRE    = regexp.MustCompile(`^[A-Z]{2,}…?$`)
)

// mention is a command line that a user reads somewhere.
type mention struct{ where, text string }

// proseAfter are the words that follow the program's name in sentences about it.
func proseAfter() []string {
	return strings.Fields(`and as asks beside binary brings brought can cannot configuration does drew for from gives has image, in is itself keeps kept knows made makes
		moves needs never of on or projects reads runs says shows that the to was waits was which will with works would`)
}

// Intent: every command line that a user reads can be typed: the command exists, so do
// its flags, and the arguments are as many as it takes.
func TestMentions_OfCommandLinesParse(t *testing.T) {
	all := append(mentionsInGo(t), mentionsInText(t)...)
	if len(all) < 150 {
		t.Fatalf("only %d command lines found: the search is broken", len(all))
	}
	checked := 0
	for _, m := range all {
		for _, words := range mentioned(m.text) {
			if err := typed(words); err != nil {
				t.Errorf("%s: bgctl %s\n\t%v", m.where, strings.Join(words, " "), err)
			}
			checked++
		}
	}
	t.Logf("%d mentions, %d command lines", len(all), checked)
}

// Intent: the test above can fail.
func TestMentions_WrongOnesAreFound(t *testing.T) {
	for _, wrong := range []string{
		"bgctl docter", "bgctl up --dry-rum", "bgctl switch POOL POOL", "bgctl maintenance maybe", "bgctl heal POOL --for 3m",
		"bgctl chaos --mode kill", "bgctl status --interval soon", "bgctl top --interval x", "bgctl ack ALERT ALERT",
	} {
		found := false
		for _, m := range search("x", "run: "+wrong+"; then go on") {
			for _, words := range mentioned(m.text) {
				found = found || typed(words) != nil
			}
		}
		if !found {
			t.Errorf("%s passes", wrong)
		}
	}
	for _, right := range []string{
		"bgctl doctor", "bgctl up [--dry-run]", "bgctl switch POOL", "bgctl maintenance on|off", "bgctl chaos POOL --mode kill|stop --for 30s",
		"bgctl is a program", "an older bgctl, which", "bgctl promote or bgctl rollback ends it", "bgctl -H ssh://host status", "bgctl --version",
	} {
		for _, m := range search("x", "run: "+right) {
			for _, words := range mentioned(m.text) {
				if err := typed(words); err != nil {
					t.Errorf("%s: %v", right, err)
				}
			}
		}
	}
}

// Intent: a misspelt command below another one is an error, as one at the top is.
func TestUnknownCommand_IsAMistake(t *testing.T) {
	for _, args := range [][]string{{"maintenance", "onn"}, {"mantenance"}, {"agent", "sesion"}} {
		if code := silentApp().main(t.Context(), args); code != exitUsage {
			t.Errorf("bgctl %s: exit %d", strings.Join(args, " "), code)
		}
	}
	for _, args := range [][]string{{"maintenance"}, {"maintenance", "--help"}, {}} {
		if code := silentApp().main(t.Context(), args); code != exitOK {
			t.Errorf("bgctl %s: exit %d", strings.Join(args, " "), code)
		}
	}
}

// root is the top of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// mentionsInGo finds the command lines in the strings of the program's sources.
func mentionsInGo(t *testing.T) []mention {
	t.Helper()
	top := root(t)
	var out []mention
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "bin") {
			return cmpSkip(err)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			text, isText := literal(e)
			if !isText {
				return true
			}
			rel, _ := filepath.Rel(top, set.Position(e.Pos()).String())
			out = append(out, search(rel, text)...)
			return false
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func cmpSkip(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

// literal is the text of a string, or of a sum with a string in it.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return verbRE.ReplaceAllString(text, anything), err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		left, isLeft := literal(e.X)
		right, isRight := literal(e.Y)
		if !isLeft {
			left = anything
		}
		if !isRight {
			right = anything
		}
		return left + right, isLeft || isRight
	}
	return "", false
}

// mentionsInText finds them in the documents and in the files that users get.
func mentionsInText(t *testing.T) []mention {
	t.Helper()
	top := root(t)
	var out []mention
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*", "stack/*.yaml", "stack/.env.example", "stack/proxy/Dockerfile", "internal/tui/settings/*.json", "Makefile", "scripts/*.sh"} {
		files, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(top, file)
			for i, line := range strings.Split(strings.ReplaceAll(string(text), `\|`, "|"), "\n") {
				out = append(out, search(fmt.Sprintf("%s:%d", rel, i+1), line)...)
			}
		}
	}
	return out
}

// search finds every mention in a text.
func search(where, text string) []mention {
	var out []mention
	for at := 0; ; {
		m := mentionRE.FindStringSubmatchIndex(text[at:])
		if m == nil {
			return out
		}
		out = append(out, mention{where, text[at+m[2] : at+m[3]]})
		at += m[2]
	}
}

// mentioned reads the words that belong to the command line at the begin of a text,
// one line for each of its alternatives.
func mentioned(text string) [][]string {
	tree := newRootCommand(silentApp())
	cmd := tree
	lines := [][]string{nil}
	add := func(word string) {
		var next [][]string
		for alternative := range strings.SplitSeq(word, "|") {
			for _, line := range lines {
				next = append(next, append(slices.Clone(line), alternative))
			}
		}
		lines = next
	}
	wantsValue := false
	for i, raw := range fieldRE.FindAllString(templRE.ReplaceAllString(text, anything), -1) {
		word, last := trim(raw)
		switch {
		case word == "":
			return lines
		case wantsValue:
			add(word)
			wantsValue = false
		case strings.HasPrefix(word, "-"):
			add(word)
			wantsValue = takesValue(cmd, strings.SplitN(word, "|", 2)[0])
		case findSub(cmd, word) != nil:
			add(word)
			cmd = findSub(cmd, word)
		case cmd == tree:
			if i == 0 && slices.Contains(proseAfter(), word) || strings.Contains(word, anything) || !plainWord(word) {
				return nil
			}
			add(word)
			return lines
		case isArgument(word):
			add(word)
		default:
			return lines
		}
		if last {
			return lines
		}
	}
	return lines
}

// trim takes brackets and punctuation off a word; last says that a sentence or a
// command ends behind it.
func trim(raw string) (word string, last bool) {
	if strings.ContainsAny(raw[:1], "|&>#\\") || strings.HasPrefix(raw, "2>") || raw == "·" || raw == "—" {
		return "", true
	}
	if quoted, ok := strings.CutPrefix(raw, `"`); ok && strings.Contains(quoted, `"`) {
		value, rest, _ := strings.Cut(quoted, `"`)
		return value, rest != ""
	}
	word = strings.Trim(raw, "[]()")
	cut := strings.TrimRight(word, ".,;:)]\"'`<\\")
	return cut, cut != word || strings.HasSuffix(raw, ")")
}

// plainWord reports whether a word may be meant as a command.
func plainWord(word string) bool {
	return strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// isArgument tells an argument from the sentence that goes on.
func isArgument(word string) bool {
	return strings.Contains(word, anything) || capsRE.MatchString(strings.SplitN(word, "|", 2)[0]) || strings.ContainsAny(word, "0123456789_/.:$") ||
		slices.Contains(strings.Fields("blue green on off status maybe"), strings.SplitN(word, "|", 2)[0])
}

func findSub(cmd *cobra.Command, word string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == word || sub.HasAlias(word) {
			return sub
		}
	}
	return nil
}

// takesValue reports whether the word behind a flag belongs to it.
func takesValue(cmd *cobra.Command, flag string) bool {
	if strings.Contains(flag, "=") {
		return false
	}
	var f *pflag.Flag
	if name, long := strings.CutPrefix(flag, "--"); long {
		f = findCommand(cmd, func(set *pflag.FlagSet) *pflag.Flag { return set.Lookup(name) })
	} else if len(flag) == 2 {
		f = findCommand(cmd, func(set *pflag.FlagSet) *pflag.Flag { return set.ShorthandLookup(flag[1:]) })
	}
	return f != nil && f.NoOptDefVal == ""
}

func findCommand(cmd *cobra.Command, find func(*pflag.FlagSet) *pflag.Flag) *pflag.Flag {
	if f := find(cmd.Flags()); f != nil {
		return f
	}
	return find(cmd.InheritedFlags())
}

func silentApp() *app {
	return &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, env: func(string) string { return "" }}
}

// typed parses the words with the real commands. A command's name alone only names it.
func typed(words []string) error {
	if len(words) == 1 && findSub(newRootCommand(silentApp()), words[0]) != nil {
		return nil
	}
	var err error
	for _, value := range []string{"blue", "5m", "3", "error_rate"} {
		if err = parse(fillIn(words, value)); err == nil {
			return nil
		}
	}
	return err
}

// fillIn replaces placeholders by something that they stand for.
func fillIn(words []string, value string) []string {
	stands := map[string]string{
		"POOL": "blue", "OTHER": "green", "IMAGE": "shop:1", "ALERT": "error_rate", "FILE": "access.log", "FILE…": "access.log", "SERVICE": "app_blue",
		"CONTAINER": "shop-app_blue-1", "STATE": "ok", "NAME": "name", "HOST": "host", "TIME": "5m", "DURATION": "5m",
	}
	out := make([]string, len(words))
	for i, word := range words {
		word = strings.ReplaceAll(strings.Trim(word, "[]"), anything, value)
		if v, ok := stands[word]; ok {
			word = v
		}
		out[i] = strings.TrimSuffix(strings.Trim(word, `'"`), "…")
	}
	return out
}

// parse is what cobra does before it runs a command.
func parse(words []string) error {
	tree := newRootCommand(silentApp())
	tree.InitDefaultHelpCmd()
	tree.InitDefaultVersionFlag()
	tree.InitDefaultCompletionCmd()
	cmd, rest, err := tree.Traverse(words)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if slices.ContainsFunc(words, func(w string) bool { return w == "--help" || w == "--version" }) {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
