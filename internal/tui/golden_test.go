package tui_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"bgctl/internal/tui"
	"bgctl/internal/tui/sim"
)

// sizes are the sizes that goldens hold.
func sizes() [][2]int { return [][2]int{{120, 36}, {80, 24}, {40, 10}} }

// shot puts a screen into a state and returns it after its frame was drawn.
func shot(t *testing.T, st *state, size [2]int) *screen {
	t.Helper()
	u := usual(size[0], size[1])
	if st.tune != nil {
		st.tune(&u)
	}
	s := open(t, u)
	st.make(s)
	exact(t, s.View().Content, size[0], size[1])
	return s
}

// colour finds every escape sequence that sets a colour.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*(3[0-79]|4[0-79]|9[0-7]|38|48)[;m]`)

// TestScreen_Golden holds each state at each size: the text, the style of each cell,
// and the frame of a terminal that knows ASCII only. Without colours the text must
// be the same.
func TestScreen_Golden(t *testing.T) {
	for _, st := range states() {
		for _, size := range sizes() {
			t.Run(fmt.Sprintf("%s-%dx%d", st.name, size[0], size[1]), func(t *testing.T) {
				t.Parallel()
				s := shot(t, &st, size)
				text := ansi.Strip(s.View().Content)
				styles := s.Styles()
				mono := s.Restyle(tui.ThemeMono, tui.CharsetUnicode)
				if ansi.Strip(mono) != text {
					t.Errorf("without colours the screen says something else:\n%s", ansi.Strip(mono))
				}
				if seq := colour.FindString(mono); seq != "" {
					t.Errorf("the screen without colours has one: %q", seq)
				}
				ascii := ansi.Strip(s.Restyle(tui.ThemeMono, tui.CharsetASCII))
				for _, r := range ascii {
					if r > '~' {
						t.Errorf("the ASCII screen has %q", r)
						break
					}
				}
				golden.RequireEqual(t, strings.Join([]string{"screen", text, "styles", styles, "ascii", ascii, ""}, "\n"))
			})
		}
	}
}

func TestScreen_GoldenWithColours(t *testing.T) {
	for _, theme := range []string{tui.ThemeDark, tui.ThemeLight, tui.ThemeContrast, tui.ThemeMono} {
		t.Run(theme, func(t *testing.T) {
			u := usual(120, 36)
			u.opts.Theme, u.sim.Spells = theme, sim.BadNow
			golden.RequireEqual(t, live(t, u).View().Content)
		})
	}
}

func TestScreen_SaysWhatIsMissingWhenTooSmall(t *testing.T) {
	s := open(t, usual(32, 8))
	exact(t, s.View().Content, 32, 8)
	s.contains("terminal 32x8", "need 40x10", "q quits")
	if cmd := s.press("q"); cmd == nil {
		t.Error("q does not quit")
	}
}
