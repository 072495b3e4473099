package sanitize

import (
	"fmt"
	"regexp"
	"strings"
)

// bareRE is what a POSIX shell takes as it stands.
var bareRE = regexp.MustCompile(`^[A-Za-z0-9_./:@+,-][A-Za-z0-9_./:@+,=-]*$`)

// Shell returns the words of a command as one line that a person can paste into a POSIX
// shell: every word reaches the command as it is, whoever chose it. The line holds
// nothing that [Line] would change: a word with such characters is written with printf.
// A shell cannot take line ends at the end of such a word; they are lost.
func Shell(words ...string) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(shellWord(word))
	}
	return b.String()
}

// shellWord quotes one word.
func shellWord(word string) string {
	switch {
	case bareRE.MatchString(word):
		return word
	case string(AppendLine(nil, []byte(word), 0)) == word:
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder
	for i := range len(word) {
		if c := word[i]; c != '-' && bareRE.MatchString(string(rune(c))) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	return `"$(printf '` + b.String() + `')"`
}
