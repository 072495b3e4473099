package tui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"bgctl/internal/tui"
)

func TestLayout_PartsNeverOverlap(t *testing.T) {
	for w := 40; w <= 200; w += 3 {
		for h := 10; h <= 70; h++ {
			for _, zoom := range []int{0, 3} {
				used := make([]bool, w*h)
				for _, r := range tui.Rects(w, h, zoom) {
					for y := r.Y; y < r.Y+r.H; y++ {
						for x := r.X; x < r.X+r.W; x++ {
							if x >= w || y >= h || used[y*w+x] {
								t.Fatalf("%dx%d zoom %d: %+v overlaps or lies outside at %d,%d", w, h, zoom, r, x, y)
							}
							used[y*w+x] = true
						}
					}
				}
				if free := slices.Index(used, false); free >= 0 {
					t.Fatalf("%dx%d zoom %d: cell %d,%d belongs to nothing", w, h, zoom, free%w, free/w)
				}
			}
		}
	}
}

func TestKeys_NoClashAndAllInTheHelp(t *testing.T) {
	s := live(t, usual(120, 60))
	s.press("?")
	seen := map[string]string{}
	for _, b := range tui.Bindings() {
		for _, k := range b.Keys {
			if other, ok := seen[k]; ok {
				t.Errorf("%q is bound to %q and to %q", k, other, b.Help)
			}
			seen[k] = b.Help
		}
		s.contains(b.Show, b.Help)
	}
	for _, danger := range []string{"ctrl+d", "ctrl+k", "backspace", "delete"} {
		if help := seen[danger]; strings.Contains(help, "kill") || strings.Contains(help, "switch") {
			t.Errorf("%s must not be destructive: %s", danger, help)
		}
	}
}

func TestModel_EveryKeyIsSafeInEveryState(t *testing.T) {
	names := []string{"up", "down", "pgup", "pgdown", "home", "end", "left", "right", "shift+tab", "ctrl+l", "ctrl+u", "backspace"}
	for _, b := range tui.Bindings() {
		names = append(names, b.Keys...)
	}
	for _, st := range states() {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			u := usual(80, 24)
			if st.tune != nil {
				st.tune(&u)
			}
			s := open(t, u)
			st.make(s)
			for _, k := range names {
				s.press(k)
				exact(t, s.View().Content, 80, 24)
			}
		})
	}
}

// BenchmarkFrame measures one whole frame, drawn anew, from the data to the string.
func BenchmarkFrame(b *testing.B) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {200, 60}} {
		b.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(b *testing.B) {
			s := live(b, usual(size[0], size[1]))
			b.ReportAllocs()
			for b.Loop() {
				s.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				s.View()
			}
		})
	}
}
