package tui

import (
	"strings"
	"unicode/utf8"
)

// theme turns styles into escape sequences and glyphs into what the terminal has.
type theme struct {
	name  string
	sgr   [styles]string
	ascii bool
}

// palette holds the SGR parameters of each ink.
type palette [inkCount]string

// The palettes. Pool identity and severity stay apart for colour-blind readers,
// and words and glyphs carry everything once more.
func palettes(name string) palette {
	switch name {
	case ThemeLight:
		return palette{
			muted: "38;2;85;85;85", inkBlue: "38;2;26;47;160", inkGreen: "38;2;0;120;95",
			inkWarn: "38;2;122;92;0", inkCrit: "38;2;143;0;48",
		}
	case ThemeContrast:
		return palette{
			muted: "38;5;255", inkBlue: "38;5;111", inkGreen: "38;5;86",
			inkWarn: "38;5;226", inkCrit: "38;5;210",
		}
	case contrastLight:
		return palette{
			muted: "38;2;0;0;0", inkBlue: "38;2;0;0;192", inkGreen: "38;2;0;90;72",
			inkWarn: "38;2;90;67;0", inkCrit: "38;2;122;0;40",
		}
	case theme16:
		return palette{inkBlue: "94", inkGreen: "92", inkWarn: "93", inkCrit: "91"}
	case ThemeMono:
		return palette{}
	}
	return palette{
		muted: "38;5;247", inkBlue: "38;5;105", inkGreen: "38;5;86",
		inkWarn: "38;5;227", inkCrit: "38;5;203",
	}
}

// The themes that [Options] may name. [ThemeAuto] asks the terminal for its background.
const (
	ThemeAuto  = "auto"
	ThemeDark  = "dark"
	ThemeLight = "light"
	ThemeMono  = "mono"
	// ThemeContrast has no colour of middle brightness.
	ThemeContrast = "high-contrast"

	contrastLight = "high-contrast, light"
	theme16       = "16" // what terminals with 16 colours get
)

// newTheme prepares every style once.
func newTheme(name string, charset Charset) *theme {
	t := &theme{name: name, ascii: charset == CharsetASCII}
	p := palettes(name)
	for st := range style(styles) {
		params := []string{"0"}
		if st&bold != 0 {
			params = append(params, "1")
		}
		if st&reverse != 0 {
			params = append(params, "7")
		}
		if ink := st & inkMask; ink < inkCount && p[ink] != "" {
			params = append(params, p[ink])
		}
		seq := strings.Join(params, ";")
		if seq == "0" {
			seq = ""
		}
		t.sgr[st] = "\x1b[" + seq + "m"
	}
	return t
}

// write writes the text of one cell.
func (t *theme) write(b *strings.Builder, text string) {
	if !t.ascii || len(text) == 1 || text == "" {
		b.WriteString(text)
		return
	}
	r, _ := utf8.DecodeRuneInString(text)
	b.WriteByte(asciiOf(r))
	if width(text) == 2 {
		b.WriteByte('?')
	}
}

// asciiOf returns the stand-in of a glyph on terminals without Unicode.
func asciiOf(r rune) byte {
	const pairs = "╭+╮+╰+╯+╔+╗+╚+╝+┏#┓#┗#┛#├+┤+┼+└+┘+┌+┐+─-━=═=┄-│|║|┃#▏|▶>▸>▲!△^▼v●*○o◌o◇*✓+×x‖|→>←<↑^↓v≥>≤<–-—-….·." +
		"█#▇%▆*▅+▄=▃-▂.▁_░.▒:▓x"
	next := false
	for _, p := range pairs {
		if next {
			return byte(p) //nolint:gosec // the stand-ins are ASCII
		}
		next = p == r
	}
	return '?'
}
